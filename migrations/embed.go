// Package migrations holds the schema: one SQL file per change, for Postgres
// and SQLite alike, with template data where the two truly differ.
//
// Files are named NNNN_what.tx.up.sql, run in order of their number, each in
// one transaction together with the mark that says it ran. They only go
// forward, and a released file never changes. This package imports nothing.
package migrations

import "embed"

// Files are the migrations; store.DB.Migrate runs them.
//
//go:embed *.sql
var Files embed.FS
