package app

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/store"
)

// signalSilence tells a person on another node why an agent does not answer. The body is
// a turn.Silence. Like the engine's own signals it is best effort, and no frame is made
// of it.
const signalSilence = "silence"

// signalReport tells the other nodes that a course's report has ended or is gone. It is
// sent with the course's id instead of a room's, and no frame is made of it.
const signalReport = "report"

// audience are the people who are connected to this process, by sockets and by event
// streams.
type audience struct {
	hub     *realtime.Hub
	streams streams
	told    silences
	now     clock

	rechecks rechecks
}

// heardSignal handles a signal of another process.
func (a *App) heardSignal(roomID string, s realtime.Signal) {
	switch s.Type {
	case signalReport:
		a.audience.streams.wake(roomID)
	case signalSilence:
		var about turn.Silence
		if json.Unmarshal(s.Body, &about) == nil {
			a.audience.show(roomID, about)
		}
	default:
		a.engine.Heard(roomID, s)
	}
}

// reportEnded wakes those who wait for a course's report, in this process and on the
// other nodes.
func (au *audience) reportEnded(courseID string) {
	au.streams.wake(courseID)
	au.hub.Signal(courseID, realtime.Signal{Type: signalReport})
}

// newListener makes the listener for what other processes on the same database do. A
// process that only works on jobs has no sockets: it listens only for people who type
// and turns that stop.
func newListener(db *store.DB, audience *audience, serve bool, log *slog.Logger) *realtime.Listener {
	cfg := realtime.ListenConfig{
		Connect:     db.Connect,
		Channels:    []string{store.ChannelWake, store.ChannelSignal},
		OnReconnect: func() { audience.hub.WakeAll(); audience.streams.wakeAll() },
		Log:         log.With("part", "listener"),
		OnNotify: func(channel, payload string) {
			if channel == store.ChannelSignal {
				audience.hub.HandleSignal([]byte(payload))
				return
			}
			for _, w := range db.ParseWake(payload) {
				audience.hub.Wake(w.Room, w.Seq)
				audience.streams.wake(w.Room)
			}
		},
	}
	if !serve {
		cfg.Channels = []string{store.ChannelSignal}
		cfg.OnNotify = func(_, payload string) {
			// Most payloads are streamed text, which nobody needs here.
			if strings.Contains(payload, realtime.WireSignal) {
				audience.hub.HandleSignal([]byte(payload))
			}
		}
	}
	return realtime.NewListener(cfg)
}

// newHub makes the hub that sends the events of the log to the sockets.
func newHub(cfg *config.Config, db *store.DB, now clock, log *slog.Logger,
	heard func(roomID string, s realtime.Signal)) *realtime.Hub {
	r := cfg.Rooms
	options := realtime.Config{
		Node: db.Node(),
		Read: func(ctx context.Context, room string, after int64, limit int) ([]realtime.Event, error) {
			rows, err := db.Events(ctx, room, after, limit)
			events := make([]realtime.Event, len(rows))
			for i := range rows {
				events[i] = event.Live(&rows[i])
			}
			return events, err
		},
		Heads:       db.EventHeads,
		Heard:       heard,
		Encode:      event.Encoders(),
		QueueFrames: r.SocketQueueFrames, QueueBytes: int(r.SocketQueueBytes), Ping: r.Ping, DeadAfter: r.DeadAfter,
		HistoryBytes: int64(cfg.Limits.AnswersAtOnce), HistoryOf: int64(cfg.Limits.AnswersPerPerson),
		PresenceExpiry: r.PresenceExpiry, Poll: r.EventPoll, Log: log.With("part", "realtime"), Now: now,
	}
	if db.Postgres() {
		options.Send = db.SendSignal
	}
	return realtime.NewHub(options)
}

// publish hands the events of a committed transaction to the sockets of this process.
func (au *audience) publish(events []store.Event) {
	for i := range events {
		au.hub.Publish(event.Live(&events[i]))
		au.streams.wake(events[i].RoomID)
	}
}
