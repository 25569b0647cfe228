//go:build unix

package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/coagent-studio/coagent/store"
)

const insertSlice = 800 * time.Millisecond

// benchInsert adds messages through the store and through the bare driver, with the same
// statement and several batch sizes.
func benchInsert(l *lab) error {
	for _, kind := range l.databases() {
		for _, batch := range []int{1, 100} {
			if err := l.insert(kind, batch); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *lab) insert(kind string, batch int) (err error) {
	d, err := l.database(kind)
	if err != nil {
		return err
	}
	ours, err := d.newClass(l.ctx, 1, false)
	if err != nil {
		return err
	}
	theirs, err := d.newClass(l.ctx, 1, false)
	if err != nil {
		return err
	}
	bare, closeBare, err := bareInserts(l.ctx, d)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeBare()) }()
	f := &figure{name: fmt.Sprintf("store inserts, %d to a commit", batch), db: kind, unit: "rows/s", aim: aim{ratioAtLeast, 0.8}}
	var seq, bareSeq int64
	err = d.with(l.ctx, func(s *store.DB) error {
		for i := range l.rounds + 1 {
			got, cpu, err := insertRate(batch, func() error {
				return s.InTx(l.ctx, func(tx *store.Tx) error {
					for range batch {
						seq++
						if _, err := tx.CreateMessage(l.ctx, newLine(ours, seq)); err != nil {
							return err
						}
					}
					return nil
				})
			})
			if err != nil {
				return err
			}
			floor, floorCPU, err := insertRate(batch, func() error {
				lines := make([]*store.Message, batch)
				for i := range lines {
					bareSeq++
					lines[i] = newLine(theirs, bareSeq)
				}
				return bare(lines)
			})
			if err != nil {
				return err
			}
			if i > 0 { // the first warms up
				f.got, f.floor = append(f.got, got), append(f.floor, floor)
				f.cpu, f.floorCPU = append(f.cpu, cpu), append(f.floorCPU, floorCPU)
			}
		}
		return nil
	})
	l.table.add(f)
	return err
}

func newLine(c *class, seq int64) *store.Message {
	id := store.NewID()
	return &store.Message{ID: id, RoomID: c.room, Seq: seq, SenderID: c.people[0].id, ClientID: id,
		Content: lineText(lineSize), CreatedAt: time.Now().UTC().Truncate(time.Microsecond)}
}

// insertRate repeats commit for a while. cpu is this process's CPU for one row.
func insertRate(batch int, commit func() error) (perSecond float64, cpu time.Duration, err error) {
	start, used, rows := time.Now(), ownCPU(), 0
	for time.Since(start) < insertSlice {
		if err := commit(); err != nil {
			return 0, 0, err
		}
		rows += batch
	}
	return float64(rows) / time.Since(start).Seconds(), (ownCPU() - used) / time.Duration(rows), nil
}

// bareInserts commits messages with the bare driver.
func bareInserts(ctx context.Context, d *database) (commit func([]*store.Message) error, end func() error, err error) {
	if d.kind == onPostgres {
		pool, err := pgxpool.New(ctx, d.url)
		if err != nil {
			return nil, nil, err
		}
		return func(lines []*store.Message) error { return barePostgres(ctx, pool, lines) }, func() error { pool.Close(); return nil }, nil
	}
	db, err := openLite(d)
	if err != nil {
		return nil, nil, err
	}
	return func(lines []*store.Message) error { return bareSQLite(ctx, db, lines) }, db.Close, nil
}

func barePostgres(ctx context.Context, pool *pgxpool.Pool, lines []*store.Message) error {
	tx, err := pool.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	for _, m := range lines {
		if _, err := tx.Exec(ctx, bareLine, m.ID, m.RoomID, m.Seq, m.SenderID, m.ClientID, m.Content, m.CreatedAt); err != nil {
			return err
		}
	}
	return tx.Commit(ctx)
}

func bareSQLite(ctx context.Context, db *sql.DB, lines []*store.Message) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	for _, m := range lines {
		if _, err := tx.ExecContext(ctx, bareLine, m.ID, m.RoomID, m.Seq, m.SenderID, m.ClientID, m.Content, m.CreatedAt); err != nil {
			return err
		}
	}
	return tx.Commit()
}
