// Package migrations holds the schema: one SQL file per change, for Postgres
// and SQLite alike, with template data where the two truly differ.
//
// Files are named NNNN_what.tx.up.sql, run in order of their number, each in
// one transaction together with the mark that says it ran. The first fifteen
// are one area of the schema each; a later change is a file of its own.
//
// They only go forward, and from v0.1.0 on a released file never changes, not
// even a comment in it: a database that has run it would not run it again.
//
// testdata/before holds the steps that builds before v0.1.0 took. A test holds
// that they made the same schema; the program has the list of their numbers
// alone, by which it adopts a database that took them all (store/adopt.go).
// This package imports nothing.
package migrations

import "embed"

// Files are the migrations; store.DB.Migrate runs them.
//
//go:embed *.sql
var Files embed.FS
