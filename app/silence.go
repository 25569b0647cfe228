package app

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/store"
)

// Who calls an agent that may not speak is told so, and nobody else: by a
// system frame on the person's own sockets in the room, once per agent, person
// and minute. It is not stored; the decision is, with the reason. Why is for
// staff alone.

// silence is why one agent does not answer the person who has called it.
type silence struct {
	UserID  string `json:"user_id"`
	AgentID string `json:"agent_id"`
	Name    string `json:"agent_name"`
	Reason  string `json:"reason"` // for staff
}

// silencePause is how long the same is not told again.
const silencePause = time.Minute

// tellUnheard tells those who have called agents that may not speak. What
// agents say to each other tells a person only of a guard that has ended it.
func (a *App) tellUnheard(roomID string, d *decision) {
	for _, c := range d.unheard() {
		if c.askedBy != "" && (d.Cause == causePost || c.Rule == ruleGuard) {
			a.tellSilence(roomID, silence{UserID: c.askedBy, AgentID: c.AgentID, Name: c.Name, Reason: reasonText(c.Rule, c.Detail)})
		}
	}
}

// tellOff tells who has called agents in a room whose AI is off, where no
// decision is made.
func (a *App) tellOff(ctx context.Context, room *store.Room, m *store.Message) {
	agents, err := a.db.AgentsInRoom(ctx, room.ID)
	if err != nil {
		a.log.WarnContext(ctx, "who was called could not be read", "room", room.ID, "err", err)
		return
	}
	for _, id := range namesOf(agents).called(m.Content, nil) {
		for i := range agents {
			if ag := &agents[i]; ag.ID == id && !ag.IsExternal {
				a.tellSilence(room.ID, silence{UserID: m.SenderID, AgentID: ag.ID, Name: ag.Name, Reason: reasonText(ruleRoomOff, "")})
			}
		}
	}
}

// tellSilence shows it here, and has the other nodes do so.
func (a *App) tellSilence(roomID string, s silence) {
	a.showSilence(roomID, s)
	a.hub.Signal(roomID, realtime.Signal{Type: nodesSilence, Body: json.RawMessage(toJSON(s))})
}

// showSilence shows it on the person's sockets of this process.
func (a *App) showSilence(roomID string, s silence) {
	mine := a.hub.Conns(func(c *realtime.Conn) bool { return c.UserID() == s.UserID && c.Room() == roomID })
	if len(mine) == 0 || !a.silences.take(s.UserID+" "+s.AgentID, a.now()) {
		return
	}
	for _, c := range mine {
		text := s.Name + " cannot answer now."
		if c.Variant()&variantStaff != 0 {
			text = s.Name + " cannot answer now: " + s.Reason + "."
		}
		c.Send(SystemFrame(roomID, text))
	}
}

// silences remembers what was told in the last minute.
type silences struct {
	mu   sync.Mutex
	told map[string]time.Time
}

// maxSilences is the number after which old ones are cleared out.
const maxSilences = 1000

// take tells whether it is time to tell something again.
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
