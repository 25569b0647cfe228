package store_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// foreignDefaults are settings that a database may have as its own, each of
// which changes what a statement means or what a value looks like on its way.
var foreignDefaults = map[string]string{
	"bytea_output": "escape", "datestyle": "German, DMY", "intervalstyle": "sql_standard", "timezone": "Asia/Kathmandu",
	"extra_float_digits": "-15", "standard_conforming_strings": "off", "array_nulls": "off", "transform_null_equals": "on",
	"default_transaction_isolation": "serializable", "client_encoding": "LATIN1", "default_text_search_config": "simple",
	"lc_messages": "C", "backslash_quote": "on", "quote_all_identifiers": "on", "jit": "on", "jit_above_cost": "0",
}

// TestForeignDefaults: whatever the database's own settings are, what is
// written is what is read, and migrations run from the first to the last.
func TestForeignDefaults(t *testing.T) {
	t.Parallel()
	url := storetest.Postgres(t)
	before, err := store.Open(t.Context(), store.Options{URL: url, Pool: 1})
	mustBe(t, "open", err, nil)
	for name, value := range foreignDefaults {
		_, err := before.Pool().Exec(t.Context(), "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET "+name+" = %L', current_database(), '"+value+"'); END $$")
		mustBe(t, name, err, nil)
	}
	_, err = before.Pool().Exec(t.Context(), "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
	mustBe(t, "empty the database", err, nil)
	mustBe(t, "close", before.Close(), nil)

	db := storetest.Open(t, store.Options{URL: url})
	mustBe(t, "check the connection", db.CheckConnection(t.Context()), nil)
	mustBe(t, "migrate", db.WithMigrationLock(t.Context(), func(db *store.DB) error {
		if err := db.Migrate(t.Context()); err != nil {
			return err
		}
		return jobs.Migrate(t.Context(), db, nil)
	}), nil)
	mustBe(t, "check the schema", db.CheckSchema(t.Context()), nil)
	var jit string
	mustBe(t, "ask for jit", db.Pool().QueryRow(t.Context(), "SHOW jit").Scan(&jit), nil)
	if jit != "off" {
		t.Error("plans are compiled, which takes longer than our statements")
	}

	w := newWorld(t, db)
	image := make([]byte, 256)
	for i := range image {
		image[i] = byte(i)
	}
	born := time.Date(2026, 2, 13, 23, 59, 58, 123456000, time.UTC)
	picture := &store.Avatar{ID: store.NewID(), UserID: w.pupil.ID, Extension: "png", Image: image, CreatedAt: born}
	w.tx(func(ctx context.Context, tx *store.Tx) error { return tx.CreateAvatar(ctx, picture) })
	got, err := db.Avatar(t.Context(), picture.ID)
	mustBe(t, "read the picture", err, nil)
	if !bytes.Equal(got.Image, image) || !got.CreatedAt.Equal(born) {
		t.Errorf("got a picture of %d bytes made at %v, want the one that was stored at %v", len(got.Image), got.CreatedAt, born)
	}
	room, err := db.Room(t.Context(), w.room.ID)
	mustBe(t, "read the room", err, nil)
	if room.AIFrequency != w.room.AIFrequency {
		t.Errorf("got the frequency %v, want %v", room.AIFrequency, w.room.AIFrequency)
	}
	for _, message := range hard {
		w.say(message)
	}
	messages, err := db.Messages(t.Context(), w.room.ID, 0, 100)
	mustBe(t, "read the lines", err, nil)
	for i, want := range hard {
		if messages[i].Content != want {
			t.Errorf("got the line %q, want %q", messages[i].Content, want)
		}
	}
}
