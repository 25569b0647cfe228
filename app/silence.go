package app

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/store"
)

// A person who calls an agent that may not speak is told so, and nobody else is. The
// notice is a system frame on the person's own sockets and event streams in the room,
// once per agent, person and minute. It is not stored; the decision is, with the reason. Only staff
// see the reason.

// silencePause is for how long the same notice is not sent again.
const silencePause = time.Minute

// tell shows the notice in this process and makes the other nodes show it.
func (au *audience) tell(roomID string, s turn.Silence) {
	au.show(roomID, s)
	au.hub.Signal(roomID, realtime.Signal{Type: signalSilence, Body: json.RawMessage(store.ToJSON(s))})
}

// show shows the notice on the person's sockets and event streams of this process.
func (au *audience) show(roomID string, s turn.Silence) {
	mine := au.hub.Conns(func(c *realtime.Conn) bool {
		_, in := c.Place(roomID)
		return in && c.UserID() == s.UserID
	})
	if len(mine) == 0 && !au.streams.reads(roomID, s.UserID) || !au.told.take(s.UserID+" "+s.AgentID, au.now()) {
		return
	}
	for _, c := range mine {
		if p, in := c.Place(roomID); in {
			c.Send(event.SystemFrame(roomID, s.Text(p.Variant&event.Staff != 0)))
		}
	}
	au.streams.notify(roomID, s)
}

// silences remembers which notices were sent in the last minute.
type silences struct {
	mu   sync.Mutex
	told map[string]time.Time
}

// maxSilences is the number of notices from which old ones are removed.
const maxSilences = 1000

// take tells whether a notice may be sent again, and notes that it is sent.
func (s *silences) take(what string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, ok := s.told[what]; ok && now.Before(last.Add(silencePause)) {
		return false
	}
	if s.told == nil {
		s.told = map[string]time.Time{}
	}
	if len(s.told) >= maxSilences {
		for key, at := range s.told {
			if !now.Before(at.Add(silencePause)) {
				delete(s.told, key)
			}
		}
	}
	s.told[what] = now
	return true
}
