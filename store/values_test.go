package store_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// hard is text that quoting, templates, placeholders or collations might spoil.
var hard = []string{
	"", " ", "學生們討論：「為什麼？」", "👩🏽‍🏫 é e\u0301 \u202e \ufeff", `' '' \' \\ \x41 E'\n'`, "$1 $2 ?0 ? ?? :name @p {{.JSON}} %s",
	"-- /* */ ; DROP TABLE users; --", "line\r\nline\ttab\u0001\u007f", "\U0010ffff", `"quoted" <b>&amp;</b>`,
}

func TestText(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		for _, want := range append(hard, strings.Repeat("長", 100_000)) {
			w.say(want)
		}
		messages, err := db.Messages(t.Context(), w.room.ID, 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range append(hard, strings.Repeat("長", 100_000)) {
			if got := messages[i].Content; got != want {
				t.Errorf("got %.80q, want %.80q", got, want)
			}
		}
		// The same text as a condition, in which bun formats it another way.
		for _, want := range hard[1:] {
			w.tx(func(ctx context.Context, tx *store.Tx) error {
				_, err := post(ctx, tx, w, store.Message{SenderID: w.pupil.ID, ClientID: want, Content: "x"})
				return err
			})
			m, err := db.MessageByClientID(t.Context(), w.room.ID, w.pupil.ID, want)
			if err != nil || m.ClientID != want {
				t.Errorf("%q as a condition: %v", want, err)
			}
		}
	})
}

// Postgres cannot hold a NUL and bun refuses it on both: the edge answers 422
// before a row is written. Bytes that are no UTF-8 are kept as U+FFFD.
func TestTextThatNoColumnHolds(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		err := w.try(func(ctx context.Context, tx *store.Tx) error {
			return tx.SetSetting(ctx, "nul", "a\x00b")
		})
		if err == nil {
			t.Error("a NUL was taken")
		}
		_, err = db.Setting(t.Context(), "nul")
		mustBe(t, "the setting", err, store.ErrNotFound)
		_, err = db.UserByLogin(t.Context(), "a\x00b")
		if err == nil {
			t.Error("a NUL in a condition was taken")
		}
		w.tx(func(ctx context.Context, tx *store.Tx) error { return tx.SetSetting(ctx, "bytes", "a\xffb") })
		if got, err := db.Setting(t.Context(), "bytes"); got != "a\ufffdb" {
			t.Errorf("got %q (%v), want %q", got, err, "a\ufffdb")
		}
		c := &store.Course{ID: store.NewID(), OwnerID: w.owner.ID, CreatedAt: at, Version: 1}
		c.Title = "a\x00b"
		if err := w.try(func(ctx context.Context, tx *store.Tx) error { return tx.CreateCourse(ctx, c) }); err == nil {
			t.Error("a NUL in a row was taken")
		}
		c.Title = "a\xffb"
		w.tx(func(ctx context.Context, tx *store.Tx) error { return tx.CreateCourse(ctx, c) })
		if got, err := db.Course(t.Context(), c.ID); err != nil || got.Title != "a\ufffdb" {
			t.Errorf("got %+v (%v), want %q", got, err, "a\ufffdb")
		}
	})
}

func TestTime(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		for _, given := range []time.Time{
			time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC),
			time.Date(2026, 3, 1, 9, 0, 0, 1_000, time.UTC),
			time.Date(2026, 3, 1, 9, 0, 0, 999_999_000, time.UTC),
			time.Date(2026, 3, 1, 9, 0, 0, 500_000_999, time.UTC),
			time.Date(2026, 3, 1, 9, 0, 0, 250_000_000, time.FixedZone("far", -11*3600-1800)),
			time.Date(2026, 3, 1, 9, 0, 0, 0, time.Local),
			time.Date(1969, 12, 31, 23, 59, 59, 0, time.UTC),
			time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
		} {
			c := &store.Course{ID: store.NewID(), Title: "Course", OwnerID: w.owner.ID, CreatedAt: given, Version: 1}
			w.tx(func(ctx context.Context, tx *store.Tx) error { return tx.CreateCourse(ctx, c) })
			stored, err := db.Course(t.Context(), c.ID)
			if err != nil {
				t.Fatal(err)
			}
			got, want := stored.CreatedAt.Format(time.RFC3339Nano), given.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano)
			// A zone that only happens to be at zero would show after a change of clocks.
			if got != want || stored.CreatedAt.Location() != time.UTC {
				t.Errorf("%v: got %s in %v, want %s in UTC", given, got, stored.CreatedAt.Location(), want)
			}
		}
	})
}

// SQLite compares times as text; a whole second must still come before its own
// fractions, or a lease would look overdue.
func TestTimesCompare(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		second := time.Date(2026, 3, 1, 9, 59, 59, 0, time.UTC)
		steps := []time.Duration{0, time.Microsecond, 10 * time.Microsecond, 100 * time.Millisecond, 120 * time.Millisecond,
			500 * time.Millisecond, 999_999 * time.Microsecond, time.Second, time.Second + time.Microsecond}
		turn := newTurn(w, 1, store.TurnQueued)
		w.tx(func(ctx context.Context, tx *store.Tx) error { return tx.CreateTurns(ctx, []store.Turn{turn}) })
		for i, lease := range steps {
			w.tx(func(ctx context.Context, tx *store.Tx) error {
				return tx.RetryTurn(ctx, turn.ID, i+1, second.Add(lease), "", "")
			})
			for _, now := range steps {
				overdue, err := db.OverdueTurns(t.Context(), second.Add(now), 10)
				if err != nil {
					t.Fatal(err)
				}
				if got, want := len(overdue) == 1, lease < now; got != want {
					t.Errorf("a lease until +%v at +%v: overdue %v, want %v", lease, now, got, want)
				}
			}
		}
	})
}

func TestNull(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		empty := ""
		for _, want := range []*string{nil, &empty, &hard[2]} {
			r := newRoom(w.course.ID)
			r.Description, r.IsAIActive = want, want == nil
			w.tx(func(ctx context.Context, tx *store.Tx) error { return tx.CreateRoom(ctx, r) })
			got, err := db.Room(t.Context(), r.ID)
			if err != nil {
				t.Fatal(err)
			}
			if (got.Description == nil) != (want == nil) || want != nil && *got.Description != *want {
				t.Errorf("description: got %v, want %v", got.Description, want)
			}
			if got.IsAIActive != (want == nil) || got.IsAnalyticsActive {
				t.Errorf("booleans: got %v and %v", got.IsAIActive, got.IsAnalyticsActive)
			}
			if !got.DecideAt.IsZero() {
				t.Errorf("look_at: got %v, want none", got.DecideAt)
			}
		}
		a, err := db.Agent(t.Context(), w.agent.ID)
		if err != nil {
			t.Fatal(err)
		}
		if a.ParentID != "" || a.Model != nil || a.TriggerConfig != "" || a.CreatedBy != "" {
			t.Errorf("NULLs of an agent: got %+v", a)
		}
	})
}

// Clients compare their JSON as text: order, spaces and doubles stay.
func TestJSON(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		for _, want := range []store.JSON{
			`{"z":1,"a":2,"m":{"y":[3,2,1],"b":null}}`, "{ \"spaced\" :\t1.0 ,\n \"e\":1e5}", `{"a":1,"a":2}`, `[]`, `null`, `"學生 🙂 \u0041 it's \\ $1 ?"`,
			store.JSON(`{"text":"` + strings.Repeat("長", 50_000) + `"}`),
		} {
			a := newAgent(w.project.ID)
			a.Settings, a.TriggerConfig = want, want
			w.tx(func(ctx context.Context, tx *store.Tx) error { return tx.CreateAgents(ctx, []store.Agent{*a}) })
			got, err := db.Agent(t.Context(), a.ID)
			if err != nil {
				t.Fatal(err)
			}
			if got.Settings != want || got.TriggerConfig != want {
				t.Errorf("got %.80q and %.80q, want %.80q", got.Settings, got.TriggerConfig, want)
			}
		}
	})
}

// Neither database keeps what is no JSON, or nothing where something must be.
func TestNotJSON(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		for _, bad := range []store.JSON{"", "{", "{'a':1}", "nul", "1 2"} {
			a := newAgent(w.project.ID)
			a.Settings = bad
			if err := w.try(func(ctx context.Context, tx *store.Tx) error { return tx.CreateAgents(ctx, []store.Agent{*a}) }); err == nil {
				t.Errorf("%q as an agent's settings went in", bad)
			}
			a = newAgent(w.project.ID)
			a.TriggerConfig = bad
			err := w.try(func(ctx context.Context, tx *store.Tx) error { return tx.CreateAgents(ctx, []store.Agent{*a}) })
			if got, want := err == nil, bad == ""; got != want {
				t.Errorf("%q as a trigger that may be NULL: %v", bad, err)
			}
		}
	})
}

func TestPage(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		var all []string
		w.tx(func(ctx context.Context, tx *store.Tx) (err error) {
			for i := range 105 {
				r := newRoom(w.course.ID)
				r.CreatedAt = at.Add(time.Duration(i+1) * time.Millisecond)
				err = errors.Join(err, tx.CreateRoom(ctx, r))
				all = append(all, r.ID)
			}
			return err
		})
		all = slices.Insert(all, 0, w.room.ID)
		for page, want := range map[store.Page][]string{
			{}:                    all[:100],
			{Limit: -1, Skip: -1}: all[:100],
			{Limit: 5}:            all[:5],
			{Limit: 5, Skip: 3}:   all[3:8],
			{Limit: 1 << 40}:      all,
			{Skip: 200}:           {},
		} {
			rooms, err := storetest.All(db.RoomsInCourse(t.Context(), w.course.ID, "", page))
			if err != nil {
				t.Fatal(err)
			}
			got := make([]string, len(rooms))
			for i, r := range rooms {
				got[i] = r.ID
			}
			if !slices.Equal(got, want) {
				t.Errorf("%+v: got %d rooms, want %d", page, len(got), len(want))
			}
		}
	})
}
