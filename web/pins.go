package web

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/app"
)

// pinOut is a pinned message.
type pinOut struct {
	SaidThereOut
	PinnedAt time.Time `json:"pinned_at"`
	PinnedBy *string   `json:"pinned_by" format:"uuid" doc:"null: account gone"`
}

func pinForm(p *app.PinnedThere) pinOut {
	return pinOut{saidThereForm(&p.SaidThere), instant(p.Pin.PinnedAt), nullable(p.Pin.PinnedBy)}
}

func (s *Server) pin(ctx context.Context, actor *app.Actor, in *LineIn) (*empty, error) {
	return &empty{}, s.app.PinMessage(ctx, actor, in.RoomID.String(), in.MessageID.String(), true)
}

func (s *Server) unpin(ctx context.Context, actor *app.Actor, in *LineIn) (*empty, error) {
	return &empty{}, s.app.PinMessage(ctx, actor, in.RoomID.String(), in.MessageID.String(), false)
}

type pinsIn struct {
	RoomID id `path:"room_id"`
}

// maxPins is how many messages of a room can be pinned.
const maxPins = 50

func (s *Server) pins(ctx context.Context, actor *app.Actor, in *pinsIn) (*listOut[pinOut], error) {
	rows, err := few(ctx, s, maxPins, func() ([]app.PinnedThere, error) { return s.app.Pins(ctx, actor, in.RoomID.String()) })
	if err != nil {
		return nil, err
	}
	return whole(ctx, s, rows, pinForm)
}
