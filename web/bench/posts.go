//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/web/bench/scaling"
)

const (
	postRooms   = 64
	mostWriters = 32
	postSlice   = 1500 * time.Millisecond
)

// postWriters are how many people post at once.
//
//nolint:gochecknoglobals // a table
var postWriters = []int{1, 8, mostWriters}

// benchPosts measures how many posts are stored in a second, as fast as they are answered,
// by people who each post into rooms of their own. The floors are one row in a
// transaction: by pgbench, without and with a notification in it, and by the bare driver
// with a prepared statement.
func benchPosts(l *lab) error {
	for _, kind := range l.databases() {
		if err := l.postRates(kind); err != nil {
			return err
		}
	}
	return nil
}

// hall is a coagent with many rooms and people who write in them.
type hall struct {
	*process
	db      *database
	rooms   []string
	writers []person
}

// hall starts one. Its AI is off, or each room has agents that answer no post.
func (l *lab) hall(kind string, agents bool) (*hall, error) {
	d, err := l.database(kind)
	if err != nil {
		return nil, err
	}
	h := &hall{db: d}
	err = d.with(l.ctx, func(db *store.DB) error {
		return db.InTx(l.ctx, func(tx *store.Tx) error { return h.store(l.ctx, tx, agents) })
	})
	if err != nil {
		return nil, err
	}
	h.process, err = l.spawn(roleCoagent, d.site())
	return h, err
}

func (h *hall) store(ctx context.Context, tx *store.Tx, agents bool) error {
	c := &class{room: store.NewID()}
	if err := c.store(ctx, tx, 1+mostWriters, false); err != nil {
		return err
	}
	h.writers = c.people[1:]
	var ids []string
	if agents {
		for i, trigger := range append(slices.Clone(silentTriggers), "") {
			added, err := c.addAgents(ctx, tx, trigger, fmt.Sprintf("Agent %d", i))
			if err != nil {
				return err
			}
			ids = append(ids, added...)
		}
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	for range postRooms {
		r := &store.Room{ID: store.NewID(), CourseID: c.course, Name: "Waves", IsAIActive: agents, AIMode: store.ModeTeacherOnly, CreatedAt: now, Version: 1}
		if err := tx.CreateRoom(ctx, r); err != nil {
			return err
		}
		for _, id := range ids {
			if _, err := tx.AddRoomAgent(ctx, &store.RoomAgent{RoomID: r.ID, AgentID: id, CreatedAt: now}); err != nil {
				return err
			}
		}
		h.rooms = append(h.rooms, r.ID)
	}
	return nil
}

// posts is the load of n writers. Each goes from one to the next of rooms of their own, so
// that no room gets the thousand messages for which an agent waits.
func (h *hall) posts(n int) load {
	said := make([]int, n)
	return load{h.writers[:n], postSlice, func(k *httpClient, i int) error {
		room := h.rooms[(i+n*said[i])%len(h.rooms)]
		said[i]++
		_, err := k.do(http.MethodPost, "/api/v1/rooms/"+room+"/messages",
			fmt.Sprintf(`{"text":%q,"client_id":"post-%d"}`, lineText(lineSize), sayCount.Add(1)), http.StatusCreated)
		return err
	}}
}

func (l *lab) postRates(kind string) (err error) {
	off, err := l.hall(kind, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, off.stop()) }()
	on, err := l.hall(kind, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, on.stop()) }()
	floors, err := l.rowFloors(kind)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, floors.close()) }()
	var seen reckoning
	for _, n := range postWriters {
		if err := l.postsBy(n, off, on, floors, &seen); err != nil {
			return err
		}
	}
	if err := l.postsInOneRoom(off, &seen); err != nil || kind == onSQLite {
		return err
	}
	if err := errors.Join(l.postsOnTwo(off, &seen), l.postsInside(off)); err != nil {
		return err
	}
	seen.compare(&l.table)
	return nil
}

// postsBy measures n writers.
func (l *lab) postsBy(n int, off, on *hall, floors *rowFloors, seen *reckoning) error {
	kind := off.db.kind
	name := func(what string) string { return fmt.Sprintf("posts: %d at once, %s", n, what) }
	rows := map[rowFloor]*figure{}
	for _, f := range floors.kinds() {
		rows[f] = &figure{name: name(string(f)), db: kind, unit: "/s"}
	}
	lesson := &figure{name: name("AI off"), db: kind, unit: "/s", note: "floor: " + string(floors.kinds()[0])}
	silent := &figure{name: name("silent agents"), db: kind, unit: "/s", note: "floor: AI off"}
	cost := &figure{name: name("CPU of one"), db: kind, unit: "us", note: "floor: that of the bare driver"}
	for i := range l.rounds + 1 {
		without, err := l.under(off.posts(n), off.process)
		if err != nil {
			return err
		}
		with, err := l.under(on.posts(n), on.process)
		if err != nil {
			return err
		}
		bare, err := floors.measure(l, n)
		if err != nil {
			return err
		}
		if i == 0 {
			continue // warms up
		}
		floor := bare[floors.kinds()[0]]
		for f, got := range bare {
			rows[f].add(got, floor)
		}
		lesson.add(without, floor)
		seen.add(scaling.School{Writers: n, Rooms: n}, 1, without, bare[bareRows])
		silent.add(with, without)
		cost.got = append(cost.got, microseconds(without.cpu))
		cost.floor = append(cost.floor, microseconds(bare[bareRows].cpu))
	}
	silent.aim = aim{ratioAtLeast, 0.83}
	if n == mostWriters {
		lesson.aim, cost.aim = aim{ratioAtLeast, 0.6}, aim{valueAtMost, 500}
		if kind == onSQLite {
			// Three times what it was when each post had a commit of its own.
			lesson.aim, cost.aim = aim{valueAtLeast, 3 * 545}, aim{valueAtMost, 800}
		}
	}
	for _, f := range floors.kinds() {
		l.table.add(rows[f])
	}
	l.table.add(lesson)
	l.table.add(silent)
	l.table.add(cost)
	return nil
}

// add takes one round: posts in a second, and the CPU of one.
func (f *figure) add(got, floor pace) {
	f.got, f.floor = append(f.got, got.rate()), append(f.floor, floor.rate())
	f.cpu, f.floorCPU = append(f.cpu, got.cpu), append(f.floorCPU, floor.cpu)
	f.last = fmt.Sprintf("p50 %.1f ms, p99 %.1f ms; %s", milliseconds(got.p50), milliseconds(got.p99), got.cores())
}

// postsInOneRoom has all of them post into one room, whose row each post locks.
func (l *lab) postsInOneRoom(h *hall, seen *reckoning) error {
	f := &figure{name: fmt.Sprintf("posts: %d at once, into one room", mostWriters), db: h.db.kind, unit: "/s", note: "floor: each into rooms of their own"}
	alone := *h
	alone.rooms = h.rooms[:1]
	return l.postsAgainst(f, h, func() (pace, error) {
		got, err := l.under(alone.posts(mostWriters), h.process)
		seen.add(scaling.School{Writers: mostWriters, Rooms: 1}, 1, got, pace{})
		return got, err
	})
}

// postsOnTwo compares two processes on one database with one of them.
func (l *lab) postsOnTwo(h *hall, seen *reckoning) (err error) {
	second, err := l.spawn(roleCoagent, h.db.site())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, second.stop()) }()
	f := &figure{name: fmt.Sprintf("posts: %d at once, on two nodes", mostWriters), db: h.db.kind, unit: "/s", aim: aim{ratioAtLeast, 1}, note: "floor: on one"}
	return l.postsAgainst(f, h, func() (pace, error) {
		got, err := l.under(h.posts(mostWriters), h.process, second)
		seen.add(scaling.School{Writers: mostWriters, Rooms: mostWriters}, 2, got, pace{})
		return got, err
	})
}

// postsAgainst compares a way to post with that on one node into many rooms.
func (l *lab) postsAgainst(f *figure, h *hall, way func() (pace, error)) error {
	for i := range l.rounds + 1 {
		got, err := way()
		if err != nil {
			return err
		}
		floor, err := l.under(h.posts(mostWriters), h.process)
		if err != nil {
			return err
		}
		if i > 0 { // the first warms up
			f.add(got, floor)
		}
	}
	l.table.add(f)
	return nil
}

// inside is what Postgres counts of a database.
type inside struct{ commits, wal, updates, inPlace, bytes float64 }

const insideQuery = `SELECT
	(SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()),
	(SELECT pg_current_wal_lsn() - '0/0'::pg_lsn),
	(SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'rooms'),
	(SELECT n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'rooms'),
	pg_total_relation_size('messages') + pg_total_relation_size('events')`

func (h *hall) inside(ctx context.Context) (n inside, err error) {
	conn, err := pgx.Connect(ctx, h.db.url)
	if err != nil {
		return n, err
	}
	err = conn.QueryRow(ctx, insideQuery).Scan(&n.commits, &n.wal, &n.updates, &n.inPlace, &n.bytes)
	return n, errors.Join(err, conn.Close(ctx))
}

// statsAfter is when all sessions have told Postgres what they did.
const statsAfter = 2 * time.Second

// postsInside shows what one post is inside Postgres.
func (l *lab) postsInside(h *hall) error {
	if err := l.pause(statsAfter); err != nil {
		return err
	}
	before, err := h.inside(l.ctx)
	if err != nil {
		return err
	}
	said := sayCount.Load()
	if _, err := l.under(h.posts(mostWriters), h.process); err != nil {
		return err
	}
	if err := l.pause(statsAfter); err != nil {
		return err
	}
	after, err := h.inside(l.ctx)
	if err != nil {
		return err
	}
	n := float64(sayCount.Load() - said)
	l.table.add(&figure{name: fmt.Sprintf("posts: %d at once, log of one", mostWriters), db: h.db.kind, unit: "KiB",
		got: []float64{(after.wal - before.wal) / n / 1024},
		note: fmt.Sprintf("%.1f transactions, %.1f KiB of tables and indexes; %.0f %% of the rooms' updates in place", (after.commits-before.commits)/n,
			(after.bytes-before.bytes)/n/1024, (after.inPlace-before.inPlace)/(after.updates-before.updates)*100)})
	return nil
}
