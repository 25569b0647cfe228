package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/limit"
	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
)

const (
	// keepSessions is how long the database row of an ended session or token is kept,
	// for questions about who was signed in.
	keepSessions = 30 * 24 * time.Hour
	// keepBuckets is the age at which a limit's bucket is almost certainly full again.
	keepBuckets = 24 * time.Hour
	// keepGrants is an age at which no grant can be extended any more.
	keepGrants = 24 * time.Hour
	// keepStateless is an age at which nobody waits for the answer in a stateless thread.
	keepStateless = time.Hour
	// keepUnposted is how long a file waits for a message that shows it.
	keepUnposted = 24 * time.Hour
	// pruneEvery is short because the interval begins anew with every start. A laptop
	// may run for only one lesson a day.
	pruneEvery = 10 * time.Minute
	// pruneFor limits one run. What is left waits for the next one.
	pruneFor = 5 * time.Minute
	// pruneRows is how many rows one transaction deletes, so that nobody waits long for
	// it.
	pruneRows  = 1000
	pruneLarge = 50 // the same for rows that may have a megabyte each
	pruneRooms = 200
)

// pruning is one kind of rows that are kept for a time. A zero time means for ever.
type pruning struct {
	what  string
	keep  time.Duration
	batch int
	drop  func(tx *store.Tx, ctx context.Context, before time.Time, limit int) (int64, error)
}

// pruner deletes what is older than its retention time.
type pruner struct {
	cfg        *config.Config
	db         *store.DB
	log        *slog.Logger
	now        clock
	background *limit.Gate
	files      *fileStorage
}

func newPruner(cfg *config.Config, db *store.DB, log *slog.Logger, now clock, background *limit.Gate, files *fileStorage) *pruner {
	return &pruner{cfg: cfg, db: db, log: log, now: now, background: background, files: files}
}

func (p *pruner) prunings() []pruning {
	kept := p.cfg.Retention
	return []pruning{
		{"sessions", keepSessions, pruneRows, (*store.Tx).DeleteSessionsBefore},
		{"access tokens", keepSessions, pruneRows, (*store.Tx).DeleteAccessTokensBefore},
		{"used sign-ons", time.Hour, pruneRows, (*store.Tx).DeleteSpentSignOnsBefore},
		{"pending sign-ons", time.Hour, pruneRows, (*store.Tx).DeletePendingSignOnsBefore},
		{"links", keepSessions, pruneRows, (*store.Tx).DeleteLinksBefore},
		{"failed sign-ins", p.cfg.Auth.SigninWindow, pruneRows, (*store.Tx).DeleteSigninFailuresBefore},
		{"texts of deleted messages", restoreWithin, pruneRows, (*store.Tx).EraseDeletedMessages},
		{"limits", keepBuckets, pruneRows, (*store.Tx).DeleteRateBucketsBefore},
		{"processes", forgetNodes, pruneRows, (*store.Tx).DeleteNodesBefore},
		{"leases", keepGrants, pruneRows, (*store.Tx).DeleteLeasesBefore},
		{"audit entries", days(kept.AuditDays), pruneRows, (*store.Tx).DeleteAuditEntriesBefore},
		{"turns", days(kept.TurnsDays), pruneRows, (*store.Tx).DeleteTurnsBefore},
		{"stateless threads", keepStateless, pruneRows, (*store.Tx).DeleteStatelessBefore},
		{"decisions", days(kept.TurnsDays), pruneRows, (*store.Tx).DeleteDecisionsBefore},
		{"files without a message", keepUnposted, pruneRows, (*store.Tx).DeleteUnpostedFilesBefore},
		{"content of files", days(kept.FilesDays), pruneRows, (*store.Tx).DropContentBefore},
		{"bases of artifacts", keepBases, pruneRows, (*store.Tx).DeleteArtifactBasesBefore},
		{"deleted artifacts", days(kept.DeletedDays), pruneLarge, (*store.Tx).EraseArtifactsBefore},
	}
}

func days(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }

// prune deletes what is older than its retention time, a batch at a time. It may be
// interrupted anywhere: the next run goes on.
func (p *pruner) prune(ctx context.Context, _ jobs.Prune) error {
	until := p.now().Add(pruneFor)
	for _, of := range p.prunings() {
		if of.keep == 0 {
			continue
		}
		before := p.now.instant().Add(-of.keep)
		n, err := p.dropAll(ctx, of.batch, until, func(tx *store.Tx) (int64, error) { return of.drop(tx, ctx, before, of.batch) })
		if err := p.pruned(ctx, of.what, n, err); err != nil {
			return err
		}
	}
	if keep := days(p.cfg.Retention.EventsDays); keep > 0 {
		n, err := p.pruneEvents(ctx, p.now.instant().Add(-keep), until)
		if err := p.pruned(ctx, "events", n, err); err != nil {
			return err
		}
	}
	// A node of an earlier version, which still runs during an update, counts nothing.
	if _, err := p.dropAll(ctx, 1, until, func(tx *store.Tx) (int64, error) {
		done, err := tx.CountTalk(ctx, backfillRows)
		if done || err != nil {
			return 0, err
		}
		return 1, nil
	}); err != nil {
		return fmt.Errorf("count messages for figures: %w", err)
	}
	n, err := p.dropContent(ctx, until)
	return p.pruned(ctx, "content that no file has", n, err)
}

// dropContent drops what no file has any more. It comes last: what is deleted above leaves
// its content to it. A store that fails keeps nothing else from being pruned.
func (p *pruner) dropContent(ctx context.Context, until time.Time) (total int64, err error) {
	for p.now().Before(until) && ctx.Err() == nil {
		n, failed := p.files.sweep(ctx, pruneLarge)
		err = errors.Join(err, failed)
		if total += n; n < pruneLarge {
			break
		}
	}
	return total, err
}

func (p *pruner) pruned(ctx context.Context, what string, n int64, err error) error {
	if n > 0 {
		p.log.InfoContext(ctx, "pruned", "what", what, "rows", n)
	}
	if err != nil {
		return fmt.Errorf("prune %s: %w", what, err)
	}
	return nil
}

// dropAll repeats drop until it deletes less than a batch, and counts the rows.
func (p *pruner) dropAll(ctx context.Context, batch int, until time.Time, drop func(*store.Tx) (int64, error)) (total int64, err error) {
	for p.now().Before(until) {
		n := int64(0)
		err := p.background.Do(ctx, func() error {
			return p.db.InTx(ctx, func(tx *store.Tx) (err error) {
				n, err = drop(tx)
				return err
			})
		})
		if err != nil {
			return total, err
		}
		if total += n; n < int64(batch) {
			break
		}
	}
	return total, nil
}

// pruneEvents deletes the oldest events of the rooms' logs. A client that comes back
// with an older cursor is told to load the history.
func (p *pruner) pruneEvents(ctx context.Context, before, until time.Time) (total int64, err error) {
	for after := ""; p.now().Before(until); {
		rooms, err := p.db.RoomsWithEventsBefore(ctx, before, after, pruneRooms)
		if err != nil {
			return total, err
		}
		for _, id := range rooms {
			n, err := p.dropAll(ctx, pruneRows, until, func(tx *store.Tx) (int64, error) {
				return tx.DeleteEventsBefore(ctx, id, before, pruneRows)
			})
			total += n
			if err != nil {
				return total, err
			}
			after = id
		}
		if len(rooms) < pruneRooms {
			break
		}
	}
	return total, nil
}
