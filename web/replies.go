package web

import (
	"context"
	"strconv"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
)

type repliesIn struct {
	RoomID    id    `path:"room_id"`
	MessageID id    `path:"message_id"`
	After     int64 `query:"after" minimum:"0" doc:"Only those with a larger seq"`
	Before    int64 `query:"before" minimum:"0" doc:"Only messages with a smaller seq"`
	Limit     int   `query:"limit" minimum:"1" maximum:"200" default:"100"`
}

func (s *Server) replies(ctx context.Context, actor *app.Actor, in *repliesIn) (*pageOut[lineOut], error) {
	rows, err := s.app.Replies(ctx, actor, in.RoomID.String(), in.MessageID.String(), in.After, in.Before, in.Limit)
	if err != nil {
		return nil, err
	}
	return paged(ctx, s, rows, messageForm, cursor[store.Message]{in.Limit, "after",
		func(_ int, last *store.Message) string { return strconv.FormatInt(last.Seq, 10) }})
}
