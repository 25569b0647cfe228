package web

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
)

func (s *Server) botRoutes() {
	const tag = "Bots"
	known, edited := []int{missing}, []int{missing, conflict}
	const bots = v1 + "/courses/{course_id}/bots"
	add(s, get, bots, "listBots", s.bots,
		route{tag: tag, summary: "List the bots of a course, newest first",
			description: "For the course's staff.", errors: known})
	add(s, post, bots, "createBot", s.createBot,
		route{tag: tag, summary: "Make a bot: an account for a program in rooms of the course",
			description: "For the course's teachers. With token its first one, shown this once, for the routes of rooms.",
			example:     `{"name":"Quiz","room_ids":[],"token":{"name":"Quiz server","expires_in_days":90}}`,
			status:      created, errors: edited})
	add(s, patch, bots+"/{bot_id}", "updateBot", s.updateBot,
		route{tag: tag, summary: "Change a bot; an inactive one is out of its rooms at once",
			description: "For the course's teachers.",
			example:     `{"name":"Quiz of Monday"}`, errors: edited})
	add(s, del, bots+"/{bot_id}", "deleteBot", s.deleteBot,
		route{tag: tag, summary: "Delete a bot with its tokens; its messages stay under its name",
			description: "For the course's teachers.", status: gone, errors: []int{missing, conflict}})
	add(s, get, bots+"/{bot_id}/tokens", "listBotTokens", s.botTokens,
		route{tag: tag, summary: "List the tokens of a bot",
			description: "For the course's teachers. Without their secrets.", errors: known})
	add(s, post, bots+"/{bot_id}/tokens", "createBotToken", s.createBotToken,
		route{tag: tag, summary: "Make a token for a bot",
			description: "For the course's teachers. It is shown this once.",
			example:     `{"name":"Quiz server","scopes":["read","write"],"expires_in_days":90}`, status: created, errors: edited})
	add(s, del, bots+"/{bot_id}/tokens/{token_id}", "revokeBotToken", s.revokeBotToken,
		route{tag: tag, summary: "Revoke a token of a bot; its sockets are closed",
			description: "For the course's teachers.", status: gone, errors: known})
}

// BotOut is a bot. It is exported because an answer embeds it.
type BotOut struct {
	ID        string    `json:"id" format:"uuid"`
	Kind      string    `json:"kind" enum:"bot"`
	Name      string    `json:"name"`
	CourseID  string    `json:"course_id" format:"uuid"`
	RoomIDs   []string  `json:"room_ids" nullable:"false"`
	IsActive  bool      `json:"is_active"`
	CreatedAt time.Time `json:"created_at"`
}

func botForm(b *app.Bot) BotOut {
	return BotOut{ID: b.ID, Kind: b.Kind, Name: b.Name(), CourseID: b.BotCourseID, RoomIDs: append([]string{}, b.RoomIDs...), IsActive: b.IsActive,
		CreatedAt: instant(b.CreatedAt)}
}

func (s *Server) bots(ctx context.Context, actor *app.Actor, in *pageOf) (*pageOut[BotOut], error) {
	rows, err := few(ctx, s, in.Limit, func() ([]app.Bot, error) { return s.app.Bots(ctx, actor, in.ID.String(), in.page()) })
	if err != nil {
		return nil, err
	}
	return paged(ctx, s, rows, botForm, skipping[app.Bot](in.PageIn))
}

// botTokenIn is what staff choose for a token of a bot.
type botTokenIn struct {
	Name          string   `json:"name" doc:"What it is for" example:"Quiz server"`
	Scopes        []string `json:"scopes,omitempty" nullable:"false" doc:"Without it read and write" example:"[\"read\",\"write\"]"`
	ExpiresInDays int      `json:"expires_in_days" example:"90"`
}

func (in *botTokenIn) chosen() app.NewAccessToken {
	t := app.NewAccessToken{Name: in.Name, Days: in.ExpiresInDays}
	for _, scope := range in.Scopes {
		t.Scopes = append(t.Scopes, app.Scope(scope))
	}
	return t
}

type createBotIn struct {
	CourseID id `path:"course_id"`
	Body     struct {
		Name    string      `json:"name" doc:"Nobody else's in the course" example:"Quiz"`
		RoomIDs []id        `json:"room_ids,omitempty" nullable:"false" maxItems:"200" doc:"Of the course; without it none"`
		Token   *botTokenIn `json:"token,omitempty" doc:"Make its first token too"`
	}
}

// NewBotTokenOut is a new token of a bot. It is exported because an answer embeds it.
type NewBotTokenOut struct {
	TokenOut
	Token string `json:"token" doc:"For Authorization: Bearer; shown this once"`
}

func newBotToken(t *app.MadeToken) NewBotTokenOut {
	return NewBotTokenOut{tokenForm(t.AccessToken), t.Secret.Reveal()}
}

type newBotOut struct {
	Body struct {
		BotOut
		Token *NewBotTokenOut `json:"token,omitempty" doc:"If one was asked for"`
	}
}

func (s *Server) createBot(ctx context.Context, actor *app.Actor, in *createBotIn) (*newBotOut, error) {
	bot := app.NewBot{Name: in.Body.Name, RoomIDs: texts(in.Body.RoomIDs)}
	if in.Body.Token != nil {
		token := in.Body.Token.chosen()
		bot.Token = &token
	}
	b, token, err := s.app.CreateBot(ctx, actor, in.CourseID.String(), bot)
	if err != nil {
		return nil, err
	}
	out := &newBotOut{}
	out.Body.BotOut = botForm(b)
	if token != nil {
		t := newBotToken(token)
		out.Body.Token = &t
	}
	return out, nil
}

// texts are ids as they are stored.
func texts(ids []id) []string {
	all := make([]string, len(ids))
	for i, id := range ids {
		all[i] = id.String()
	}
	return all
}

// BotIn names a bot of a course.
type BotIn struct {
	CourseID id `path:"course_id"`
	BotID    id `path:"bot_id"`
}

type updateBotIn struct {
	BotIn
	Body struct {
		Name     opt[string] `json:"name,omitempty"`
		IsActive opt[bool]   `json:"is_active,omitempty"`
		RoomIDs  []id        `json:"room_ids,omitempty" nullable:"true" maxItems:"200" doc:"All of its rooms; without it as before"`
	}
}

func (s *Server) updateBot(ctx context.Context, actor *app.Actor, in *updateBotIn) (*oneOut[BotOut], error) {
	changes := app.BotChanges{Name: in.Body.Name.Opt, IsActive: in.Body.IsActive.Opt}
	if in.Body.RoomIDs != nil {
		changes.RoomIDs = app.Some(texts(in.Body.RoomIDs))
	}
	b, err := s.app.UpdateBot(ctx, actor, in.CourseID.String(), in.BotID.String(), changes)
	return formed(b, err, botForm)
}

func (s *Server) deleteBot(ctx context.Context, actor *app.Actor, in *twoIDs) (*empty, error) {
	return &empty{}, s.app.DeleteBot(ctx, actor, in.First.String(), in.Second.String())
}

func (s *Server) botTokens(ctx context.Context, actor *app.Actor, in *twoIDs) (*listOut[TokenOut], error) {
	rows, err := s.app.BotTokens(ctx, actor, in.First.String(), in.Second.String())
	if err != nil {
		return nil, err
	}
	return whole(ctx, s, rows, tokenForm)
}

type createBotTokenIn struct {
	BotIn
	Body botTokenIn
}

func (s *Server) createBotToken(ctx context.Context, actor *app.Actor, in *createBotTokenIn) (*oneOut[NewBotTokenOut], error) {
	made, err := s.app.CreateBotToken(ctx, actor, in.CourseID.String(), in.BotID.String(), in.Body.chosen())
	return formed(made, err, newBotToken)
}

type botTokenAt struct {
	BotIn
	TokenID id `path:"token_id"`
}

func (s *Server) revokeBotToken(ctx context.Context, actor *app.Actor, in *botTokenAt) (*empty, error) {
	return &empty{}, s.app.RevokeBotToken(ctx, actor, in.CourseID.String(), in.BotID.String(), in.TokenID.String())
}

// kindOf is the kind of an account as lists show it, which say nothing of people's.
func kindOf(u *store.User) string {
	if u.IsBot() {
		return u.Kind
	}
	return ""
}
