package legacy

import (
	"context"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/dump"
)

// messageOrder is the order in which messages get their numbers. Of equal times the ids
// decide, so each run makes the same numbers.
var messageOrder = []string{"room_id", "created_at", "id"}

// message makes a message without its number, nil of one that does not come. The old system
// kept the type of an agent and not which one it was: where a room has one agent of the type,
// that one is taken for it.
func (r row) message() *store.Message {
	room := r.id("room_id")
	if r.id("id") == "" || r.p.roomCourse[room] == "" {
		return nil
	}
	m := &store.Message{ID: r.id("id"), RoomID: room, SenderID: r.account("sender_id"), Content: event.EscapeTrace(r.Text("content")),
		CreatedAt: r.when("created_at")}
	if r.Text("sender_id") == "" && r.Text("agent_type") != "" {
		r.spokenBy(m)
	}
	return m
}

func (r row) spokenBy(m *store.Message) {
	kind := r.Text("agent_type")
	m.AgentType, m.AgentName = kind, kind
	if ag := r.p.onlyOfType[m.RoomID+"\x00"+kind]; ag != nil {
		m.AgentID, m.AgentName = ag.ID, ag.Name
		return
	}
	if name := r.p.shownType(kind); name != "" {
		m.AgentName = name
	}
}

// shownType is what a type of agents is called.
func (p *plan) shownType(kind string) string {
	for _, t := range p.types {
		if t.TypeName == kind {
			return t.DisplayName
		}
	}
	return map[string]string{store.AgentTeacher: "Teacher", store.AgentStudent: "Student", store.AgentDesign: "Design",
		store.AgentAnalytics: "Analytics"}[kind]
}

// countMessages says of each message what becomes of it.
func (p *plan) countMessages(ctx context.Context) error {
	return p.each(ctx, "message", messageOrder, func(r row) {
		m := r.message()
		sent, typed := r.Text("sender_id") != "", r.Text("agent_type") != ""
		switch {
		case r.noID():
			return
		case m == nil:
			r.gone("room")
			return
		case sent && typed:
			p.report.change(r.table, m.ID, "has a sender and the type of an agent: it is the sender's")
		case sent && m.SenderID == "", !sent && !typed:
			p.report.change(r.table, m.ID, "says of nobody who wrote it, and is shown as one of a deleted account")
		}
		if m.Content != r.Text("content") {
			p.report.change(r.table, m.ID, "begins with [A2A], and gets an invisible character before it")
		}
		if _, ok := timeOf(r.Text("created_at")); !ok {
			p.report.change(r.table, m.ID, "has no time that can be read: %q", r.Text("created_at"))
		}
		p.messages++
		p.report.came(r.table)
	})
}

// messagesFrom reads the messages behind a place, in the order of their numbers.
func (p *plan) messagesFrom(ctx context.Context, after []string, fn func(m *store.Message, at []string) error) error {
	return p.src.Scan(ctx, "message", messageOrder, after, func(r dump.Row) error {
		m := row{r, p, "message"}.message()
		if m == nil {
			return nil
		}
		return fn(m, []string{r.Text("room_id"), r.Text("created_at"), r.Text("id")})
	})
}
