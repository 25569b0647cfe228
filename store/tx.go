package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Tx is one transaction: bun rows, River jobs and notifications commit or
// vanish together. Inside it use only the Tx: the DB would wait for it.
type Tx struct {
	Queries
	owner  *DB
	PG     pgx.Tx  // set on Postgres; use it inside Pinned
	Lite   *sql.Tx // set on SQLite
	pin    func(func() error) error
	after  []func()
	events []Event
	// gainers got something here, see OnGain; linked are links that were made here.
	gainers map[string]bool
	linked  []string
}

// Pinned runs fn while the transaction's connection is held for fn alone.
func (t *Tx) Pinned(fn func() error) error { return t.pin(fn) }

// AfterCommit runs fn once the transaction has committed, in order, on the
// goroutine of InTx. It never runs after a rollback.
func (t *Tx) AfterCommit(fn func()) { t.after = append(t.after, fn) }

// InTx runs fn in a transaction that commits when fn returns nil and rolls
// back on an error or a panic. A context that ends rolls back too.
func (d *DB) InTx(ctx context.Context, fn func(tx *Tx) error) error {
	if d.pool == nil {
		return d.inLiteTx(ctx, fn)
	}
	return d.inPostgresTx(ctx, fn)
}

// Single is a Tx for exactly one statement, which commits by itself: it saves
// the begin and the commit of what has no events, no jobs and no locks.
func (d *DB) Single() *Tx { return &Tx{Queries: Queries{d.write}, owner: d} }

func (d *DB) inLiteTx(ctx context.Context, fn func(tx *Tx) error) error {
	bt, err := d.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", translate(err))
	}
	tx := &Tx{Queries: Queries{bt}, owner: d, Lite: bt.Tx, pin: func(f func() error) error { return f() }}
	if err := tx.run(ctx, fn, bt.Commit, bt.Rollback); err != nil {
		return err
	}
	tx.announce()
	return nil
}

// commitTimeout bounds a commit on Postgres, which a caller's deadline does not.
const commitTimeout = 10 * time.Second

// inPostgresTx begins with pgx and lets bun work on the same connection, so
// that River, which speaks pgx, can insert into the very same transaction.
func (d *DB) inPostgresTx(ctx context.Context, fn func(tx *Tx) error) error {
	tx, err := d.runPostgres(ctx, fn)
	if err != nil {
		return err
	}
	tx.announce()
	return nil
}

// runPostgres commits and gives the connection back, so that what runs after
// the commit may take one: with every connection held it would wait for ever.
func (d *DB) runPostgres(ctx context.Context, fn func(tx *Tx) error) (*Tx, error) {
	conn, err := d.write.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("begin: %w", translate(err))
	}
	defer func() { _ = conn.Close() }()
	pin := func(f func() error) error { return conn.Raw(func(any) error { return f() }) }
	var pt pgx.Tx
	if err := conn.Raw(func(dc any) (err error) {
		pt, err = dc.(*driverConn).pgx().Begin(ctx)
		return err
	}); err != nil {
		return nil, fmt.Errorf("begin: %w", translate(err))
	}
	tx := &Tx{Queries: Queries{conn}, owner: d, PG: pt, pin: pin}
	return tx, tx.run(ctx, fn,
		func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			// Cut off half-way nobody could say whether it has committed, and
			// this process would keep silent about events that are there.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
			defer cancel()
			return pin(func() error { return pt.Commit(ctx) })
		},
		// The caller's context may have ended; the rollback must still be sent.
		func() error { return pin(func() error { return pt.Rollback(context.WithoutCancel(ctx)) }) })
}

func (t *Tx) run(ctx context.Context, fn func(tx *Tx) error, commit, rollback func() error) error {
	done := false
	defer func() {
		if !done {
			_ = rollback()
		}
	}()
	if err := fn(t); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("transaction: %w", ctx.Err())
		}
		return err
	}
	if err := t.notifyGains(ctx); err != nil {
		return err
	}
	if err := t.notifyEvents(ctx); err != nil {
		return err
	}
	if err := commit(); err != nil {
		if ctx.Err() != nil && errors.Is(err, sql.ErrTxDone) {
			err = ctx.Err() // database/sql rolled back by itself
		}
		return fmt.Errorf("commit: %w", translate(err))
	}
	done = true
	return nil
}

// announce tells this process what has become durable.
func (t *Tx) announce() {
	if len(t.events) > 0 && t.owner.committed != nil {
		t.owner.committed(t.events)
	}
	for _, f := range t.after {
		f()
	}
}
