package store

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/uptrace/bun"
)

// On SQLite one transaction after another has the writer, and most of a short one's time
// is the flush at its commit. So those that wait while another runs join its transaction
// and share its commit. Each has a savepoint and is told of its success after the common
// commit. Nobody waits for others to come: whoever finds no one behind it commits.
const (
	// maxMembers bounds the transactions in a group.
	maxMembers = 32
	// groupFor is how long after its begin a group takes new members.
	groupFor = 5 * time.Millisecond
)

// lane lets one goroutine at a time have the writer, in the order in which they came.
type lane struct {
	groupFor time.Duration

	mu      sync.Mutex
	busy    bool
	waiting []chan *group // each has room for the one group that it is given
}

// enter waits for the writer. It returns the open group of whoever had it before, or nil
// when there is none. Whoever entered passes the writer on with pass or leave.
func (l *lane) enter(ctx context.Context) (*group, error) {
	l.mu.Lock()
	if !l.busy {
		l.busy = true
		l.mu.Unlock()
		return nil, nil //nolint:nilnil // there is no group yet
	}
	turn := make(chan *group, 1)
	l.waiting = append(l.waiting, turn)
	l.mu.Unlock()
	select {
	case g := <-turn:
		return g, nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.waiting, turn); i >= 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
		return nil, ctx.Err()
	}
	return <-turn, nil // the writer came in the same moment; it is there already
}

// pass gives the writer and an open group to the next who waits. Without one it returns
// false, and the caller still has both.
func (l *lane) pass(g *group) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.give(g)
}

// give is pass for who holds the lock.
func (l *lane) give(g *group) bool {
	if len(l.waiting) == 0 {
		return false
	}
	l.waiting[0] <- g
	l.waiting = l.waiting[1:]
	return true
}

// Waiting returns how many transactions wait for SQLite's writer.
func (d *DB) Waiting() int {
	d.lane.mu.Lock()
	defer d.lane.mu.Unlock()
	return len(d.lane.waiting)
}

// leave gives the writer to the next who waits, if any.
func (l *lane) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy = l.give(nil)
}

// group is a transaction on SQLite with its members. Whoever has the writer has it.
type group struct {
	bt      bun.Tx
	cancel  context.CancelFunc
	until   time.Time // it takes no member after this
	members int
	lost    error // why nothing of it can be committed
	ended   bool  // it is rolled back, and no member had succeeded
	// accounts and events are what the members that succeeded have changed, in their order.
	accounts []string
	events   []Event
	atOnce   []func()
	done     chan struct{} // closed after the commit
	err      error         // of the commit, once done is closed
}

// beginGroup begins a transaction for the one who asks and for those who will join. ctx
// bounds the begin alone: later its end must not roll back what others have written.
func (d *DB) beginGroup(ctx context.Context) (*group, error) {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	release := context.AfterFunc(ctx, cancel)
	bt, err := d.write.BeginTx(own, nil)
	if !release() {
		if err == nil {
			_ = bt.Rollback()
		}
		err = ctx.Err()
	}
	if err != nil {
		cancel()
		return nil, err
	}
	return &group{bt: bt, cancel: cancel, until: time.Now().Add(d.lane.groupFor), done: make(chan struct{})}, nil
}

func (d *DB) inLiteTx(ctx context.Context, fn func(tx *Tx) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	g, err := d.lane.enter(ctx)
	if err == nil && g == nil {
		if g, err = d.beginGroup(ctx); err != nil {
			d.lane.leave()
		}
	}
	if err != nil {
		return fmt.Errorf("begin: %w", translate(err))
	}
	tx := &Tx{Queries: Queries{g.bt}, owner: d, Lite: g.bt.Tx, pin: func(f func() error) error { return f() }}
	err = d.join(ctx, g, tx, fn)
	// The result of the commit must be known, whatever becomes of ctx. Who failed waits for
	// it too: the cause may be a row of another member, which the caller wants to read.
	<-g.done
	if g.err != nil {
		return fmt.Errorf("commit: %w", translate(g.err))
	}
	if err != nil {
		return err
	}
	for _, f := range tx.after {
		f()
	}
	return nil
}

// join runs fn as the next member of a group. Then it passes the group on, or ends it, also
// when fn panics or ends its goroutine.
func (d *DB) join(ctx context.Context, g *group, tx *Tx, fn func(tx *Tx) error) error {
	first, done := g.members == 0, false
	g.members++
	defer func() {
		if !done {
			g.undo(first)
		}
		if g.open() && d.lane.pass(g) {
			return
		}
		d.finish(g)
	}()
	// Behind the first member is nothing to keep, so it needs no savepoint.
	if !first {
		if err := g.exec("SAVEPOINT member"); err != nil {
			return fmt.Errorf("begin: %w", translate(err))
		}
	}
	if err := tx.try(ctx, fn); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if !first {
		if err := g.exec("RELEASE member"); err != nil {
			return fmt.Errorf("commit: %w", translate(err))
		}
	}
	done = true
	g.accounts, g.events = append(g.accounts, tx.accounts...), append(g.events, tx.events...)
	g.atOnce = append(g.atOnce, tx.atOnce...)
	return nil
}

// open tells whether another member may join.
func (g *group) open() bool {
	return !g.ended && g.lost == nil && g.members < maxMembers && time.Now().Before(g.until)
}

// undo takes back what the last member has done, and only that.
func (g *group) undo(first bool) {
	if first {
		g.ended = true
		_ = g.bt.Rollback() // database/sql gives the connection back either way
		return
	}
	err := g.exec("ROLLBACK TO member")
	if err == nil {
		err = g.exec("RELEASE member")
	}
	g.lost = err // without the savepoint SQLite has rolled everything back
}

// exec runs a statement that each connection prepares once.
func (g *group) exec(text string) error {
	_, err := g.bt.Tx.ExecContext(context.WithValue(context.Background(), boundKey{}, []driver.NamedValue{}), text)
	return err
}

// finish commits a group, lets the next one have the writer, and announces what has changed.
// Then it tells the members.
func (d *DB) finish(g *group) {
	defer close(g.done)
	defer g.cancel()
	func() {
		defer d.lane.leave()
		switch {
		case g.ended:
		case g.lost != nil:
			_ = g.bt.Rollback()
			g.err = g.lost
		default:
			g.err = g.bt.Commit()
		}
	}()
	if g.err == nil {
		for _, f := range g.atOnce {
			f()
		}
		d.announce(g.accounts, g.events)
	}
}
