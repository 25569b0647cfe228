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
	Shared        bool // shared with the agents of the projects in which the person is a member
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

// KeyUse counts an agent's calls with a person's key.
type KeyUse struct {
	bun.BaseModel `bun:"table:user_key_uses,alias:uku"`
	UserKeyID     string `bun:",pk"`
	AgentID       string `bun:",pk"`
	Calls         int64
	FirstUsedAt   time.Time
	LastUsedAt    time.Time

	AgentName   string `bun:"agent_name,scanonly"`
	ProjectID   string `bun:"project_id,scanonly"`
	ProjectName string `bun:"project_name,scanonly"`
}

// AgentKey is a further key of an agent. Its type says when it is used.
type AgentKey struct {
	bun.BaseModel `bun:"table:agent_keys,alias:ak"`
	AgentID       string `bun:",pk"`
	KeyType       string `bun:",pk"`
	EncryptedKey  string
	CreatedAt     time.Time
}

// UserKeys lists a person's keys by alias.
func (q Queries) UserKeys(ctx context.Context, userID string) (*Listing[UserKey], error) {
	sel := q.db.NewSelect().Model((*UserKey)(nil)).Where("uk.user_id = ?", userID).OrderExpr("uk.alias").Limit(MaxLimit)
	return listing(ctx, listed[UserKey]{places: sel, key: "uk.id", size: q.octets("uk.description", "uk.encrypted_key"),
		rows: q.everything,
		id:   func(k *UserKey) string { return k.ID }})
}

// UserKeysByID returns the keys of a person with these ids, in any order. It finds no
// keys of others.
func (q Queries) UserKeysByID(ctx context.Context, userID string, ids []string) ([]UserKey, error) {
	var rows []UserKey
	if len(ids) == 0 {
		return nil, nil
	}
	err := q.db.NewSelect().Model(&rows).Where("uk.user_id = ?", userID).Where("uk.id IN (?)", bun.List(ids)).
		Limit(int64(len(ids))).Scan(ctx)
	return rows, translate(err)
}

// UserKeysFor lists a person's keys for a provider by alias.
func (q Queries) UserKeysFor(ctx context.Context, userID, provider string) ([]UserKey, error) {
	var rows []UserKey
	ctx, bound := q.bound(ctx, userID, provider)
	err := q.db.NewSelect().Model(&rows).Where("uk.user_id = ?", bound[0]).Where("uk.provider = ?", bound[1]).
		OrderExpr("uk.alias").Limit(DefaultLimit).Scan(ctx)
	return rows, translate(err)
}

// SharedKeys lists the keys for a provider that active members of a project share with
// its agents, oldest first, without the keys of butOf.
func (q Queries) SharedKeys(ctx context.Context, projectID, provider, butOf string) ([]UserKey, error) {
	var rows []UserKey
	ctx, bound := q.bound(ctx, projectID, provider, butOf)
	err := q.db.NewSelect().Model(&rows).
		Join("JOIN project_members AS pm ON pm.user_id = uk.user_id AND pm.project_id = ?", bound[0]).
		Join("JOIN users AS u ON u.id = uk.user_id AND u.is_active").
		Where("uk.shared").Where("uk.provider = ?", bound[1]).Where("uk.user_id <> ?", bound[2]).
		OrderExpr("uk.created_at, uk.id").Limit(DefaultLimit).Scan(ctx)
	return rows, translate(err)
}

// UserKeysToUse lists the keys that a person may use: their own, and with a project those
// that active members of it share with its agents. The own ones come first, and of each the
// oldest.
func (q Queries) UserKeysToUse(ctx context.Context, userID, projectID string) ([]UserKey, error) {
	own := q.db.NewSelect().Model((*UserKey)(nil)).ColumnExpr("uk.*").Where("uk.user_id = ?", userID).OrderExpr("uk.created_at, uk.id").Limit(DefaultLimit)
	var rows []UserKey
	if err := own.Scan(ctx, &rows); err != nil || projectID == "" {
		return rows, translate(err)
	}
	var shared []UserKey
	err := q.db.NewSelect().Model(&shared).
		Join("JOIN project_members AS pm ON pm.user_id = uk.user_id AND pm.project_id = ?", projectID).
		Join("JOIN users AS u ON u.id = uk.user_id AND u.is_active").
		Where("uk.shared").Where("uk.user_id <> ?", userID).OrderExpr("uk.created_at, uk.id").Limit(DefaultLimit).Scan(ctx)
	return append(rows, shared...), translate(err)
}

// ShareUserKey sets whether one of a person's keys is shared, and returns the key.
func (t *Tx) ShareUserKey(ctx context.Context, userID, id string, shared bool, now time.Time) (*UserKey, error) {
	k := new(UserKey)
	res, err := t.db.NewUpdate().Model(k).Set("shared = ?", shared).Set("updated_at = ?", now).
		Where("id = ?", id).Where("user_id = ?", userID).Returning("*").Exec(ctx)
	return k, changed(res, err, ErrNotFound)
}

// CountKeyUse adds one call of an agent with a person's key. It is no error when the key
// or the agent was just deleted.
func (t *Tx) CountKeyUse(ctx context.Context, keyID, agentID string, now time.Time) error {
	_, err := t.db.NewRaw(`INSERT INTO user_key_uses (user_key_id, agent_id, calls, first_used_at, last_used_at)
		SELECT uk.id, a.id, 1, ?2, ?2 FROM user_keys AS uk JOIN agents AS a ON a.id = ?1 WHERE uk.id = ?0
		ON CONFLICT (user_key_id, agent_id) DO UPDATE SET calls = user_key_uses.calls + 1, last_used_at = excluded.last_used_at`,
		keyID, agentID, now).Exec(ctx)
	return translate(err)
}

// KeyUses lists the agents that have used a key, the latest first.
func (q Queries) KeyUses(ctx context.Context, keyID string, p Page) ([]KeyUse, error) {
	var rows []KeyUse
	err := p.on(q.db.NewSelect().Model(&rows).ColumnExpr("uku.*").
		ColumnExpr("a.name AS agent_name, COALESCE(a.project_id, '') AS project_id, COALESCE(p.name, '') AS project_name").
		Join("JOIN agents AS a ON a.id = uku.agent_id").Join("LEFT JOIN projects AS p ON p.id = a.project_id").
		Where("uku.user_key_id = ?", keyID).OrderExpr("uku.last_used_at DESC, uku.agent_id")).Scan(ctx)
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
	ctx, bound := q.bound(ctx, agentID)
	err := q.db.NewSelect().Model(&rows).Where("ak.agent_id = ?", bound...).OrderExpr("ak.key_type").Limit(DefaultLimit).Scan(ctx)
	return rows, translate(err)
}

// SetAgentKey writes an agent's key of a type and replaces an older one.
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
