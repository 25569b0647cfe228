package app

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// This file has bots: accounts of programs that read and post in rooms. A bot belongs to
// one course, which makes it and with which it goes. It is no member of the course, so it
// is in no class list and no count of students: it may be in those rooms alone into which
// staff let it. It has no password and no session, only tokens that staff make. What it
// may do is said in access.go.

// maxBotRooms is in how many rooms one bot may be.
const maxBotRooms = 200

// botMail is the domain of the addresses that bots have in place of an e-mail. RFC 2606
// keeps it from ever being a host.
const botMail = "@bot.invalid"

// errIsBot is the error for whoever takes a bot's account for a person's.
var errIsBot = errorf(KindRejected, wording.IsBot, "This account is a bot. It belongs to its course alone and has tokens in place of a password:"+
	" change it with the bots of the course.")

// Bot is a bot with the rooms in which it is.
type Bot struct {
	store.User
	RoomIDs []string
}

// NewBot is what staff choose for a bot.
type NewBot struct {
	Name    string
	RoomIDs []string
	Token   *NewAccessToken // its first token; nil for none
}

// BotChanges are the members of a bot that staff may send. A member that is not sent keeps
// the stored value.
type BotChanges struct {
	Name     Opt[string]
	IsActive Opt[bool]
	RoomIDs  Opt[[]string]
}

// MadeToken is a new access token with its secret, which is shown only this once.
type MadeToken struct {
	*store.AccessToken
	Secret secret.Text
}

// botChanges is a bot as the audit log shows it.
func botChanges(b *Bot) changes {
	return changes{"course_id": b.BotCourseID, "name": b.Name(), "is_active": b.IsActive, "room_ids": strings.Join(b.RoomIDs, " ")}
}

// CreateBot adds a bot to a course, and makes its first token if asked to.
func (a *App) CreateBot(ctx context.Context, actor *Actor, courseID string, in NewBot) (b *Bot, token *MadeToken, err error) {
	u := store.User{ID: store.NewID(), Role: RoleGuest, Kind: store.KindBot, BotCourseID: courseID, IsActive: true, CreatedAt: a.instant(), Version: 1}
	u.Email = "bot-" + u.ID + botMail
	b = &Bot{User: u}
	err = a.changeCourse(ctx, actor, courseID, ActManageBots, func(tx *store.Tx, c *store.Course, res Resource) error {
		if err := nameBot(ctx, tx.Queries, &b.User, in.Name); err != nil {
			return err
		}
		if err := tx.CreateUser(ctx, &b.User); err != nil {
			return err
		}
		if err := a.letIn(ctx, tx, b, in.RoomIDs); err != nil {
			return err
		}
		if err := a.quotas.withinPlace(ctx, tx, actor, store.PlacedBots, courseID); err != nil {
			return err
		}
		if err := a.audit.record(ctx, tx, actor, ActManageBots, target{"bot", b.ID}, nil, botChanges(b)); err != nil {
			return err
		}
		if in.Token != nil {
			if err := Check(actor, ActBotTokens, res); err != nil {
				return err
			}
			if token, err = a.makeBotToken(ctx, tx, actor, b.ID, *in.Token); err != nil {
				return err
			}
		}
		return a.quotas.within(ctx, tx, c.OwnerID, store.OwnedBots)
	})
	if err != nil {
		return nil, nil, err
	}
	return b, token, nil
}

// nameBot gives a bot a name. It refuses one that a person could not have, and one that is
// or looks like the name of somebody in the course.
func nameBot(ctx context.Context, q store.Queries, b *store.User, called string) error {
	if err := name("name", &called); err != nil {
		return err
	}
	if err := personName("name", &called); err != nil {
		return err
	}
	if strings.ContainsAny(called, "@＠") {
		return invalid("name", "must not have an @, which calls agents")
	}
	if letters(called) == "" {
		return invalid("name", "must have a letter or a digit")
	}
	agents, err := q.AgentNamesInCourse(ctx, b.BotCourseID, b.ID)
	if err != nil {
		return err
	}
	if taken := looksLike(called, agents); taken != "" {
		return invalid("name", "is or looks like %q, the name of an agent or a bot in this course; choose another", taken)
	}
	taken, err := memberLike(ctx, q, b.BotCourseID, called)
	if err != nil {
		return err
	}
	if taken {
		return invalid("name", "is or looks like the name of a person in this course; choose another")
	}
	b.FullName = &called
	return nil
}

// memberLike tells whether a name is or looks like that of a person of a course.
func memberLike(ctx context.Context, q store.Queries, courseID, called string) (bool, error) {
	for after := ""; ; {
		people, err := q.NamesOfMembers(ctx, courseID, after)
		if err != nil || len(people) == 0 {
			return false, err
		}
		if slices.ContainsFunc(people, func(u store.User) bool { return looksLike(called, []string{u.Name()}) != "" }) {
			return true, nil
		}
		after = people[len(people)-1].ID
	}
}

// letIn lets a bot into these rooms of its course, and into no other.
func (a *App) letIn(ctx context.Context, tx *store.Tx, b *Bot, roomIDs []string) error {
	roomIDs = slices.Clone(roomIDs)
	slices.Sort(roomIDs)
	roomIDs = slices.Compact(roomIDs)
	if len(roomIDs) > maxBotRooms {
		return invalid("room_ids", "a bot can be in %d rooms", maxBotRooms)
	}
	left := slices.DeleteFunc(slices.Clone(b.RoomIDs), func(id string) bool { return slices.Contains(roomIDs, id) })
	err := tx.SetRoomsOf(ctx, b.ID, b.BotCourseID, roomIDs, a.instant())
	if errors.Is(err, store.ErrReferenced) {
		return invalid("room_ids", "must be rooms of this course")
	}
	if err != nil {
		return err
	}
	b.RoomIDs = roomIDs
	tx.AfterCommit(func() { a.botLeft(left) })
	return nil
}

// botLeft ends what a bot still reads in rooms where it may not be any more.
func (a *App) botLeft(roomIDs []string) {
	if len(roomIDs) == 0 {
		return
	}
	a.audience.rechecks.soon()
	for _, id := range roomIDs {
		a.audience.streams.wake(id)
	}
}

// Bots lists the bots of a course with their rooms, newest first.
func (a *App) Bots(ctx context.Context, actor *Actor, courseID string, p store.Page) ([]Bot, error) {
	if _, err := a.courseFor(ctx, actor, courseID, ActReadBots); err != nil {
		return nil, err
	}
	rows, err := a.db.Bots(ctx, courseID, p)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(rows))
	for i := range rows {
		ids[i] = rows[i].ID
	}
	rooms, err := a.db.RoomsOf(ctx, ids)
	bots := make([]Bot, len(rows))
	for i, u := range rows {
		bots[i] = Bot{u, rooms[u.ID]}
	}
	return bots, err
}

// changeBot runs fn in a transaction that has locked a course and one of its bots.
func (a *App) changeBot(ctx context.Context, actor *Actor, courseID, id string, action Action, fn func(*store.Tx, *Bot, Resource) error) error {
	return a.changeCourse(ctx, actor, courseID, action, func(tx *store.Tx, _ *store.Course, res Resource) error {
		u, err := tx.BotForUpdate(ctx, courseID, id)
		if err != nil {
			return fromStore(err, "Bot")
		}
		rooms, err := tx.RoomsOf(ctx, []string{id})
		if err != nil {
			return err
		}
		return fn(tx, &Bot{*u, rooms[id]}, res)
	})
}

// UpdateBot changes the sent members of a bot. A bot that is made inactive is out of its
// rooms at once, and its tokens are not valid until it is active again.
func (a *App) UpdateBot(ctx context.Context, actor *Actor, courseID, id string, in BotChanges) (b *Bot, err error) {
	err = a.changeBot(ctx, actor, courseID, id, ActManageBots, func(tx *store.Tx, held *Bot, _ Resource) error {
		b = held
		before, called := botChanges(b), b.Name()
		if err := firstOf(errors.Join(in.Name.set("name", &called), in.IsActive.set("is_active", &b.IsActive))); err != nil {
			return err
		}
		if called != b.Name() {
			if err := nameBot(ctx, tx.Queries, &b.User, called); err != nil {
				return err
			}
		}
		if in.RoomIDs.Sent {
			if err := a.letIn(ctx, tx, b, in.RoomIDs.Value); err != nil {
				return err
			}
		}
		if err := tx.UpdateUser(ctx, &b.User); err != nil {
			return fromStore(err, "Bot")
		}
		if !b.IsActive {
			tx.AfterCommit(func() { a.endBot(b, "bot made inactive") })
		}
		return a.audit.record(ctx, tx, actor, ActManageBots, target{"bot", id}, before, botChanges(b))
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// endBot closes the sockets and streams of a bot in this process. Other processes close
// theirs when they next recheck the sessions.
func (a *App) endBot(b *Bot, why string) {
	a.audience.hub.CloseUser(b.ID, realtime.CloseSessionEnded, why)
	a.botLeft(b.RoomIDs)
}

// DeleteBot deletes a bot with its tokens. Its messages stay under its name.
func (a *App) DeleteBot(ctx context.Context, actor *Actor, courseID, id string) error {
	return a.changeBot(ctx, actor, courseID, id, ActManageBots, func(tx *store.Tx, b *Bot, _ Resource) error {
		if err := tx.DisownEvents(ctx, id, b.Name()); err != nil {
			return err
		}
		if err := tx.DeleteUser(ctx, id); err != nil {
			return fromStore(err, "Bot")
		}
		tx.AfterCommit(func() {
			a.endBot(b, "bot deleted")
			a.audience.hub.Forget() // the cached frames of the last minutes still have its id
		})
		return a.audit.record(ctx, tx, actor, ActManageBots, target{"bot", id}, botChanges(b), nil)
	})
}

// BotTokens lists the tokens of a bot, newest first.
func (a *App) BotTokens(ctx context.Context, actor *Actor, courseID, id string) (*store.Listing[store.AccessToken], error) {
	if _, err := a.courseFor(ctx, actor, courseID, ActBotTokens); err != nil {
		return nil, err
	}
	if _, err := a.db.Bot(ctx, courseID, id); err != nil {
		return nil, fromStore(err, "Bot")
	}
	return a.db.AccessTokens(ctx, id)
}

// CreateBotToken makes a token for a bot.
func (a *App) CreateBotToken(ctx context.Context, actor *Actor, courseID, id string, in NewAccessToken) (made *MadeToken, err error) {
	err = a.changeBot(ctx, actor, courseID, id, ActBotTokens, func(tx *store.Tx, _ *Bot, _ Resource) error {
		made, err = a.makeBotToken(ctx, tx, actor, id, in)
		return err
	})
	return made, err
}

// makeBotToken makes a token for a bot within a transaction. Without scopes it may read
// and write.
func (a *App) makeBotToken(ctx context.Context, tx *store.Tx, actor *Actor, botID string, in NewAccessToken) (*MadeToken, error) {
	if len(in.Scopes) == 0 {
		in.Scopes = []Scope{ScopeRead, ScopeWrite}
	}
	if err := in.check(ScopeRead, ScopeWrite); err != nil {
		return nil, err
	}
	return a.storeToken(ctx, tx, actor, botID, in)
}

// RevokeBotToken revokes a token of a bot.
func (a *App) RevokeBotToken(ctx context.Context, actor *Actor, courseID, id, tokenID string) error {
	return a.changeBot(ctx, actor, courseID, id, ActBotTokens, func(tx *store.Tx, _ *Bot, _ Resource) error {
		t, err := tx.DeleteAccessToken(ctx, id, tokenID)
		if err != nil {
			return fromStore(err, "Token")
		}
		tx.AfterCommit(func() { a.sessions.closeTokens(tokenID) })
		return a.audit.record(ctx, tx, actor, didRevokeToken, target{"token", tokenID}, tokenChanges(t), nil)
	})
}
