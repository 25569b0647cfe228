//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/coagent-studio/coagent/store"
)

const (
	minePeople = 200
	mineRooms  = 50
	newsEvents = 40
	newsEvery  = 500 * time.Millisecond // each is told by itself, see followPace of app
)

// newsPrefix is the beginning of the frame that tells a person what is new in their rooms.
var newsPrefix = []byte(`{"type":"rooms"`)

// benchMine compares one socket for each person, who is in 50 rooms and listens to one of
// them, with sockets of that room; and measures what it costs to tell people that there is
// something new in a room to which they do not listen.
func benchMine(l *lab) (err error) {
	db, err := l.database(l.databases()[0])
	if err != nil {
		return err
	}
	c, err := db.newClass(l.ctx, minePeople, false)
	if err != nil {
		return err
	}
	other := ""
	if err := db.with(l.ctx, func(db *store.DB) error {
		return db.InTx(l.ctx, func(tx *store.Tx) (err error) { other, err = c.addRooms(l.ctx, tx, mineRooms-1); return err })
	}); err != nil {
		return err
	}
	ours, err := l.spawn(roleCoagent, db.site())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ours.stop()) }()
	orders := burstArgs{Room: c.room, Text: lineText(lineSize), Events: burstEvents}
	burst := &figure{name: fmt.Sprintf("one socket a person, %d people in %d rooms, burst of %d", minePeople, mineRooms, burstEvents), db: db.kind, unit: "us CPU",
		aim: aim{ratioAtMost, 1.1}, note: "floor: the same burst to sockets of the room"}
	news := &figure{name: fmt.Sprintf("news of a room, %d people in %d rooms", minePeople, mineRooms), db: db.kind, unit: "us CPU",
		note: "for each person and message; floor: as many messages at the same pace to sockets of the room"}
	for round := range l.rounds + 1 {
		var each, calm [2]time.Duration
		for i, by := range []dial{dialMine, dialRoom} {
			people, err := joinBy(l.ctx, by, ours.addr, c.room, c.people)
			if err != nil {
				return err
			}
			time.Sleep(3 * time.Second) // the effects of joining are over then
			each[i], err = l.deliver(ours, people, "burst", orders, burstEvents)
			if err == nil && round > 0 {
				calm[i], err = l.calmly(ours, people, []string{other, c.room}[i], [][]byte{newsPrefix, linePrefix}[i])
			}
			if err := errors.Join(err, people.leave()); err != nil {
				return err
			}
			time.Sleep(time.Second)
		}
		if round > 0 { // the first warms up
			burst.sample(each[0], each[1])
			news.sample(calm[0], calm[1])
		}
	}
	l.table.add(burst)
	l.table.add(news)
	return nil
}

// calmly makes messages in a room, one after the other, and returns the CPU for each person
// and message. All people get a frame that begins so, after each.
func (l *lab) calmly(p *process, people *crowd, room string, prefix []byte) (time.Duration, error) {
	var told atomic.Int64
	for _, m := range people.members {
		m.watch(func(text []byte) {
			if bytes.HasPrefix(text, prefix) {
				told.Add(1)
			}
		})
		defer m.watch(nil)
	}
	before, err := p.usage()
	if err != nil {
		return 0, err
	}
	if err := p.call("pace", burstArgs{Room: room, Text: lineText(lineSize), Events: newsEvents, Every: newsEvery}, nil); err != nil {
		return 0, err
	}
	want := int64(len(people.members) * newsEvents / 2) // two may be told together
	if err := await(l.ctx, "news", func() bool { return told.Load() >= want }); err != nil {
		return 0, fmt.Errorf("%w: %d came", err, told.Load())
	}
	after, err := p.usage()
	return (after.CPU - before.CPU) / time.Duration(len(people.members)*newsEvents), err
}

// addRooms adds rooms to the course of a class and returns the id of the last.
func (c *class) addRooms(ctx context.Context, tx *store.Tx, n int) (id string, err error) {
	for i := range n {
		id = store.NewID()
		if err := tx.CreateRoom(ctx, &store.Room{ID: id, CourseID: c.course, Name: fmt.Sprintf("Room %d", i), AIMode: store.ModeOff, AIFrequency: 1,
			CreatedAt: time.Now().UTC().Truncate(time.Microsecond), Version: 1}); err != nil {
			return "", err
		}
	}
	return id, nil
}
