package web

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/store"
)

// MyMarksOut is how far the caller has read in a room, and what is new there.
type MyMarksOut struct {
	RoomID       string     `json:"room_id" format:"uuid"`
	LastSeq      int64      `json:"last_seq" minimum:"0"`
	ReadSeq      int64      `json:"read_seq" minimum:"0" doc:"What has a larger seq is new"`
	Unread       int        `json:"unread" minimum:"0" maximum:"100" doc:"Messages of others; 100 for 100 or more"`
	Mentions     int        `json:"mentions" minimum:"0" maximum:"100" doc:"Unread; 100 for 100 or more"`
	MarkedUnread bool       `json:"marked_unread" doc:"Put back, and not read on since"`
	Notify       *string    `json:"notify" enum:"all,mentions,none" doc:"null: as in the preferences"`
	PinnedAt     *time.Time `json:"pinned_at"`
}

// myRoomOut is a room as the caller has it.
type myRoomOut struct {
	MyMarksOut
	Name        string              `json:"name"`
	CourseID    string              `json:"course_id" format:"uuid"`
	CourseTitle string              `json:"course_title"`
	AIMode      string              `json:"ai_mode" enum:"off,teacher_only,both"`
	Last        maybe[SaidThereOut] `json:"last_message" doc:"The newest that everybody may read"`
	Online      []realtime.Member   `json:"online" maxItems:"20" doc:"The first 20 by name"`
	OnlineCount int                 `json:"online_count" minimum:"0"`
	AtWork      []agentAtWorkOut    `json:"agents_at_work"`
	Role        string              `json:"my_role" enum:"owner,teacher,ta,student,guest,bot,admin"`
	Can         roomCanOut          `json:"can"`
}

// agentAtWorkOut is an agent with a turn under way.
type agentAtWorkOut struct {
	TurnID    string `json:"turn_id" format:"uuid"`
	AgentID   string `json:"agent_id" format:"uuid"`
	AgentName string `json:"agent_name"`
	State     string `json:"state" enum:"queued,running"`
}

// roomCanOut is what the caller may do in a room now.
type roomCanOut struct {
	Post           bool `json:"post"`
	React          bool `json:"react"`
	CallEveryone   bool `json:"call_everyone"`
	WriteArtifacts bool `json:"write_artifacts"`
	Export         bool `json:"export"`
	Hide           bool `json:"hide"`
	Pin            bool `json:"pin"`
	Stop           bool `json:"stop" doc:"Any turn; anybody may stop their own"`
	SeeDecisions   bool `json:"see_decisions"`
	Approve        bool `json:"approve"`
	Edit           bool `json:"edit"`
	Delete         bool `json:"delete"`
	ManagePeople   bool `json:"manage_people"`
	ManageAgents   bool `json:"manage_agents"`
	SetWorkflow    bool `json:"set_workflow"`
}

func marksForm(m *app.MyRoom) MyMarksOut {
	return MyMarksOut{RoomID: m.Room.ID, LastSeq: m.Room.EventSeq, ReadSeq: m.ReadSeq(), Unread: m.Unread, Mentions: m.Mentions,
		MarkedUnread: !m.Mark.UnreadAt.IsZero(), Notify: nullable(m.Mark.Notify), PinnedAt: since(m.Mark.PinnedAt)}
}

func myRoomForm(m *app.MyRoom) myRoomOut {
	out := myRoomOut{MyMarksOut: marksForm(m), Name: m.Room.Name, CourseID: m.Room.CourseID, CourseTitle: m.CourseTitle, AIMode: m.Room.AIMode,
		Online: m.Online[:min(len(m.Online), 20)], OnlineCount: len(m.Online), AtWork: make([]agentAtWorkOut, len(m.AtWork)),
		Role: m.Role, Can: roomCanOut(m.Can)}
	if out.Online == nil {
		out.Online = []realtime.Member{}
	}
	if m.Last != nil {
		last := saidThereForm(m.Last)
		out.Last.object = &last
	}
	for i, t := range m.AtWork {
		out.AtWork[i] = agentAtWorkOut{TurnID: t.ID, AgentID: t.AgentID, AgentName: t.AgentName, State: t.State}
	}
	return out
}

type myRoomsIn struct {
	RoomID   id   `query:"room_id" doc:"Only in this room"`
	CourseID id   `query:"course_id" doc:"Only of this course"`
	All      bool `query:"all" doc:"For admins: also of courses in which they are not"`
	Before   id   `query:"before" doc:"Only those before the one with this id"`
	Limit    int  `query:"limit" minimum:"1" maximum:"200" default:"100"`
}

func (s *Server) myRooms(ctx context.Context, actor *app.Actor, in *myRoomsIn) (*pageOut[myRoomOut], error) {
	rows, err := few(ctx, s, 2*in.Limit, func() ([]app.MyRoom, error) {
		return s.app.MyRooms(ctx, actor, store.MyRoomSearch{RoomID: in.RoomID.String(), CourseID: in.CourseID.String(), Others: in.All, Before: in.Before.String(), Limit: in.Limit})
	})
	if err != nil {
		return nil, err
	}
	return paged(ctx, s, rows, myRoomForm, before(in.Limit, func(m *app.MyRoom) string { return m.Room.ID }))
}

type markIn struct {
	RoomID id `path:"room_id"`
	Body   struct {
		Seq int64 `json:"seq" minimum:"1"`
	}
}

func (s *Server) markRead(ctx context.Context, actor *app.Actor, in *markIn) (*oneOut[MyMarksOut], error) {
	m, err := s.app.MarkRead(ctx, actor, in.RoomID.String(), in.Body.Seq)
	return formed(m, err, marksForm)
}

func (s *Server) markUnread(ctx context.Context, actor *app.Actor, in *markIn) (*oneOut[MyMarksOut], error) {
	m, err := s.app.MarkUnread(ctx, actor, in.RoomID.String(), in.Body.Seq)
	return formed(m, err, marksForm)
}

type setMyRoomIn struct {
	RoomID id `path:"room_id"`
	Body   struct {
		Notify opt[string] `json:"notify,omitempty" doc:"null: as in the preferences"`
		Pinned opt[bool]   `json:"pinned,omitempty"`
	}
}

func (s *Server) setMyRoom(ctx context.Context, actor *app.Actor, in *setMyRoomIn) (*oneOut[MyMarksOut], error) {
	m, err := s.app.SetMyRoom(ctx, actor, in.RoomID.String(), app.MyRoomSettings{Notify: in.Body.Notify.Opt, Pinned: in.Body.Pinned.Opt})
	return formed(m, err, marksForm)
}
