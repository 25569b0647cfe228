//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/coagent-studio/coagent/store"
)

// silentTriggers are those of agents that wait: for a count, for a time, for silence, or
// until somebody calls them.
//
//nolint:gochecknoglobals // a table
var silentTriggers = []store.JSON{`{"type":"message_count","value":1000}`, `{"type":"time_interval","value":86400}`, `{"type":"silence","value":86400}`,
	`{"type":"manual"}`}

// benchSilent compares a post into a room whose agents do not answer it with the same post
// into a room whose AI is off.
func benchSilent(l *lab) error {
	for _, kind := range l.databases() {
		if err := l.silentPosts(kind); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) silentPosts(kind string) (err error) {
	waiting, err := l.waiting(kind, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, waiting.stop()) }()
	off, err := l.waiting(kind, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, off.stop()) }()
	f := &figure{name: fmt.Sprintf("a post that %d agents do not answer, p50", len(silentTriggers)+1), db: kind, unit: "ms", aim: aim{ratioAtMost, 1.2},
		note: "floor: a post into a room whose AI is off"}
	for i := range l.rounds + 1 {
		got, cpu, err := waiting.p50((*crowded).post)
		if err != nil {
			return err
		}
		floor, floorCPU, err := off.p50((*crowded).post)
		if err != nil {
			return err
		}
		if i > 0 { // the first warms up
			f.got, f.floor = append(f.got, milliseconds(got)), append(f.floor, milliseconds(floor))
			f.cpu, f.floorCPU = append(f.cpu, cpu), append(f.floorCPU, floorCPU)
		}
	}
	l.table.add(f)
	return nil
}

// waiting is a coagent with a room, with agents that wait or with its AI off.
func (l *lab) waiting(kind string, agents bool) (*crowded, error) {
	d, err := l.database(kind)
	if err != nil {
		return nil, err
	}
	c, err := d.newClass(l.ctx, 2, agents)
	if err != nil {
		return nil, err
	}
	if agents {
		err = errors.Join(d.silence(l.ctx, c.room), d.with(l.ctx, func(db *store.DB) error {
			return db.InTx(l.ctx, func(tx *store.Tx) error { return c.addWaiting(l.ctx, tx) })
		}))
	}
	if err != nil {
		return nil, err
	}
	p, err := l.spawn(roleCoagent, d.site())
	if err != nil {
		return nil, err
	}
	w := &crowded{process: p, class: c}
	w.http, err = dialHTTP(l.ctx, p.addr, c.people[1])
	return w, err
}

func (c *class) addWaiting(ctx context.Context, tx *store.Tx) error {
	for i, trigger := range silentTriggers {
		if _, err := c.addAgents(ctx, tx, trigger, fmt.Sprintf("Agent %d", i)); err != nil {
			return err
		}
	}
	return nil
}
