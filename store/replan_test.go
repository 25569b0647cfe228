package store_test

import (
	"database/sql"
	"errors"
	"sync/atomic"
	"testing"

	"modernc.org/sqlite/vtab"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// A prepared statement is planned once, also when its LIMIT is a value.
func TestPlannedOnce(t *testing.T) {
	t.Parallel()
	table := &planned{}
	if err := vtab.RegisterModule(nil, "planned", table); err != nil {
		t.Fatal(err)
	}
	w := storetest.Open(t, store.Options{URL: storetest.SQLite(t)}).Writer()
	if _, err := w.ExecContext(t.Context(), "CREATE VIRTUAL TABLE empty USING planned"); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"SELECT n FROM empty LIMIT ?", "SELECT n FROM empty ORDER BY n limit $1", "SELECT n FROM empty\nLIMIT ?1 OFFSET ?2",
		"SELECT 1 WHERE ?1 IN (SELECT n FROM empty LIMIT ?2)"} {
		for i := range 5 {
			if i == 1 {
				table.plans.Store(0)
			}
			var n int
			if err := w.QueryRowContext(t.Context(), text, i+1, i).Scan(&n); !errors.Is(err, sql.ErrNoRows) {
				t.Fatalf("%q: %d, %v", text, n, err)
			}
		}
		if n := table.plans.Load(); n > 0 {
			t.Errorf("%q was planned anew %d times for 4 calls", text, n)
		}
	}
}

// planned is an empty table that counts the plans of statements that read it.
type planned struct{ plans atomic.Int64 }

func (p *planned) Create(ctx vtab.Context, _ []string) (vtab.Table, error) {
	return p, ctx.Declare("CREATE TABLE x (n INTEGER)")
}
func (p *planned) Connect(ctx vtab.Context, args []string) (vtab.Table, error) {
	return p.Create(ctx, args)
}
func (p *planned) BestIndex(*vtab.IndexInfo) error { p.plans.Add(1); return nil }
func (p *planned) Open() (vtab.Cursor, error)      { return p, nil }
func (p *planned) Disconnect() error               { return nil }
func (p *planned) Destroy() error                  { return nil }

func (p *planned) Filter(int, string, []vtab.Value) error { return nil }
func (p *planned) Next() error                            { return nil }
func (p *planned) Eof() bool                              { return true }
func (p *planned) Column(int) (vtab.Value, error)         { return nil, nil }
func (p *planned) Rowid() (int64, error)                  { return 0, nil }
func (p *planned) Close() error                           { return nil }
