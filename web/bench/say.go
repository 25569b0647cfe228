//go:build unix

package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/store"
)

const (
	sayMembers = 100
	sayPosts   = 40 // in a round
	// sayPause separates posts, so that what follows from one does not run into the next.
	sayPause = 10 * time.Millisecond
)

// benchSay measures the time from a post through a socket until its sender has the ack
// and all members have the message. No agent answers, so no job is added. It compares this
// with the sum of two floors: the same rows committed by the bare driver, and the fan-out
// of a bare server.
func benchSay(l *lab) error {
	for _, kind := range l.databases() {
		if err := l.say(kind); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) say(kind string) (err error) {
	db, err := l.database(kind)
	if err != nil {
		return err
	}
	c, err := db.newClass(l.ctx, sayMembers, true)
	if err != nil {
		return err
	}
	floorDB, err := l.database(kind)
	if err != nil {
		return err
	}
	floorClass, err := floorDB.newClass(l.ctx, 1, true)
	if err != nil {
		return err
	}
	if err := db.silence(l.ctx, c.room); err != nil {
		return err
	}
	r, err := l.rivals(db.site(), c.room, c.people)
	defer func() { err = errors.Join(err, r.end()) }()
	if err != nil {
		return err
	}
	ours, bare, class, plain := r.ours, r.bare, r.class, r.plain
	if err := bare.call("echo", sampleFrame(lineText(lineSize)), nil); err != nil {
		return err
	}
	commits, err := newBareCommits(l.ctx, floorDB, floorClass)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, commits.close()) }()
	time.Sleep(2 * time.Second)

	f := &figure{name: fmt.Sprintf("say: post to %d members and ack, p50", sayMembers), db: kind, unit: "ms", aim: aim{ratioAtMost, 1.5}}
	var commitTimes, fanTimes []time.Duration
	for range l.rounds {
		var got, commit, fan []time.Duration
		before, err := ours.usage()
		if err != nil {
			return err
		}
		for range sayPosts {
			d, err := l.sayOnce(class, lineText(lineSize))
			if err != nil {
				return err
			}
			got = append(got, d)
			time.Sleep(sayPause)
		}
		after, err := ours.usage()
		if err != nil {
			return err
		}
		cpu := ownCPU()
		for range sayPosts {
			d, err := commits.once(l.ctx)
			if err != nil {
				return err
			}
			commit = append(commit, d)
		}
		cpu = ownCPU() - cpu
		floorBefore, err := bare.usage()
		if err != nil {
			return err
		}
		for range sayPosts {
			d, err := l.echoOnce(plain)
			if err != nil {
				return err
			}
			fan = append(fan, d)
			time.Sleep(sayPause)
		}
		floorAfter, err := bare.usage()
		if err != nil {
			return err
		}
		f.got = append(f.got, milliseconds(median(got)))
		f.floor = append(f.floor, milliseconds(median(commit)+median(fan)))
		f.cpu = append(f.cpu, (after.CPU-before.CPU)/sayPosts)
		f.floorCPU = append(f.floorCPU, (cpu+floorAfter.CPU-floorBefore.CPU)/sayPosts)
		commitTimes, fanTimes = append(commitTimes, median(commit)), append(fanTimes, median(fan))
	}
	f.note = fmt.Sprintf("floor: commit %.2f ms, fan-out %.2f ms", milliseconds(median(commitTimes)), milliseconds(median(fanTimes)))
	l.table.add(f)
	return nil
}

// silence makes a room's agents answer no message that does not call them.
func (d *database) silence(ctx context.Context, room string) error {
	return d.with(ctx, func(db *store.DB) error {
		return db.InTx(ctx, func(tx *store.Tx) error { return setFrequency(ctx, tx, room, 0) })
	})
}

// setFrequency sets the chance that a room's agents answer a message that calls none.
func setFrequency(ctx context.Context, tx *store.Tx, room string, chance float64) error {
	r, err := tx.Room(ctx, room)
	if err != nil {
		return err
	}
	r.AIFrequency = chance
	return tx.UpdateRoom(ctx, r)
}

var sayCount atomic.Int64

// sayOnce posts one message and waits for all its effects.
func (l *lab) sayOnce(c *crowd, text string) (time.Duration, error) {
	id := fmt.Sprintf("say-%d", sayCount.Add(1))
	acked, ack := make(chan struct{}), []byte(`"type":"ack","client_id":"`+id+`"`)
	var once sync.Once
	sender := c.members[len(c.members)-1]
	sender.watch(func(text []byte) {
		if bytes.Contains(text, ack) {
			once.Do(func() { close(acked) })
		}
	})
	defer sender.watch(nil)
	want := c.lines.Load() + int64(len(c.members))
	arrived := c.arrival(want)
	start := time.Now()
	if err := sender.say(id, text); err != nil {
		return 0, err
	}
	for _, ch := range []<-chan struct{}{acked, arrived} {
		select {
		case <-ch:
		case <-time.After(20 * time.Second):
			return 0, fmt.Errorf("a post was not answered: %d of %d lines came", c.lines.Load(), want)
		}
	}
	return time.Since(start), nil
}

// echoOnce makes the floor's server send one frame to all.
func (l *lab) echoOnce(c *crowd) (time.Duration, error) {
	want := c.lines.Load() + int64(len(c.members))
	arrived := c.arrival(want)
	start := time.Now()
	if _, err := c.members[0].conn.Write([]byte{'.'}); err != nil {
		return 0, err
	}
	select {
	case <-arrived:
		return time.Since(start), nil
	case <-time.After(20 * time.Second):
		return 0, errors.New("the floor's server did not send")
	}
}

// bareCommits commits the rows of a post with the bare driver.
type bareCommits struct {
	class *class
	pool  *pgxpool.Pool
	lite  *sql.DB
}

func newBareCommits(ctx context.Context, db *database, c *class) (*bareCommits, error) {
	b := &bareCommits{class: c}
	var err error
	if db.kind == onPostgres {
		b.pool, err = pgxpool.New(ctx, db.url)
	} else {
		b.lite, err = openLite(db)
	}
	return b, err
}

func (b *bareCommits) close() error {
	if b.pool != nil {
		b.pool.Close()
		return nil
	}
	return b.lite.Close()
}

// The statements of a post; $n is understood by both databases.
const (
	bareSeq   = "UPDATE rooms SET event_seq = event_seq + 1, look_at = $1 WHERE id = $2 RETURNING event_seq"
	bareLine  = "INSERT INTO messages (id, room_id, seq, sender_id, client_id, content, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING"
	bareEvent = "INSERT INTO events (room_id, seq, id, type, body, created_at) VALUES ($1, $2, $3, $4, $5, $6)"
)

func (b *bareCommits) once(ctx context.Context) (time.Duration, error) {
	now, id, room, text := time.Now().UTC(), store.NewID(), b.class.room, lineText(lineSize)
	body := `{"sender":"Bench","content":"` + text + `"}`
	sender := b.class.people[0].id
	var seq int64
	start := time.Now()
	if b.pool != nil {
		tx, err := b.pool.Begin(ctx)
		if err != nil {
			return 0, err
		}
		defer func() { _ = tx.Rollback(ctx) }()
		if err := tx.QueryRow(ctx, bareSeq, now, room).Scan(&seq); err != nil {
			return 0, err
		}
		if _, err := tx.Exec(ctx, bareLine, id, room, seq, sender, id, text, now); err != nil {
			return 0, err
		}
		if _, err := tx.Exec(ctx, bareEvent, room, seq, id, event.TypeMessage, body, now); err != nil {
			return 0, err
		}
		if _, err := tx.Exec(ctx, "SELECT pg_notify($1, $2)", store.ChannelWake, room); err != nil {
			return 0, err
		}
		err = tx.Commit(ctx)
		return time.Since(start), err
	}
	tx, err := b.lite.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer func() { _ = tx.Rollback() }()
	if err := tx.QueryRowContext(ctx, bareSeq, now, room).Scan(&seq); err != nil {
		return 0, err
	}
	if _, err := tx.ExecContext(ctx, bareLine, id, room, seq, sender, id, text, now); err != nil {
		return 0, err
	}
	if _, err := tx.ExecContext(ctx, bareEvent, room, seq, id, event.TypeMessage, body, now); err != nil {
		return 0, err
	}
	err = tx.Commit()
	return time.Since(start), err
}
