package web

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
)

func (s *Server) myCourseRoutes() {
	known := []int{missing}
	add(s, get, v1+"/courses/{course_id}/overview", "getCourseOverview", s.courseOverview,
		route{tag: "Courses", summary: "Show the home of a course: its rooms, the newest announcement, what waits for staff",
			description: "For the people of the course.",
			large:       manyBytes, errors: known})
	add(s, post, v1+"/courses/{course_id}/archive", "archiveCourse", s.archiveCourse,
		route{tag: "Courses", summary: "Archive a course: all can read it, nothing in it changes, no agent speaks",
			description: "For its teachers. It leaves the lists; writing gets 409 with the code archived. Turns under way are stopped.",
			errors:      []int{missing, conflict}})
	add(s, del, v1+"/courses/{course_id}/archive", "reopenCourse", s.reopenCourse,
		route{tag: "Courses", summary: "Open an archived course again",
			description: "For its teachers.",
			errors:      []int{missing, conflict}})
	add(s, get, v1+"/courses/{course_id}/agents", "listCourseAgents", s.courseAgents,
		route{tag: "Agents", summary: "List the agents in all rooms of a course, and what each does there now",
			description: "For the course's staff.",
			errors:      known})
}

// courseCanOut is what the caller may do with a course now.
type courseCanOut struct {
	Edit        bool `json:"edit"`
	Delete      bool `json:"delete"`
	Archive     bool `json:"archive"`
	Transfer    bool `json:"transfer"`
	CreateRooms bool `json:"create_rooms"`
	Enrol       bool `json:"enrol"`
	EnrolStaff  bool `json:"enrol_staff"`
	Announce    bool `json:"announce"`
	Report      bool `json:"report" doc:"Figures and reports"`
}

type courseCountsOut struct {
	Members  int `json:"members"`
	Rooms    int `json:"rooms"`
	Unread   int `json:"unread" doc:"100 stands for 100 or more"`
	Mentions int `json:"mentions"`
}

type roomCountsOut struct {
	Members  int `json:"members"`
	Agents   int `json:"agents"`
	Unread   int `json:"unread" doc:"100 stands for 100 or more"`
	Mentions int `json:"mentions"`
}

// myCourseForm is a course with what it has for the caller.
func myCourseForm(c *store.Course, mine map[string]app.MyCourse) courseOut {
	out := courseForm(c)
	if m, ok := mine[c.ID]; ok {
		can := courseCanOut(m.Can)
		out.MyRole, out.Can, out.Counts = m.Role, &can, &courseCountsOut{m.Members, m.Rooms, m.Unread, m.Mentions}
	}
	return out
}

// roomFormOf is a room with what it has for the caller.
func roomFormOf(r *store.Room, mine map[string]app.RoomStanding) roomOut {
	out := roomForm(r)
	if m, ok := mine[r.ID]; ok {
		can := roomCanOut(m.Can)
		out.MyRole, out.Can, out.Counts = m.Role, &can, &roomCountsOut{m.Members, m.Agents, m.Unread, m.Mentions}
	}
	return out
}

// CourseOverviewOut is what a person sees first of a course.
type CourseOverviewOut struct {
	Course       courseOut              `json:"course"`
	Rooms        []myRoomOut            `json:"rooms" doc:"The newest 100"`
	Announcement maybe[announcementOut] `json:"announcement" doc:"The newest"`
	Approvals    []pendingStepOut       `json:"approvals" doc:"The oldest 20 that wait for staff, who alone see them"`
}

type pendingStepOut struct {
	ID        string    `json:"id" format:"uuid"`
	RoomID    string    `json:"room_id" format:"uuid"`
	TurnID    string    `json:"turn_id" format:"uuid"`
	AgentID   string    `json:"agent_id" format:"uuid"`
	AgentName string    `json:"agent_name"`
	Name      string    `json:"name" doc:"Of the tool"`
	Since     time.Time `json:"since"`
}

type overviewAnswer struct{ Body CourseOverviewOut }

func (s *Server) courseOverview(ctx context.Context, actor *app.Actor, in *oneID) (*overviewAnswer, error) {
	size := int64(2*app.OverviewRooms) * rowMost
	if err := s.reserve(ctx, requestOf(ctx), pageRoom(size/4, size)); err != nil {
		return nil, err
	}
	o, err := s.app.CourseOverview(ctx, actor, in.ID.String())
	if err != nil {
		return nil, err
	}
	out := &overviewAnswer{CourseOverviewOut{Course: myCourseForm(o.Course, map[string]app.MyCourse{o.Course.ID: o.Mine}), Rooms: listOf(o.Rooms, myRoomForm),
		Approvals: listOf(o.Approvals, func(p *store.PendingStep) pendingStepOut {
			return pendingStepOut{p.ID, p.RoomID, p.TurnID, p.AgentID, p.AgentName, p.Name, instant(p.StartedAt)}
		})}}
	if o.Announcement != nil {
		newest := announcementForm(o.Announcement)
		out.Body.Announcement.object = &newest
	}
	return out, nil
}

type courseAgentOut struct {
	RoomID     string     `json:"room_id" format:"uuid"`
	RoomName   string     `json:"room_name"`
	AgentID    string     `json:"agent_id" format:"uuid"`
	AgentName  string     `json:"agent_name"`
	State      string     `json:"state" enum:"running,queued,waiting,parked,ready,silent" doc:"Of its turn; else ready to speak, or silent"`
	TurnID     *string    `json:"turn_id" format:"uuid"`
	Since      *time.Time `json:"since" doc:"Since when the turn runs"`
	MutedUntil *time.Time `json:"muted_until"`
	Reason     *string    `json:"reason" doc:"Why it may not speak now, as in decisions"`
	Detail     *string    `json:"detail"`
}

func courseAgentForm(c *app.CourseAgent) courseAgentOut {
	out := courseAgentOut{RoomID: c.RoomID, RoomName: c.RoomName, AgentID: c.AgentID, AgentName: c.Agent.Name, State: "ready",
		MutedUntil: since(c.MutedUntil), Reason: textOrNil(c.Rule), Detail: textOrNil(c.Detail)}
	switch {
	case c.Turn != nil:
		out.State, out.TurnID, out.Since = c.Turn.State, &c.Turn.ID, since(c.Turn.StartedAt)
	case c.Rule != "":
		out.State = "silent"
	}
	return out
}

func (s *Server) courseAgents(ctx context.Context, actor *app.Actor, in *oneID) (*listOut[courseAgentOut], error) {
	rows, err := few(ctx, s, store.MaxAgentsOfCourse, func() ([]app.CourseAgent, error) { return s.app.CourseAgents(ctx, actor, in.ID.String()) })
	if err != nil {
		return nil, err
	}
	return whole(ctx, s, rows, func(c *app.CourseAgent) courseAgentOut {
		out := courseAgentForm(c)
		out.Detail = wordedOrNil(ctx, out.Detail)
		return out
	})
}
