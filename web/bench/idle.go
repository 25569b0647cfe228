//go:build unix

package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	idleMembers = 5000
	idleRooms   = 100
)

// benchIdle measures the memory of members who only listen, in rooms of fifty.
func benchIdle(l *lab) (err error) {
	db, err := l.database(l.databases()[0])
	if err != nil {
		return err
	}
	var classes []*class
	for range idleRooms {
		c, err := db.newClass(l.ctx, idleMembers/idleRooms, false)
		if err != nil {
			return err
		}
		classes = append(classes, c)
	}
	ours, err := l.spawn(roleCoagent, db.site())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ours.stop()) }()
	// A few members come and go first, so that what the process needs anyway is not
	// counted for the others.
	warm, err := joinRoom(l.ctx, ours.addr, classes[0].room, classes[0].people)
	if err != nil {
		return err
	}
	if err := errors.Join(warm.leave(), ours.call("settle", nil, nil)); err != nil {
		return err
	}
	before, err := ours.usage()
	if err != nil {
		return err
	}
	crowds := make([]*crowd, len(classes))
	errs := make([]error, len(classes))
	var joined sync.WaitGroup
	slots := make(chan struct{}, 8)
	for i, c := range classes {
		joined.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			crowds[i], errs[i] = joinRoom(l.ctx, ours.addr, c.room, c.people)
		})
	}
	joined.Wait()
	defer func() {
		for _, c := range crowds {
			if c != nil {
				err = errors.Join(err, c.leave())
			}
		}
	}()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	// Wait for a ping and its answer: by it a member shows that it is there.
	time.Sleep(12 * time.Second)
	if err := ours.call("settle", nil, nil); err != nil {
		return err
	}
	after, err := ours.usage()
	if err != nil {
		return err
	}
	start := after
	time.Sleep(5 * time.Second)
	end, err := ours.usage()
	if err != nil {
		return err
	}
	l.table.add(&figure{name: fmt.Sprintf("%d idle members, memory each", idleMembers), db: db.kind, unit: "KiB",
		got: []float64{float64(after.RSS-before.RSS) / idleMembers / 1024}, aim: aim{valueAtMost, 32},
		note: fmt.Sprintf("heap %.1f KiB each; all of them use %.1f %% of a core", float64(after.Heap-before.Heap)/idleMembers/1024,
			float64(end.CPU-start.CPU)/float64(5*time.Second)*100)})
	return nil
}

const (
	slowMembers = 30
	slowRate    = 60 // messages a second
	// slowLine is the message size in bytes that fills the buffers of a connection, a few
	// MB, within slowTime.
	slowLine = 16_000
	slowTime = 6 * time.Second
)

// benchSlow compares how late messages come with and without one member who does not
// read.
func benchSlow(l *lab) (err error) {
	db, err := l.database(l.databases()[0])
	if err != nil {
		return err
	}
	c, err := db.newClass(l.ctx, slowMembers+1, false)
	if err != nil {
		return err
	}
	ours, err := l.spawn(roleCoagent, db.site())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ours.stop()) }()
	others, err := joinRoom(l.ctx, ours.addr, c.room, c.people[1:])
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, others.leave()) }()
	time.Sleep(2 * time.Second)
	f := &figure{name: "the others' p99 while one does not read", db: db.kind, unit: "ms", aim: aim{ratioAtMost, 1.1},
		note: "floor: all read"}
	closed := 0
	for range l.rounds {
		without, err := l.lateness(others)
		if err != nil {
			return err
		}
		stuck, err := dialDeaf(l.ctx, ours.addr, c.room, c.people[0])
		if err != nil {
			return err
		}
		with, err := l.lateness(others)
		if err != nil {
			return err
		}
		// Now it reads everything that had been written to it.
		if err := stuck.conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			return err
		}
		stuck.crowd = &crowd{}
		stuck.read()
		if stuck.close == 4008 {
			closed++
		}
		if err := stuck.conn.Close(); err != nil {
			return err
		}
		f.got, f.floor = append(f.got, milliseconds(with)), append(f.floor, milliseconds(without))
	}
	f.note += fmt.Sprintf("; the one was closed as too slow %d of %d times", closed, len(f.got))
	l.table.add(f)
	return nil
}

// lateness returns the p99 of the time from a member's post to its arrival at each of the
// others, at a steady pace.
func (l *lab) lateness(c *crowd) (time.Duration, error) {
	var mu sync.Mutex
	var took []time.Duration
	seen := func(text []byte) {
		s := string(text[:min(len(text), 400)])
		_, s, ok := strings.Cut(s, "sent=")
		s, _, _ = strings.Cut(s, " ")
		if sent, err := strconv.ParseInt(s, 10, 64); ok && err == nil {
			d := time.Since(time.Unix(0, sent))
			mu.Lock()
			took = append(took, d)
			mu.Unlock()
		}
	}
	for _, m := range c.members[1:] {
		m.watch(seen)
		defer m.watch(nil)
	}
	lines := int64(slowTime.Seconds()) * slowRate
	want := c.lines.Load() + lines*int64(len(c.members))
	tick := time.NewTicker(time.Second / slowRate)
	defer tick.Stop()
	text := lineText(slowLine)
	for i := range lines {
		<-tick.C
		now := time.Now()
		if err := c.members[0].say(fmt.Sprintf("%d-%d", now.UnixNano(), i), fmt.Sprintf("sent=%d %s", now.UnixNano(), text)); err != nil {
			return 0, err
		}
	}
	if err := c.awaitLines(l.ctx, want); err != nil {
		return 0, err
	}
	return quantile(took, 0.99), nil
}
