package web

import (
	"context"
	"slices"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/store"
)

// reactionOut is one emoji that a message has got.
type reactionOut struct {
	Emoji string `json:"emoji"`
	Count int    `json:"count" minimum:"1"`
	Mine  bool   `json:"mine" doc:"Given by the caller"`
}

func reactionsForm(m *store.Message) (all []reactionOut) {
	for _, r := range event.ReactionsOf(m) {
		all = append(all, reactionOut{r.Emoji, r.Count, slices.Contains(m.Mine, r.Emoji)})
	}
	return all
}

// reactionsOut are all reactions to a message.
type reactionsOut struct {
	MessageID string        `json:"message_id" format:"uuid"`
	Reactions []reactionOut `json:"reactions" nullable:"false"`
}

type addReactionIn struct {
	RoomID    id `path:"room_id"`
	MessageID id `path:"message_id"`
	Body      struct {
		Emoji string `json:"emoji" minLength:"1" maxLength:"64"`
	}
}

type removeReactionIn struct {
	RoomID    id     `path:"room_id"`
	MessageID id     `path:"message_id"`
	Emoji     string `query:"emoji" required:"true" minLength:"1" maxLength:"64"`
}

func (s *Server) addReaction(ctx context.Context, actor *app.Actor, in *addReactionIn) (*oneOut[reactionsOut], error) {
	return s.react(ctx, actor, in.RoomID, in.MessageID, in.Body.Emoji, true)
}

func (s *Server) removeReaction(ctx context.Context, actor *app.Actor, in *removeReactionIn) (*oneOut[reactionsOut], error) {
	return s.react(ctx, actor, in.RoomID, in.MessageID, in.Emoji, false)
}

func (s *Server) react(ctx context.Context, actor *app.Actor, room, message id, emoji string, on bool) (*oneOut[reactionsOut], error) {
	m, err := s.app.React(ctx, actor, room.String(), message.String(), emoji, on)
	if err != nil {
		return nil, err
	}
	return &oneOut[reactionsOut]{Body: reactionsOut{m.ID, append([]reactionOut{}, reactionsForm(m)...)}}, nil
}

type reactorsIn struct {
	RoomID    id     `path:"room_id"`
	MessageID id     `path:"message_id"`
	Emoji     string `query:"emoji" maxLength:"64"`
	Skip      int    `query:"skip" minimum:"0" maximum:"10000" default:"0"`
	Limit     int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

// reactorOut is somebody who has reacted to a message.
type reactorOut struct {
	Emoji     string    `json:"emoji"`
	UserID    string    `json:"user_id" format:"uuid"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
}

func reactorForm(r *store.Reaction) reactorOut {
	out := reactorOut{Emoji: r.Emoji, UserID: r.UserID, CreatedAt: instant(r.CreatedAt)}
	if r.User != nil {
		out.Name = event.ShownName(r.User.Name())
	}
	return out
}

func (s *Server) reactors(ctx context.Context, actor *app.Actor, in *reactorsIn) (*pageOut[reactorOut], error) {
	p := PageIn{Skip: in.Skip, Limit: in.Limit}
	rows, err := few(ctx, s, in.Limit, func() ([]store.Reaction, error) {
		return s.app.Reactions(ctx, actor, in.RoomID.String(), in.MessageID.String(), in.Emoji, p.page())
	})
	if err != nil {
		return nil, err
	}
	return paged(ctx, s, rows, reactorForm, skipping[store.Reaction](p))
}
