package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// maxPayload is what Postgres takes in one notification, in bytes.
const maxPayload = 7999

// The two Postgres channels between processes.
const (
	ChannelWake   = "coagent_wake"   // "<node> <room>:<seq> ...": these rooms have newer events
	ChannelSignal = "coagent_signal" // what is never stored: typing, presence, text as it streams
)

// OnCommit sets what a commit in this process calls with the events it made
// durable, in order. Set it before the first transaction.
func (d *DB) OnCommit(fn func([]Event)) { d.committed = fn }

// notifyEvents tells the other processes, at the commit, which rooms have
// newer events. A rollback tells nobody.
func (t *Tx) notifyEvents(ctx context.Context) error {
	if t.PG == nil {
		return nil
	}
	newest := map[string]int64{}
	for _, e := range t.events {
		if !e.told {
			newest[e.RoomID] = max(newest[e.RoomID], e.Seq)
		}
	}
	if len(newest) == 0 {
		return nil
	}
	payload := t.owner.node
	for room, seq := range newest {
		wake := fmt.Sprintf(" %s:%d", room, seq)
		if len(payload)+len(wake) > maxPayload {
			if err := t.notify(ctx, ChannelWake, payload); err != nil {
				return err
			}
			payload = t.owner.node
		}
		payload += wake
	}
	return t.notify(ctx, ChannelWake, payload)
}

func (q Queries) notify(ctx context.Context, channel, payload string) error {
	if _, err := q.db.NewRaw("SELECT pg_notify(?, ?)", channel, payload).Exec(ctx); err != nil {
		return fmt.Errorf("notify %s: %w", channel, translate(err))
	}
	return nil
}

// SendSignal publishes a payload to the other processes at once; best effort.
// On SQLite there is no other process, and it does nothing.
func (d *DB) SendSignal(ctx context.Context, payload []byte) error {
	if d.pool == nil {
		return nil
	}
	return d.notify(ctx, ChannelSignal, string(payload))
}

// Wake says that a room's log has reached Seq.
type Wake struct {
	Room string
	Seq  int64
}

// ParseWake reads a payload of ChannelWake; it is empty for this process's own
// notifications, which it has acted on already.
func (d *DB) ParseWake(payload string) []Wake {
	parts := strings.Fields(payload)
	if len(parts) == 0 || parts[0] == d.node {
		return nil
	}
	wakes := make([]Wake, 0, len(parts)-1)
	for _, p := range parts[1:] {
		room, n, _ := strings.Cut(p, ":")
		if seq, err := strconv.ParseInt(n, 10, 64); err == nil {
			wakes = append(wakes, Wake{room, seq})
		}
	}
	return wakes
}
