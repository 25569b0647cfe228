package legacy

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strconv"

	"github.com/coagent-studio/coagent/store"
)

func (p *plan) roomsOf(ctx context.Context) error {
	p.roomCourse = map[string]string{}
	attached := map[string][]int{}
	err := p.each(ctx, "room", nil, func(r row) {
		course := r.id(p.courseID)
		switch {
		case r.noID():
		case !p.course[course]:
			r.gone("course")
		default:
			if id := r.id("attached_workflow_id"); id != "" {
				attached[id] = append(attached[id], len(p.rooms))
			}
			p.roomCourse[r.id("id")] = course
			p.rooms = append(p.rooms, r.room(course))
			p.report.came(r.table)
		}
	})
	if err != nil {
		return err
	}
	return p.workflowsOf(ctx, attached)
}

func (r row) room(course string) store.Room {
	room := store.Room{ID: r.id("id"), CourseID: course, Name: r.titled("name"), Description: r.optional("description"), IsAIActive: r.flag("is_ai_active"),
		IsAnalyticsActive: r.flag("is_analytics_active"), AIMode: r.Text("ai_mode"), CreatedAt: r.when("created_at"), Version: 1}
	if !slices.Contains([]string{store.ModeOff, store.ModeTeacherOnly, store.ModeBoth}, room.AIMode) {
		r.p.report.decide(r.table, room.ID, "has the unknown ai_mode %q, in which no agent spoke: it is off", room.AIMode)
		room.AIMode = store.ModeOff
	}
	f, err := strconv.ParseFloat(r.Text("ai_frequency"), 64)
	if err != nil || math.IsNaN(f) {
		f = 0
	}
	if room.AIFrequency = min(max(f, 0), 1); room.AIFrequency != f {
		r.p.report.change(r.table, room.ID, "its ai_frequency %v is now %v", f, room.AIFrequency)
	}
	if tabs := r.json("enabled_tabs"); tabs != "" || r.flag("graphrag_enabled") {
		r.p.report.change(r.table, room.ID, "its tabs and its knowledge graph are nothing here")
	}
	return room
}

// roomPeople leaves out who is not of the course: there the old system looked at the course
// alone, and here the room would let them in.
func (p *plan) roomPeople(ctx context.Context) error {
	in := map[string]bool{}
	for _, m := range p.enrolled {
		in[m.CourseID+m.UserID] = true
	}
	for _, c := range p.courses {
		in[c.ID+c.OwnerID] = true
	}
	return p.links(ctx, "userroomlink", "room_id", func(id string) bool { return p.roomCourse[id] != "" }, func(r row, id, user string) {
		if !in[p.roomCourse[id]+user] {
			p.report.leave(r.table, r.link("room_id"), "is not of the course, and could not enter the room either")
			return
		}
		p.roomMembers = append(p.roomMembers, store.RoomMember{RoomID: id, UserID: user, CreatedAt: p.now})
	})
}

// agentsInRooms counts all triggers from the import on. Else each agent would be due at once.
func (p *plan) agentsInRooms(ctx context.Context) error {
	p.onlyOfType = map[string]*store.Agent{}
	at := map[string]int{}
	err := p.each(ctx, "roomagentlink", []string{"room_id", "agent_id"}, func(r row) {
		room, ag := r.id("room_id"), p.agent[r.id("agent_id")]
		name := r.Text("agent_id") + " in " + r.Text("room_id")
		switch {
		case p.roomCourse[room] == "":
			p.report.leave(r.table, name, "its room does not come")
		case ag == nil:
			p.report.leave(r.table, name, "its agent does not come")
		case ag.IsTemplate:
			p.report.leave(r.table, name, "a template speaks in no room: make an agent of it")
		default:
			ra := store.RoomAgent{RoomID: room, AgentID: ag.ID, CreatedAt: p.now, IsActive: true, Version: 1,
				TriggerConfig: r.trigger("trigger_config"), ScheduleConfig: r.schedule("schedule_config")}
			if r.Has("is_active") {
				ra.IsActive = r.flag("is_active")
			}
			at[room+ag.ID] = len(p.roomAgents)
			p.roomAgents = append(p.roomAgents, ra)
			key := room + "\x00" + ag.Type
			if _, there := p.onlyOfType[key]; there {
				p.onlyOfType[key] = nil // several: nobody knows which one spoke
			} else {
				p.onlyOfType[key] = ag
			}
			p.report.came(r.table)
		}
	})
	if err != nil {
		return err
	}
	return p.each(ctx, "agent_room_state", nil, func(r row) {
		i, there := at[r.id("room_id")+r.id("agent_id")]
		own := r.json("active_overrides")
		if !there || own == "" {
			p.report.leave(r.table, r.own(), "%s", cmp.Or(map[bool]string{true: "has changed nothing"}[there], "its agent is not in its room"))
			return
		}
		p.roomAgents[i].Override = own
		if until, ok := timeOf(r.Text("overrides_expires_at")); ok {
			p.roomAgents[i].OverrideUntil = until
		}
		p.report.came(r.table)
	})
}
