package lcs_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/coagent-studio/coagent/app/lcs"
)

// Lists that are too long for the table are cut at what each has once: a few changes among
// thousands of elements are found, wherever they are.
func TestPairsOfLongLists(t *testing.T) {
	t.Parallel()
	chance := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		a := make([]int, 5000)
		for i := range a {
			a[i] = i
			if i%7 == 0 { // what comes often is no place to cut at
				a[i] = -1
			}
		}
		b, changes := slices.Clone(a), 0
		for i := chance.IntN(50); i < len(b); i += 50 + chance.IntN(200) {
			b[i], changes = 10_000+i, changes+1
		}
		pairs := lcs.Pairs(a, b)
		if len(pairs) != len(a)-changes {
			t.Errorf("got %d pairs of %d elements with %d changes", len(pairs), len(a), changes)
		}
		last := [2]int{-1, -1}
		for _, p := range pairs {
			if p[0] <= last[0] || p[1] <= last[1] || a[p[0]] != b[p[1]] {
				t.Fatalf("got %v behind %v", p, last)
			}
			last = p
		}
	}
}
