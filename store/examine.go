package store

import (
	"context"
	"os"
	"time"
)

// This file has what an examination of the installation asks a database about itself.

// Server is what Postgres says about itself. Numbers of connections are those of clients.
type Server struct {
	Number         int    `bun:"number"` // 150004 is 15.4
	Name           string `bun:"name"`
	MaxConnections int
	Reserved       int // of those, for superusers
	Connected      int // now, of all programs
	Fsync          bool
	FullPageWrites bool
	ReadOnly       bool // a standby, or set to take no changes
}

// Server asks Postgres about itself. It is for Postgres only.
func (d *DB) Server(ctx context.Context) (s Server, err error) {
	err = d.db.NewRaw(`SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS name,
		current_setting('max_connections')::int AS max_connections, current_setting('superuser_reserved_connections')::int AS reserved,
		(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connected,
		current_setting('fsync') = 'on' AS fsync, current_setting('full_page_writes') = 'on' AS full_page_writes,
		pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on' AS read_only`).Scan(ctx, &s)
	return s, translate(err)
}

// Clock returns the time of the database's clock, which on SQLite is the machine's.
func (d *DB) Clock(ctx context.Context) (now time.Time, err error) {
	if !d.Postgres() {
		return time.Now().UTC(), nil
	}
	err = d.db.NewRaw("SELECT clock_timestamp()").Scan(ctx, &now)
	return now.UTC(), translate(err)
}

// QuickCheck reads the whole SQLite file and returns "ok", or the first damage. It skips
// what takes longest, the comparison of indexes with their tables.
func (d *DB) QuickCheck(ctx context.Context) (verdict string, err error) {
	err = d.db.NewRaw("PRAGMA quick_check(1)").Scan(ctx, &verdict)
	return verdict, translate(err)
}

// LogBytes is how large SQLite's log of changes is, which should become part of the file
// from time to time.
func (d *DB) LogBytes() (int64, error) {
	info, err := os.Stat(d.path + "-wal")
	if os.IsNotExist(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// StoredKey is a model key as it is stored, with what a person knows it by.
type StoredKey struct {
	Provider string
	Name     string // of the agent, or of the key in a person's wallet
	Owner    string // e-mail of the person whose wallet it is; "" for an agent's
	Model    string // of the agent, "" for none
	Token    string
}

// StoredKeys lists the model keys of agents and wallets, limit of each at most.
func (q Queries) StoredKeys(ctx context.Context, limit int) (all []StoredKey, err error) {
	for _, part := range []string{
		"SELECT uk.provider, uk.alias AS name, u.email AS owner, '' AS model, uk.encrypted_key AS token FROM user_keys AS uk JOIN users AS u ON u.id = uk.user_id ORDER BY uk.id LIMIT ?",
		"SELECT a.model_provider AS provider, a.name, '' AS owner, coalesce(a.model, '') AS model, a.encrypted_api_key AS token FROM agents AS a WHERE a.encrypted_api_key <> '' ORDER BY a.id LIMIT ?",
		"SELECT a.model_provider AS provider, a.name || ' (' || ak.key_type || ')' AS name, '' AS owner, coalesce(a.model, '') AS model, ak.encrypted_key AS token" +
			" FROM agent_keys AS ak JOIN agents AS a ON a.id = ak.agent_id ORDER BY ak.agent_id, ak.key_type LIMIT ?",
	} {
		var rows []StoredKey
		if err := q.db.NewRaw(part, limit).Scan(ctx, &rows); err != nil {
			return nil, translate(err)
		}
		all = append(all, rows...)
	}
	return all, nil
}
