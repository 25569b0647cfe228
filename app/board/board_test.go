package board_test

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/coagent-studio/coagent/app/board"
)

func TestPlace(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		orders []float64
		at     int
		want   float64
		moved  map[int]float64
	}{
		"an empty column":        {nil, 0, 1, nil},
		"the top":                {[]float64{1, 2}, 0, 0, nil},
		"the end":                {[]float64{1, 2.5}, 2, 3, nil},
		"between":                {[]float64{1, 2}, 1, 1.5, nil},
		"a whole number":         {[]float64{1, 4}, 1, 3, nil},
		"equal ones":             {[]float64{0, 0, 0, 7}, 1, -1, map[int]float64{0: -2}},
		"equal ones to the end":  {[]float64{3, 3}, 1, 4, map[int]float64{1: 5}},
		"nothing left":           {[]float64{1, math.Nextafter(1, 2), 5}, 1, 0, nil},
		"beyond all numbers":     {[]float64{math.MaxFloat64}, 1, 0, nil},
		"nothing left anywhere":  {[]float64{-math.MaxFloat64, math.MaxFloat64}, 1, 0, nil},
		"all of them are beyond": {[]float64{math.MaxFloat64, math.MaxFloat64}, 1, 2, map[int]float64{0: 1, 1: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, moved := board.Place(c.orders, c.at)
			check(t, c.orders, c.at, got, moved)
			if c.moved != nil || c.want != 0 {
				same := len(moved) == len(c.moved)
				for i, k := range c.moved {
					same = same && moved[i] == k
				}
				if got != c.want || !same {
					t.Errorf("got %v and %v, want %v and %v", got, moved, c.want, c.moved)
				}
			}
		})
	}
}

// check: after the move all orders up to the card rise, and no other card changes its place.
func check(t interface{ Fatalf(string, ...any) }, orders []float64, at int, order float64, moved map[int]float64) []float64 {
	after := slices.Clone(orders)
	for i, k := range moved {
		after[i] = k
	}
	if !board.Between(after, at, order) {
		t.Fatalf("%v at %d of %v (%v): not between", order, at, orders, moved)
	}
	after = slices.Insert(after, at, order)
	if !slices.IsSorted(after) {
		t.Fatalf("%v at %d of %v (%v): not sorted", order, at, orders, moved)
	}
	return after
}

func TestPlaceProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.OneOf(rapid.Float64(), rapid.Map(rapid.IntRange(-3, 3), func(n int) float64 { return float64(n) }))
		orders := rapid.SliceOfN(number, 0, 12).Draw(t, "orders")
		slices.Sort(orders)
		for range 70 { // more than a float64 can be halved
			at := rapid.IntRange(0, len(orders)).Draw(t, "at")
			order, moved := board.Place(orders, at)
			orders = check(t, orders, at, order, moved)
		}
	})
}

// Whoever puts card after card at the same place moves few others.
func TestFewMoves(t *testing.T) {
	t.Parallel()
	orders, moves := []float64{1, 2}, 0
	for range 1000 {
		order, moved := board.Place(orders, 1)
		moves += len(moved)
		orders = check(t, orders, 1, order, moved)
	}
	if moves > 1000 {
		t.Errorf("got %d moves of other cards in 1000 moves", moves)
	}
}
