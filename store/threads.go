package store

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/uptrace/bun"
)

// Thread is a conversation of one person with one agent. AgentID is empty once the agent
// is gone. Asking is the message that the agent is answering now; this claim ends at
// AskingUntil.
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

// The roles of a thread's messages.
const (
	ThreadUser      = "user"
	ThreadAssistant = "assistant"
)

// ThreadMessage is one message of a thread. In an agent's message Answers is the message
// that it answers. Each message is answered once.
type ThreadMessage struct {
	bun.BaseModel `bun:"table:thread_messages,alias:tm"`
	ID            string `bun:",pk"`
	ThreadID      string
	Seq           int64
	Role          string
	Content       string
	MetadataJSON  *string `bun:"metadata_json"`
	ClientID      string  `bun:",nullzero"` // the sender's own id for it; a resend with it adds nothing
	Answers       string  `bun:",nullzero"`
	CreatedAt     time.Time
}

// Thread returns the thread with this id.
func (q Queries) Thread(ctx context.Context, id string) (*Thread, error) {
	th := new(Thread)
	return first(ctx, q.db.NewSelect().Model(th).Where("th.id = ?", id), th)
}

// ThreadsOf lists a person's threads, last used first. With agentID it lists only those
// with that agent, with projectID only those in that project.
func (q Queries) ThreadsOf(ctx context.Context, userID, agentID, projectID string, p Page) (*Listing[Thread], error) {
	sel := q.db.NewSelect().Model((*Thread)(nil)).Where("th.user_id = ?", userID).OrderExpr("th.updated_at DESC, th.id DESC")
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

// ThreadForUpdate returns a thread and locks its row until the transaction ends. A
// transaction that adds a message holds this lock.
func (t *Tx) ThreadForUpdate(ctx context.Context, id string) (*Thread, error) {
	th := new(Thread)
	return first(ctx, t.locked(t.db.NewSelect().Model(th).Where("th.id = ?", id)), th)
}

// CreateThread adds a thread; ErrReferenced when its project or agent is gone.
func (t *Tx) CreateThread(ctx context.Context, th *Thread) error { return t.insert(ctx, th) }

// UpdateThread writes a thread that was read at th.Version, and increases the version.
// ErrStale when it was changed meanwhile.
func (t *Tx) UpdateThread(ctx context.Context, th *Thread) error {
	th.Version++
	res, err := t.db.NewUpdate().Model(th).ExcludeColumn("id", "project_id", "agent_id", "user_id", "created_at").
		Where("th.id = ?", th.ID).Where("th.version = ?", th.Version-1).Exec(ctx)
	return changed(res, err, ErrStale)
}

// DeleteThread deletes a thread with its messages.
func (t *Tx) DeleteThread(ctx context.Context, id string) error {
	res, err := t.db.NewDelete().Model((*Thread)(nil)).Where("id = ?", id).Exec(ctx)
	return changed(res, err, ErrNotFound)
}

// ThreadContents counts what is deleted along with a thread.
func (q Queries) ThreadContents(ctx context.Context, id string) (Counts, error) {
	return q.counts(ctx, id, []held{{"messages", "thread_messages", "thread_id = ?"}})
}

// ThreadMessages lists the newest messages of a thread, oldest first. It takes those with
// a seq below before (0 = no bound), limit at most.
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

// ListThreadMessages is ThreadMessages as a Listing, which reads the texts in portions.
func (q Queries) ListThreadMessages(ctx context.Context, threadID string, before int64, limit int) (*Listing[ThreadMessage], error) {
	if before <= 0 {
		before = math.MaxInt64
	}
	sel := q.db.NewSelect().Model((*ThreadMessage)(nil)).Where("tm.thread_id = ?", threadID).Where("tm.seq < ?", before).
		OrderExpr("tm.seq DESC").Limit(int64(limit))
	l, err := listing(ctx, listed[ThreadMessage]{places: sel, key: "tm.id", size: q.octets("tm.content", "tm.metadata_json"),
		rows: q.everything,
		id:   func(m *ThreadMessage) string { return m.ID }})
	slices.Reverse(l.places)
	return l, err
}

// ThreadMessage returns a message of a thread.
func (q Queries) ThreadMessage(ctx context.Context, threadID, id string) (*ThreadMessage, error) {
	m := new(ThreadMessage)
	return first(ctx, q.db.NewSelect().Model(m).Where("tm.id = ?", id).Where("tm.thread_id = ?", threadID), m)
}

// ThreadMessageByClientID returns the message that was sent with this ClientID.
func (q Queries) ThreadMessageByClientID(ctx context.Context, threadID, clientID string) (*ThreadMessage, error) {
	m := new(ThreadMessage)
	return first(ctx, q.db.NewSelect().Model(m).Where("tm.thread_id = ?", threadID).Where("tm.client_id = ?", clientID), m)
}

// ThreadAnswer returns the message that answers a message; ErrNotFound while there is
// none.
func (q Queries) ThreadAnswer(ctx context.Context, messageID string) (*ThreadMessage, error) {
	m := new(ThreadMessage)
	return first(ctx, q.db.NewSelect().Model(m).Where("tm.answers = ?", messageID), m)
}

// CreateThreadMessage adds a message. The caller has locked the thread and taken the
// message's seq from it.
func (t *Tx) CreateThreadMessage(ctx context.Context, m *ThreadMessage) error {
	return t.insert(ctx, m)
}
