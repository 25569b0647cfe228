package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// Thread is a conversation of one person with one agent, in a room of its own that has
// the same id. AgentID is empty once the agent is gone. A stateless thread is for one
// question and is thrown away with its answer; its ProjectID may be empty.
type Thread struct {
	bun.BaseModel `bun:"table:threads,alias:th"`
	ID            string `bun:",pk"`
	ProjectID     string `bun:",nullzero"`
	AgentID       string `bun:",nullzero"`
	UserID        string
	Name          *string
	MetadataJSON  *string `bun:"metadata_json"`
	Stateless     bool
	CreatedAt     time.Time
	UpdatedAt     time.Time
	Version       int
}

// The roles of a thread's messages.
const (
	ThreadUser      = "user"
	ThreadAssistant = "assistant"
)

// ThreadMessage is a message of a thread's room as the thread shows it. In an agent's
// message Answers is the message that it answers. Each message is answered once.
type ThreadMessage struct {
	ID           string
	ThreadID     string
	Seq          int64
	Role         string
	Content      string
	MetadataJSON *string
	ClientID     string
	Answers      string
	TurnID       string
	Cut          bool // an agent's message that was cut before its end
	CreatedAt    time.Time
}

// InThread is a message of a thread's room as the thread shows it. An answer that is not
// whole has the metadata that says so.
func (m *Message) InThread() *ThreadMessage {
	t := &ThreadMessage{ID: m.ID, ThreadID: m.RoomID, Seq: m.Seq, Role: ThreadUser, Content: m.Content, MetadataJSON: m.MetadataJSON,
		ClientID: m.ClientID, Answers: m.Answers, TurnID: m.TurnID, Cut: m.Truncated, CreatedAt: m.CreatedAt}
	if !m.ByAgent() {
		return t
	}
	t.Role = ThreadAssistant
	switch {
	case !m.StoppedAt.IsZero():
		t.MetadataJSON = &stoppedMetadata
	case m.Truncated:
		t.MetadataJSON = &CutMetadata
	}
	return t
}

// The metadata of an answer that was cut before its end, and of one in the middle of which
// the agent was stopped.
var (
	CutMetadata     = `{"truncated":true}`
	stoppedMetadata = `{"stopped":true}`
)

func inThread(_ context.Context, rows []Message) ([]ThreadMessage, error) {
	out := make([]ThreadMessage, len(rows))
	for i := range rows {
		out[i] = *rows[i].InThread()
	}
	return out, nil
}

// Thread returns the thread with this id.
func (q Queries) Thread(ctx context.Context, id string) (*Thread, error) {
	th := new(Thread)
	return first(ctx, q.db.NewSelect().Model(th).Where("th.id = ?", id), th)
}

// ThreadsOf lists a person's threads, last used first, without stateless ones. With agentID
// it lists only those with that agent, with projectID only those in that project.
func (q Queries) ThreadsOf(ctx context.Context, userID, agentID, projectID string, p Page) (*Listing[Thread], error) {
	sel := q.db.NewSelect().Model((*Thread)(nil)).Where("th.user_id = ?", userID).Where("NOT th.stateless").
		OrderExpr("th.updated_at DESC, th.id DESC")
	if agentID != "" {
		sel = sel.Where("th.agent_id = ?", agentID)
	}
	if projectID != "" {
		sel = sel.Where("th.project_id = ?", projectID)
	}
	return listing(ctx, listed[Thread]{places: p.on(sel), key: "th.id", size: q.octets("th.metadata_json"),
		rows: q.everything,
		id:   func(th *Thread) string { return th.ID }})
}

// ThreadForUpdate returns a thread and locks its row until the transaction ends. Lock the
// thread's room before it.
func (t *Tx) ThreadForUpdate(ctx context.Context, id string) (*Thread, error) {
	th := new(Thread)
	return first(ctx, t.locked(t.db.NewSelect().Model(th).Where("th.id = ?", id)), th)
}

// CreateThread adds a thread with its room; ErrReferenced when its project or agent is
// gone.
func (t *Tx) CreateThread(ctx context.Context, th *Thread) error {
	if err := t.insert(ctx, th); err != nil {
		return err
	}
	return t.insert(ctx, &Room{ID: th.ID, ThreadID: th.ID, AIMode: ModeOff, CreatedAt: th.CreatedAt, Version: 1})
}

// UpdateThread writes a thread that was read at th.Version, and increases the version.
// ErrStale when it was changed meanwhile.
func (t *Tx) UpdateThread(ctx context.Context, th *Thread) error {
	th.Version++
	res, err := t.db.NewUpdate().Model(th).ExcludeColumn("id", "project_id", "agent_id", "user_id", "stateless", "created_at").
		Where("th.id = ?", th.ID).Where("th.version = ?", th.Version-1).Exec(ctx)
	return changed(res, err, ErrStale)
}

// TouchThread records that a thread was used now.
func (t *Tx) TouchThread(ctx context.Context, id string, now time.Time) error {
	res, err := t.db.NewUpdate().Model((*Thread)(nil)).Set("updated_at = ?", now).Where("id = ?", id).Exec(ctx)
	return changed(res, err, ErrNotFound)
}

// DeleteThread deletes a thread with its room and all that is in it. It locks the room
// first, as the turns in it do.
func (t *Tx) DeleteThread(ctx context.Context, id string) error {
	if err := t.lockRooms(ctx, theseRooms, id); err != nil {
		return err
	}
	res, err := t.db.NewDelete().Model((*Thread)(nil)).Where("id = ?", id).Exec(ctx)
	return changed(res, err, ErrNotFound)
}

// LockThreadsOf locks the rooms of all threads of a person. Whoever deletes the person
// calls it before it locks the account: a message in a thread locks the account last.
func (t *Tx) LockThreadsOf(ctx context.Context, userID string) error {
	return t.lockRooms(ctx, "SELECT th.id FROM threads AS th WHERE th.user_id = ?", userID)
}

// The things with which threads are deleted: conditions on a thread, with an id.
const (
	ThreadsOfPerson       = "th.user_id = ?"
	ThreadsOfProject      = "th.project_id = ?"
	ThreadsOfOrganization = "th.project_id IN (SELECT p.id FROM projects AS p WHERE p.organization_id = ?)"
)

// ThreadsToEnd lists the threads of a thing in which a turn has not ended, at most 1000.
func (q Queries) ThreadsToEnd(ctx context.Context, of, id string) ([]string, error) {
	var ids []string
	unended := q.db.NewSelect().Model((*Turn)(nil)).ColumnExpr("1").Where("t.room_id = th.id").
		Where("(t.state IN (?, ?) OR t.state = ? OR t.state = ?)", TurnQueued, TurnRunning, TurnWaiting, TurnParked)
	err := q.db.NewSelect().Model((*Thread)(nil)).Column("th.id").Where(of, id).Where("EXISTS (?)", unended).Limit(MaxLimit).Scan(ctx, &ids)
	return ids, translate(err)
}

// DeleteStatelessBefore deletes stateless threads that were made before a time, at most
// limit. The process that waited for their answers has died.
func (t *Tx) DeleteStatelessBefore(ctx context.Context, before time.Time, limit int) (int64, error) {
	var ids []string
	err := t.db.NewSelect().Model((*Thread)(nil)).Column("th.id").Where("th.stateless").Where("th.created_at < ?", before).
		OrderExpr("th.created_at").Limit(int64(limit)).Scan(ctx, &ids)
	if err != nil || len(ids) == 0 {
		return 0, translate(err)
	}
	if err := t.lockRooms(ctx, theseRooms, bun.List(ids)); err != nil {
		return 0, err
	}
	res, err := t.db.NewDelete().Model((*Thread)(nil)).Where("id IN (?)", bun.List(ids)).Exec(ctx)
	return affected(res, err)
}

// ThreadContents counts what is deleted along with a thread.
func (q Queries) ThreadContents(ctx context.Context, id string) (Counts, error) {
	return q.counts(ctx, id, []held{{"messages", "messages", "room_id = ?"}})
}

// ListThreadMessages lists the newest messages of a thread, oldest first. It takes those
// with a seq below before (0 = no bound), limit at most.
func (q Queries) ListThreadMessages(ctx context.Context, threadID string, before int64, limit int) (*Listing[ThreadMessage], error) {
	rows, err := q.ListMessages(ctx, threadID, before, limit)
	if err != nil {
		return nil, err
	}
	return Map(rows, inThread), nil
}

// ThreadMessages is ListThreadMessages for a few messages, with all texts at once.
func (q Queries) ThreadMessages(ctx context.Context, threadID string, before int64, limit int) ([]ThreadMessage, error) {
	rows, err := q.Messages(ctx, threadID, before, limit)
	if err != nil {
		return nil, err
	}
	return inThread(ctx, rows)
}

// ThreadAnswer returns the message that answers a message; ErrNotFound while there is
// none.
func (q Queries) ThreadAnswer(ctx context.Context, messageID string) (*ThreadMessage, error) {
	m := new(Message)
	m, err := first(ctx, q.db.NewSelect().Model(m).Where("m.answers = ?", messageID), m)
	if err != nil {
		return nil, err
	}
	return m.InThread(), nil
}

// AnswersTo lists the messages that answer these messages, by the id of what they answer.
func (q Queries) AnswersTo(ctx context.Context, messageIDs []string) (map[string]string, error) {
	by := make(map[string]string, len(messageIDs))
	if len(messageIDs) == 0 {
		return by, nil
	}
	var rows []Message
	err := q.db.NewSelect().Model(&rows).Column("m.id", "m.answers").Where("m.answers IN (?)", bun.List(messageIDs)).
		Limit(int64(len(messageIDs))).Scan(ctx)
	for _, m := range rows {
		by[m.Answers] = m.ID
	}
	return by, translate(err)
}
