package store

import (
	"context"
	"slices"
	"strings"

	"github.com/uptrace/bun"
)

// This file fills a database with what another system has. No event is stored and nothing
// is announced: nobody is there yet. Who fills it has marked it by BeginLoad.

// FirstAccount returns the oldest account; ErrNotFound without one.
func (q Queries) FirstAccount(ctx context.Context) (*User, error) {
	u := new(User)
	return first(ctx, q.db.NewSelect().Model(u).OrderExpr("u.created_at, u.id").Limit(1), u)
}

// maxLoaded is how many rows one statement adds. Postgres knows 65,535 parameters, and the
// text of a statement is to stay short.
const maxLoaded = 100

// Load adds rows of one table as they are.
func Load[T any](ctx context.Context, t *Tx, rows []T) error {
	for part := range slices.Chunk(rows, maxLoaded) {
		if _, err := t.db.NewInsert().Model(&part).Exec(ctx); err != nil {
			return translate(err)
		}
	}
	return nil
}

// LoadAvatar stores a picture and says at the account where it is.
func (t *Tx) LoadAvatar(ctx context.Context, v *Avatar, url string) error {
	if err := t.insert(ctx, v); err != nil {
		return err
	}
	_, err := t.db.NewUpdate().Model((*User)(nil)).Set("avatar_url = ?", url).Where("id = ?", v.UserID).Exec(ctx)
	return translate(err)
}

// FinishLoad says of each room that all in it is decided about and read, and of each agent
// there that it has read it. So nothing starts because of what was loaded, and nobody has
// unread messages.
func (t *Tx) FinishLoad(ctx context.Context) error {
	for _, text := range []string{
		`UPDATE rooms SET event_seq = (SELECT COALESCE(max(m.seq), 0) FROM messages AS m WHERE m.room_id = rooms.id)`,
		`UPDATE rooms SET looked_seq = event_seq, unread_after = event_seq, row_from = event_seq, look_at = NULL, person_seq = 0, person_at = NULL`,
		`UPDATE room_agents SET read_seq = (SELECT r.event_seq FROM rooms AS r WHERE r.id = room_agents.room_id)`,
		`UPDATE room_agents SET broke_seq = read_seq`,
		`UPDATE artifacts SET event_seq = (SELECT r.event_seq FROM rooms AS r WHERE r.id = artifacts.room_id)`,
	} {
		if _, err := t.db.ExecContext(ctx, text); err != nil {
			return translate(err)
		}
	}
	return nil
}

// Loaded counts the rows of tables that were loaded.
func (q Queries) Loaded(ctx context.Context, tables ...string) (map[string]int64, error) {
	counts := make(map[string]int64, len(tables))
	for _, table := range tables {
		name, where, _ := strings.Cut(table, " ")
		var n int64
		if err := q.db.NewRaw("SELECT count(*) FROM ? "+where, bun.Ident(name)).Scan(ctx, &n); err != nil {
			return nil, translate(err)
		}
		counts[table] = n
	}
	return counts, nil
}

// Analyze lets the database learn what the tables hold, so that the first questions are
// answered as fast as later ones.
func (d *DB) Analyze(ctx context.Context) error {
	_, err := d.write.ExecContext(ctx, "ANALYZE")
	return translate(err)
}

// LoadParent says under which artifact another one hangs.
func (t *Tx) LoadParent(ctx context.Context, id, parentID string) error {
	_, err := t.db.NewUpdate().Model((*Artifact)(nil)).Set("parent_id = ?", parentID).Where("id = ?", id).Exec(ctx)
	return translate(err)
}

// UnloadUser deletes the account that a first start has made, before another one takes its
// place.
func (t *Tx) UnloadUser(ctx context.Context, id string) error {
	_, err := t.db.NewDelete().Model((*User)(nil)).Where("id = ?", id).Where("role = 'super_admin'").Exec(ctx)
	return translate(err)
}
