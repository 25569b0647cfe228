package app

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/mention"
	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/app/turntaking"
	"github.com/coagent-studio/coagent/store"
)

// A person who calls an agent that may not speak is told so, and nobody else is. The
// notice is a system frame on the person's own sockets and event streams in the room,
// once per agent, person and minute. It is not stored; the decision is, with the reason. Only staff
// see the reason.

// silence is why one agent does not answer the person who has called it.
type silence struct {
	UserID  string `json:"user_id"`
	AgentID string `json:"agent_id"`
	Name    string `json:"agent_name"`
	Reason  string `json:"reason"` // only staff see it
}

// silencePause is for how long the same notice is not sent again.
const silencePause = time.Minute

// reportUnheard tells people that the agents which they called may not speak. When
// agents' messages made the room decide, it tells only about a guard that cut the
// agents off.
func (a *App) reportUnheard(roomID string, d *turntaking.Decision) {
	for _, c := range d.Unheard() {
		if d.Cause != turntaking.CausePost && c.Rule != turntaking.RuleGuard {
			continue
		}
		for _, who := range c.Callers {
			a.sendSilence(roomID, silence{UserID: who, AgentID: c.AgentID, Name: c.Name, Reason: reasonText(c.Rule, c.Detail)})
		}
	}
}

// reportRoomOff tells the author of a message which of the called agents do not
// answer, because the room's AI is off. No decision is made in such a room.
func (a *App) reportRoomOff(ctx context.Context, room *store.Room, m *store.Message) {
	agents, err := a.db.AgentsInRoom(ctx, room.ID)
	if err != nil {
		a.log.WarnContext(ctx, "who was called could not be read", "room", room.ID, "err", err)
		return
	}
	for _, id := range namesOf(agents).Called(m.Content, nil) {
		for i := range agents {
			if ag := &agents[i]; ag.ID == id {
				a.sendSilence(room.ID, silence{UserID: m.SenderID, AgentID: ag.ID, Name: ag.Name, Reason: reasonText(turntaking.RuleRoomOff, "")})
			}
		}
	}
}

// reportNobody tells people who call agents that are not there at all: deleted
// agents, and types of which the room has no agent.
func (a *App) reportNobody(ctx context.Context, s *roomSnapshot, d *turntaking.Decision) {
	calls := slices.ContainsFunc(s.Fresh(), func(m turntaking.Message) bool { return !m.ByAgent && mention.May(m.Content) })
	if d.Cause != turntaking.CausePost || !calls || slices.ContainsFunc(d.Candidates, func(c turntaking.Candidate) bool { return c.Called }) {
		return
	}
	types, err := a.agentTypeNames(ctx)
	if err != nil {
		a.log.WarnContext(ctx, "who was called could not be read", "room", s.room.ID, "err", err)
		return
	}
	words := map[string]silence{}
	var names []mention.Agent
	for _, m := range s.Messages {
		if m.ByAgent && m.AgentID == "" {
			id := "name " + m.AgentName
			names = append(names, mention.Agent{ID: id, Name: m.AgentName})
			words[id] = silence{AgentID: id, Name: m.AgentName, Reason: reasonText(turntaking.RuleGone, "")}
		}
	}
	for _, t := range types {
		id := "type " + t
		names = append(names, mention.Agent{ID: id, Type: t})
		words[id] = silence{AgentID: id, Name: mention.Label(t), Reason: "there is none of this type in this room"}
	}
	for id, callers := range s.Called(s.Fresh(), turntaking.Names{Names: mention.Of(names)}, nil, d.Cause) {
		for _, who := range callers {
			word := words[id]
			word.UserID = who
			a.sendSilence(s.room.ID, word)
		}
	}
}

// findKeyless finds which of the agents that fresh messages call have no key for
// their model.
func (a *App) findKeyless(ctx context.Context, s *roomSnapshot) error {
	asked, agents := map[string]bool{}, make([]turntaking.Agent, len(s.Agents))
	for i, p := range s.Agents {
		agents[i] = p.Agent
	}
	names := turntaking.NamesOf(agents)
	for _, m := range s.Fresh() {
		if !mention.May(m.Content) {
			continue
		}
		for _, id := range slices.Concat(names.In(m.Content)...) {
			p := s.rows[id]
			if asked[id] || p == nil || p.Agent.IsExternal {
				continue
			}
			asked[id] = true
			why, err := a.model.Keyless(ctx, p.Agent)
			if err != nil {
				return err
			}
			if why != "" {
				s.Keyless[id] = why
			}
		}
	}
	return nil
}

// sendSilence shows the notice in this process and makes the other nodes show it.
func (a *App) sendSilence(roomID string, s silence) {
	a.showSilence(roomID, s)
	a.hub.Signal(roomID, realtime.Signal{Type: nodesSilence, Body: json.RawMessage(store.ToJSON(s))})
}

// text is the notice as a person reads it.
func (s silence) text(staff bool) string {
	if staff {
		return s.Name + " cannot answer now: " + s.Reason + "."
	}
	return s.Name + " cannot answer now."
}

// showSilence shows the notice on the person's sockets and event streams of this process.
func (a *App) showSilence(roomID string, s silence) {
	mine := a.hub.Conns(func(c *realtime.Conn) bool { return c.UserID() == s.UserID && c.Room() == roomID })
	if len(mine) == 0 && !a.streams.reads(roomID, s.UserID) || !a.silences.take(s.UserID+" "+s.AgentID, a.now()) {
		return
	}
	for _, c := range mine {
		c.Send(event.SystemFrame(roomID, s.text(c.Variant()&event.Staff != 0)))
	}
	a.streams.notify(roomID, s)
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
