package app

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/store"
)

// signalSilence tells a person on another node why an agent does not answer. The body is
// a turn.Silence. Like the engine's own signals it is best effort, and no frame is made
// of it.
const signalSilence = "silence"

// heardSignal handles a signal of another process.
func (a *App) heardSignal(roomID string, s realtime.Signal) {
	if s.Type != signalSilence {
		a.engine.Heard(roomID, s)
		return
	}
	var about turn.Silence
	if json.Unmarshal(s.Body, &about) == nil {
		a.showSilence(roomID, about)
	}
}

// newListener makes the listener for what other processes on the same database do. A
// process that only works on jobs has no sockets: it listens only for people who type
// and turns that stop.
func (a *App) newListener() *realtime.Listener {
	cfg := realtime.ListenConfig{
		Connect:     a.db.Connect,
		Channels:    []string{store.ChannelWake, store.ChannelSignal},
		OnReconnect: func() { a.hub.WakeAll(); a.streams.wakeAll() },
		Log:         a.log.With("part", "listener"),
		OnNotify: func(channel, payload string) {
			if channel == store.ChannelSignal {
				a.hub.HandleSignal([]byte(payload))
				return
			}
			for _, w := range a.db.ParseWake(payload) {
				a.hub.Wake(w.Room, w.Seq)
				a.streams.wake(w.Room)
			}
		},
	}
	if !a.serve {
		cfg.Channels = []string{store.ChannelSignal}
		cfg.OnNotify = func(_, payload string) {
			// Most payloads are streamed text, which nobody needs here.
			if strings.Contains(payload, realtime.WireSignal) {
				a.hub.HandleSignal([]byte(payload))
			}
		}
	}
	return realtime.NewListener(cfg)
}

// newHub makes the hub that sends the events of the log to the sockets.
func (a *App) newHub() *realtime.Hub {
	r := a.cfg.Rooms
	cfg := realtime.Config{
		Node: a.db.Node(),
		Read: func(ctx context.Context, room string, after int64, limit int) ([]realtime.Event, error) {
			rows, err := a.db.Events(ctx, room, after, limit)
			events := make([]realtime.Event, len(rows))
			for i := range rows {
				events[i] = event.Live(&rows[i])
			}
			return events, err
		},
		Heads:       a.db.EventHeads,
		Heard:       a.heardSignal,
		Encode:      event.Encoders(),
		QueueFrames: r.SocketQueueFrames, QueueBytes: int(r.SocketQueueBytes), Ping: r.Ping, DeadAfter: r.DeadAfter,
		HistoryBytes: int64(a.cfg.Limits.AnswersAtOnce), HistoryOf: int64(a.cfg.Limits.AnswersPerPerson),
		PresenceExpiry: r.PresenceExpiry, Poll: r.EventPoll, Log: a.log.With("part", "realtime"), Now: a.now,
	}
	if a.db.Postgres() {
		cfg.Send = a.db.SendSignal
	}
	return realtime.NewHub(cfg)
}

// publish hands the events of a committed transaction to the sockets of this process.
func (a *App) publish(events []store.Event) {
	for i := range events {
		a.hub.Publish(event.Live(&events[i]))
		a.streams.wake(events[i].RoomID)
	}
}
