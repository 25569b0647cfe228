package app_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

const day = 24 * time.Hour

func prune(t *testing.T, r *apptest.Rig) {
	t.Helper()
	if err := r.Prune(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func quiet(s *app.RoomSettings) { s.AIMode = app.Some(store.ModeOff) }

func TestRetentionOfEvents(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url, func(c *config.Config) { c.Retention.EventsDays = 10 })
		ctx := t.Context()
		c, other := r.Class(t, quiet), r.Class(t, quiet)
		for _, line := range []string{"one", "two", "three"} {
			post(t, r, c.Student, c.Room.ID, line)
		}
		r.Advance(5 * day)
		post(t, r, other.Student, other.Room.ID, "young")
		r.Advance(6 * day)
		live := r.Join(t, c.TA, c.Room.ID, true, 3)
		post(t, r, c.Student, c.Room.ID, "four")
		for range 2 {
			prune(t, r)
		}
		post(t, r, c.Student, c.Room.ID, "five")

		t.Run("AnOldCursorIsToldToLoadTheHistory", func(t *testing.T) {
			page, err := r.Events(ctx, c.TA, c.Room.ID, 1, 0, anySize)
			if err != nil || !page.Resync || page.Next != 5 || len(page.Events) != 0 {
				t.Errorf("got %+v, %v", page, err)
			}
			s := r.Join(t, c.TA, c.Room.ID, true, 1)
			f := s.Await(t, "the order to resync", func(f apptest.Frame) bool { return f.Is("resync") })
			if f.Fields["after"] != 5.0 || len(s.Frames("message")) != 0 {
				t.Errorf("got %s", s.Text())
			}
			lines, err := storetest.All(r.History(ctx, c.TA, c.Room.ID, 0, 0))
			if err != nil || len(lines) != 5 || lines[0].Content != "one" {
				t.Errorf("got %d lines, %v, want all that was said", len(lines), err)
			}
		})
		t.Run("AYoungCursorGoesOn", func(t *testing.T) {
			page, err := r.Events(ctx, c.TA, c.Room.ID, 3, 0, anySize)
			if err != nil || page.Resync || len(page.Events) != 2 || page.Next != 5 {
				t.Errorf("got %+v, %v", page, err)
			}
			live.Await(t, "the newest line", func(f apptest.Frame) bool { return f.Fields["content"] == "five" })
			if n := len(live.Frames("resync")); n != 0 {
				t.Errorf("a socket that was up to date got %d orders to resync", n)
			}
		})
		t.Run("YoungRoomsStay", func(t *testing.T) {
			page, err := r.Events(ctx, other.TA, other.Room.ID, 0, 0, anySize)
			if err != nil || page.Resync || len(page.Events) != 1 {
				t.Errorf("got %+v, %v", page, err)
			}
		})
		t.Run("AnEmptyLog", func(t *testing.T) {
			r.Advance(11 * day)
			prune(t, r)
			page, err := r.Events(ctx, c.TA, c.Room.ID, 5, 0, anySize)
			if err != nil || page.Resync || page.Next != 5 || page.More {
				t.Errorf("at the head: got %+v, %v", page, err)
			}
			page, err = r.Events(ctx, c.TA, c.Room.ID, 4, 0, anySize)
			if err != nil || !page.Resync || page.Next != 5 {
				t.Errorf("behind it: got %+v, %v", page, err)
			}
		})
	})
}

func TestRetention(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url, func(c *config.Config) {
			c.Retention = config.Retention{EventsDays: 10, AuditDays: 20, DeletedDays: 5, TurnsDays: 15}
		})
		ctx := t.Context()
		c := r.Class(t, quiet)
		old, young, kept := makeArtifact(t, r, c.Student, c.Room.ID, "doc", `{"a":"old"}`), makeArtifact(t, r, c.Student, c.Room.ID, "doc", `{}`),
			makeArtifact(t, r, c.Student, c.Room.ID, "doc", `{}`)
		child, err := r.CreateArtifact(ctx, c.Student, c.Room.ID, app.NewArtifact{Type: "task", Title: "Child", ParentID: old.ID})
		if err != nil {
			t.Fatal(err)
		}
		now := r.Now().UTC().Truncate(time.Microsecond)
		ended := store.Turn{ID: store.NewID(), RoomID: c.Room.ID, AgentID: c.TeacherAgent.ID, TriggerSeq: 1, State: store.TurnFinished, Attempt: 1,
			CreatedAt: now, EndedAt: now}
		waiting := store.Turn{ID: store.NewID(), RoomID: c.Room.ID, AgentID: c.TeacherAgent.ID, TriggerSeq: 2, State: store.TurnWaiting, Attempt: 1, CreatedAt: now}
		if err := r.DB.InTx(ctx, func(tx *store.Tx) error { return tx.CreateTurns(ctx, []store.Turn{ended, waiting}) }); err != nil {
			t.Fatal(err)
		}
		remove := func(f *store.Artifact) {
			t.Helper()
			if err := r.DeleteArtifact(ctx, c.Teacher, f.ID, false); err != nil {
				t.Fatal(err)
			}
		}
		remove(old)
		r.Advance(4 * day)
		remove(young)
		r.Advance(2 * day)
		prune(t, r)
		t.Run("DeletedArtifacts", func(t *testing.T) {
			_, err := r.RestoreArtifact(ctx, c.Teacher, old.ID)
			refused(t, err, app.KindNotFound, "", "Artifact not found")
			if _, err := r.RestoreArtifact(ctx, c.Teacher, young.ID); err != nil {
				t.Errorf("the young one: %v", err)
			}
			if _, err := r.Artifact(ctx, c.Teacher, kept.ID); err != nil {
				t.Errorf("one that nobody deleted: %v", err)
			}
			if got, err := r.Artifact(ctx, c.Teacher, child.ID); err != nil || got.ParentID != "" {
				t.Errorf("the child: got %+v, %v, want it without a parent", got, err)
			}
		})
		t.Run("Turns", func(t *testing.T) {
			if n := len(turns(t, r, c.Room.ID)); n != 2 {
				t.Errorf("after 6 days: got %d, want both", n)
			}
			r.Advance(10 * day)
			prune(t, r)
			if got := turns(t, r, c.Room.ID); len(got) != 1 || got[0].ID != waiting.ID {
				t.Errorf("after 16 days: got %v, want the one that has not ended", got)
			}
		})
		t.Run("Audit", func(t *testing.T) {
			r.Advance(5 * day) // 21 since the first, 17 since the second
			prune(t, r)
			if n := audited(t, r, app.ActDeleteArtifact, old.ID); n != 0 {
				t.Errorf("got %d lines of 21 days ago", n)
			}
			if n := audited(t, r, app.ActDeleteArtifact, young.ID); n != 1 {
				t.Errorf("got %d lines of 17 days ago, want 1", n)
			}
		})
		t.Run("TheLogTellsOfIt", func(t *testing.T) {
			for _, what := range []string{"deleted artifacts", "turns", "audit entries", "events"} {
				if !strings.Contains(r.Log(), what) {
					t.Errorf("the log tells nothing of %s", what)
				}
			}
		})
	})
}

func TestRetentionForEver(t *testing.T) {
	t.Parallel()
	r := apptest.NewStopped(t, storetest.SQLite(t), func(c *config.Config) { c.Retention = config.Retention{} })
	c := r.Class(t, quiet)
	post(t, r, c.Student, c.Room.ID, "one")
	f := makeArtifact(t, r, c.Student, c.Room.ID, "doc", "{}")
	if err := r.DeleteArtifact(t.Context(), c.Student, f.ID, false); err != nil {
		t.Fatal(err)
	}
	r.Advance(100 * 365 * day)
	prune(t, r)
	if page, err := r.Events(t.Context(), c.TA, c.Room.ID, 0, 0, anySize); err != nil || page.Resync || page.Next != 3 {
		t.Errorf("events: got %+v, %v", page, err)
	}
	if _, err := r.RestoreArtifact(t.Context(), c.TA, f.ID); err != nil {
		t.Errorf("a deleted artifact: %v", err)
	}
	if audited(t, r, app.ActDeleteArtifact, f.ID) != 1 {
		t.Error("the audit log lost a line")
	}
}

// Rooms full of old events go in batches, with others pruning beside and after
// one that was cut off.
func TestRetentionOfMany(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c, other := r.Class(t, quiet), r.Class(t, quiet)
		const events = 2300
		for _, room := range []string{c.Room.ID, other.Room.ID} {
			if err := r.DB.InTx(t.Context(), func(tx *store.Tx) error {
				for range events {
					seq, err := tx.NextSeqUnheard(t.Context(), room)
					if err != nil {
						return err
					}
					if err := tx.CreateEvent(t.Context(), &store.Event{RoomID: room, Seq: seq, ID: store.NewID(), Type: "message", Body: "{}", CreatedAt: r.Now().UTC()}); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		r.Advance(91 * day)
		cut, cancel := context.WithCancel(t.Context())
		cancel()
		if err := r.Prune(cut); err == nil {
			t.Error("a run that was cut off says that it is done")
		}
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				if err := r.Prune(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		for _, room := range []string{c.Room.ID, other.Room.ID} {
			if head, oldest, err := r.DB.EventRange(t.Context(), room); err != nil || head != events || oldest != events+1 {
				t.Errorf("got head %d, oldest %d, %v, want an empty log", head, oldest, err)
			}
		}
	})
}
