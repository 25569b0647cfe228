package terminal_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/terminal"
)

// TestProgress: a command of ten minutes whose last step says nothing is never silent for long.
func TestProgress(t *testing.T) {
	t.Parallel()
	for _, on := range []bool{true, false} {
		now := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
		var out bytes.Buffer
		p := terminal.ProgressTo(&out, on, func() time.Time { return now })
		p.Tell("over in a moment")
		if out.Len() > 0 {
			t.Errorf("terminal %v: wrote %q at once", on, out.String())
		}
		last, longest, lines := now, time.Duration(0), 0
		for s := range 600 {
			now = now.Add(time.Second)
			if s < 60 {
				p.Tell("reading")
			}
			p.Tick()
			if out.Len() > 0 {
				longest, last = max(longest, now.Sub(last)), now
				lines += bytes.Count(out.Bytes(), []byte("\n"))
				if s == 300 && !bytes.Contains(out.Bytes(), []byte("reading (since 4m1s)")) && on {
					t.Errorf("got %q", out.String())
				}
				out.Reset()
			}
		}
		longest = max(longest, now.Sub(last))
		p.End()
		lines += bytes.Count(out.Bytes(), []byte("\n"))
		if want := map[bool]int{true: 1, false: 60}[on]; lines != want || longest > 10*time.Second {
			t.Errorf("terminal %v: %d lines, want %d; silent for %v", on, lines, want, longest)
		}
	}
}
