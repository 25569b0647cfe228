package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/coagent-studio/coagent/app/limit"
	"github.com/coagent-studio/coagent/store"
)

// backfill does something for all messages from before an update, while the program runs:
// they are put into the index of the search, or counted for figures. It may be killed
// anywhere: the next start goes on.
type backfill struct {
	db         *store.DB
	log        *slog.Logger
	background *limit.Gate
	what       string
	lease      string // the node that holds it does the work
	// left says how far the work is, nil at its end. part does some of it.
	left func(context.Context) (*store.Backfill, error)
	part func(*store.Tx, context.Context, int) (done bool, err error)
}

const (
	backfillLeaseFor  = time.Minute
	backfillRows      = 100
	backfillAgain     = 10 * time.Second // after an error, or while another node does it
	backfillLogsEvery = 100_000
)

// run works until nothing is left. It takes a third of the time at most, so that those who
// post hardly notice.
func (x *backfill) run(ctx context.Context) {
	defer x.db.GiveBackLease(ctx, x.lease)
	began, logged := time.Now(), int64(-1) //nolint:forbidigo // it measures its own work
	for ctx.Err() == nil {
		start := time.Now() //nolint:forbidigo // ...
		b, err := x.left(ctx)
		if err == nil && b == nil {
			if logged >= 0 {
				x.log.InfoContext(ctx, "all earlier messages are taken in", "for", x.what, "after", time.Since(began).Round(time.Second)) //nolint:forbidigo // ...
			}
			return
		}
		led := false
		if err == nil {
			led, err = x.step(ctx)
		}
		if err != nil && ctx.Err() == nil {
			x.log.ErrorContext(ctx, "earlier messages could not be taken in", "for", x.what, "err", err)
		}
		if b != nil && (logged < 0 || b.Done-logged >= backfillLogsEvery) {
			x.log.InfoContext(ctx, "earlier messages are taken in", "for", x.what, "done", b.Done, "total", b.Total)
			logged = b.Done
		}
		pause := 2 * time.Since(start) //nolint:forbidigo // ...
		if !led || err != nil {
			pause = backfillAgain
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause): //nolint:forbidigo // ...
		}
	}
}

// step does a part of the work, if this node is the one that does.
func (x *backfill) step(ctx context.Context) (led bool, err error) {
	err = x.background.Do(ctx, func() error {
		if x.db.Postgres() {
			if led, err = x.db.Single().Lead(ctx, x.lease, backfillLeaseFor); err != nil || !led {
				return err
			}
		}
		led = true
		return x.db.InTx(ctx, func(tx *store.Tx) error {
			_, err := x.part(tx, ctx, backfillRows)
			return err
		})
	})
	return led, err
}
