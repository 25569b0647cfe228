package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// AccessToken is a personal access token. Only the token's hash is stored. Scopes is a
// list of texts.
type AccessToken struct {
	bun.BaseModel `bun:"table:access_tokens,alias:at"`
	ID            string `bun:",pk"`
	UserID        string
	Name          string
	Scopes        JSON
	Hash          string
	CreatedAt     time.Time
	ExpiresAt     time.Time
	LastUsedAt    time.Time `bun:",nullzero"`

	User *User `bun:"rel:belongs-to,join:user_id=id"`
}

// AccessTokenByHash returns a token with its user.
func (q Queries) AccessTokenByHash(ctx context.Context, hash string) (*AccessToken, error) {
	return q.accessToken(ctx, "at.hash = ?", hash)
}

// AccessToken returns a token with its user.
func (q Queries) AccessToken(ctx context.Context, id string) (*AccessToken, error) {
	return q.accessToken(ctx, "at.id = ?", id)
}

func (q Queries) accessToken(ctx context.Context, where, value string) (*AccessToken, error) {
	t := new(AccessToken)
	ctx, bound := q.bound(ctx, value)
	return first(ctx, q.db.NewSelect().Model(t).Relation("User").Where(where, bound...), t)
}

// AccessTokens lists a person's tokens, newest first.
func (q Queries) AccessTokens(ctx context.Context, userID string) (*Listing[AccessToken], error) {
	sel := q.db.NewSelect().Model((*AccessToken)(nil)).Where("at.user_id = ?", userID).OrderExpr("at.id DESC").Limit(MaxLimit)
	return listing(ctx, listed[AccessToken]{places: sel, key: "at.id", size: "1024",
		rows: q.everything,
		id:   func(t *AccessToken) string { return t.ID }})
}

// LiveAccessTokens returns the ids of those tokens that have not expired and whose user
// is active.
func (q Queries) LiveAccessTokens(ctx context.Context, ids []string, now time.Time) ([]string, error) {
	var live []string
	if len(ids) == 0 {
		return nil, nil
	}
	err := q.db.NewSelect().Model((*AccessToken)(nil)).Column("at.id").Join("JOIN users AS u ON u.id = at.user_id").
		Where("at.id IN (?)", bun.List(ids)).Where("at.expires_at > ?", now).Where("u.is_active").
		Limit(int64(len(ids))).Scan(ctx, &live)
	return live, translate(err)
}

// CreateAccessToken adds a token.
func (t *Tx) CreateAccessToken(ctx context.Context, token *AccessToken) error {
	return t.insert(ctx, token)
}

// DeleteAccessToken removes one of a person's tokens and returns it.
func (t *Tx) DeleteAccessToken(ctx context.Context, userID, id string) (*AccessToken, error) {
	t.changesAccount(id)
	token := new(AccessToken)
	res, err := t.db.NewDelete().Model(token).Where("id = ?", id).Where("user_id = ?", userID).Returning("*").Exec(ctx)
	return token, changed(res, err, ErrNotFound)
}

// DeleteAccessTokensOf removes all of a person's tokens and returns their ids.
func (t *Tx) DeleteAccessTokensOf(ctx context.Context, userID string) ([]string, error) {
	t.changesAccount(userID)
	var ids []string
	_, err := t.db.NewDelete().Model((*AccessToken)(nil)).Where("user_id = ?", userID).Returning("id").Exec(ctx, &ids)
	return ids, translate(err)
}

// UseAccessTokens records the last use of tokens.
func (t *Tx) UseAccessTokens(ctx context.Context, ids []string, now time.Time) error {
	_, err := t.db.NewUpdate().Model((*AccessToken)(nil)).Set("last_used_at = ?", now).Where("id IN (?)", bun.List(ids)).Exec(ctx)
	return translate(err)
}

// DeleteAccessTokensBefore removes tokens that expired before a time, at most
// limit.
func (t *Tx) DeleteAccessTokensBefore(ctx context.Context, before time.Time, limit int) (int64, error) {
	return t.deleteBefore(ctx, (*AccessToken)(nil), "expires_at", before, limit)
}
