// Package lcs finds what two lists have in common, in their order. It is pure, and bounded.
package lcs

import "sort"

// mostCells bounds the table of a longest common subsequence: of 4 megabytes.
const mostCells = 1 << 20

// Pairs returns the places of equal elements of two lists, in rising order. It is a longest
// common subsequence of short lists. Long ones are first cut at the elements that each has
// once (patience diff); what is too long even then has nothing in common.
func Pairs[T comparable](a, b []T) [][2]int {
	var pairs [][2]int
	pair(a, b, 0, 0, &pairs)
	return pairs
}

func pair[T comparable](a, b []T, fromA, fromB int, pairs *[][2]int) {
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		*pairs = append(*pairs, [2]int{fromA, fromB})
		a, b, fromA, fromB = a[1:], b[1:], fromA+1, fromB+1
	}
	tail := 0
	for len(a) > tail && len(b) > tail && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	a, b = a[:len(a)-tail], b[:len(b)-tail]
	if len(a) > 0 && len(b) > 0 {
		if len(a)*len(b) <= mostCells {
			longest(a, b, fromA, fromB, pairs)
		} else if cuts := anchors(a, b); len(cuts) > 0 {
			i, j := 0, 0
			for _, c := range cuts {
				pair(a[i:c[0]], b[j:c[1]], fromA+i, fromB+j, pairs)
				*pairs = append(*pairs, [2]int{fromA + c[0], fromB + c[1]})
				i, j = c[0]+1, c[1]+1
			}
			pair(a[i:], b[j:], fromA+i, fromB+j, pairs)
		}
	}
	for i := range tail {
		*pairs = append(*pairs, [2]int{fromA + len(a) + i, fromB + len(b) + i})
	}
}

// longest adds a longest common subsequence, by the table of its lengths.
func longest[T comparable](a, b []T, fromA, fromB int, pairs *[][2]int) {
	width := len(b) + 1
	length := make([]int32, (len(a)+1)*width)
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				length[i*width+j] = length[(i+1)*width+j+1] + 1
			} else {
				length[i*width+j] = max(length[(i+1)*width+j], length[i*width+j+1])
			}
		}
	}
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] == b[j]:
			*pairs = append(*pairs, [2]int{fromA + i, fromB + j})
			i, j = i+1, j+1
		case length[(i+1)*width+j] >= length[i*width+j+1]:
			i++
		default:
			j++
		}
	}
}

// anchors pairs the elements that each list has once, as many as stand in the same order.
func anchors[T comparable](a, b []T) [][2]int {
	type places struct{ inA, inB, a, b int }
	of := map[T]*places{}
	for i, it := range a {
		p := of[it]
		if p == nil {
			p = &places{}
			of[it] = p
		}
		p.inA, p.a = p.inA+1, i
	}
	for j, it := range b {
		if p := of[it]; p != nil {
			p.inB, p.b = p.inB+1, j
		}
	}
	var once [][2]int
	for i, it := range a {
		if p := of[it]; p.inA == 1 && p.inB == 1 {
			once = append(once, [2]int{i, p.b})
		}
	}
	// The longest rising sequence of places in b: tops[n] ends the best one of n+1 pairs.
	var tops []int
	before := make([]int, len(once))
	for i, o := range once {
		n := sort.Search(len(tops), func(n int) bool { return once[tops[n]][1] >= o[1] })
		before[i] = -1
		if n > 0 {
			before[i] = tops[n-1]
		}
		if n == len(tops) {
			tops = append(tops, i)
		} else {
			tops[n] = i
		}
	}
	rising := make([][2]int, len(tops))
	for n, i := len(tops)-1, -1; n >= 0; n-- {
		if i < 0 {
			i = tops[n]
		}
		rising[n] = once[i]
		i = before[i]
	}
	return rising
}
