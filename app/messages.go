package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// Posted is a stored message. Dup is true if the message was stored before with the same
// ClientID, and this call stored nothing.
//
// NotCalled are those whom the text or PostWith.Mentions names and whom the message does
// not call.
type Posted struct {
	Message   *store.Message
	Dup       bool
	NotCalled []event.Mention
}

// PostWith is what a message may come with.
type PostWith struct {
	// Mentions are those who are meant where several have the name that the text calls.
	Mentions []event.MentionID
	// Files are the ids of the sender's files that the message shows. With one the text may
	// be empty.
	Files []string
	// ReplyTo is the id of the message that it replies to, "" for none.
	ReplyTo string
}

// PostMessage stores a message of a person or a bot. clientID (0..64 characters) is the client's own
// id for it: a second post with the same id stores nothing. The message, its event and
// the job that decides about the room's agents commit together. Once this returns nil,
// none of them can get lost. Without an agent that could answer, or behind a job that is
// on its way, there is no job.
func (a *App) PostMessage(ctx context.Context, actor *Actor, roomID, content, clientID string, with ...PostWith) (*Posted, error) {
	room, res, err := a.roomAccess(ctx, actor, roomID, ActPostMessage)
	if err != nil {
		return nil, err
	}
	var files []string
	calling := turn.Calling{Everyone: Check(actor, ActCallEveryone, res) == nil}
	replyTo := ""
	for _, w := range with {
		files = w.Files
		if calling.Meant, err = meantIn(w.Mentions); err != nil {
			return nil, err
		}
		if replyTo, err = replyIn(w.ReplyTo); err != nil {
			return nil, err
		}
	}
	content, err = messageIn(&a.cfg.Limits, content, len(files) > 0)
	if err := errors.Join(err, text("client_id", clientID, 0, 64)); err != nil {
		return nil, firstOf(err)
	}
	if err := a.limits.posts.spend(ctx, actor.User.ID); err != nil {
		return nil, err
	}
	m := &store.Message{ID: store.NewID(), RoomID: roomID, SenderID: actor.User.ID, ClientID: clientID, Content: content,
		CreatedAt: a.instant(), Sender: &actor.User, InReplyTo: replyTo}
	if actor.User.IsBot() {
		m.BotName = actor.User.Name()
	}
	if len(files) > 0 {
		shown, err := a.filesOf(ctx, actor, roomID, files)
		if before := a.postedBefore(ctx, actor, m, err); before != nil {
			return before, nil
		}
		if err != nil {
			return nil, err
		}
		m.Files, m.Claims = store.ToJSON(shown), files
	}
	heard, err := a.engine.Hearing(ctx, room, m)
	if err != nil {
		return nil, err
	}
	not, err := a.engine.Call(ctx, a.db.Queries, room, m, calling)
	if err != nil {
		return nil, err
	}
	err = a.db.InTx(ctx, func(tx *store.Tx) error { return a.storePost(ctx, tx, m, heard) })
	no := noReply(err)
	if errors.Is(err, errPostedBefore) || no != nil && clientID != "" {
		before, err := a.firstPost(ctx, actor, m)
		if no != nil && errors.Is(err, store.ErrNotFound) {
			return nil, no
		}
		return before, err
	}
	if errors.Is(err, store.ErrFilesTaken) {
		return nil, errNoSuchFile(0)
	}
	if err != nil {
		return nil, cmp.Or(no, fromStore(err, "Room"))
	}
	a.engine.Posted(ctx, room, m)
	a.telemetry.Posted(ctx, m.ID, roomID, m.Seq)
	return &Posted{Message: m, NotCalled: not}, nil
}

// firstPost is the message that was posted before with the same ClientID.
func (a *App) firstPost(ctx context.Context, actor *Actor, m *store.Message) (*Posted, error) {
	before, err := a.db.MessageByClientID(ctx, m.RoomID, actor.User.ID, m.ClientID)
	if err != nil {
		return nil, err
	}
	before.Sender = &actor.User
	event.Redact(before, false)
	return &Posted{Message: before, Dup: true}, nil
}

// postedBefore is firstPost for a message whose files are taken, which they are when it was
// posted before. It is nil when it was not.
func (a *App) postedBefore(ctx context.Context, actor *Actor, m *store.Message, taken error) *Posted {
	if taken == nil || m.ClientID == "" {
		return nil
	}
	before, err := a.firstPost(ctx, actor, m)
	if err != nil {
		return nil // the caller has the other error
	}
	return before
}

// meantIn reads the ids of those who are meant.
func meantIn(mentions []event.MentionID) (ids []string, err error) {
	if len(mentions) > event.MaxMentions {
		return nil, invalid("mentions", "has %d members, at most %d are possible", len(mentions), event.MaxMentions)
	}
	for i, it := range mentions {
		if it.Kind != event.MentionPerson && it.Kind != event.MentionAgent {
			return nil, invalid(fmt.Sprintf("mentions[%d].kind", i), "must be %s or %s", event.MentionPerson, event.MentionAgent)
		}
		id, err := uuid.Parse(it.ID)
		if err != nil {
			return nil, invalid(fmt.Sprintf("mentions[%d].id", i), "must be the id of a person or an agent")
		}
		ids = append(ids, id.String())
	}
	return ids, nil
}

// tooLong is the error for a message of so many bytes.
func tooLong(limits *config.Limits, bytes int64) error {
	return errorf(KindTooLarge, wording.TooLarge, "text: has %d bytes, at most %d are possible", bytes, limits.MessageBytes)
}

// messageIn checks the text of a person's message and makes it safe to show.
func messageIn(limits *config.Limits, content string, mayBeEmpty bool) (string, error) {
	if len(content) > int(limits.MessageBytes) {
		return "", tooLong(limits, int64(len(content)))
	}
	if strings.TrimSpace(content) == "" {
		if mayBeEmpty {
			return "", nil
		}
		return "", errEmptyText()
	}
	if err := text("text", content, 1, len(content)); err != nil {
		return "", err
	}
	return event.EscapeTrace(content), nil
}

func errEmptyText() error { return invalid("text", "must not be empty") }

// errPostedBefore rolls back the transaction of a message that is already stored.
var errPostedBefore = errors.New("posted before")

func (a *App) storePost(ctx context.Context, tx *store.Tx, m *store.Message, heard store.Heard) error {
	added, err := a.engine.Post(ctx, tx, m, heard)
	if err == nil && !added {
		return errPostedBefore
	}
	return err
}

// History lists messages of a room, oldest first: the newest limit messages whose seq is
// below before. A before of 0 means the newest of all, a limit of 0 as many as one
// answer may hold.
func (a *App) History(ctx context.Context, actor *Actor, roomID string, before int64, limit int) (*store.Listing[store.Message], error) {
	_, res, err := a.roomAccess(ctx, actor, roomID, ActReadHistory)
	if err != nil {
		return nil, err
	}
	if limit <= 0 {
		limit = store.MaxLimit
	}
	messages, err := a.db.ListMessages(ctx, roomID, before, min(limit, store.MaxLimit))
	if err != nil {
		return nil, err
	}
	staff := Check(actor, ActReadHidden, res) == nil
	return a.withOwn(ctx, actor, messages, func(m *store.Message) { event.Redact(m, staff) })
}

// historyBytes is about how many bytes of texts one part of a history has, unless a single
// message has more.
const historyBytes = 1 << 20

// HistoryQuery asks for a part of a room's history: before a seq, after one, or around a
// point. Without any of them it is the newest messages.
type HistoryQuery struct {
	Before int64
	After  *int64
	Around string // a seq, the id of a message, or a time in RFC 3339
	Limit  int
}

// HistoryPage lists a part of a room's history, oldest first, and says whether there is more
// on either side.
func (a *App) HistoryPage(ctx context.Context, actor *Actor, roomID string, h HistoryQuery) (*store.MessagePage, error) {
	_, res, err := a.roomAccess(ctx, actor, roomID, ActReadHistory)
	if err != nil {
		return nil, err
	}
	part := store.HistoryPart{Before: h.Before, After: h.After, Limit: h.Limit, Bytes: historyBytes}
	if h.Around != "" {
		if h.Before > 0 || h.After != nil {
			return nil, invalid("around", "send it alone, without before and after")
		}
		if part.Around, err = a.pointIn(ctx, roomID, h.Around); err != nil {
			return nil, err
		}
	} else if h.Before > 0 && h.After != nil {
		return nil, invalid("after", "send before or after, not both")
	}
	page, err := a.db.MessagePage(ctx, roomID, part)
	if err != nil {
		return nil, err
	}
	staff := Check(actor, ActReadHidden, res) == nil
	_, err = a.withOwn(ctx, actor, page.Messages, func(m *store.Message) { event.Redact(m, staff) })
	return page, err
}

// pointIn finds the seq of a point in a room's history.
func (a *App) pointIn(ctx context.Context, roomID, point string) (int64, error) {
	if seq, err := strconv.ParseInt(point, 10, 64); err == nil && seq > 0 {
		return seq, nil
	}
	if id, err := uuid.Parse(point); err == nil {
		seq, err := a.db.SeqOf(ctx, roomID, id.String())
		return seq, fromStore(err, "Message")
	}
	// A plus sign that is not escaped arrives as a blank.
	at, err := time.Parse(time.RFC3339Nano, strings.ReplaceAll(point, " ", "+"))
	if err != nil || at.Year() < 1 || at.Year() > 9999 {
		return 0, invalid("around", "must be a seq, the id of a message, or a time such as 2026-03-02T08:15:00Z")
	}
	seq, err := a.db.SeqAt(ctx, roomID, at)
	return seq, fromStore(err, "Room")
}
