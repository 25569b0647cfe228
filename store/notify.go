package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// maxPayload is the most bytes that Postgres accepts in one notification.
const maxPayload = 7999

// The two Postgres channels between processes.
const (
	ChannelWake   = "coagent_wake"   // "<node> <room>:<seq> ...": these rooms have newer events
	ChannelSignal = "coagent_signal" // signals that are never stored: typing, presence, text as it streams
)

// OnCommit sets the function that this process calls after each commit, with the events
// of that commit in order. Set it before the first transaction.
func (d *DB) OnCommit(fn func([]Event)) { d.committed = fn }

// notifyEvents notifies the other processes, at the commit, which rooms have newer
// events. A rollback notifies nobody.
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

// SendSignal sends a payload to the other processes at once; best effort. On SQLite there
// is no other process, so it does nothing.
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

// ParseWake reads a payload of ChannelWake. It returns nothing for this process's own
// notifications, which it has handled already.
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
