package turn

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/coagent-studio/coagent/store"
)

// A window has at least the messages that it is asked for, and begins with the same one
// for a while, whatever else takes numbers in the room.
func TestWindow(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 2, 3, 4, 5, 10, 20, 50, 100, 400, 700, 1000} {
		for _, gap := range []int{1, 3, 7} {
			var all []int64
			seq, begins, moves, full := int64(0), int64(0), 0, 0
			least, most := windowSize(n)
			if most > store.MaxLimit || n <= store.MaxLimit-n/4 && least < n || least < n-n/4 || most > 3*n {
				t.Fatalf("a window of %d messages has from %d to %d", n, least, most)
			}
			for range most + 500 {
				seq += 1 + rnd.Int64N(int64(gap))
				all = append(all, seq)
				got, err := Window(n, func(limit int) ([]int64, error) { return all[max(len(all)-limit, 0):], nil }, func(s *int64) int64 { return *s })
				if err != nil || len(got) > most || len(got) < min(least, len(all)) || got[len(got)-1] != seq {
					t.Fatalf("got %d messages of %d (%v), want %d to %d", len(got), len(all), err, least, most)
				}
				if full++; got[0] != begins {
					begins, moves = got[0], moves+1
				}
			}
			// Each beginning lasts for at least a third of the spare messages, on average.
			if spare := most - least; moves > 1+500*3/(spare+1) {
				t.Errorf("window of %d, gaps of %d: %d of %d begin with another message than the one before", n, gap, moves, full)
			}
		}
	}
	failed := errors.New("no database")
	if _, err := Window(10, func(int) ([]int64, error) { return nil, failed }, func(s *int64) int64 { return *s }); !errors.Is(err, failed) {
		t.Errorf("got %v, want what the database says", err)
	}
}

// A message that is taken away from the middle of a window moves its beginning only
// when it was the beginning.
func TestWindowWithoutAMessage(t *testing.T) {
	t.Parallel()
	var all []int64
	for seq := range int64(100) {
		all = append(all, seq+1)
	}
	begin := func(rows []int64) int64 {
		got, _ := Window(10, func(limit int) ([]int64, error) { return rows[max(len(rows)-limit, 0):], nil }, func(s *int64) int64 { return *s })
		return got[0]
	}
	first := begin(all)
	for _, gone := range all[first:] {
		rows := slices.DeleteFunc(slices.Clone(all), func(s int64) bool { return s == gone })
		if got := begin(rows); got != first && got != 64 {
			t.Errorf("without %d the window begins with %d, not %d", gone, got, first)
		}
	}
}
