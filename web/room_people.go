package web

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/event"
)

// personThereOut is somebody who may be in a room, without the e-mail address.
type personThereOut struct {
	UserID    string     `json:"user_id" format:"uuid"`
	Name      string     `json:"name"`
	Kind      string     `json:"kind" enum:"person,bot"`
	Role      string     `json:"role" enum:"owner,teacher,ta,student,guest,bot"`
	AvatarURL *string    `json:"avatar_url"`
	Online    bool       `json:"online" doc:"In any room"`
	Here      bool       `json:"here"`
	SeenAt    *time.Time `json:"last_seen_at" doc:"About; null: never"`
}

func personThereForm(p *app.PersonThere) personThereOut {
	return personThereOut{UserID: p.ID, Name: event.ShownName(p.Name()), Kind: p.Kind, Role: p.Role, AvatarURL: p.AvatarURL, Online: p.Online, Here: p.Here, SeenAt: since(p.SeenAt)}
}

func (s *Server) roomPeople(ctx context.Context, actor *app.Actor, in *pageOf) (*pageOut[personThereOut], error) {
	rows, err := few(ctx, s, in.Limit, func() ([]app.PersonThere, error) { return s.app.RoomPeople(ctx, actor, in.ID.String(), in.page()) })
	if err != nil {
		return nil, err
	}
	return paged(ctx, s, rows, personThereForm, skipping[app.PersonThere](in.PageIn))
}
