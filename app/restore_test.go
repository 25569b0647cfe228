package app_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/archive"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// eachEmpty runs a test with an empty place on each database.
func eachEmpty(t *testing.T, test func(t *testing.T, empty func(t *testing.T, tune ...func(*config.Config)) *config.Config)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, func(t *testing.T, tune ...func(*config.Config)) *config.Config { return place(t, "", tune...) })
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, func(t *testing.T, tune ...func(*config.Config)) *config.Config {
			return place(t, freshPostgres(t), tune...)
		})
	})
}

// schoolFile is an archive of a small school.
func schoolFile(t *testing.T, withKeys bool) string {
	t.Helper()
	from, file := place(t, ""), filepath.Join(t.TempDir(), "school")
	db := migrated(t, from)
	storetest.School(t, db, storetest.Size{People: 30, Messages: 300})
	keys, err := secret.NewKeyring(from.Auth.EncryptionKeys...)
	if err != nil {
		t.Fatal(err)
	}
	canary, err := keys.NewCanary()
	if err != nil {
		t.Fatal(err)
	}
	err = db.InTx(t.Context(), func(tx *store.Tx) error { return tx.SetSetting(t.Context(), store.SettingCanary, canary) })
	if err := errors.Join(err, app.Migrate(t.Context(), db, noLog)); err != nil {
		t.Fatal(err)
	}
	backedUp(t, from, file, withKeys)
	return file
}

func tryRestore(t *testing.T, cfg *config.Config, file string) error {
	t.Helper()
	_, _, err := app.Restore(t.Context(), cfg, noLog, "v1", file, func(app.Progress) {})
	return err
}

func notRestored(t *testing.T, err error, words string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), words) {
		t.Errorf("got %v, want an error with %q", err, words)
	}
}

func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	file := schoolFile(t, true)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	bad := func(t *testing.T, data []byte) string {
		t.Helper()
		name := filepath.Join(t.TempDir(), "bad")
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	eachEmpty(t, func(t *testing.T, empty func(t *testing.T, tune ...func(*config.Config)) *config.Config) {
		t.Run("Damaged", func(t *testing.T) {
			cfg := empty(t)
			flipped := bytes.Clone(data)
			flipped[len(flipped)/2] ^= 4
			for _, d := range [][]byte{flipped, data[:len(data)-10], data[:100], nil} {
				if err := tryRestore(t, cfg, bad(t, d)); !errors.As(err, new(*archive.Damage)) {
					t.Errorf("got %v, want a *Damage", err)
				}
			}
			if _, err := os.Stat(cfg.SQLitePath()); err == nil {
				t.Error("a damaged archive made a database")
			}
			restored(t, cfg, file)
			t.Run("NotEmpty", func(t *testing.T) {
				notRestored(t, tryRestore(t, cfg, file), "is not empty: its table")
			})
		})
		t.Run("AnotherCommand", func(t *testing.T) {
			cfg := empty(t)
			db, err := app.OpenDB(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(db.BeginLoad(t.Context(), "import-legacy"), db.Close()); err != nil {
				t.Fatal(err)
			}
			notRestored(t, tryRestore(t, cfg, file), "import-legacy")
		})
		t.Run("OtherKeys", func(t *testing.T) {
			cfg := empty(t, func(c *config.Config) {
				c.Auth.EncryptionKeys = []secret.Text{"YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXoxMjM0NTY="}
			})
			notRestored(t, tryRestore(t, cfg, file), "encryption keys here are not those")
			cfg.Auth.EncryptionKeys = append(cfg.Auth.EncryptionKeys, apptest.Config("", "").Auth.EncryptionKeys...)
			restored(t, cfg, file)
		})
		t.Run("NewerSchema", func(t *testing.T) {
			notRestored(t, tryRestore(t, empty(t), newer(t, data)), "newer version")
		})
		t.Run("Cancelled", func(t *testing.T) { cancelled(t, empty(t), file) })
	})
	t.Run("NoKeysYet", func(t *testing.T) {
		t.Parallel()
		cfg := place(t, "", func(c *config.Config) { c.Auth.EncryptionKeys = nil })
		notRestored(t, tryRestore(t, cfg, file), "put the old secrets.yaml into the data folder")
		if _, err := os.Stat(filepath.Join(cfg.DataDir, "secrets.yaml")); err == nil {
			t.Error("the refusal made new secrets")
		}
	})
}

// newer is an archive whose schema has a migration that this program does not know.
func newer(t *testing.T, data []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "newer")
	out, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	var w *archive.Writer
	_, _, err = archive.Read(bytes.NewReader(data), archive.Into{
		Manifest: func(m *archive.Manifest) (err error) {
			m.Schema = append(slices.Clone(m.Schema), "9999")
			w, err = archive.NewWriter(out, *m)
			return err
		},
		Rows: func(table *archive.Table, rows [][]any) error {
			for _, row := range rows {
				if err := w.Row(table.Name, row); err != nil {
					return err
				}
			}
			return nil
		},
	})
	if err == nil {
		_, err = w.Close()
	}
	if err := errors.Join(err, out.Close()); err != nil {
		t.Fatal(err)
	}
	return name
}

// cancelled ends a restore at each of its stages. The database is known as unfinished until
// the same command has done it all.
func cancelled(t *testing.T, cfg *config.Config, file string) {
	t.Helper()
	for _, stage := range []string{"making the tables", "users", "messages", "checking references", "comparing a2a_messages", "bringing the schema to this version"} {
		ctx, cancel := context.WithCancel(t.Context())
		seen := false
		_, _, err := app.Restore(ctx, cfg, noLog, "v1", file, func(p app.Progress) {
			if p.Stage == stage {
				seen = true
				cancel()
			}
		})
		cancel()
		if err == nil || !seen {
			t.Fatalf("%s: got %v (seen: %v)", stage, err, seen)
		}
		if stage == "making the tables" {
			continue // nothing was begun
		}
		if _, err := app.Open(t.Context(), cfg, noLog, app.Mode{Serve: true}); err == nil || !strings.Contains(err.Error(), "has not finished filling") {
			t.Fatalf("%s: a server begins on a part of a school: %v", stage, err)
		}
	}
	restored(t, cfg, file)
	likeNew(t, cfg)
}

// An archive of an older schema is brought to this one.
func TestRestoreOlderSchema(t *testing.T) {
	t.Parallel()
	eachEmpty(t, func(t *testing.T, empty func(t *testing.T, tune ...func(*config.Config)) *config.Config) {
		ctx, old, file := t.Context(), empty(t), filepath.Join(t.TempDir(), "old")
		db, err := app.OpenDB(ctx, old)
		if err != nil {
			t.Fatal(err)
		}
		all, err := db.Migrations(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, m := range all {
			if name := m.Name[:4]; name <= "0122" {
				names = append(names, name)
			}
		}
		err = db.WithMigrationLock(ctx, func(db *store.DB) error { return db.MigrateTo(ctx, names) })
		if err != nil {
			t.Fatal(err)
		}
		storetest.Exec(t, db, "INSERT INTO users (id, email, role, is_active, created_at, version) VALUES ('u1', 'Ada@school.example', 'teacher', TRUE, '2026-01-02 03:04:05+00:00', 1)")
		storetest.Exec(t, db, "INSERT INTO organizations (id, name, owner_id, created_at) VALUES ('o1', 'O', 'u1', '2026-01-02 03:04:05+00:00')")
		storetest.Exec(t, db, "INSERT INTO projects (id, organization_id, name, created_at) VALUES ('p1', 'o1', 'P', '2026-01-02 03:04:05+00:00')")
		storetest.Exec(t, db, `INSERT INTO threads (id, project_id, user_id, last_seq, created_at, updated_at, version)
			VALUES ('t1', 'p1', 'u1', 0, '2026-01-02 03:04:05+00:00', '2026-01-02 03:04:05+00:00', 1)`)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		backedUp(t, old, file, false)
		cfg := empty(t)
		restored(t, cfg, file)
		now := migrated(t, cfg)
		if n := storetest.Count(t, now, "SELECT count(*) FROM rooms WHERE thread_id = 't1'"); n != 1 {
			t.Errorf("the migration after the restore made %d rooms of the thread, want 1", n)
		}
		if u, err := now.UserByLogin(ctx, "ada@SCHOOL.example"); err != nil || u.ID != "u1" {
			t.Errorf("got %v, %v", u, err)
		}
	})
}

// Jobs are not in an archive. A turn that waited for its job when the archive was made is
// taken after the restore, and a message that nobody had looked at is answered.
func TestRestoredTurnRuns(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		ctx, file := t.Context(), filepath.Join(t.TempDir(), "school")
		r := apptest.NewStopped(t, url)
		c, asked := r.Class(t, func(s *app.RoomSettings) { s.AIFrequency = app.Some(0.0) }), r.Class(t)
		_, err := r.PostMessage(ctx, c.Student, c.Room.ID, "Why is it green?", "")
		_, err2 := r.PostMessage(ctx, asked.Student, asked.Room.ID, "@teacher why?", "")
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		if err := r.Operator().CheckEncryption(ctx); err != nil {
			t.Fatal(err)
		}
		queued := orphan(t, r, c, store.TurnQueued, 0)
		backedUp(t, place(t, url), file, true)
		for _, to := range []string{"", freshPostgres(t)} {
			cfg := place(t, to)
			restored(t, cfg, file)
			if !cfg.Postgres() {
				to = "sqlite:" + cfg.SQLitePath()
			}
			next := apptest.New(t, to, func(c *config.Config) { c.LLM.OpenAI.BaseURL = r.Model.URL })
			apptest.Await(t, "the restored turn", func() bool {
				turn, err := next.DB.Turn(ctx, queued.ID)
				return err == nil && turn.State == store.TurnFinished
			})
			if m := next.Messages(t, asked.Room.ID, 2); !m[1].ByAgent() {
				t.Errorf("got %+v, want an answer", m[1])
			}
			apptest.Await(t, "the index of the search", func() bool {
				left, err := next.DB.SearchBackfill(ctx)
				return err == nil && left == nil
			})
		}
	})
}
