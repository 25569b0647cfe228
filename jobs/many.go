package jobs

import (
	"context"
	"fmt"

	"github.com/riverqueue/river"

	"github.com/coagent-studio/coagent/store"
)

// AddRuns is Add for several turns that begin together, with one statement.
func (q *Queue) AddRuns(ctx context.Context, tx *store.Tx, runs []RunTurn) error {
	if len(runs) == 0 {
		return nil
	}
	params := make([]river.InsertManyParams, len(runs))
	for i, r := range runs {
		params[i] = river.InsertManyParams{Args: r}
	}
	err := tx.Pinned(func() error {
		if q.pg != nil {
			_, err := q.pg.InsertManyTx(ctx, tx.PG, params)
			return err
		}
		_, err := q.lite.InsertManyTx(ctx, tx.Lite, params)
		return err
	})
	if err != nil {
		return fmt.Errorf("add %d jobs %s: %w", len(runs), runs[0].Kind(), err)
	}
	if q.lite != nil {
		tx.AfterCommit(func() { q.wake.add(queueTurns) })
	}
	return nil
}
