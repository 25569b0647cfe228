package app

import (
	"context"
	"errors"
	"strings"

	"github.com/coagent-studio/coagent/app/mention"
	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
)

// tracePrefix opens the frames by which clients know a trace of agents at
// work; a person's line must not pass for one.
const (
	tracePrefix    = "[A2A]"
	zeroWidthSpace = "\u200b"
)

// Posted is a stored line. Dup tells that it had been stored before, under the
// same ClientID, and nothing happened now.
type Posted struct {
	Message *store.Message
	Dup     bool
}

// PostMessage stores a person's line, once for each clientID (1..64
// characters, the client's own name for it; may be empty). The line, its event
// and the look of the room's agents at it commit together: once this returns
// nil, nothing of it can get lost.
func (a *App) PostMessage(ctx context.Context, actor *Actor, roomID, content, clientID string) (*Posted, error) {
	room, err := a.roomFor(ctx, actor, roomID, ActPostMessage)
	if err != nil {
		return nil, err
	}
	content, err = a.messageIn(content)
	if err := errors.Join(err, text("client_id", clientID, 0, 64)); err != nil {
		return nil, firstOf(err)
	}
	if err := a.spend(ctx, a.posts, actor.User.ID); err != nil {
		return nil, err
	}
	m := &store.Message{ID: store.NewID(), RoomID: roomID, SenderID: actor.User.ID, ClientID: clientID, Content: content,
		CreatedAt: a.instant(), Sender: &actor.User}
	err = a.db.InTx(ctx, func(tx *store.Tx) error { return a.storePost(ctx, tx, room, m) })
	if errors.Is(err, errPostedBefore) {
		before, err := a.db.MessageByClientID(ctx, roomID, actor.User.ID, clientID)
		if err != nil {
			return nil, err
		}
		before.Sender, before.Content = &actor.User, readable(before.State(), before.Content, false)
		return &Posted{Message: before, Dup: true}, nil
	}
	if err != nil {
		return nil, fromStore(err, "Room")
	}
	// Not before the commit: an agent that waits for this line then finds it.
	if a.typists.done(roomID, actor.User.ID) {
		a.signalNodes(roomID, nodesTyped, actor.User.ID)
	}
	if !listens(room) && mention.May(m.Content) {
		a.warnSignInBlocked(ctx, room, m)
	}
	a.telemetry.Posted(ctx, m.ID, roomID, m.Seq)
	return &Posted{Message: m}, nil
}

// tooLong is the error of a line of so many bytes.
func (a *App) tooLong(bytes int64) error {
	return errorf(KindTooLarge, "too_large", "text: has %d bytes, at most %d are possible", bytes, a.cfg.Limits.MessageBytes)
}

// messageIn checks what a person says, and makes it fit to be shown.
func (a *App) messageIn(content string) (string, error) {
	if len(content) > int(a.cfg.Limits.MessageBytes) {
		return "", a.tooLong(int64(len(content)))
	}
	if strings.TrimSpace(content) == "" {
		return "", invalid("text", "must not be empty")
	}
	if err := text("text", content, 1, len(content)); err != nil {
		return "", err
	}
	if strings.HasPrefix(content, tracePrefix) {
		content = zeroWidthSpace + content
	}
	return content, nil
}

// errPostedBefore rolls back a transaction whose line exists already.
var errPostedBefore = errors.New("posted before")

// listens tells whether agents may hear what is said in a room.
func listens(room *store.Room) bool { return room.IsAIActive && room.AIMode != ModeOff }

func (a *App) storePost(ctx context.Context, tx *store.Tx, room *store.Room, m *store.Message) error {
	listening := listens(room)
	// Agents that are switched on later do not answer what was said before. Of
	// those that are, the job below looks within milliseconds; the date is for a
	// sweep to find the room if the job's worker dies with it.
	heard := store.Heard{Unheard: !listening, DecideAt: m.CreatedAt.Add(a.cfg.Turns.Lease)}
	added, err := tx.AddMessage(ctx, m, messageEvent(m), heard)
	if err != nil {
		return err
	}
	if !added {
		return errPostedBefore
	}
	if !listening {
		return nil
	}
	return a.queue.Add(ctx, tx, jobs.DecideInRoom{RoomID: m.RoomID})
}

// History lists a room's lines, oldest first: the newest limit of those before
// a seq (0 = the newest of all; limit 0 = as many as one answer may hold).
func (a *App) History(ctx context.Context, actor *Actor, roomID string, before int64, limit int) (*store.Listing[store.Message], error) {
	_, res, err := a.roomAccess(ctx, actor, roomID, ActReadHistory)
	if err != nil {
		return nil, err
	}
	if limit <= 0 {
		limit = store.MaxLimit
	}
	lines, err := a.db.ListMessages(ctx, roomID, before, min(limit, store.MaxLimit))
	if err != nil {
		return nil, err
	}
	staff := Check(actor, ActReadHidden, res) == nil
	lines.Each = func(m *store.Message) { m.Content = readable(m.State(), m.Content, staff) }
	return lines, nil
}

// SenderName is who said a line, as the history shows it: a person's name, or
// the kind of agent, for example "Teacher AI".
func SenderName(m *store.Message) string {
	switch {
	case m.ByAgent():
		return agentLabel(m.AgentType)
	case m.Sender != nil:
		return m.Sender.Name()
	}
	return deletedName
}

// HistorySender is SenderName for the list that the existing client reads.
func HistorySender(m *store.Message) string {
	if m.ByAgent() {
		return SenderName(m)
	}
	return plainSender(SenderName(m))
}

// agentLabel is how clients know an agent's line: "Teacher AI".
func agentLabel(agentType string) string {
	r := []rune(agentType)
	if len(r) == 0 {
		return "AI"
	}
	return strings.ToUpper(string(r[:1])) + string(r[1:]) + " AI"
}
