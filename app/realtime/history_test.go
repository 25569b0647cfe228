package realtime

import (
	"fmt"
	"testing"
	"time"
)

// A person whose connections do not read gets so much history and no more;
// others get theirs, and all of it is given back.
func TestUnreadHistory(t *testing.T) {
	t.Parallel()
	const events = 4 * pageSize
	h := newHistory(1<<20, 600<<10)
	f := feed{maxFrames: 4, maxBytes: 1 << 20, now: time.Now, first: events + 1, last: events, history: h, waiting: map[int64][]*seat{},
		fetch: func(int64) {}}
	read := func(from int64) {
		var entries []*entry
		for seq := from; seq < from+pageSize; seq++ {
			entries = append(entries, &entry{seq: seq, size: 1000, encode: func(Variant) ([]byte, time.Duration) { return make([]byte, 1000), 0 }})
		}
		if _, ok := f.answer(from, 0, entries); !ok {
			t.Fatal("the page was not wanted")
		}
	}
	member := func(user string, after int64) *seat {
		c := &seat{conn: &Conn{who: ConnOptions{UserID: user}}}
		f.start(c, after, true)
		return c
	}
	// replays has c take what it gets, and reports whether that is anything.
	replays := func(c *seat) bool {
		b := &batch{}
		f.take(c, b)
		for from := range f.waiting {
			read(from)
		}
		f.take(c, b)
		return len(b.frames) > 0
	}
	used := func() string { return fmt.Sprint(h.used>>10, " KiB, Ann's ", h.of["ann"]>>10) }

	var stuck []*seat
	late := member("ann", 0)
	for replays(late) {
		if stuck = append(stuck, late); len(stuck) > 10 {
			t.Fatalf("there is no end (%s)", used())
		}
		late = member("ann", int64(len(stuck)%4*pageSize))
	}
	if len(stuck) < 2 || h.of["ann"] > h.mostOf+2*256<<10 || h.used > h.most {
		t.Errorf("%d connections got %s", len(stuck), used())
	}
	other := member("bob", 0)
	if !replays(other) {
		t.Errorf("somebody else found no room (%s)", used())
	}
	for _, c := range stuck {
		f.settled(c) // what it had was read
		f.leave(c)
	}
	if !replays(late) {
		t.Errorf("there was no room after others had read (%s)", used())
	}
	for _, c := range append(stuck, late, other) {
		f.leave(c)
		if f.take(c, &batch{}) != 0 || c.cur.page != nil {
			t.Error("one that has left is served")
		}
	}
	f.empty()
	if h.used != 0 || len(h.of) != 0 {
		t.Errorf("%s are left", used())
	}
}
