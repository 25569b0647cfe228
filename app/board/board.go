// Package board gives the cards of a board's column their orders: numbers that rise from the
// top to the bottom. A card that is put between two others gets a number between theirs, so
// that no other card changes. Package board is pure and imports nothing of ours.
package board

import "math"

// maxWhole is the largest number up to which a float64 tells all whole numbers apart.
const maxWhole = 1 << 53

// Place returns the order of a card that is put before the one at a place among others, whose
// orders do not fall. moved are the new orders of others, by their place: as few as are
// needed where two orders are equal or nothing is left between them.
func Place(orders []float64, at int) (order float64, moved map[int]float64) {
	for n := range len(orders) + 1 {
		if at+n <= len(orders) {
			if keys, ok := spread(bound(orders, at-1), bound(orders, at+n), n+1); ok {
				return keys[0], changes(orders, at, keys[1:])
			}
		}
		if at-n >= 0 {
			if keys, ok := spread(bound(orders, at-n-1), bound(orders, at), n+1); ok {
				return keys[n], changes(orders, at-n, keys[:n])
			}
		}
	}
	moved = map[int]float64{}
	for i := range orders {
		moved[i] = float64(i + 1)
		if i >= at {
			moved[i]++
		}
	}
	return float64(at + 1), moved
}

// Between tells whether a card with an order stands at a place among others, beyond doubt.
func Between(orders []float64, at int, order float64) bool {
	lo, hi := bound(orders, at-1), bound(orders, at)
	return (lo == nil || *lo < order) && (hi == nil || order < *hi)
}

// bound is an order, or nil outside of the list.
func bound(orders []float64, i int) *float64 {
	if i < 0 || i >= len(orders) {
		return nil
	}
	return &orders[i]
}

func changes(orders []float64, from int, keys []float64) map[int]float64 {
	moved := map[int]float64{}
	for i, k := range keys {
		if orders[from+i] != k {
			moved[from+i] = k
		}
	}
	return moved
}

// spread returns n rising numbers between two, or beyond one; ok is false if there are not
// so many.
func spread(lo, hi *float64, n int) (keys []float64, ok bool) {
	first, step := 1.0, 1.0
	switch {
	case lo != nil && hi != nil:
		step = (*hi - *lo) / float64(n+1)
		first = *lo + step
		if whole := math.Round(first); n == 1 && *lo < whole && whole < *hi {
			first = whole
		}
	case lo != nil:
		first = math.Floor(*lo) + 1
	case hi != nil:
		first = math.Ceil(*hi) - float64(n)
	}
	last := lo
	for i := range n {
		k := first + float64(i)*step
		if math.IsInf(k, 0) || math.IsNaN(k) || math.Abs(k) > maxWhole || last != nil && k <= *last || hi != nil && k >= *hi {
			return nil, false
		}
		keys = append(keys, k)
		last = &k
	}
	return keys, true
}
