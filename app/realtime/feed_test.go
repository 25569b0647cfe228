package realtime

import (
	"strings"
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

func TestRewrittenEventsAreReadAgain(t *testing.T) {
	t.Parallel()
	var fetched []int64
	f := feed{maxFrames: 400, maxBytes: 1 << 20, now: time.Now, first: 3, last: 2, waiting: map[int64][]*seat{},
		fetch: func(from int64) { fetched = append(fetched, from) }}
	text := func(s string) func(Variant) ([]byte, time.Duration) {
		return func(Variant) ([]byte, time.Duration) { return []byte(s), 0 }
	}
	taken := func(c *seat) (all string) {
		b := newBatch()
		defer b.release()
		f.take(c, b)
		for _, frame := range b.frames {
			all += string(frame)
		}
		return all
	}
	old := []*entry{{seq: 1, encode: text("old one")}, {seq: 2, encode: text("old two")}}
	late, next := &seat{conn: &Conn{}}, &seat{conn: &Conn{}}
	f.start(late, 0, true)
	f.start(next, 0, true)
	taken(late)
	epoch := f.reading()
	f.grow([]*entry{{seq: 3, encode: text("old three")}})
	f.extend(&entry{seq: 4, rewrites: true, encode: text("rewritten")})
	if _, ok := f.answer(1, epoch, old); ok {
		t.Error("a page was taken that was read before the events were rewritten")
	}
	fresh := []*entry{{seq: 1, encode: text("new one")}, {seq: 2, encode: text("new two")}, {seq: 3, encode: text("new three")}}
	if conns, ok := f.answer(1, f.reading(), fresh); !ok || len(conns) != 1 {
		t.Errorf("got %d connections and %v, want the one that waits", len(conns), ok)
	}
	f.extend(&entry{seq: 5, rewrites: true, encode: text("again")})
	if got := taken(late); got != "" || len(fetched) != 2 {
		t.Errorf("got %q and %d reads, want nothing from the page in hand but a second read", got, len(fetched))
	}
	if _, ok := f.answer(1, f.reading(), append(fresh, &entry{seq: 4, encode: text("rewritten")})); !ok {
		t.Error("the second page was refused")
	}
	for _, c := range []*seat{late, next} {
		got := taken(c)
		if strings.Contains(got, "old") || !strings.Contains(got, "new three") || !strings.HasSuffix(got, "again") {
			t.Errorf("got %q, want the log as it is now", got)
		}
	}
}

func TestPagesEndByTheirBytes(t *testing.T) {
	t.Parallel()
	for _, size := range []int{100, 16 << 10, pageBytes + 1} {
		var events []*entry
		for seq := range int64(pageSize) {
			events = append(events, &entry{seq: seq + 1, size: size, encode: func(Variant) ([]byte, time.Duration) { return []byte("x"), 0 }})
		}
		fetched := 0
		f := feed{maxFrames: 4, maxBytes: 1 << 20, now: time.Now, first: pageSize + 1, last: pageSize, waiting: map[int64][]*seat{},
			fetch: func(int64) { fetched++ }}
		c, got := &seat{conn: &Conn{}}, 0
		f.start(c, 0, true)
		for reads := 0; got < pageSize && reads <= pageSize; {
			b := newBatch()
			f.take(c, b)
			got += len(b.frames)
			b.release()
			if fetched > reads {
				reads = fetched
				f.answer(1, f.reading(), events)
			}
			held := f.pages
			if c.cur.page != nil {
				held = append([]*page{c.cur.page}, held...)
			}
			for _, p := range held {
				if len(p.entries) > max(1, pageBytes/size) {
					t.Fatalf("a page has %d events of %d bytes", len(p.entries), size)
				}
			}
			if len(f.pages) > pagesKept {
				t.Fatalf("%d pages are kept", len(f.pages))
			}
		}
		if got != pageSize {
			t.Errorf("%d of %d events of %d bytes came", got, pageSize, size)
		}
		if most := max(1, pageSize*size/pageBytes/(pagesKept-1)+1); fetched > most && size <= pageBytes {
			t.Errorf("%d reads for events of %d bytes, want %d at most", fetched, size, most)
		}
	}
}
