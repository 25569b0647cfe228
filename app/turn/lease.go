package turn

import (
	"context"
	"errors"
	"time"

	"github.com/coagent-studio/coagent/store"
)

// RenewLease renews the lease of a turn or a report until ctx ends. A lost lease
// cancels the work. beat returns store.ErrStale when another attempt has begun.
func (e *Engine) RenewLease(ctx context.Context, cancel context.CancelCauseFunc, beat func(ctx context.Context, lease time.Time) error) {
	tick := time.NewTicker(e.cfg.Turns.Heartbeat) //nolint:forbidigo // the pace of a loop is no rule's time
	defer tick.Stop()
	until := e.now().Add(e.cfg.Turns.Lease)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		next := e.instant().Add(e.cfg.Turns.Lease)
		within, done := context.WithTimeout(ctx, e.cfg.Turns.Heartbeat)
		err := beat(within, next)
		done()
		switch {
		case err == nil:
			until = next
		case errors.Is(err, store.ErrStale), e.now().After(until):
			// Without its lease, the work may already run in another worker.
			cancel(ErrLeaseLost)
			return
		case errors.Is(err, errAsked):
			cancel(errAsked)
			return
		}
	}
}
