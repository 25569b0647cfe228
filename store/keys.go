package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// UserKey is a person's own key for a model provider.
type UserKey struct {
	bun.BaseModel `bun:"table:user_keys,alias:uk"`
	ID            string `bun:",pk"`
	UserID        string
	Provider      string
	Alias         string
	Description   *string
	EncryptedKey  string
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

// AgentKey is one more key of an agent; its type says when it is used.
type AgentKey struct {
	bun.BaseModel `bun:"table:agent_keys,alias:ak"`
	AgentID       string `bun:",pk"`
	KeyType       string `bun:",pk"`
	EncryptedKey  string
	CreatedAt     time.Time
}

// UserKeys lists a person's keys by alias.
func (q Queries) UserKeys(ctx context.Context, userID string) ([]UserKey, error) {
	var rows []UserKey
	err := q.db.NewSelect().Model(&rows).Where("uk.user_id = ?", userID).OrderExpr("uk.alias").Limit(MaxLimit).Scan(ctx)
	return rows, translate(err)
}

// UserKeysByID returns those of a person's keys that are named by ids, in any
// order; keys of others are not found.
func (q Queries) UserKeysByID(ctx context.Context, userID string, ids []string) ([]UserKey, error) {
	var rows []UserKey
	if len(ids) == 0 {
		return nil, nil
	}
	err := q.db.NewSelect().Model(&rows).Where("uk.user_id = ?", userID).Where("uk.id IN (?)", bun.List(ids)).
		Limit(int64(len(ids))).Scan(ctx)
	return rows, translate(err)
}

// CreateUserKey adds a key; ErrExists when the person has one of this alias.
func (t *Tx) CreateUserKey(ctx context.Context, k *UserKey) error { return t.insert(ctx, k) }

// DeleteUserKey removes one of a person's keys and returns it as it was.
func (t *Tx) DeleteUserKey(ctx context.Context, userID, id string) (*UserKey, error) {
	k := new(UserKey)
	res, err := t.db.NewDelete().Model(k).Where("id = ?", id).Where("user_id = ?", userID).Returning("*").Exec(ctx)
	return k, changed(res, err, ErrNotFound)
}

// AgentKeys lists an agent's further keys by type.
func (q Queries) AgentKeys(ctx context.Context, agentID string) ([]AgentKey, error) {
	var rows []AgentKey
	err := q.db.NewSelect().Model(&rows).Where("ak.agent_id = ?", agentID).OrderExpr("ak.key_type").Limit(DefaultLimit).Scan(ctx)
	return rows, translate(err)
}

// SetAgentKey writes an agent's key of a type, replacing an older one.
func (t *Tx) SetAgentKey(ctx context.Context, k *AgentKey) error {
	_, err := t.db.NewInsert().Model(k).On("CONFLICT (agent_id, key_type) DO UPDATE").
		Set("encrypted_key = EXCLUDED.encrypted_key").Set("created_at = EXCLUDED.created_at").Exec(ctx)
	return translate(err)
}

// DeleteAgentKey removes an agent's key of a type; a missing one is no error.
func (t *Tx) DeleteAgentKey(ctx context.Context, agentID, keyType string) error {
	_, err := t.db.NewDelete().Model((*AgentKey)(nil)).Where("agent_id = ?", agentID).Where("key_type = ?", keyType).Exec(ctx)
	return translate(err)
}
