package app

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/store"
)

// Signals between the processes on one database that people do not see. They are best
// effort.
const (
	nodesStop  = "stop"  // the turn whose id is the body has to stop
	nodesTyped = "typed" // the person whose id is the body has sent a message or stopped typing
	// nodesSilence tells a person on another node why an agent does not answer. The
	// body is a silence.
	nodesSilence = "silence"
)

// signalNodes tells the other processes something about a room. No frame is made of
// it.
func (a *App) signalNodes(roomID, what, about string) {
	a.hub.Signal(roomID, realtime.Signal{Type: what, Body: json.RawMessage(store.ToJSON(about))})
}

// heardSignal handles a signal of another process.
func (a *App) heardSignal(roomID string, s realtime.Signal) {
	switch s.Type {
	case event.SignalTyping:
		var who realtime.Member
		if json.Unmarshal(s.Body, &who) == nil {
			a.typists.typing(roomID, who.UserID, a.now())
		}
	case nodesSilence:
		var about silence
		if json.Unmarshal(s.Body, &about) == nil {
			a.showSilence(roomID, about)
		}
	case nodesTyped, nodesStop:
		var about string
		if json.Unmarshal(s.Body, &about) != nil {
			return
		}
		if s.Type == nodesStop {
			a.stops.stop(about)
			return
		}
		a.typists.done(roomID, about)
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
