package app

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// browseTimeout limits one read of a table. The table may be large, and people wait for
// the same database.
const browseTimeout = 10 * time.Second

// Tables lists the tables that operators may read.
func (a *App) Tables(actor *Actor) ([]string, error) {
	if err := Check(actor, ActBrowse, Resource{}); err != nil {
		return nil, err
	}
	tables := store.BrowsedTables()
	names := make([]string, len(tables))
	for i, t := range tables {
		names[i] = t.Name
	}
	return names, nil
}

// Table reads rows of a table without any secret, newest first, each as a JSON object.
func (a *App) Table(ctx context.Context, actor *Actor, name string, w store.Window) (*store.Listing[json.RawMessage], error) {
	if err := Check(actor, ActBrowse, Resource{}); err != nil {
		return nil, err
	}
	tables := store.BrowsedTables()
	i := slices.IndexFunc(tables, func(t store.Browsed) bool { return t.Name == name })
	if i < 0 {
		return nil, notFound("Table")
	}
	if err := text("search", w.Search, 0, 200); err != nil {
		return nil, err
	}
	look, cancel := context.WithTimeout(ctx, browseTimeout)
	defer cancel()
	rows, err := a.db.Browse(look, &tables[i], w)
	if err != nil && errors.Is(look.Err(), context.DeadlineExceeded) && ctx.Err() == nil {
		return nil, errorf(KindUnavailable, wording.TooMuch, "The table is too large to be searched like this; narrow it down by dates")
	}
	return rows, err
}
