package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/coagent-studio/coagent/app/limit"
	"github.com/coagent-studio/coagent/store"
)

// indexer puts messages from before there was a search into its index, while the program
// runs. It may be killed anywhere: the next start goes on.
type indexer struct {
	db         *store.DB
	log        *slog.Logger
	background *limit.Gate
}

const (
	indexLease     = "search_index"
	indexLeaseFor  = time.Minute
	indexRows      = 100
	indexAgain     = 10 * time.Second // after an error, or while another node does it
	indexLogsEvery = 100_000
)

// run works until all messages are in the index. It takes a third of the time at most, so
// that those who post hardly notice.
func (x *indexer) run(ctx context.Context) {
	defer x.db.GiveBackLease(ctx, indexLease)
	began, logged := time.Now(), int64(0) //nolint:forbidigo // it measures its own work
	for ctx.Err() == nil {
		start := time.Now() //nolint:forbidigo // ...
		b, err := x.db.SearchBackfill(ctx)
		if err == nil && b == nil {
			if logged > 0 {
				x.log.InfoContext(ctx, "all messages can be found", "after", time.Since(began).Round(time.Second)) //nolint:forbidigo // ...
			}
			return
		}
		led := false
		if err == nil {
			led, err = x.step(ctx)
		}
		if err != nil && ctx.Err() == nil {
			x.log.ErrorContext(ctx, "messages could not be put into the index", "err", err)
		}
		if b != nil && (logged == 0 || b.Done-logged >= indexLogsEvery) {
			x.log.InfoContext(ctx, "earlier messages are put into the index", "done", b.Done, "total", b.Total)
			logged = max(b.Done, 1)
		}
		pause := 2 * time.Since(start) //nolint:forbidigo // ...
		if !led || err != nil {
			pause = indexAgain
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause): //nolint:forbidigo // ...
		}
	}
}

// step does a part of the work, if this node is the one that does.
func (x *indexer) step(ctx context.Context) (led bool, err error) {
	err = x.background.Do(ctx, func() error {
		if x.db.Postgres() {
			if led, err = x.db.Single().Lead(ctx, indexLease, indexLeaseFor); err != nil || !led {
				return err
			}
		}
		led = true
		return x.db.InTx(ctx, func(tx *store.Tx) error {
			_, err := tx.IndexMessages(ctx, indexRows)
			return err
		})
	})
	return led, err
}
