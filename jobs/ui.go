package jobs

import (
	"fmt"
	"log/slog"
	"net/http"

	"riverqueue.com/riverui"
)

// UI is River's own page about the queue, with the calls behind it. Whoever
// mounts it decides who may see it: it asks nobody.
type UI struct{ http.Handler }

// UI makes the page for the path prefix. It asks the database only while
// somebody looks at it.
func (q *Queue) UI(prefix string, log *slog.Logger) (*UI, error) {
	// Arguments are ids; on the list of jobs they would only be noise.
	o := &riverui.HandlerOpts{Prefix: prefix, Logger: log, JobListHideArgsByDefault: true}
	if q.pg != nil {
		o.Endpoints = riverui.NewEndpoints(q.pg, nil)
	} else {
		o.Endpoints = riverui.NewEndpoints(q.lite, nil)
	}
	// Not started: what that runs in the background counts all jobs every few
	// seconds, though nobody looks. Without it a count above 10,000 is shown as
	// a lower bound or an estimate.
	h, err := riverui.NewHandler(o)
	if err != nil {
		return nil, fmt.Errorf("the page of the job queue: %w", err)
	}
	return &UI{h}, nil
}
