package turn

import (
	"context"
	"errors"
	"time"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store"
)

// HoldLease renews the lease of a turn or a report until ctx ends or release is called,
// which also ends ctx. A lost lease cancels the work. beat returns store.ErrStale when
// another attempt has begun.
func HoldLease(ctx context.Context, cancel context.CancelCauseFunc, cfg *config.Turns, now func() time.Time,
	beat func(ctx context.Context, lease time.Time) error) (release func()) {
	released := make(chan struct{})
	go func() {
		defer close(released)
		if lost := renew(ctx, cfg, now, beat); lost != nil {
			cancel(lost)
		}
	}()
	return func() { cancel(nil); <-released }
}

// renew renews a lease until ctx ends. It returns earlier with ErrLeaseLost, or with
// errAsked when a person wants the turn to stop.
func renew(ctx context.Context, cfg *config.Turns, now func() time.Time, beat func(ctx context.Context, lease time.Time) error) error {
	tick := time.NewTicker(cfg.Heartbeat) //nolint:forbidigo // the pace of a loop is no rule's time
	defer tick.Stop()
	until := now().Add(cfg.Lease)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		next := now().UTC().Truncate(time.Microsecond).Add(cfg.Lease)
		within, done := context.WithTimeout(ctx, cfg.Heartbeat)
		err := beat(within, next)
		done()
		switch {
		case err == nil:
			until = next
		case errors.Is(err, store.ErrStale), now().After(until):
			return ErrLeaseLost // the work may already run in another worker
		case errors.Is(err, errAsked):
			return errAsked
		}
	}
}
