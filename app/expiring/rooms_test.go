package expiring_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/expiring"
)

func TestRooms(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(n int) time.Time { return now.Add(time.Duration(n) * time.Second) }
	var r expiring.Rooms[string, string]
	check := func(when int, want ...string) {
		t.Helper()
		got := r.In("a", at(when))
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("after %d s: got %q, want %q", when, got, want)
		}
	}
	check(0)
	r.Put("a", "x", "first", at(0), at(4))
	r.Put("a", "y", "second", at(1), at(5))
	r.Put("b", "z", "elsewhere", at(1), at(9))
	check(1, "first", "second")
	r.Put("a", "x", "again", at(2), at(6))
	check(2, "again", "second")
	if got := r.Until("a", at(2)); got != at(6) {
		t.Errorf("the last one expires at %v", got)
	}
	check(5, "again") // it ends when its time is over, not behind it
	if !r.Remove("a", "x") || r.Remove("a", "x") || r.Remove("nowhere", "x") {
		t.Error("what was there is known once")
	}
	check(5)
	if got := r.Until("a", at(9)); !got.IsZero() {
		t.Errorf("nothing is left until %v", got)
	}
}

// A room that is full keeps whom it has, and their changes.
func TestRoomsAreBounded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var r expiring.Rooms[int, int]
	for i := range 2 * expiring.MaxEntries {
		r.Put("a", i, i, now, now.Add(time.Second))
	}
	r.Put("a", 0, -1, now, now.Add(time.Second))
	if got := r.In("a", now); len(got) != expiring.MaxEntries || !slices.Contains(got, -1) {
		t.Errorf("got %d entries, with the change: %v", len(got), slices.Contains(got, -1))
	}
}

// Rooms in which nothing holds any more are forgotten, also those that nobody looks at.
func TestRoomsForget(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var r expiring.Rooms[int, bool]
	for i := range 5000 {
		r.Put(fmt.Sprint(i), 1, true, now, now.Add(time.Second))
		now = now.Add(10 * time.Millisecond)
	}
	if got := r.Len(); got > 1000 {
		t.Errorf("%d rooms are kept", got)
	}
}
