package web

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/store"
)

// SaidThereOut is a message in a list over rooms.
type SaidThereOut struct {
	MessageID string    `json:"message_id" format:"uuid"`
	RoomID    string    `json:"room_id" format:"uuid"`
	RoomName  string    `json:"room_name"`
	CourseID  string    `json:"course_id" format:"uuid"`
	Seq       int64     `json:"seq"`
	Sender    string    `json:"sender" doc:"A name, or a kind of agent such as Teacher AI"`
	SenderID  *string   `json:"sender_id" format:"uuid"`
	Kind      string    `json:"sender_kind" enum:"person,agent,bot"`
	AgentID   *string   `json:"agent_id" format:"uuid"`
	AgentName *string   `json:"agent_name"`
	Excerpt   string    `json:"excerpt" doc:"One line, 140 characters at most"`
	CreatedAt time.Time `json:"created_at"`
	RootID    *string   `json:"root_id" format:"uuid" doc:"Of a reply: what it hangs under"`
}

func saidThereForm(f *app.SaidThere) SaidThereOut {
	m := f.Message()
	kind := event.MentionPerson
	switch {
	case m.ByAgent():
		kind = event.MentionAgent
	case m.ByBot():
		kind = store.KindBot
	}
	return SaidThereOut{MessageID: f.MessageID, RoomID: f.RoomID, RoomName: f.RoomName, CourseID: f.CourseID, Seq: f.Seq, Sender: f.Sender,
		SenderID: nullable(f.SenderID), Kind: kind, AgentID: nullable(f.AgentID), AgentName: nullable(f.AgentName), Excerpt: f.Excerpt,
		CreatedAt: instant(f.CreatedAt), RootID: nullable(f.RootID)}
}

// mentionOut is a mention in the caller's inbox.
type mentionOut struct {
	SaidThereOut
	ReadAt *time.Time `json:"read_at"`
	Why    string     `json:"kind" enum:"mention,reply" doc:"Does it call the caller, or reply to them?"`
}

func mentionForm(f *app.SaidThere) mentionOut {
	return mentionOut{saidThereForm(f), since(f.ReadAt), f.Kind}
}

type mentionsIn struct {
	Unread bool `query:"unread"`
	RoomID id   `query:"room_id" doc:"Only in this room"`
	Before id   `query:"before" doc:"Only those before the one with this id"`
	Limit  int  `query:"limit" minimum:"1" maximum:"100" default:"50"`
}

func (s *Server) mentions(ctx context.Context, actor *app.Actor, in *mentionsIn) (*pageOut[mentionOut], error) {
	rows, err := few(ctx, s, in.Limit, func() ([]app.SaidThere, error) {
		return s.app.Mentions(ctx, actor, store.MentionSearch{RoomID: in.RoomID.String(), Unread: in.Unread, Before: in.Before.String(), Limit: in.Limit})
	})
	if err != nil {
		return nil, err
	}
	return paged(ctx, s, rows, mentionForm, before(in.Limit, func(f *app.SaidThere) string { return f.MessageID }))
}

type readMentionsIn struct {
	Body struct {
		IDs  []id `json:"ids,omitempty" maxItems:"200" doc:"Of messages"`
		UpTo *id  `json:"up_to,omitempty" doc:"The id of a message"`
	}
}

// markedOut says how many have changed.
type markedOut struct {
	Read int64 `json:"read" minimum:"0" doc:"How many became read"`
}

func (s *Server) readMentions(ctx context.Context, actor *app.Actor, in *readMentionsIn) (*oneOut[markedOut], error) {
	upTo := ""
	if in.Body.UpTo != nil {
		upTo = in.Body.UpTo.String()
	}
	n, err := s.app.ReadMentions(ctx, actor, texts(in.Body.IDs), upTo)
	if err != nil {
		return nil, err
	}
	return &oneOut[markedOut]{Body: markedOut{n}}, nil
}
