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
	IsAnalyticsActive bool      `json:"is_analytics_active" doc:"Not used"`
	AIFrequency       float64   `json:"ai_frequency"`
	AIMode            string    `json:"ai_mode" enum:"off,teacher_only,both"`
	CreatedAt         time.Time `json:"created_at"`

	ArchivedAt *time.Time `json:"archived_at,omitempty" doc:"While its course is"`

	MyRole string         `json:"my_role,omitempty" enum:"owner,teacher,ta,student,guest,bot,admin" doc:"In lists and where the room is shown, as can and counts"`
	Can    *roomCanOut    `json:"can,omitempty" doc:"What the caller may do"`
	Counts *roomCountsOut `json:"counts,omitempty"`

	RoomPartsOut
}

func roomForm(r *store.Room) roomOut {
	return roomOut{ID: r.ID, CourseID: r.CourseID, Name: r.Name, Description: r.Description, IsAIActive: r.IsAIActive,
		IsAnalyticsActive: r.IsAnalyticsActive, AIFrequency: r.AIFrequency, AIMode: r.AIMode, CreatedAt: instant(r.CreatedAt), ArchivedAt: since(r.ArchivedAt)}
}

func oneRoom(r *store.Room, err error) (*oneOut[roomOut], error) {
	return formed(r, err, roomForm)
}

// RoomSettingsIn are the members of a room other than its name.
type RoomSettingsIn struct {
	Description       opt[string]  `json:"description,omitempty"`
	IsAIActive        opt[bool]    `json:"is_ai_active,omitempty"`
	IsAnalyticsActive opt[bool]    `json:"is_analytics_active,omitempty" doc:"Not used"`
	AIFrequency       opt[float64] `json:"ai_frequency,omitempty" doc:"The chance that agents answer what is said to nobody"`
	AIMode            opt[string]  `json:"ai_mode,omitempty"`
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

func (s *Server) createRoom(ctx context.Context, actor *app.Actor, in *createRoomIn) (*oneOut[roomOut], error) {
	return oneRoom(s.app.CreateRoom(ctx, actor, in.Body.CourseID.String(), in.Body.settings(in.Body.Name)))
}

type roomsIn struct {
	CourseID id `query:"course_id" required:"true"`
}

func (s *Server) rooms(ctx context.Context, actor *app.Actor, in *roomsIn) (*listOut[roomOut], error) {
	rows, err := s.app.Rooms(ctx, actor, in.CourseID.String(), everything)
	if err != nil {
		return nil, err
	}
	mine, err := s.app.RoomStandings(ctx, actor, rows.IDs())
	if err != nil {
		return nil, err
	}
	return whole(ctx, s, rows, func(r *store.Room) roomOut { return roomFormOf(r, mine) })
}

type updateRoomIn struct {
	RoomID id `path:"room_id"`
	Body   struct {
		RoomSettingsIn
		Name opt[string] `json:"name,omitempty"`
	}
}

func (s *Server) updateRoom(ctx context.Context, actor *app.Actor, in *updateRoomIn) (*oneOut[roomOut], error) {
	return oneRoom(s.app.UpdateRoom(ctx, actor, in.RoomID.String(), in.Body.settings(in.Body.Name)))
}

func (s *Server) deleteRoom(ctx context.Context, actor *app.Actor, in *deletionOf) (*deletedOut, error) {
	return deleted(s.app.DeleteRoom(ctx, actor, in.ID.String(), in.DryRun))
}

type assignIn struct {
	RoomID id `path:"room_id"`
	Body   PersonIn
}

func (s *Server) assignToRoom(ctx context.Context, actor *app.Actor, in *assignIn) (*messageOut, error) {
	return said(s.app.AssignToRoom(ctx, actor, in.RoomID.String(), in.Body.person()))
}

func (s *Server) roomAgents(ctx context.Context, actor *app.Actor, in *oneID) (*listOut[agentOut], error) {
	rows, full, err := s.app.RoomAgents(ctx, actor, in.ID.String())
	if err != nil {
		return nil, err
	}
	form := agentFace
	if full {
		form = s.agentForm
	}
	return whole(ctx, s, rows, form)
}

func (s *Server) attachAgent(ctx context.Context, actor *app.Actor, in *twoIDs) (*messageOut, error) {
	return said(s.app.AttachAgent(ctx, actor, in.First.String(), in.Second.String()))
}

func (s *Server) detachAgent(ctx context.Context, actor *app.Actor, in *twoIDs) (*messageOut, error) {
	return said("Agent removed from room", s.app.DetachAgent(ctx, actor, in.First.String(), in.Second.String()))
}
