//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/coagent-studio/coagent/store"
)

const (
	smallRoom = 10_000
	sizePosts = 60 // in a round, and as many pages
)

// benchSize compares a post and a page of history in a room with few messages
// and in one with many, each in a database of its own.
func benchSize(l *lab) error {
	for _, kind := range l.databases() {
		rows := l.rows
		if kind == onSQLite {
			rows /= 10
		}
		if err := l.size(kind, rows); err != nil {
			return err
		}
	}
	return nil
}

// crowded is a coagent with a room full of messages.
type crowded struct {
	*process
	class *class
	http  *httpClient
}

func (l *lab) crowded(kind string, rows int) (*crowded, error) {
	d, err := l.database(kind)
	if err != nil {
		return nil, err
	}
	c, err := d.newClass(l.ctx, 30, false)
	if err != nil {
		return nil, err
	}
	if err := d.with(l.ctx, func(db *store.DB) error { return fillRoom(l.ctx, db, c, rows) }); err != nil {
		return nil, err
	}
	p, err := l.spawn(roleCoagent, d.site())
	if err != nil {
		return nil, err
	}
	return &crowded{process: p, class: c}, nil
}

func (l *lab) size(kind string, rows int) (err error) {
	few, err := l.crowded(kind, smallRoom)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, few.stop()) }()
	many, err := l.crowded(kind, rows)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, many.stop()) }()
	// Connect only now: a server waits for a request for a minute at most.
	for _, c := range []*crowded{few, many} {
		if c.http, err = dialHTTP(l.ctx, c.addr, c.class.people[1]); err != nil {
			return err
		}
	}
	name := fmt.Sprintf("among %d messages, p50", rows)
	note := fmt.Sprintf("floor: among %d", smallRoom)
	post := &figure{name: "a post " + name, db: kind, unit: "ms", aim: aim{ratioAtMost, 1.2}, note: note}
	page := &figure{name: "a page of history " + name, db: kind, unit: "ms", aim: aim{ratioAtMost, 1.2}, note: note}
	for i := range l.rounds + 1 {
		for f, once := range map[*figure]func(*crowded) error{post: (*crowded).post, page: (*crowded).page} {
			got, cpu, err := many.p50(once)
			if err != nil {
				return err
			}
			floor, floorCPU, err := few.p50(once)
			if err != nil {
				return err
			}
			if i > 0 { // the first warms up
				f.got, f.floor = append(f.got, milliseconds(got)), append(f.floor, milliseconds(floor))
				f.cpu, f.floorCPU = append(f.cpu, cpu), append(f.floorCPU, floorCPU)
			}
		}
	}
	l.table.add(post)
	l.table.add(page)
	return nil
}

func (c *crowded) post() error {
	_, err := c.http.do(http.MethodPost, "/api/v1/rooms/"+c.class.room+"/messages",
		fmt.Sprintf(`{"text":%q,"client_id":"size-%d"}`, lineText(lineSize), sayCount.Add(1)), http.StatusCreated)
	return err
}

func (c *crowded) page() error {
	_, err := c.http.do(http.MethodGet, "/api/v1/chat/messages/"+c.class.room+"?limit=50", "", http.StatusOK)
	return err
}

// p50 repeats a request. cpu is the server's CPU for one.
func (c *crowded) p50(once func(*crowded) error) (each, cpu time.Duration, err error) {
	before, err := c.usage()
	if err != nil {
		return 0, 0, err
	}
	var took []time.Duration
	for range sizePosts {
		start := time.Now()
		if err := once(c); err != nil {
			return 0, 0, err
		}
		took = append(took, time.Since(start))
	}
	after, err := c.usage()
	return median(took), (after.CPU - before.CPU) / sizePosts, err
}

// fillRoom adds messages and their events with one statement each.
func fillRoom(ctx context.Context, db *store.DB, c *class, rows int) error {
	series, uuid, now := "generate_series(1, $2::bigint) AS g(i)", "lpad(to_hex(i), 32, '0')", "now()"
	if !db.Postgres() {
		series = "(WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < $2) SELECT i FROM g) AS g"
		uuid, now = "printf('%032x', i)", "strftime('%Y-%m-%d %H:%M:%f+00:00')"
	}
	exec := func(query string, args ...any) error {
		var err error
		if db.Postgres() {
			_, err = db.Pool().Exec(ctx, query, args...)
		} else {
			_, err = db.Writer().ExecContext(ctx, query, args...)
		}
		return err
	}
	if err := errors.Join(
		exec("INSERT INTO messages (id, room_id, seq, sender_id, client_id, content, created_at) SELECT 'm' || "+uuid+", $1, i, $3, 'c' || i, $4, "+
			now+" FROM "+series, c.room, rows, c.people[1].id, lineText(lineSize)),
		exec("INSERT INTO events (room_id, seq, id, type, body, created_at) SELECT $1, i, 'm' || "+uuid+", 'message', $3, "+
			now+" FROM "+series, c.room, rows, `{"sender":"Person 1","content":"`+lineText(lineSize)+`"}`),
		exec("UPDATE rooms SET event_seq = $1, looked_seq = $1 WHERE id = $2", rows, c.room)); err != nil {
		return err
	}
	if db.Postgres() {
		return errors.Join(exec("VACUUM ANALYZE messages, events"), exec("CHECKPOINT"))
	}
	return exec("PRAGMA wal_checkpoint(TRUNCATE)")
}
