package store

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/uptrace/bun"
)

// Thread is a conversation of one person with one agent; AgentID is empty once
// the agent is gone. Asking names the line that the agent is answering now, a
// claim that lapses at AskingUntil.
type Thread struct {
	bun.BaseModel `bun:"table:threads,alias:th"`
	ID            string `bun:",pk"`
	ProjectID     string
	AgentID       string `bun:",nullzero"`
	UserID        string
	Name          *string
	MetadataJSON  *string `bun:"metadata_json"`
	LastSeq       int64
	Asking        string    `bun:",nullzero"`
	AskingUntil   time.Time `bun:",nullzero"`
	CreatedAt     time.Time
	UpdatedAt     time.Time
	Version       int
}

// The roles of a thread's lines.
const (
	ThreadUser      = "user"
	ThreadAssistant = "assistant"
)

// ThreadMessage is one line of a thread. Answers is the line that an agent's
// line answers: each is answered once.
type ThreadMessage struct {
	bun.BaseModel `bun:"table:thread_messages,alias:tm"`
	ID            string `bun:",pk"`
	ThreadID      string
	Seq           int64
	Role          string
	Content       string
	MetadataJSON  *string `bun:"metadata_json"`
	ClientID      string  `bun:",nullzero"` // the sender's own name for it, which makes a resend harmless
	Answers       string  `bun:",nullzero"`
	CreatedAt     time.Time
}

// Thread returns the thread with this id.
func (q Queries) Thread(ctx context.Context, id string) (*Thread, error) {
	th := new(Thread)
	return first(ctx, q.db.NewSelect().Model(th).Where("th.id = ?", id), th)
}

// ThreadsOf lists a person's threads, the last used first; with agentID only
// those with that agent, with projectID only those in that project.
func (q Queries) ThreadsOf(ctx context.Context, userID, agentID, projectID string, p Page) (*Listing[Thread], error) {
	sel := q.db.NewSelect().Model((*Thread)(nil)).Where("th.user_id = ?", userID).OrderExpr("th.updated_at DESC, th.id DESC")
	if agentID != "" {
		sel = sel.Where("th.agent_id = ?", agentID)
	}
	if projectID != "" {
		sel = sel.Where("th.project_id = ?", projectID)
	}
	return listing(ctx, listed[Thread]{places: p.on(sel), key: "th.id", size: q.octets("th.metadata_json"),
		rows: func(rows *[]Thread) *bun.SelectQuery { return q.db.NewSelect().Model(rows) },
		id:   func(th *Thread) string { return th.ID }})
}

// ThreadForUpdate returns a thread whose row stays locked until the
// transaction ends; whoever adds a line holds it.
func (t *Tx) ThreadForUpdate(ctx context.Context, id string) (*Thread, error) {
	th := new(Thread)
	return first(ctx, t.locked(t.db.NewSelect().Model(th).Where("th.id = ?", id)), th)
}

// CreateThread adds a thread; ErrReferenced when its project or agent is gone.
func (t *Tx) CreateThread(ctx context.Context, th *Thread) error { return t.insert(ctx, th) }

// UpdateThread writes a thread that was read at th.Version, which it moves on;
// ErrStale when it was changed meanwhile.
func (t *Tx) UpdateThread(ctx context.Context, th *Thread) error {
	th.Version++
	res, err := t.db.NewUpdate().Model(th).ExcludeColumn("id", "project_id", "agent_id", "user_id", "created_at").
		Where("th.id = ?", th.ID).Where("th.version = ?", th.Version-1).Exec(ctx)
	return changed(res, err, ErrStale)
}

// DeleteThread removes a thread with its lines.
func (t *Tx) DeleteThread(ctx context.Context, id string) error {
	res, err := t.db.NewDelete().Model((*Thread)(nil)).Where("id = ?", id).Exec(ctx)
	return changed(res, err, ErrNotFound)
}

// ThreadContents counts what is deleted along with a thread.
func (q Queries) ThreadContents(ctx context.Context, id string) (Counts, error) {
	return q.counts(ctx, id, []held{{"messages", "thread_messages", "thread_id = ?"}})
}

// ThreadMessages lists a thread's lines, oldest first: the newest limit of
// those with a seq below before (0 = no bound).
func (q Queries) ThreadMessages(ctx context.Context, threadID string, before int64, limit int) ([]ThreadMessage, error) {
	if before <= 0 {
		before = math.MaxInt64
	}
	var rows []ThreadMessage
	err := q.db.NewSelect().Model(&rows).Where("tm.thread_id = ?", threadID).Where("tm.seq < ?", before).
		OrderExpr("tm.seq DESC").Limit(int64(limit)).Scan(ctx)
	for i, j := 0, len(rows)-1; i < j; i, j = i+1, j-1 {
		rows[i], rows[j] = rows[j], rows[i]
	}
	return rows, translate(err)
}

// ListThreadMessages is ThreadMessages for a reader.
func (q Queries) ListThreadMessages(ctx context.Context, threadID string, before int64, limit int) (*Listing[ThreadMessage], error) {
	if before <= 0 {
		before = math.MaxInt64
	}
	sel := q.db.NewSelect().Model((*ThreadMessage)(nil)).Where("tm.thread_id = ?", threadID).Where("tm.seq < ?", before).
		OrderExpr("tm.seq DESC").Limit(int64(limit))
	l, err := listing(ctx, listed[ThreadMessage]{places: sel, key: "tm.id", size: q.octets("tm.content", "tm.metadata_json"),
		rows: func(rows *[]ThreadMessage) *bun.SelectQuery { return q.db.NewSelect().Model(rows) },
		id:   func(m *ThreadMessage) string { return m.ID }})
	slices.Reverse(l.places)
	return l, err
}

// ThreadMessage returns a line of a thread.
func (q Queries) ThreadMessage(ctx context.Context, threadID, id string) (*ThreadMessage, error) {
	m := new(ThreadMessage)
	return first(ctx, q.db.NewSelect().Model(m).Where("tm.id = ?", id).Where("tm.thread_id = ?", threadID), m)
}

// ThreadMessageByClientID returns the line that was sent under this name.
func (q Queries) ThreadMessageByClientID(ctx context.Context, threadID, clientID string) (*ThreadMessage, error) {
	m := new(ThreadMessage)
	return first(ctx, q.db.NewSelect().Model(m).Where("tm.thread_id = ?", threadID).Where("tm.client_id = ?", clientID), m)
}

// ThreadAnswer returns the line that answers a line; ErrNotFound while there
// is none.
func (q Queries) ThreadAnswer(ctx context.Context, messageID string) (*ThreadMessage, error) {
	m := new(ThreadMessage)
	return first(ctx, q.db.NewSelect().Model(m).Where("tm.answers = ?", messageID), m)
}

// CreateThreadMessage adds a line under a seq that the caller took from the
// thread, which it holds.
func (t *Tx) CreateThreadMessage(ctx context.Context, m *ThreadMessage) error {
	return t.insert(ctx, m)
}
