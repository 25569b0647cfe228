package web

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
)

type roomOut struct {
	ID                string    `json:"id" format:"uuid"`
	CourseID          string    `json:"course_id" format:"uuid"`
	Name              string    `json:"name"`
	Description       *string   `json:"description"`
	IsAIActive        bool      `json:"is_ai_active"`
	IsAnalyticsActive bool      `json:"is_analytics_active" doc:"Kept for clients; reports cover every room that has lines"`
	AIFrequency       float64   `json:"ai_frequency"`
	AIMode            string    `json:"ai_mode" enum:"off,teacher_only,both"`
	CreatedAt         time.Time `json:"created_at"`
}

func roomForm(r *store.Room) roomOut {
	return roomOut{ID: r.ID, CourseID: r.CourseID, Name: r.Name, Description: r.Description, IsAIActive: r.IsAIActive,
		IsAnalyticsActive: r.IsAnalyticsActive, AIFrequency: r.AIFrequency, AIMode: r.AIMode, CreatedAt: instant(r.CreatedAt)}
}

type oneRoomOut struct{ Body roomOut }

// RoomSettingsIn are the members of a room other than its name.
type RoomSettingsIn struct {
	Description       opt[string]  `json:"description,omitempty"`
	IsAIActive        opt[bool]    `json:"is_ai_active,omitempty"`
	IsAnalyticsActive opt[bool]    `json:"is_analytics_active,omitempty" doc:"Kept for clients; reports cover every room that has lines"`
	AIFrequency       opt[float64] `json:"ai_frequency,omitempty" doc:"0 to 1: the chance that agents answer a line nobody addressed to them"`
	AIMode            opt[string]  `json:"ai_mode,omitempty" doc:"off, teacher_only or both"`
}

func (r RoomSettingsIn) settings(name opt[string]) app.RoomSettings {
	return app.RoomSettings{Name: name.Opt, Description: r.Description.Opt, IsAIActive: r.IsAIActive.Opt,
		IsAnalyticsActive: r.IsAnalyticsActive.Opt, AIFrequency: r.AIFrequency.Opt, AIMode: r.AIMode.Opt}
}

type createRoomIn struct {
	Body struct {
		RoomSettingsIn
		Name     opt[string] `json:"name"`
		CourseID id          `json:"course_id"`
	}
}

func (s *Server) createRoom(ctx context.Context, actor *app.Actor, in *createRoomIn) (*oneRoomOut, error) {
	r, err := s.app.CreateRoom(ctx, actor, in.Body.CourseID.String(), in.Body.settings(in.Body.Name))
	if err != nil {
		return nil, err
	}
	return &oneRoomOut{roomForm(r)}, nil
}

type roomsIn struct {
	CourseID id `query:"course_id" required:"true"`
}

type roomsOut struct{ Body list[roomOut] }

func (s *Server) rooms(ctx context.Context, actor *app.Actor, in *roomsIn) (*roomsOut, error) {
	rows, err := s.app.Rooms(ctx, actor, in.CourseID.String(), everything)
	if err != nil {
		return nil, err
	}
	body, err := whole(ctx, s, rows, roomForm)
	return &roomsOut{body}, err
}

func (s *Server) room(ctx context.Context, actor *app.Actor, in *oneID) (*oneRoomOut, error) {
	r, err := s.app.Room(ctx, actor, in.ID.String())
	if err != nil {
		return nil, err
	}
	return &oneRoomOut{roomForm(r)}, nil
}

type updateRoomIn struct {
	RoomID id `path:"room_id"`
	Body   struct {
		RoomSettingsIn
		Name opt[string] `json:"name,omitempty"`
	}
}

func (s *Server) updateRoom(ctx context.Context, actor *app.Actor, in *updateRoomIn) (*oneRoomOut, error) {
	r, err := s.app.UpdateRoom(ctx, actor, in.RoomID.String(), in.Body.settings(in.Body.Name))
	if err != nil {
		return nil, err
	}
	return &oneRoomOut{roomForm(r)}, nil
}

type deleteRoomIn struct {
	RoomID id `path:"room_id"`
	DryRunIn
}

func (s *Server) deleteRoom(ctx context.Context, actor *app.Actor, in *deleteRoomIn) (*deletedOut, error) {
	counts, err := s.app.DeleteRoom(ctx, actor, in.RoomID.String(), in.DryRun)
	if err != nil {
		return nil, err
	}
	return deleted(counts), nil
}

type assignIn struct {
	RoomID id `path:"room_id"`
	Body   PersonIn
}

func (s *Server) assignToRoom(ctx context.Context, actor *app.Actor, in *assignIn) (*messageOut, error) {
	text, err := s.app.AssignToRoom(ctx, actor, in.RoomID.String(), in.Body.person())
	if err != nil {
		return nil, err
	}
	return said(text), nil
}

func (s *Server) roomAgents(ctx context.Context, actor *app.Actor, in *oneID) (*agentsOut, error) {
	rows, full, err := s.app.RoomAgents(ctx, actor, in.ID.String())
	if err != nil {
		return nil, err
	}
	form := agentFace
	if full {
		form = s.agentForm
	}
	body, err := whole(ctx, s, rows, form)
	return &agentsOut{body}, err
}

type roomAgentIn struct {
	RoomID  id `path:"room_id"`
	AgentID id `path:"agent_id"`
}

func (s *Server) attachAgent(ctx context.Context, actor *app.Actor, in *roomAgentIn) (*messageOut, error) {
	text, err := s.app.AttachAgent(ctx, actor, in.RoomID.String(), in.AgentID.String())
	if err != nil {
		return nil, err
	}
	return said(text), nil
}

func (s *Server) detachAgent(ctx context.Context, actor *app.Actor, in *roomAgentIn) (*messageOut, error) {
	if err := s.app.DetachAgent(ctx, actor, in.RoomID.String(), in.AgentID.String()); err != nil {
		return nil, err
	}
	return said("Agent removed from room"), nil
}
