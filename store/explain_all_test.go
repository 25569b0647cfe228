package store_test

import (
	"context"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// wholeTables are the queries that read a whole table, each with the reason why that table
// is small or the query rare.
var wholeTables = map[string]string{
	"AgentTypes":           "a table of some dozens of rows",
	"BlobBytes":            "sums all sizes, at most once a minute in a process",
	"Browse":               "its tables are named by the caller, see TestBrowse",
	"BudgetWaitsOver":      "the turns that wait for a budget, which the sweeper looks through",
	"CountIn":              "what it counts is named by the caller, see TestHotQueriesUseAnIndex",
	"CountOwned":           "what it counts is named by the caller, see TestHotQueriesUseAnIndex",
	"Nodes":                "a row for each process",
	"UsageSums":            "what it groups by is named by the caller, see TestHotQueriesUseAnIndex",
	"Loaded":               "the tables are named by the caller, and all of them are counted once, when an import ends",
	"EncryptedValues":      "the column is named by the caller, and all of it is read in the order of its key",
	"CountEncryptedValues": "the column is named by the caller, and all of it is counted",

	"ThreadsToEnd": "whose threads is named by the caller, see TestHotQueriesUseAnIndex",
}

// Every query of the store finds its rows by an index, the next that somebody writes too.
// Its arguments are made up by their types; a query that needs better ones has its place in
// TestHotQueriesUseAnIndex.
func TestEveryQueryUsesAnIndex(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.say("hello")
		var mu sync.Mutex
		var asked []string
		db.OnQuery(func(query string) {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, query)
		})
		queries := reflect.ValueOf(db.Queries)
		for i := range queries.NumMethod() {
			name, ask := queries.Type().Method(i).Name, queries.Method(i)
			if _, aside := wholeTables[name]; aside {
				continue
			}
			args := make([]reflect.Value, ask.Type().NumIn())
			for k := range args {
				args[k] = madeUp(t.Context(), ask.Type().In(k), w.room.ID)
			}
			call := ask.Call
			if ask.Type().IsVariadic() {
				call = ask.CallSlice
			}
			mu.Lock()
			asked = nil
			mu.Unlock()
			_ = call(args) // what it finds among made up arguments says nothing
			mu.Lock()
			statements := asked
			mu.Unlock()
			for _, statement := range statements {
				if !strings.HasPrefix(statement, "SELECT") && !strings.HasPrefix(statement, "WITH") {
					continue
				}
				plan := ownRows.Replace(explain(t, db, statement))
				if scan := fullScan.FindString(plan); scan != "" {
					t.Errorf("%s: %s\n%s\n%s", name, scan, statement, plan)
				}
			}
		}
	})
}

// madeUp is a value of a type: ids for texts, the fifth for numbers, and so within lists
// and structs.
func madeUp(ctx context.Context, of reflect.Type, id string) reflect.Value {
	v := reflect.New(of).Elem()
	switch {
	case of == reflect.TypeFor[context.Context]():
		return reflect.ValueOf(ctx)
	case of == reflect.TypeFor[time.Time]():
		return reflect.ValueOf(at)
	case of.Kind() == reflect.String:
		v.SetString(id)
	case of.Kind() == reflect.Int, of.Kind() == reflect.Int64:
		v.SetInt(5)
	case of.Kind() == reflect.Slice:
		v = reflect.Append(v, madeUp(ctx, of.Elem(), id))
	case of.Kind() == reflect.Pointer:
		v.Set(reflect.New(of.Elem()))
		v.Elem().Set(madeUp(ctx, of.Elem(), id))
	case of.Kind() == reflect.Func:
		v.Set(reflect.MakeFunc(of, func([]reflect.Value) []reflect.Value {
			none := make([]reflect.Value, of.NumOut())
			for i := range none {
				none[i] = reflect.Zero(of.Out(i))
			}
			return none
		}))
	case of.Kind() == reflect.Struct:
		for i := range of.NumField() {
			if f := of.Field(i); f.IsExported() {
				v.Field(i).Set(madeUp(ctx, f.Type, id))
			}
		}
	}
	return v
}
