//go:build unix

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/store"
)

const (
	burstEvents = 200
	lineSize    = 120 // a message in a class is a sentence or two
	paceRate    = 10_000
	paceTime    = 3 * time.Second
)

// sampleFrame returns a frame as the room's members get it, for the floor to send.
func sampleFrame(text string) []byte {
	id := store.NewID()
	body, _ := json.Marshal(map[string]any{ // a map of texts always encodes
		"type": "message", "sender": "Bench", "content": text, "timestamp": event.Timestamp(time.Now()), "room_id": id,
		"metadata": map[string]any{"is_ai": false, "sender_id": id, "id": id, "seq": 1000}, "id": id, "seq": 1000})
	// A client recognises a message by the beginning of its frame, and a map is sorted.
	return textFrame(`{"type":"message"` + string(body[:len(body)-len(`{"type":"message"`)]))
}

// benchFanout compares the server's CPU for each delivery.
func benchFanout(l *lab) error {
	for _, members := range []int{500, 1000} {
		if err := l.fanout(members); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) fanout(members int) (err error) {
	db, err := l.database(l.databases()[0])
	if err != nil {
		return err
	}
	c, err := db.newClass(l.ctx, members, false)
	if err != nil {
		return err
	}
	r, err := l.rivals(db.site(), c.room, c.people)
	defer func() { err = errors.Join(err, r.end()) }()
	if err != nil {
		return err
	}
	ours, bare, class, plain := r.ours, r.bare, r.class, r.plain
	// Wait until the effects of joining (presence above all) are over: they are not
	// measured.
	time.Sleep(3 * time.Second)

	text := lineText(lineSize)
	orders := burstArgs{Room: c.room, Text: text, Events: burstEvents}
	floorOrders := floorArgs{Frame: sampleFrame(text), Frames: burstEvents}
	burst := &figure{name: fmt.Sprintf("fan-out, %d members, burst of %d", members, burstEvents), db: db.kind, unit: "us CPU", aim: aim{ratioAtMost, 1.4}}
	for i := range l.rounds + 1 {
		got, err := l.deliver(ours, class, "burst", orders, burstEvents)
		if err != nil {
			return err
		}
		floor, err := l.deliver(bare, plain, "burst", floorOrders, burstEvents)
		if err != nil {
			return err
		}
		if i > 0 { // the first warms up
			burst.sample(got, floor)
		}
	}
	l.table.add(burst)

	events := int(paceTime.Seconds()) * paceRate / members
	orders.Events, orders.Every = events, paceTime/time.Duration(events)
	floorOrders.Frames, floorOrders.Every = events, orders.Every
	paced := &figure{name: fmt.Sprintf("fan-out, %d members, %d deliveries/s", members, paceRate), db: db.kind, unit: "us CPU", aim: aim{ratioAtMost, 1.25}}
	for range l.rounds {
		got, err := l.deliver(ours, class, "pace", orders, events)
		if err != nil {
			return err
		}
		floor, err := l.deliver(bare, plain, "pace", floorOrders, events)
		if err != nil {
			return err
		}
		paced.sample(got, floor)
	}
	l.table.add(paced)
	return nil
}

// sample adds a round of CPU times.
func (f *figure) sample(got, floor time.Duration) {
	f.got, f.floor = append(f.got, microseconds(got)), append(f.floor, microseconds(floor))
	f.cpu, f.floorCPU = append(f.cpu, got), append(f.floorCPU, floor)
}

// deliver makes a server send events and returns its CPU for each delivery. A burst
// returns the CPU used before it, a pace its own CPU.
func (l *lab) deliver(p *process, c *crowd, op string, args any, events int) (time.Duration, error) {
	deliveries := int64(events * len(c.members))
	want := c.lines.Load() + deliveries
	var cpu time.Duration
	if err := p.call(op, args, &cpu); err != nil {
		return 0, err
	}
	if err := c.awaitLines(l.ctx, want); err != nil {
		return 0, err
	}
	if op == "burst" {
		u, err := p.usage()
		if err != nil {
			return 0, err
		}
		cpu = u.CPU - cpu
	}
	return cpu / time.Duration(deliveries), nil
}
