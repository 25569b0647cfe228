package jobs

import (
	"fmt"
	"log/slog"
	"net/http"

	"riverqueue.com/riverui"
)

// UI is River's own page about the queue, with the API calls that it makes. It checks no
// access: whoever mounts it must.
type UI struct{ http.Handler }

// UI makes the page for a path prefix. It queries the database only while somebody has
// the page open.
func (q *Queue) UI(prefix string, log *slog.Logger) (*UI, error) {
	// Hide the arguments in the list of jobs: ids say nothing to the reader there.
	o := &riverui.HandlerOpts{Prefix: prefix, Logger: log, JobListHideArgsByDefault: true}
	if q.pg != nil {
		o.Endpoints = riverui.NewEndpoints(q.pg, nil)
	} else {
		o.Endpoints = riverui.NewEndpoints(q.lite, nil)
	}
	// Do not start the handler. Its background work counts all jobs every few seconds,
	// even when nobody has the page open. Without it a count above 10,000 is shown as a
	// lower bound or an estimate.
	h, err := riverui.NewHandler(o)
	if err != nil {
		return nil, fmt.Errorf("the page of the job queue: %w", err)
	}
	return &UI{h}, nil
}
