package realtime

import (
	"testing"
	"time"
)

func TestFeedGrow(t *testing.T) {
	t.Parallel()
	seqs := func(seqs ...int64) (entries []*entry) {
		for _, s := range seqs {
			entries = append(entries, &entry{seq: s, size: 10})
		}
		return entries
	}
	for _, tc := range []struct {
		name        string
		pages       [][]*entry
		first, last int64
		kept        int
		base        int64
	}{
		{"Consecutive", [][]*entry{seqs(6, 7), seqs(8)}, 6, 8, 3, 0},
		{"KnownOnesAreSkipped", [][]*entry{seqs(6, 7, 8), seqs(7, 8, 9)}, 6, 9, 4, 0},
		{"OlderOnesChangeNothing", [][]*entry{seqs(6, 7), seqs(3, 4)}, 6, 7, 2, 0},
		{"AHoleEmptiesTheWindow", [][]*entry{seqs(6, 7), seqs(9, 10)}, 9, 10, 2, 3},
		{"TheWindowIsBoundedByFrames", [][]*entry{seqs(6, 7, 8, 9, 10, 11)}, 8, 11, 4, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := feed{maxFrames: 4, maxBytes: 1000, now: time.Now, first: 6, last: 5}
			for _, p := range tc.pages {
				f.grow(p)
			}
			if f.first != tc.first || f.last != tc.last || len(f.entries) != tc.kept || f.base != tc.base || f.bytes != 10*tc.kept {
				t.Errorf("got %d..%d, %d entries of %d bytes from position %d; want %d..%d, %d, %d, %d",
					f.first, f.last, len(f.entries), f.bytes, f.base, tc.first, tc.last, tc.kept, 10*tc.kept, tc.base)
			}
		})
	}

	t.Run("TheWindowIsBoundedByBytesButHoldsTheNewest", func(t *testing.T) {
		t.Parallel()
		f := feed{maxFrames: 4, maxBytes: 25, now: time.Now, first: 6, last: 5}
		f.grow(seqs(6, 7, 8))
		f.signal(&entry{size: 90})
		if f.first != 9 || len(f.entries) != 1 || f.bytes != 90 {
			t.Errorf("got first %d, %d entries of %d bytes; want 9, 1 and 90", f.first, len(f.entries), f.bytes)
		}
	})
}
