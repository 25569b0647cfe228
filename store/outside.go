package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// OutsideMessage is a message that an agent outside this program has sent under an id of
// its own. Digest is of what it sent; a message with the same id must have the same. It has
// become a message of a room, or the answer to a step of a turn.
type OutsideMessage struct {
	bun.BaseModel `bun:"table:outside_messages,alias:om"`
	AgentID       string `bun:",pk"`
	OutsideID     string `bun:",pk"`
	Digest        string
	MessageID     string `bun:",nullzero"`
	StepID        string `bun:",nullzero"`
	CreatedAt     time.Time
}

// OutsideMessage returns what an agent has sent under this id of its own.
func (q Queries) OutsideMessage(ctx context.Context, agentID, outsideID string) (*OutsideMessage, error) {
	m := new(OutsideMessage)
	return first(ctx, q.db.NewSelect().Model(m).Where("om.agent_id = ?", agentID).Where("om.outside_id = ?", outsideID), m)
}

// CreateOutsideMessage notes that a message was sent under an id of its agent. added is
// false when the agent has sent something under this id before.
func (t *Tx) CreateOutsideMessage(ctx context.Context, m *OutsideMessage) (added bool, err error) {
	return t.insertOnce(ctx, m)
}

// Breaker says how often in a row an agent outside this program could not be reached, and
// until when nobody asks it. All nodes share it.
type Breaker struct {
	bun.BaseModel `bun:"table:agent_breakers,alias:br"`
	AgentID       string `bun:",pk"`
	Failures      int
	OpenUntil     time.Time `bun:",nullzero"`
}

// Breaker returns the breaker of an agent; ErrNotFound when it was reached the last time.
func (q Queries) Breaker(ctx context.Context, agentID string) (*Breaker, error) {
	b := new(Breaker)
	return first(ctx, q.db.NewSelect().Model(b).Where("br.agent_id = ?", agentID), b)
}

// Breakers returns the breakers of those of the agents that were not reached the last time.
func (q Queries) Breakers(ctx context.Context, agentIDs []string) (map[string]*Breaker, error) {
	by := make(map[string]*Breaker, len(agentIDs))
	if len(agentIDs) == 0 {
		return by, nil
	}
	var rows []Breaker
	err := q.db.NewSelect().Model(&rows).Where("br.agent_id IN (?)", bun.List(agentIDs)).Scan(ctx)
	for i := range rows {
		by[rows[i].AgentID] = &rows[i]
	}
	return by, translate(err)
}

// TryAgain keeps a breaker open for one try, until when. ErrStale when somebody else
// has the try: only one gets it.
func (t *Tx) TryAgain(ctx context.Context, b *Breaker, until time.Time) error {
	res, err := t.db.NewUpdate().Model((*Breaker)(nil)).Set("open_until = ?", until).
		Where("agent_id = ?", b.AgentID).Where("open_until = ?", b.OpenUntil).Exec(ctx)
	return changed(res, err, ErrStale)
}

// CountFailure counts that an agent could not be reached. From the failure most on, the
// breaker is open until a time.
func (t *Tx) CountFailure(ctx context.Context, agentID string, most int, until time.Time) error {
	_, err := t.db.NewRaw(`INSERT INTO agent_breakers AS br (agent_id, failures, open_until) VALUES (?, 1, CASE WHEN 1 >= ? THEN ? END)
		ON CONFLICT (agent_id) DO UPDATE SET failures = br.failures + 1, open_until = CASE WHEN br.failures + 1 >= ? THEN ? END`,
		agentID, most, t.instant(until), most, t.instant(until)).Exec(ctx)
	return translate(err)
}

// CloseBreaker forgets the failures of an agent.
func (t *Tx) CloseBreaker(ctx context.Context, agentID string) error {
	_, err := t.db.NewDelete().Model((*Breaker)(nil)).Where("agent_id = ?", agentID).Exec(ctx)
	return translate(err)
}

// AnswerLate marks a turn that has ended without an answer as answered after all. ErrStale
// when it has not ended.
func (t *Tx) AnswerLate(ctx context.Context, id string, detail string) error {
	res, err := t.db.NewUpdate().Model((*Turn)(nil)).Set("state = ?", TurnFinished).Set("reason = NULL").Set("detail = ?", detail).
		Where("id = ?", id).Where("ended_at IS NOT NULL").Exec(ctx)
	return changed(res, err, ErrStale)
}
