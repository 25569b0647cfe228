package app

import (
	"encoding/json"
	"strings"

	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/store"
)

// What the processes on one database tell each other beside what people see;
// best effort.
const (
	nodesStop  = "stop"  // the body is the id of a turn that is to stop
	nodesTyped = "typed" // a person has sent what they typed, or stopped typing
	// nodesSilence tells a person on another node why an agent does not answer.
	nodesSilence = "silence"
)

// signalNodes tells the other processes something about a room; no frame is made
// of it.
func (a *App) signalNodes(roomID, what, about string) {
	a.hub.Signal(roomID, realtime.Signal{Type: what, Body: json.RawMessage(toJSON(about))})
}

// heardSignal acts on what another process tells.
func (a *App) heardSignal(roomID string, s realtime.Signal) {
	switch s.Type {
	case signalTyping:
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

// newListener hears what other processes on the same database have done. One
// that only works jobs off has no sockets: it hears who types and what stops.
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
			// Most payloads are text as it streams, which nobody here reads.
			if strings.Contains(payload, realtime.WireSignal) {
				a.hub.HandleSignal([]byte(payload))
			}
		}
	}
	return realtime.NewListener(cfg)
}
