package legacy

import (
	"context"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/dump"
)

// threadsOf makes of each conversation with one agent a thread and its room, which has the
// thread's id.
func (p *plan) threadsOf(ctx context.Context) error {
	p.thread = map[string]*store.Thread{}
	var all []store.Thread
	err := p.each(ctx, "agentthread", []string{"id"}, func(r row) {
		user, project := r.account("user_id"), r.id("project_id")
		switch {
		case r.noID():
		case user == "":
			r.gone("person")
		case !p.project[project]:
			r.gone("project")
		case p.roomCourse[r.id("id")] != "":
			p.report.leave(r.table, r.own(), "has the id of a room")
		default:
			t := store.Thread{ID: r.id("id"), ProjectID: project, UserID: user, Name: r.optional("name"), MetadataJSON: r.optional("metadata_json"),
				CreatedAt: r.when("created_at"), UpdatedAt: r.when("updated_at"), Version: 1}
			if ag := p.agent[r.id("agent_id")]; ag != nil {
				t.AgentID = ag.ID
			}
			all = append(all, t)
			p.report.came(r.table)
		}
	})
	p.threads = all
	for i := range all {
		t := &p.threads[i]
		p.thread[t.ID] = t
		p.threadRooms = append(p.threadRooms, store.Room{ID: t.ID, ThreadID: t.ID, AIMode: store.ModeOff, CreatedAt: t.CreatedAt, Version: 1})
	}
	return err
}

var lineOrder = []string{"thread_id", "created_at", "id"}

// line makes a message of a thread without its number, nil of one that does not come.
func (r row) line() *store.Message {
	t, role := r.p.thread[r.id("thread_id")], r.Text("role")
	if r.id("id") == "" || t == nil || role != store.ThreadUser && role != store.ThreadAssistant {
		return nil
	}
	m := &store.Message{ID: r.id("id"), RoomID: t.ID, Content: r.Text("content"), MetadataJSON: r.optional("metadata_json"), CreatedAt: r.when("created_at")}
	if role == store.ThreadUser {
		m.SenderID = t.UserID
		return m
	}
	m.AgentType, m.AgentName = "agent", "Agent"
	if ag := r.p.agent[t.AgentID]; ag != nil {
		m.AgentID, m.AgentType, m.AgentName = ag.ID, ag.Type, ag.Name
	}
	return m
}

func (p *plan) countLines(ctx context.Context) error {
	return p.each(ctx, "threadmessage", lineOrder, func(r row) {
		switch {
		case r.noID():
		case p.thread[r.id("thread_id")] == nil:
			r.gone("thread")
		case r.line() == nil:
			p.keep(r, "lines of this role are not shown: %q", r.Text("role"))
		default:
			p.lines++
			p.report.came(r.table)
		}
	})
}

// linesFrom reads the messages of threads behind a place, in the order of their numbers.
func (p *plan) linesFrom(ctx context.Context, after []string, fn func(m *store.Message, at []string) error) error {
	return p.src.Scan(ctx, "threadmessage", lineOrder, after, func(r dump.Row) error {
		m := row{r, p, "threadmessage"}.line()
		if m == nil {
			return nil
		}
		return fn(m, []string{r.Text("thread_id"), r.Text("created_at"), r.Text("id")})
	})
}
