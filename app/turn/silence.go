package turn

import (
	"context"
	"slices"

	"github.com/coagent-studio/coagent/app/mention"
	"github.com/coagent-studio/coagent/app/turntaking"
	"github.com/coagent-studio/coagent/store"
)

// A person who calls an agent that may not speak is told so, and nobody else is. The
// decision is stored, with the reason; the notice is not.

// Silence is why one agent does not answer the person who has called it.
type Silence struct {
	UserID  string `json:"user_id"`
	AgentID string `json:"agent_id"`
	Name    string `json:"agent_name"`
	Reason  string `json:"reason"` // only staff see it
}

// Text is the notice as a person reads it.
func (s Silence) Text(staff bool) string {
	if staff {
		return s.Name + " cannot answer now: " + s.Reason + "."
	}
	return s.Name + " cannot answer now."
}

// reportUnheard tells people that the agents which they called may not speak. When
// agents' messages made the room decide, it tells only about a guard that cut the
// agents off. A bot that calls an agent is told like a person.
func (e *Engine) reportUnheard(s *roomSnapshot, d *turntaking.Decision) {
	for _, c := range d.Unheard() {
		for _, who := range c.Callers {
			if d.Cause != turntaking.CausePost && c.Rule != turntaking.RuleGuard && !s.IsBot(who) {
				continue
			}
			e.tell(s.room.ID, Silence{UserID: who, AgentID: c.AgentID, Name: c.Name, Reason: turntaking.Reason(c.Rule, c.Detail)})
		}
	}
}

// reportRoomOff tells the author of a message which of the called agents do not answer,
// because the room's AI is off. No decision is made in such a room.
func (e *Engine) reportRoomOff(ctx context.Context, room *store.Room, m *store.Message) {
	agents, err := e.db.AgentsInRoom(ctx, room.ID)
	if err != nil {
		e.log.WarnContext(ctx, "who was called could not be read", "room", room.ID, "err", err)
		return
	}
	for _, id := range namesOf(agents).Called(m.Content, nil) {
		for i := range agents {
			if ag := &agents[i]; ag.ID == id {
				e.tell(room.ID, Silence{UserID: m.SenderID, AgentID: ag.ID, Name: ag.Name, Reason: turntaking.Reason(turntaking.RuleRoomOff, "")})
			}
		}
	}
}

// reportNobody tells people who call agents that are not there at all: deleted
// agents, and types of which the room has no agent.
func (e *Engine) reportNobody(ctx context.Context, s *roomSnapshot, d *turntaking.Decision) {
	if d.Cause != turntaking.CausePost && !s.BotAsks() || !s.MayCall() || slices.ContainsFunc(d.Candidates, func(c turntaking.Candidate) bool { return c.Called }) {
		return
	}
	types, err := e.db.AgentTypeNames(ctx)
	if err != nil {
		e.log.WarnContext(ctx, "who was called could not be read", "room", s.room.ID, "err", err)
		return
	}
	words := map[string]Silence{}
	var names []mention.Agent
	for _, m := range s.Spoken {
		if m.ByAgent && m.AgentID == "" {
			id := "name " + m.AgentName
			names = append(names, mention.Agent{ID: id, Name: m.AgentName})
			words[id] = Silence{AgentID: id, Name: m.AgentName, Reason: turntaking.Reason(turntaking.RuleGone, "")}
		}
	}
	for _, t := range types {
		id := "type " + t
		names = append(names, mention.Agent{ID: id, Type: t})
		words[id] = Silence{AgentID: id, Name: mention.Label(t), Reason: "there is none of this type in this room"}
	}
	for id, callers := range s.Called(s.Fresh(), turntaking.Names{Names: mention.Of(names)}, nil, turntaking.CausePost) {
		for _, who := range callers {
			word := words[id]
			word.UserID = who
			e.tell(s.room.ID, word)
		}
	}
}

// findKeyless finds which of the agents that fresh messages call have no key for
// their model.
func (e *Engine) findKeyless(ctx context.Context, s *roomSnapshot) error {
	asked, names := map[string]bool{}, turntaking.NamesIn(s.Agents)
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
			why, err := e.model.Keyless(ctx, p.Agent)
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
