package store

import (
	"context"
	"slices"
	"time"

	"github.com/uptrace/bun"
)

// The kinds of a Mention. They are stored, so they are never renamed.
const (
	MentionCall  = "mention" // the message calls the person
	MentionReply = "reply"   // it is a reply to a message of the person, whom it may call too
)

// Mention tells a person that a message of a room calls them, or replies to them.
type Mention struct {
	bun.BaseModel `bun:"table:mentions,alias:mn"`
	UserID        string `bun:",pk"`
	MessageID     string `bun:",pk"`
	RoomID        string
	Seq           int64
	CreatedAt     time.Time
	ReadAt        time.Time `bun:",nullzero"`
	Kind          string
	CalledSeq     int64 `bun:",nullzero"` // of the edit that called the person; 0 when the message did from the beginning
}

// mayBeIn are the people who may be in a room, without admins. It is plain SQL because bun
// would put brackets around the parts of a UNION, which SQLite does not accept.
const mayBeIn = "SELECT cm.user_id FROM course_members AS cm JOIN rooms AS r ON r.course_id = cm.course_id WHERE r.id = ?0" +
	" UNION SELECT c.owner_id FROM courses AS c JOIN rooms AS r ON r.course_id = c.id WHERE r.id = ?0" +
	" UNION SELECT user_id FROM room_members WHERE room_id = ?0"

// PeopleToCall lists the active people and bots who may be in a room, without admins, with
// the members of which their names are made.
func (q Queries) PeopleToCall(ctx context.Context, roomID string, limit int) ([]User, error) {
	var rows []User
	err := q.db.NewSelect().Model(&rows).Column("u.id", "u.email", "u.username", "u.full_name").Where("u.is_active").
		Where("u.id IN (?)", bun.SafeQuery(mayBeIn, roomID)).OrderExpr("u.id").Limit(int64(limit)).Scan(ctx)
	return rows, translate(err)
}

// Called are those whom a message calls: these people, or everybody who may be in the room.
// Replied are the people to whom it replies.
type Called struct {
	People   []string
	Everyone bool
	Before   bool // it called everybody before it was edited, so nobody is called anew
	Replied  []string
}

// AddMentions writes a message into the inboxes of those whom it calls and to whom it
// replies, except its sender's. Who has been told already is not told again.
func (t *Tx) AddMentions(ctx context.Context, m *Message) error { return t.addMentions(ctx, m, nil) }

// addMentions is AddMentions, with the seq of the edit that calls.
func (t *Tx) addMentions(ctx context.Context, m *Message, calledSeq *int64) error {
	if len(m.Called.People) == 0 && !m.Called.Everyone && len(m.Called.Replied) == 0 {
		return nil
	}
	replied := bun.List(append([]string{""}, m.Called.Replied...)) // no list may be empty
	of := bun.SafeQuery("u.id IN (?)", bun.List(slices.Concat(m.Called.People, m.Called.Replied)))
	if m.Called.Everyone && !m.Called.Before {
		of = bun.SafeQuery("u.is_active AND u.id IN ("+mayBeIn+") OR u.id IN (?1)", m.RoomID, replied)
	}
	_, err := t.db.NewRaw("INSERT INTO mentions (user_id, message_id, room_id, seq, created_at, called_seq, kind)"+
		" SELECT u.id, ?, ?, ?, ?, CAST(? AS BIGINT), CASE WHEN u.id IN (?) THEN ? ELSE ? END FROM users AS u WHERE u.id <> ? AND (?) ON CONFLICT DO NOTHING",
		m.ID, m.RoomID, m.Seq, t.instant(m.CreatedAt), calledSeq, replied, MentionReply, MentionCall, m.SenderID, of).Exec(ctx)
	return translate(err)
}

// ReplaceMentions is AddMentions for a message that was edited, which is the event of the
// room with this seq. Who is not called any more loses the mention.
func (t *Tx) ReplaceMentions(ctx context.Context, m *Message, seq int64) error {
	if !m.Called.Everyone {
		drop := t.db.NewDelete().Model((*Mention)(nil)).Where("message_id = ?", m.ID).Where("kind = ?", MentionCall)
		if len(m.Called.People) > 0 {
			drop = drop.Where("user_id NOT IN (?)", bun.List(m.Called.People))
		}
		if _, err := drop.Exec(ctx); err != nil {
			return translate(err)
		}
	}
	return t.addMentions(ctx, m, &seq)
}

// CalledByEdits lists the unread mentions of these people in a room that edits with a seq
// above after, up to upTo, have made, in the order of the edits.
func (q Queries) CalledByEdits(ctx context.Context, roomID string, after, upTo int64, userIDs []string, limit int) ([]Mention, error) {
	var rows []Mention
	err := q.db.NewSelect().Model(&rows).Column("mn.user_id", "mn.message_id").Where("mn.room_id = ?", roomID).Where("mn.called_seq IS NOT NULL").
		Where("mn.called_seq > ?", after).Where("mn.called_seq <= ?", upTo).Where("mn.user_id IN (?)", bun.List(userIDs)).
		Where("mn.read_at IS NULL").OrderExpr("mn.called_seq, mn.user_id").Limit(int64(limit)).Scan(ctx)
	return rows, translate(err)
}

// Said returns those of the messages that everybody in their rooms may read.
func (q Queries) Said(ctx context.Context, ids []string) ([]Found, error) {
	var rows []Found
	err := q.readable(Reader{Admin: true}, excerptOf, "messages AS m").Where("m.id IN (?)", bun.List(ids)).Limit(int64(len(ids))).Scan(ctx, &rows)
	return rows, translate(err)
}

// Reader is somebody who reads what is said in rooms. An Admin may read the rooms of every
// course.
type Reader struct {
	UserID string
	Admin  bool
}

// Found is a message in a list over rooms: the beginning of its text, who sent it, and
// where.
type Found struct {
	MessageID, RoomID, RoomName, CourseID string
	Seq                                   int64
	SenderID, AgentID                     string
	AgentType, AgentName, BotName         string
	SenderEmail                           string
	SenderUsername, SenderFullName        *string
	Content                               string
	CreatedAt                             time.Time
	RootID                                string    // of a reply
	ReadAt                                time.Time // of a mention
	Kind                                  string    // of a mention
}

// Message is the message with its sender.
func (f *Found) Message() *Message {
	m := &Message{ID: f.MessageID, RoomID: f.RoomID, Seq: f.Seq, SenderID: f.SenderID, AgentID: f.AgentID, AgentType: f.AgentType,
		AgentName: f.AgentName, BotName: f.BotName, Content: f.Content, CreatedAt: f.CreatedAt}
	if f.SenderID != "" {
		m.Sender = &User{ID: f.SenderID, Email: f.SenderEmail, Username: f.SenderUsername, FullName: f.SenderFullName}
	}
	return m
}

// excerptOf is how much of a text an excerpt is made of.
const excerptOf = 1000

// readable begins a query for messages (m) that everybody in their room (r) may read, and the
// reader too, with so many characters of their texts. from joins what else decides.
func (q Queries) readable(who Reader, chars int, from string) *bun.SelectQuery {
	sel := q.db.NewSelect().TableExpr(from).ColumnExpr("m.id AS message_id, m.room_id, r.name AS room_name, r.course_id, m.seq, m.sender_id, m.agent_id").
		ColumnExpr("m.agent_type, m.agent_name, m.bot_name, s.email AS sender_email, s.username AS sender_username, s.full_name AS sender_full_name").
		ColumnExpr("substr(m.content, 1, ?) AS content, m.created_at, m.root_id", chars).
		Join("JOIN rooms AS r ON r.id = m.room_id").Join("JOIN courses AS c ON c.id = r.course_id").Join("LEFT JOIN users AS s ON s.id = m.sender_id").
		Where("m.deleted_at IS NULL").Where("m.hidden_at IS NULL")
	if who.Admin {
		return sel
	}
	return sel.Where(mayRead, who.UserID)
}

// mayRead says of a room (r) and its course (c) that somebody may read there.
const mayRead = "(c.owner_id = ?0 OR EXISTS (SELECT 1 FROM course_members AS cm WHERE cm.course_id = c.id AND cm.user_id = ?0)" +
	" OR EXISTS (SELECT 1 FROM room_members AS rm WHERE rm.room_id = r.id AND rm.user_id = ?0))"

// MentionSearch says which mentions of a person to list.
type MentionSearch struct {
	RoomID string // "" for all
	Unread bool
	Before string // only of messages with a smaller id
	Limit  int
}

// Mentions lists the messages that mention a person and that the person may read now,
// newest first.
func (q Queries) Mentions(ctx context.Context, who Reader, s MentionSearch) ([]Found, error) {
	var rows []Found
	sel := q.readable(who, excerptOf, "mentions AS mn JOIN messages AS m ON m.id = mn.message_id").ColumnExpr("mn.read_at, mn.kind").Where("mn.user_id = ?", who.UserID)
	if s.RoomID != "" {
		sel = sel.Where("mn.room_id = ?", s.RoomID)
	}
	if s.Unread {
		sel = sel.Where("mn.read_at IS NULL")
	}
	if s.Before != "" {
		sel = sel.Where("mn.message_id < ?", s.Before)
	}
	err := sel.OrderExpr("mn.message_id DESC").Limit(int64(s.Limit)).Scan(ctx, &rows)
	return rows, translate(err)
}

// ReadMentions marks a person's mentions in messages as read. It returns how many it has
// marked.
func (t *Tx) ReadMentions(ctx context.Context, userID string, messageIDs []string, at time.Time) (int64, error) {
	return affected(t.db.NewUpdate().Model((*Mention)(nil)).Set("read_at = ?", at).Where("user_id = ?", userID).
		Where("message_id IN (?)", bun.List(messageIDs)).Where("read_at IS NULL").Exec(ctx))
}

// ReadMentionsUpTo marks all mentions of a person up to a message as read, also those that
// the person may not read now.
func (t *Tx) ReadMentionsUpTo(ctx context.Context, userID, messageID string, at time.Time) (int64, error) {
	return affected(t.db.NewUpdate().Model((*Mention)(nil)).Set("read_at = ?", at).Where("user_id = ?", userID).
		Where("message_id <= ?", messageID).Where("read_at IS NULL").Exec(ctx))
}

// ReadMentionsIn marks a person's mentions in a room up to a seq as read.
func (t *Tx) ReadMentionsIn(ctx context.Context, userID, roomID string, seq int64, at time.Time) (int64, error) {
	return affected(t.db.NewUpdate().Model((*Mention)(nil)).Set("read_at = ?", at).Where("user_id = ?", userID).
		Where("room_id = ?", roomID).Where("seq <= ?", seq).Where("read_at IS NULL").Exec(ctx))
}
