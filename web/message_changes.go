package web

import (
	"context"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
)

// LineIn names a message of a room.
type LineIn struct {
	RoomID    id `path:"room_id"`
	MessageID id `path:"message_id"`
}

func oneMessage(m *store.Message, err error) (*oneOut[lineOut], error) {
	return formed(m, err, messageForm)
}

type editMessageIn struct {
	LineIn
	Body struct {
		Text string `json:"text"`
	}
}

func (s *Server) editMessage(ctx context.Context, actor *app.Actor, in *editMessageIn) (*oneOut[lineOut], error) {
	return oneMessage(s.app.EditMessage(ctx, actor, in.RoomID.String(), in.MessageID.String(), in.Body.Text))
}

func (s *Server) deleteMessage(ctx context.Context, actor *app.Actor, in *LineIn) (*empty, error) {
	return &empty{}, s.app.DeleteMessage(ctx, actor, in.RoomID.String(), in.MessageID.String())
}

func (s *Server) restoreMessage(ctx context.Context, actor *app.Actor, in *LineIn) (*oneOut[lineOut], error) {
	return oneMessage(s.app.RestoreMessage(ctx, actor, in.RoomID.String(), in.MessageID.String()))
}

func (s *Server) hideMessage(ctx context.Context, actor *app.Actor, in *LineIn) (*oneOut[lineOut], error) {
	return oneMessage(s.app.HideMessage(ctx, actor, in.RoomID.String(), in.MessageID.String()))
}

func (s *Server) showMessage(ctx context.Context, actor *app.Actor, in *LineIn) (*oneOut[lineOut], error) {
	return oneMessage(s.app.ShowMessage(ctx, actor, in.RoomID.String(), in.MessageID.String()))
}
