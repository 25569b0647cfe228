package web

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
)

type threadOut struct {
	ID           string    `json:"id" format:"uuid"`
	ProjectID    string    `json:"project_id" format:"uuid"`
	AgentID      *string   `json:"agent_id" format:"uuid" doc:"null: agent gone"`
	UserID       string    `json:"user_id" format:"uuid"`
	Name         *string   `json:"name"`
	MetadataJSON *string   `json:"metadata_json" example:"{}" doc:"The client's own"`
	CreatedAt    time.Time `json:"created_at"`
	UpdatedAt    time.Time `json:"updated_at"`
}

func threadForm(th *store.Thread) threadOut {
	return threadOut{ID: th.ID, ProjectID: th.ProjectID, AgentID: nullable(th.AgentID), UserID: th.UserID, Name: th.Name,
		MetadataJSON: th.MetadataJSON, CreatedAt: instant(th.CreatedAt), UpdatedAt: instant(th.UpdatedAt)}
}

func oneThread(th *store.Thread, err error) (*oneOut[threadOut], error) {
	return formed(th, err, threadForm)
}

type threadMessageOut struct {
	ID           string    `json:"id" format:"uuid"`
	ThreadID     string    `json:"thread_id" format:"uuid"`
	Role         string    `json:"role" enum:"user,assistant"`
	Content      string    `json:"content"`
	MetadataJSON *string   `json:"metadata_json" example:"{}"`
	CreatedAt    time.Time `json:"created_at"`
}

func threadMessageForm(m *store.ThreadMessage) threadMessageOut {
	return threadMessageOut{ID: m.ID, ThreadID: m.ThreadID, Role: m.Role, Content: m.Content, MetadataJSON: m.MetadataJSON,
		CreatedAt: instant(m.CreatedAt)}
}

// ThreadLineIn is a person's message to an agent.
type ThreadLineIn struct {
	Message      string  `json:"message"`
	MetadataJSON *string `json:"metadata_json,omitempty" example:"{}"`
}

type simulateIn struct {
	AgentID id `path:"agent_id"`
	Body    struct{ ThreadLineIn }
}

type replyOut struct {
	Body struct {
		Reply        string  `json:"reply"`
		MetadataJSON *string `json:"metadata_json" doc:"Whether the answer was cut before its end" example:"{\"truncated\":true}"`
	}
}

func (s *Server) simulate(ctx context.Context, actor *app.Actor, in *simulateIn) (*replyOut, error) {
	reply, cut, err := s.app.Simulate(ctx, actor, in.AgentID.String(),
		app.ThreadMessage{Message: in.Body.Message, MetadataJSON: in.Body.MetadataJSON})
	if err != nil {
		return nil, err
	}
	out := new(replyOut)
	out.Body.Reply = reply
	if cut {
		out.Body.MetadataJSON = &store.CutMetadata
	}
	return out, nil
}

type createThreadIn struct {
	Body struct {
		ProjectID    id          `json:"project_id"`
		AgentID      id          `json:"agent_id"`
		Name         opt[string] `json:"name,omitempty" doc:"Without it New Thread"`
		MetadataJSON opt[string] `json:"metadata_json,omitempty" example:"{}"`
	}
}

func (s *Server) createThread(ctx context.Context, actor *app.Actor, in *createThreadIn) (*oneOut[threadOut], error) {
	return oneThread(s.app.CreateThread(ctx, actor, in.Body.ProjectID.String(), in.Body.AgentID.String(),
		app.ThreadSettings{Name: in.Body.Name.Opt, MetadataJSON: in.Body.MetadataJSON.Opt}))
}

type threadsIn struct {
	AgentID   id `query:"agent_id"`
	ProjectID id `query:"project_id"`
	PageIn
}

func (s *Server) threads(ctx context.Context, actor *app.Actor, in *threadsIn) (*pageOut[threadOut], error) {
	rows, err := s.app.Threads(ctx, actor, in.AgentID.String(), in.ProjectID.String(), in.page())
	if err != nil {
		return nil, err
	}
	return paged(ctx, s, rows, threadForm, skipping[store.Thread](in.PageIn))
}

func (s *Server) thread(ctx context.Context, actor *app.Actor, in *oneID) (*oneOut[threadOut], error) {
	return oneThread(s.app.Thread(ctx, actor, in.ID.String()))
}

type updateThreadIn struct {
	ThreadID id `path:"thread_id"`
	Body     struct {
		Name         opt[string] `json:"name,omitempty"`
		MetadataJSON opt[string] `json:"metadata_json,omitempty" example:"{}"`
	}
}

func (s *Server) updateThread(ctx context.Context, actor *app.Actor, in *updateThreadIn) (*oneOut[threadOut], error) {
	return oneThread(s.app.UpdateThread(ctx, actor, in.ThreadID.String(),
		app.ThreadSettings{Name: in.Body.Name.Opt, MetadataJSON: in.Body.MetadataJSON.Opt}))
}

func (s *Server) deleteThread(ctx context.Context, actor *app.Actor, in *deletionOf) (*deletedOut, error) {
	return deleted(s.app.DeleteThread(ctx, actor, in.ID.String(), in.DryRun))
}

type talkIn struct {
	ThreadID id `path:"thread_id"`
	Body     struct {
		ThreadLineIn
		ClientID string `json:"client_id,omitempty" doc:"Your name for the message: sent again, it is asked once"`
	}
}

func (s *Server) talkInThread(ctx context.Context, actor *app.Actor, in *talkIn) (*oneOut[threadMessageOut], error) {
	m, err := s.app.TalkInThread(ctx, actor, in.ThreadID.String(),
		app.ThreadMessage{Message: in.Body.Message, MetadataJSON: in.Body.MetadataJSON, ClientID: in.Body.ClientID})
	if err != nil {
		return nil, err
	}
	return &oneOut[threadMessageOut]{threadMessageForm(m)}, nil
}

type threadMessagesIn struct {
	ThreadID id `path:"thread_id"`
	Before   id `query:"before" doc:"Only messages before the one with this id"`
}

func (s *Server) threadMessages(ctx context.Context, actor *app.Actor, in *threadMessagesIn) (*listOut[threadMessageOut], error) {
	rows, err := s.app.ThreadMessages(ctx, actor, in.ThreadID.String(), in.Before.String())
	if err != nil {
		return nil, err
	}
	return whole(ctx, s, rows, threadMessageForm)
}
