package store

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/coagent-studio/coagent/store/words"
)

// Message is one message in a room. A person wrote it (SenderID), a bot (SenderID and
// BotName), or an agent in a turn (AgentID, TurnID). Seq is the number of its event in the room.
type Message struct {
	bun.BaseModel `bun:"table:messages,alias:m"`
	ID            string `bun:",pk"`
	RoomID        string
	Seq           int64
	SenderID      string `bun:",nullzero"`
	AgentID       string `bun:",nullzero"`
	AgentType     string `bun:",nullzero"`
	AgentName     string `bun:",nullzero"`
	TurnID        string `bun:",nullzero"`
	BotName       string `bun:",nullzero"` // of the bot that wrote it, as it was then
	ClientID      string `bun:",nullzero"` // the sender's own id for it; a resend with it adds nothing
	Content       string
	CreatedAt     time.Time
	EditedAt      time.Time `bun:",nullzero"`
	DeletedAt     time.Time `bun:",nullzero"`
	HiddenAt      time.Time `bun:",nullzero"`
	StoppedAt     time.Time `bun:",nullzero"` // when a person stopped the agent in the middle of it
	Truncated     bool      // an agent's message that was cut before its end
	Silent        bool      // no agent could answer it, so no decision was made about it
	Rolls         JSON      `bun:",nullzero"`     // the agents' rolls for it, which were made when it was posted
	MetadataJSON  *string   `bun:"metadata_json"` // a text that the sender's client owns
	Answers       string    `bun:",nullzero"`     // in a thread, the message that an agent's message answers
	Mentions      JSON      `bun:",nullzero"`     // whom it calls by an "@", as package event encodes it
	Files         JSON      `bun:",nullzero"`     // the files that it shows, as package event encodes them
	SearchPos     int64     `bun:",nullzero"`     // its place in time among what searches find, see placeFree

	// Of a reply: the message under which it hangs, and what readers see of that, as package
	// event encodes it.
	RootID  string `bun:",nullzero"`
	ReplyTo JSON   `bun:",nullzero"`
	// Of a message with replies: how many are shown, the seq of the newest that ever was and
	// the time of the newest that is shown, and the last Repliers.
	ReplyCount   int
	LastReplySeq int64     `bun:",nullzero"`
	LastReplyAt  time.Time `bun:",nullzero"`
	Repliers     JSON      `bun:",nullzero"`
	// Of a message with reactions: how many there are of each, as package event encodes it;
	// when the room was told of them last, and whether it has to be told again.
	Reactions       JSON      `bun:",nullzero"`
	ReactionsToldAt time.Time `bun:",nullzero"`
	ReactionsDue    bool

	// What the figures of the course count, see CountWords: nil and "" while it is not counted.
	WordCount *int
	Day       string `bun:",nullzero"`

	Sender *User `bun:"rel:belongs-to,join:sender_id=id"` // its name and role only

	// Called are those whom AddMessage tells that the message mentions them.
	Called Called `bun:"-"`
	// Claims are the ids of the sender's files that AddMessage gives to the message.
	Claims []string `bun:"-"`
	// Mine are the emoji that the reader has given to it.
	Mine []string `bun:"-"`
	// InReplyTo is the id of the message that a person replies to, when it is about to be
	// stored.
	InReplyTo string `bun:"-"`
	// ThreadSize is how many replies the thread of a reply has now, as far as its event tells.
	ThreadSize int `bun:"-"`
}

// nameOnly reads of people what others see: their name, role and kind.
func nameOnly(sel *bun.SelectQuery) *bun.SelectQuery {
	return sel.Column("id", "email", "username", "full_name", "role", "kind")
}

// ByAgent tells whether an agent wrote the message.
func (m *Message) ByAgent() bool { return m.AgentType != "" }

// ByBot tells whether a bot wrote the message.
func (m *Message) ByBot() bool { return m.BotName != "" }

// ByPerson tells whether a person wrote the message.
func (m *Message) ByPerson() bool { return !m.ByAgent() && !m.ByBot() }

// Messages lists the newest messages of a room with their senders, oldest first. It takes
// those with a seq below before (0 = no bound), limit at most.
func (q Queries) Messages(ctx context.Context, roomID string, before int64, limit int) ([]Message, error) {
	return q.newest(ctx, roomID, before, limit, func(sel *bun.SelectQuery) *bun.SelectQuery { return sel })
}

// ShownMessages is Messages without deleted and hidden ones. Agents read this.
func (q Queries) ShownMessages(ctx context.Context, roomID string, before int64, limit int) ([]Message, error) {
	return q.newest(ctx, roomID, before, limit, shown)
}

// MessagesToDecide is ShownMessages without senders, and with what decisions read only.
func (q Queries) MessagesToDecide(ctx context.Context, roomID string, before int64, limit int) ([]Message, error) {
	var rows []Message
	ctx, bound := q.bound(ctx, roomID, before, int64(limit))
	err := shown(q.db.NewSelect().Model(&rows).Column("m.seq", "m.created_at", "m.sender_id", "m.agent_id", "m.agent_type", "m.agent_name", "m.bot_name", "m.content", "m.rolls", "m.root_id").
		Where("m.room_id = ?", bound[0]).Where("m.seq < ?", bound[1])).OrderExpr("m.seq DESC LIMIT ?", bound[2]).Scan(ctx)
	slices.Reverse(rows)
	return rows, translate(err)
}

// AgentsThatSpoke lists the agents of the messages that MessagesToDecide lists, each once
// with each of its names. It reads only who spoke; the first comes first.
func (q Queries) AgentsThatSpoke(ctx context.Context, roomID string, before int64, limit int) ([]Message, error) {
	var rows []Message
	err := q.db.NewRaw(agentsThatSpoke).Scan(q.boundText(ctx, roomID, before, int64(limit)), &rows)
	return rows, translate(err)
}

const agentsThatSpoke = `SELECT agent_id, agent_type, agent_name FROM (
	SELECT seq, agent_id, agent_type, agent_name FROM messages
	WHERE room_id = $1 AND seq < $2 AND deleted_at IS NULL AND hidden_at IS NULL ORDER BY seq DESC LIMIT $3
) AS recent WHERE agent_type IS NOT NULL GROUP BY agent_id, agent_type, agent_name ORDER BY min(seq)`

func (q Queries) newest(ctx context.Context, roomID string, before int64, limit int, only func(*bun.SelectQuery) *bun.SelectQuery) ([]Message, error) {
	var rows []Message
	if before <= 0 {
		before = math.MaxInt64
	}
	ctx, bound := q.bound(ctx, roomID, before, int64(limit))
	err := only(q.db.NewSelect().Model(&rows).Relation("Sender", nameOnly).Where("m.room_id = ?", bound[0]).Where("m.seq < ?", bound[1])).
		OrderExpr("m.seq DESC LIMIT ?", bound[2]).Scan(ctx) // Limit would put the number into the text
	if err != nil {
		return nil, translate(err)
	}
	slices.Reverse(rows)
	return rows, nil
}

// ListMessages is Messages as a Listing, which reads the texts in portions.
func (q Queries) ListMessages(ctx context.Context, roomID string, before int64, limit int) (*Listing[Message], error) {
	if before <= 0 {
		before = math.MaxInt64
	}
	ctx, bound := q.bound(ctx, roomID, before, int64(limit))
	sel := q.db.NewSelect().Model((*Message)(nil)).Where("m.room_id = ?", bound[0]).Where("m.seq < ?", bound[1]).
		OrderExpr("m.seq DESC LIMIT ?", bound[2])
	l, err := listing(ctx, q.listedMessages(sel))
	slices.Reverse(l.places)
	return l, err
}

// listedMessages are messages with their senders. Lists of them are long.
func (q Queries) listedMessages(places *bun.SelectQuery) listed[Message] {
	return listed[Message]{places: places, key: "m.id", size: "1024 + " + q.octets("m.content", "m.metadata_json"),
		rows: func(model any) *bun.SelectQuery { return q.everything(model).Relation("Sender", nameOnly) },
		id:   func(m *Message) string { return m.ID }, apart: true}
}

// MessagesBySeq lists the messages of a room that have these seqs, with their senders,
// oldest first.
func (q Queries) MessagesBySeq(ctx context.Context, roomID string, seqs []int64) ([]Message, error) {
	if len(seqs) == 0 {
		return nil, nil
	}
	var rows []Message
	err := q.db.NewSelect().Model(&rows).Relation("Sender", nameOnly).Where("m.room_id = ?", roomID).Where("m.seq IN (?)", bun.List(seqs)).
		OrderExpr("m.seq").Limit(int64(len(seqs))).Scan(ctx)
	return rows, translate(err)
}

// SearchMessages lists the seqs of the room's messages that contain text, newest first,
// limit at most. It searches the last back events and only messages that everybody in the
// room may read. Upper and lower case of Latin letters are equal.
func (q Queries) SearchMessages(ctx context.Context, roomID, text string, back, limit int64) ([]int64, error) {
	var seqs []int64
	head := q.db.NewSelect().Model((*Room)(nil)).Column("r.event_seq").Where("r.id = ?", roomID)
	err := shown(q.db.NewSelect().Model((*Message)(nil)).Column("m.seq").Where("m.room_id = ?", roomID).Where("m.seq > (?) - ?", head, back)).
		Where("? > 0", q.found("lower(m.content)", strings.ToLower(text))).
		OrderExpr("m.seq DESC").Limit(limit).Scan(ctx, &seqs)
	return seqs, translate(err)
}

// MessagesOfTurn is MessagesBySeq plus the message that the turn has written.
func (q Queries) MessagesOfTurn(ctx context.Context, roomID, turnID string, seqs []int64) ([]Message, error) {
	var rows []Message
	said := q.db.NewSelect().TableExpr("messages AS said").Column("said.seq").Where("said.turn_id = ?", turnID)
	err := q.db.NewSelect().Model(&rows).Relation("Sender", nameOnly).Where("m.room_id = ?", roomID).
		Where("m.seq IN (?, (?))", bun.List(append([]int64{0}, seqs...)), said).
		OrderExpr("m.seq").Limit(int64(len(seqs) + 1)).Scan(ctx)
	return rows, translate(err)
}

// MessageIDs returns the ids of a room's messages that have these seqs, by their seqs.
func (q Queries) MessageIDs(ctx context.Context, roomID string, seqs []int64) (map[int64]string, error) {
	by := make(map[int64]string, len(seqs))
	if len(seqs) == 0 {
		return by, nil
	}
	var rows []Message
	err := q.db.NewSelect().Model(&rows).Column("m.id", "m.seq").Where("m.room_id = ?", roomID).Where("m.seq IN (?)", bun.List(seqs)).
		Limit(int64(len(seqs))).Scan(ctx)
	for _, m := range rows {
		by[m.Seq] = m.ID
	}
	return by, translate(err)
}

// TurnMessage returns the message that a turn has written; ErrNotFound when there is none.
func (q Queries) TurnMessage(ctx context.Context, turnID string) (*Message, error) {
	m := new(Message)
	return first(ctx, q.db.NewSelect().Model(m).Where("m.turn_id = ?", turnID), m)
}

// MessageByClientID returns the message that a sender posted with this ClientID.
func (q Queries) MessageByClientID(ctx context.Context, roomID, senderID, clientID string) (*Message, error) {
	m := new(Message)
	return first(ctx, q.db.NewSelect().Model(m).Where("m.room_id = ?", roomID).
		Where("m.sender_id = ?", senderID).Where("m.client_id = ?", clientID), m)
}

// CreateMessage adds a message under a seq from NextSeq. added is false when the sender
// has posted with this ClientID before, or the turn already has a message. Then roll the
// transaction back: the seq is used up.
func (t *Tx) CreateMessage(ctx context.Context, m *Message) (added bool, err error) {
	t.count(m)
	return t.insertOnce(ctx, m)
}

// Heard says how the agents of a room treat a message. DecideAt, unless zero, is when a
// sweep should have them decide about it, if no earlier date is stored. With Unheard they
// never decide about it.
type Heard struct {
	DecideAt time.Time
	Unheard  bool
	Silent   *Silence // nil when the agents have to decide
}

// Silence says that no agent answers a message of a person. It holds only if the room's
// AgentsVersion is still the same and the message's seq is not above UpTo.
type Silence struct{ AgentsVersion, UpTo int64 }

// bounds are the values for SQL, NULL without a Silence.
func (s *Silence) bounds() (version, upTo any) {
	if s == nil {
		return nil, nil
	}
	return s.AgentsVersion, s.UpTo
}

// AddMessage stores a message and its event under the room's next seq and sets the Seq of
// both. added is as in CreateMessage. due tells whether the agents now have to decide and
// did not have to before; otherwise a decision that is on its way covers the message too.
// ErrArchived when the room's course has been archived meanwhile.
// On Postgres all of this is one statement: a class waits for it.
//
// With a Silence that holds, and when all earlier messages are decided about, the message
// is decided about too. Then m.Silent is set.
func (t *Tx) AddMessage(ctx context.Context, m *Message, e *Event, h Heard) (added, due bool, err error) {
	t.count(m)
	add := t.addMessageInSteps
	if t.PG != nil {
		add = t.addMessageAtOnce
	}
	if added, due, err = add(ctx, m, e, h); err != nil || !added {
		return added, due, err
	}
	if err = t.claimFiles(ctx, m); err == nil {
		err = t.AddMentions(ctx, m)
	}
	return added, due, err
}

func (t *Tx) addMessageInSteps(ctx context.Context, m *Message, e *Event, h Heard) (added, due bool, err error) {
	// Three statements: SQLite has no INSERT inside another statement.
	agent := null(m.AgentType)
	version, upTo := h.Silent.bounds()
	// $4 is set for a message that no person wrote.
	bound := t.boundText(ctx, m.RoomID, h.Unheard, null(h.DecideAt), null(cmp.Or(m.AgentType, m.BotName)), m.CreatedAt, version, upTo)
	if err = t.db.NewRaw(nextOfMessage).Scan(bound, &m.Seq, &m.Silent, &due); err != nil {
		return false, false, t.whyNoSeq(ctx, m.RoomID, err)
	}
	rolls, err := m.Rolls.Value()
	if err != nil {
		return false, false, err
	}
	bound = t.boundText(ctx, m.RoomID, m.Seq, m.ID, null(m.SenderID), null(m.AgentID), agent, null(m.AgentName), null(m.TurnID),
		null(m.ClientID), m.Content, m.CreatedAt, null(m.StoppedAt), m.Truncated, m.Silent, rolls, textOrNull(m.MetadataJSON), null(m.Answers), null(m.BotName), null(string(m.Mentions)),
		null(m.RootID), null(string(m.ReplyTo)), null(string(m.Files)), words.PosOf(m.CreatedAt), int64(*m.WordCount), m.Day)
	if n, err := affected(t.db.ExecContext(bound, addMessage)); err != nil || n == 0 {
		return false, false, err
	}
	e.Seq = m.Seq
	return true, due, t.CreateEvent(ctx, e)
}

const (
	nextOfMessage = `UPDATE rooms SET event_seq = event_seq + 1,
	looked_seq = CASE WHEN $2 OR ` + silentOne + ` THEN event_seq + 1 ELSE looked_seq END,
	look_at = CASE WHEN $2 OR ` + silentOne + ` THEN NULL ELSE COALESCE(look_at, $3) END,
	person_seq = CASE WHEN $2 OR $4 IS NOT NULL THEN person_seq ELSE event_seq + 1 END,
	person_at = CASE WHEN $2 OR $4 IS NOT NULL THEN person_at ELSE $5 END
WHERE id = $1 AND archived_at IS NULL RETURNING event_seq, looked_seq = event_seq AND NOT $2, COALESCE(look_at = $3, FALSE)`
	silentOne  = "($6 IS NOT NULL AND agents_version = $6 AND event_seq < $7 AND looked_seq = event_seq)"
	addMessage = `INSERT INTO messages
	(room_id, seq, id, sender_id, agent_id, agent_type, agent_name, turn_id, client_id, content, created_at, stopped_at, truncated, silent,
	rolls, metadata_json, answers, bot_name, mentions, root_id, reply_to, files, word_count, day, search_pos)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $24, $25,
	CASE WHEN (SELECT course_id FROM rooms WHERE id = $1) IS NOT NULL THEN ` + placeFree + ` END) ON CONFLICT DO NOTHING`
)

const addLine = `
WITH room AS (
	UPDATE rooms SET event_seq = event_seq + 1,
		looked_seq = CASE WHEN $2::boolean OR ` + silent + ` THEN event_seq + 1 ELSE looked_seq END,
		look_at = CASE WHEN $2::boolean OR ` + silent + ` THEN NULL ELSE COALESCE(look_at, $3::timestamptz) END,
		person_seq = CASE WHEN $2::boolean OR $7::text IS NOT NULL OR $24::text IS NOT NULL THEN person_seq ELSE event_seq + 1 END,
		person_at = CASE WHEN $2::boolean OR $7::text IS NOT NULL OR $24::text IS NOT NULL THEN person_at ELSE $12::timestamptz END
	WHERE id = $1 AND archived_at IS NULL RETURNING event_seq, looked_seq = event_seq AND NOT $2::boolean AS silent,
		COALESCE(look_at = $3::timestamptz, FALSE) AS due, course_id
), line AS (
	INSERT INTO messages (room_id, seq, id, sender_id, agent_id, agent_type, agent_name, turn_id, client_id, content, created_at, stopped_at, truncated,
		silent, rolls, metadata_json, answers, bot_name, mentions, root_id, reply_to, files, word_count, day, search_pos, words)
	SELECT $1, event_seq, $4, $5, $6, $7::text, $8, $9, $10, $11, $12::timestamptz, $17::timestamptz, $18::boolean,
		silent, $19::json, $22, $23, $24::text, $25::json, $26::text, $27::json, $28::json, $31::integer, $32::text,
		CASE WHEN course_id IS NOT NULL THEN $29::bigint END, CASE WHEN course_id IS NOT NULL THEN $30::tsvector || ` + courseMark + ` END FROM room
	ON CONFLICT DO NOTHING RETURNING seq
), shown AS (
	INSERT INTO events (room_id, seq, id, type, body, created_at)
	SELECT $1, seq, $13, $14, $15::json, $16::timestamptz FROM line RETURNING seq
)
SELECT room.event_seq, room.silent, room.due, (SELECT count(*) FROM shown) FROM room`

// silent tells whether a Silence holds for a message. Without one its version is NULL.
const silent = "($20::bigint IS NOT NULL AND agents_version = $20::bigint AND event_seq < $21::bigint AND looked_seq = event_seq)"

func (t *Tx) addMessageAtOnce(ctx context.Context, m *Message, e *Event, h Heard) (added, due bool, err error) {
	var shown int
	version, upTo := h.Silent.bounds()
	err = t.Pinned(func() error {
		return t.PG.QueryRow(ctx, addLine, m.RoomID, h.Unheard, null(h.DecideAt),
			m.ID, null(m.SenderID), null(m.AgentID), null(m.AgentType), null(m.AgentName), null(m.TurnID), null(m.ClientID), m.Content, m.CreatedAt,
			e.ID, e.Type, string(e.Body), e.CreatedAt, null(m.StoppedAt), m.Truncated, null(string(m.Rolls)), version, upTo,
			textOrNull(m.MetadataJSON), null(m.Answers), null(m.BotName), null(string(m.Mentions)), null(m.RootID), null(string(m.ReplyTo)), null(string(m.Files)),
			words.PosOf(m.CreatedAt), m.vector(), *m.WordCount, m.Day).
			Scan(&m.Seq, &m.Silent, &due, &shown)
	})
	if err != nil {
		return false, false, t.whyNoSeq(ctx, m.RoomID, err)
	}
	if shown == 0 {
		return false, false, nil
	}
	e.Seq = m.Seq
	t.events = append(t.events, *e)
	return true, due, nil
}

// whyNoSeq tells why a room has not given a message its seq: it is in an archived course, or
// gone. Only a message that is refused costs this statement.
func (t *Tx) whyNoSeq(ctx context.Context, roomID string, err error) error {
	if err = translate(err); !errors.Is(err, ErrNotFound) {
		return err
	}
	_, err = t.openRoom(ctx, t.db.NewSelect().Where("r.id = ?", roomID))
	if err == nil { // it was opened again in this moment
		err = ErrStale
	}
	return err
}

// null returns v for a nullable column: nil when v is the zero value.
func null[T comparable](v T) any {
	var zero T
	if v == zero {
		return nil
	}
	return v
}

// textOrNull is a text for a nullable column that tells "" from NULL.
func textOrNull(text *string) any {
	if text == nil {
		return nil
	}
	return *text
}

// LastMessageOf returns the newest message of an agent in a room that is neither deleted
// nor hidden.
func (q Queries) LastMessageOf(ctx context.Context, roomID, agentID string) (*Message, error) {
	m := new(Message)
	return first(ctx, shown(q.db.NewSelect().Model(m).Join("JOIN agent_turns AS t ON t.id = m.turn_id").
		Where("t.room_id = ?", roomID).Where("t.agent_id = ?", agentID)).OrderExpr("t.trigger_seq DESC"), m)
}

// MessageInRoom returns a message of a room; ErrNotFound when the room has no such
// message.
func (q Queries) MessageInRoom(ctx context.Context, roomID, id string) (*Message, error) {
	m := new(Message)
	return first(ctx, q.db.NewSelect().Model(m).Where("m.id = ?", id).Where("m.room_id = ?", roomID), m)
}
