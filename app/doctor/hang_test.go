package doctor

import (
	"context"
	"strings"
	"testing"
	"time"
)

// TestHangs: a check that does not heed its bound is told of, and is not begun again.
func TestHangs(t *testing.T) {
	t.Parallel()
	release, begun := make(chan struct{}), 0
	in := &Installation{Now: time.Now}
	hangs := check{"disk", nothing, 10 * time.Millisecond, func(context.Context, *Installation) []Finding {
		begun++
		<-release
		return one(fine(words("back")))
	}}
	d := new(Doctor)
	for _, says := range []string{"has not come back within", "An earlier check has not come back"} {
		if got := d.bounded(t.Context(), in, hangs); len(got) != 1 || got[0].State != Fault || !strings.Contains(got[0].Text.String(), says) {
			t.Errorf("got %v, want %q", got, says)
		}
	}
	close(release)
	for d.hangs("disk") {
		time.Sleep(time.Millisecond)
	}
	if got := d.bounded(t.Context(), in, hangs); len(got) != 1 || got[0].State != OK || begun != 2 {
		t.Errorf("got %v after %d begins, want the check again", got, begun)
	}
}

func (d *Doctor) hangs(check string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, hangs := d.hanging[check]
	return hangs
}
