package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Tx is one transaction. Rows and River jobs commit together or not at all. Inside it use only the Tx: on the DB a query could wait for the transaction
// itself.
type Tx struct {
	Queries
	owner  *DB
	PG     pgx.Tx  // set on Postgres; use it inside Pinned
	Lite   *sql.Tx // set on SQLite
	pin    func(func() error) error
	atOnce []func()
	after  []func()
	events []Event
	// gainers are the people who gained something here, see OnGain. linked are the links
	// that were made here.
	gainers map[string]bool
	linked  []string
	// accounts are the accounts, sessions and access tokens whose rows change here.
	accounts []string
	// moved are the rooms whose AgentsVersion moves here.
	moved map[string]bool
}

// Pinned runs fn and keeps the transaction's connection for fn alone meanwhile.
func (t *Tx) Pinned(fn func() error) error { return t.pin(fn) }

// AfterCommit runs fn after the transaction has committed, on the goroutine of InTx.
// Several functions run in the order in which they were given. None runs after a
// rollback.
func (t *Tx) AfterCommit(fn func()) { t.after = append(t.after, fn) }

// AtCommit runs fn after the transaction has committed, before its changes are announced
// and AfterCommit's functions run. It must be quick. On SQLite any goroutine may run it.
func (t *Tx) AtCommit(fn func()) { t.atOnce = append(t.atOnce, fn) }

// InTx runs fn in a transaction. It commits when fn returns nil. It rolls back when fn
// returns an error or panics, and when ctx ends. On SQLite several may share one commit,
// see lane.
func (d *DB) InTx(ctx context.Context, fn func(tx *Tx) error) error {
	if d.pool == nil {
		return d.inLiteTx(ctx, fn)
	}
	return d.inPostgresTx(ctx, fn)
}

// Changes returns a number that increases with each transaction of this process, except
// Single, and on Postgres, while a Watch is asked, with those of all processes. Who has
// looked for something that only changes can bring need not look again before.
func (d *DB) Changes() uint64 { return d.changes.Load() }

// Single is a Tx for exactly one statement, which commits by itself. It saves the begin
// and the commit where there are no events, no jobs and no locks.
func (d *DB) Single() *Tx { return &Tx{Queries: Queries{d.write}, owner: d} }

// commitTimeout bounds a commit on Postgres, instead of the caller's deadline.
const commitTimeout = 10 * time.Second

// inPostgresTx begins with pgx and lets bun work on the same connection. River speaks
// pgx, so it can insert into the same transaction.
func (d *DB) inPostgresTx(ctx context.Context, fn func(tx *Tx) error) error {
	tx, err := d.runPostgres(ctx, fn)
	if err != nil {
		return err
	}
	for _, f := range tx.atOnce {
		f()
	}
	d.announce(tx.accounts, tx.events)
	for _, f := range tx.after {
		f()
	}
	return nil
}

// runPostgres commits and gives the connection back. Only then may code run that takes a
// connection of its own: with every connection in use it would wait for ever.
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
			// The caller's deadline must not cut the commit off half-way. Nobody would
			// know whether it happened, and this process might never announce events that
			// are stored.
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
	if err := t.try(ctx, fn); err != nil {
		return err
	}
	if err := commit(); err != nil {
		return fmt.Errorf("commit: %w", translate(err))
	}
	done = true
	return nil
}

// try runs fn and what belongs to it before the commit.
func (t *Tx) try(ctx context.Context, fn func(tx *Tx) error) error {
	if err := fn(t); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("transaction: %w", ctx.Err())
		}
		return err
	}
	return t.notifyGains(ctx)
}

// announce reports committed changes inside this process and to the others: the accounts,
// sessions and access tokens, and the events in their order. What a process that dies
// before this does not report, others find by Watch.
func (d *DB) announce(accounts []string, events []Event) {
	d.changes.Add(1)
	d.AccountsChanged(accounts...)
	if len(events) > 0 && d.committed != nil {
		d.committed(events)
	}
	d.notifyEvents(events)
}
