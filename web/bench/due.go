//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
)

const (
	restingRooms = 100_000
	dueRooms     = 4_000 // in a round
	dueCommit    = 250   // rows of the floor in one commit
)

// benchDue fires triggers that are due together, among many rooms at rest. The floor adds
// and changes the same rows with bare statements.
func benchDue(l *lab) error {
	if l.server == nil {
		return nil
	}
	d, err := l.database(onPostgres)
	if err != nil {
		return err
	}
	c, err := d.newClass(l.ctx, 1, true)
	if err != nil {
		return err
	}
	fired := &figure{name: "due triggers fired, among 100k rooms at rest", db: onPostgres, unit: "/s", aim: aim{ratioAtLeast, 0.1},
		note: "aim of the house: 1,000/s; floor: the rows alone, 250 to a commit"}
	rest := &figure{name: "looking for due triggers among 100k rooms", db: onPostgres, unit: "us", aim: aim{ratioAtMost, 5}, note: "floor: SELECT 1"}
	err = d.with(l.ctx, func(db *store.DB) error {
		if err := fillResting(l.ctx, db, c); err != nil {
			return err
		}
		for i := range l.rounds {
			got, floor, err := atRest(l.ctx, db)
			if err != nil {
				return err
			}
			rest.got, rest.floor = append(rest.got, got), append(rest.floor, floor)
			if got, err = l.fireRound(d, db, 2*i*dueRooms); err != nil {
				return err
			}
			if floor, err = bareRound(l.ctx, db, (2*i+1)*dueRooms); err != nil {
				return err
			}
			fired.got, fired.floor = append(fired.got, got), append(fired.floor, floor)
		}
		return nil
	})
	l.table.add(fired)
	l.table.add(rest)
	return err
}

// fillResting adds rooms in which a person has spoken and an agent waits.
func fillResting(ctx context.Context, db *store.DB, c *class) error {
	exec := func(query string, args ...any) error {
		_, err := db.Pool().Exec(ctx, query, args...)
		return err
	}
	return errors.Join(
		exec(`UPDATE agents SET trigger_config = '{"type":"silence","value":60}', model_provider = 'offline'`),
		exec(`INSERT INTO rooms (id, course_id, name, is_ai_active, is_analytics_active, ai_frequency, ai_mode, created_at, version, event_seq,
			looked_seq, person_seq, person_at)
			SELECT 'rest' || i, $1, 'Room', true, false, 0, 'both', now() - interval '2 hours', 1, 1, 1, 1, now() - interval '1 hour'
			FROM generate_series(0, $2::int - 1) AS i`, c.course, restingRooms),
		exec(`INSERT INTO messages (id, room_id, seq, sender_id, content, created_at)
			SELECT 'm' || i, 'rest' || i, 1, $1, 'hello', now() - interval '1 hour' FROM generate_series(0, $2::int - 1) AS i`, c.people[0].id, restingRooms),
		exec(`INSERT INTO room_agents (room_id, agent_id, created_at, next_due_at)
			SELECT 'rest' || i, (SELECT agent_id FROM room_agents WHERE room_id = $1), now() - interval '2 hours', now() + interval '1 day'
			FROM generate_series(0, $2::int - 1) AS i`, c.room, restingRooms),
		exec("VACUUM ANALYZE rooms, room_agents, messages"))
}

// atRest measures the query that runs every second, in microseconds.
func atRest(ctx context.Context, db *store.DB) (got, floor float64, err error) {
	var asked, bare []time.Duration
	for range 200 {
		start := time.Now()
		if _, err := db.NextDue(ctx); err != nil {
			return 0, 0, err
		}
		asked = append(asked, time.Since(start))
		var one int
		start = time.Now()
		if err := db.Pool().QueryRow(ctx, "SELECT 1").Scan(&one); err != nil {
			return 0, 0, err
		}
		bare = append(bare, time.Since(start))
	}
	return microseconds(median(asked)), microseconds(median(bare)), nil
}

// fireRound makes triggers due and runs a node until all have fired. It runs one turn at
// a time: benchTurn measures the turns themselves.
func (l *lab) fireRound(d *database, db *store.DB, from int) (perSecond float64, err error) {
	ctx := l.ctx
	if _, err := db.Pool().Exec(ctx, `UPDATE room_agents SET next_due_at = now() - interval '1 second'
		WHERE room_id IN (SELECT 'rest' || i FROM generate_series($1::int, $2::int) AS i)`, from, from+dueRooms-1); err != nil {
		return 0, err
	}
	before, err := turnCount(ctx, db)
	if err != nil {
		return 0, err
	}
	cfg := settings(d.site())
	cfg.Jobs.TurnWorkers, cfg.Turns.Due = 1, 10*time.Millisecond
	o, err := app.Open(ctx, cfg, slog.New(slog.DiscardHandler), app.Mode{Work: true})
	if err != nil {
		return 0, err
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
		defer cancel()
		err = errors.Join(err, o.Stop(end), o.Close())
	}()
	start := time.Now()
	if err := o.Start(ctx); err != nil {
		return 0, err
	}
	for time.Since(start) < time.Minute {
		n, err := turnCount(ctx, db)
		if err != nil {
			return 0, err
		}
		if n-before >= dueRooms {
			return dueRooms / time.Since(start).Seconds(), nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return 0, fmt.Errorf("not all of %d due triggers fired within a minute", dueRooms)
}

func turnCount(ctx context.Context, db *store.DB) (n int, err error) {
	err = db.Pool().QueryRow(ctx, "SELECT count(*) FROM agent_turns").Scan(&n)
	return n, err
}

// bareRound adds and changes the rows of as many triggers.
func bareRound(ctx context.Context, db *store.DB, from int) (perSecond float64, err error) {
	start := time.Now()
	for at := from; at < from+dueRooms; at += dueCommit {
		tx, err := db.Pool().Begin(ctx)
		if err != nil {
			return 0, err
		}
		for _, query := range []string{
			`INSERT INTO agent_decisions (id, room_id, cause, from_seq, seq, candidates, created_at)
				SELECT gen_random_uuid()::text, room_id, 'silence', 1, 1, '[{"agent_id":"x","agent_name":"Galileo","speaks":true,"rule":"silence"}]', now() FROM due`,
			`INSERT INTO agent_turns (id, room_id, agent_id, trigger_seq, position, state, attempt, lease_until, prompt_tokens, completion_tokens, created_at)
				SELECT gen_random_uuid()::text, room_id, agent_id, 1, 0, 'queued', 1, now() + interval '1 hour', 0, 0, now() FROM due`,
			`UPDATE room_agents SET next_due_at = NULL, spoke_at = now(), read_seq = 1, broke_seq = 1 FROM due
				WHERE room_agents.room_id = due.room_id AND room_agents.agent_id = due.agent_id`,
		} {
			if _, err := tx.Exec(ctx, `WITH due AS (SELECT ra.room_id, ra.agent_id FROM room_agents AS ra
				WHERE ra.room_id IN (SELECT 'rest' || i FROM generate_series($1::int, $2::int) AS i)) `+query, at, at+dueCommit-1); err != nil {
				return 0, errors.Join(err, tx.Rollback(ctx))
			}
		}
		if err := tx.Commit(ctx); err != nil {
			return 0, err
		}
	}
	return dueRooms / time.Since(start).Seconds(), nil
}
