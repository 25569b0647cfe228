package turn

import (
	"errors"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/llm"
)

// A class whose turns fail together does not come back together, and nobody comes back
// before the provider allows it.
func TestPausesAfterFaults(t *testing.T) {
	t.Parallel()
	limited := func(asked time.Duration) error { return &llm.Error{Kind: llm.Limited, RetryAfter: asked} }
	for name, c := range map[string]struct {
		err         error
		attempt     int
		least, most time.Duration
	}{
		"the first":             {limited(0), 1, 500 * time.Millisecond, 1500 * time.Millisecond},
		"the second":            {limited(0), 2, time.Second, 3 * time.Second},
		"the third":             {limited(0), 3, 2 * time.Second, 6 * time.Second},
		"a late one":            {limited(0), 20, 10 * time.Second, 30 * time.Second},
		"what a provider asks":  {limited(10 * time.Second), 1, 10*time.Second + 500*time.Millisecond, 11*time.Second + 500*time.Millisecond},
		"an error of ours":      {errors.New("the database is away"), 1, 500 * time.Millisecond, 1500 * time.Millisecond},
		"an error of ours, two": {errors.New("the database is away"), 2, time.Second, 3 * time.Second},
		"a shutdown, at once":   {ErrStopped, 1, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := map[time.Duration]bool{}
			for range 200 {
				f := FaultOf(c.err, c.attempt)
				if !f.Again || f.After < c.least || f.After > c.most {
					t.Fatalf("got a pause of %v (again: %v), want %v to %v", f.After, f.Again, c.least, c.most)
				}
				seen[f.After] = true
			}
			if len(seen) < 2 && c.least < c.most {
				t.Error("200 turns come back at the same moment")
			}
		})
	}
}
