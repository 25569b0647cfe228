package store_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func newSession(userID string) *store.Session {
	return &store.Session{ID: store.NewID(), UserID: userID, Generation: 1, RotatedAt: at, CreatedAt: at, ExpiresAt: at.Add(time.Hour)}
}

func (w *world) open(sessions ...*store.Session) {
	w.Helper()
	w.tx(func(ctx context.Context, tx *store.Tx) (err error) {
		for _, s := range sessions {
			err = errors.Join(err, tx.CreateSession(ctx, s))
		}
		return err
	})
}

func (w *world) wantLive(name string, all, want []*store.Session) {
	w.Helper()
	var ids, wantIDs []string
	for _, s := range all {
		ids = append(ids, s.ID)
	}
	for _, s := range want {
		wantIDs = append(wantIDs, s.ID)
	}
	live, err := w.db.LiveSessions(w.Context(), ids, at)
	if err != nil {
		w.Fatal(err)
	}
	slices.Sort(live)
	slices.Sort(wantIDs)
	if !slices.Equal(live, wantIDs) {
		w.Errorf("%s: %d live, want %d", name, len(live), len(wantIDs))
	}
}

func TestRotateSession(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		s := newSession(w.pupil.ID)
		w.open(s)
		later := at.Add(time.Minute)
		rotate := func(ctx context.Context, tx *store.Tx, _ int) error {
			next := *s
			next.Generation, next.RotatedAt, next.ExpiresAt = 2, later, at.Add(2*time.Hour)
			next.UserAgent, next.UserID = "not written", w.owner.ID
			return tx.RotateSession(ctx, &next)
		}
		if won := w.race(10, rotate); won != 1 {
			t.Errorf("%d of 10 rotated, want 1", won)
		}
		got, err := db.Session(t.Context(), s.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got.Generation != 2 || !got.RotatedAt.Equal(later) || !got.ExpiresAt.Equal(at.Add(2*time.Hour)) || got.UserAgent != "" || got.User.ID != w.pupil.ID {
			t.Errorf("got %+v", got)
		}
		w.tx(func(ctx context.Context, tx *store.Tx) error { return tx.EndSession(ctx, s.ID, "signed out", at) })
		got.Generation++
		err = w.try(func(ctx context.Context, tx *store.Tx) error { return tx.RotateSession(ctx, got) })
		mustBe(t, "rotating what has ended", err, store.ErrStale)
	})
}

func TestEndSession(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		// The owner acts as the pupil from one of two sessions.
		mine, other, child, pupils := newSession(w.owner.ID), newSession(w.owner.ID), newSession(w.pupil.ID), newSession(w.pupil.ID)
		child.ParentID, child.ImpersonatorID = mine.ID, w.owner.ID
		all := []*store.Session{mine, other, child, pupils}
		w.open(all...)
		end := func(id, reason string) {
			w.tx(func(ctx context.Context, tx *store.Tx) error { return tx.EndSession(ctx, id, reason, at) })
		}
		w.wantLive("at first", all, all)
		end(mine.ID, "signed out")
		w.wantLive("after its end", all, []*store.Session{other, pupils})
		end(mine.ID, "again")
		if got, err := db.Session(t.Context(), mine.ID); err != nil || got.EndReason != "signed out" || !got.EndedAt.Equal(at) {
			t.Errorf("ending twice: got %+v (%v)", got, err)
		}
	})
}

func TestEndSessionsOf(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for name, rule := range map[string]struct{ except, live []int }{
			"all":               {nil, []int{3}},
			"all but this one":  {[]int{0}, []int{0, 2, 3}},
			"all but the other": {[]int{1}, []int{1, 3}},
		} {
			w := newWorld(t, db)
			mine, other, child, pupils := newSession(w.owner.ID), newSession(w.owner.ID), newSession(w.pupil.ID), newSession(w.pupil.ID)
			child.ParentID, child.ImpersonatorID = mine.ID, w.owner.ID
			all := []*store.Session{mine, other, child, pupils}
			w.open(all...)
			except, want := "", []*store.Session{}
			for _, i := range rule.except {
				except = all[i].ID
			}
			for _, i := range rule.live {
				want = append(want, all[i])
			}
			w.tx(func(ctx context.Context, tx *store.Tx) error {
				return tx.EndSessionsOf(ctx, w.owner.ID, except, "new password", at)
			})
			w.wantLive(name, all, want)
		}
	})
}

func TestLiveSessions(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		blocked := newUser("blocked")
		blocked.IsActive = false
		w.tx(func(ctx context.Context, tx *store.Tx) error { return tx.CreateUser(ctx, blocked) })
		live, expired, ending, ofBlocked := newSession(w.pupil.ID), newSession(w.pupil.ID), newSession(w.pupil.ID), newSession(blocked.ID)
		expired.ExpiresAt, ending.ExpiresAt = at, at.Add(time.Microsecond)
		all := []*store.Session{live, expired, ending, ofBlocked}
		w.open(all...)
		w.wantLive("by time and user", append(all, newSession("")), []*store.Session{live, ending})
		w.wantLive("of none", nil, nil)

		var n int64
		w.tx(func(ctx context.Context, tx *store.Tx) (err error) {
			n, err = tx.DeleteSessionsBefore(ctx, at.Add(time.Microsecond), 10)
			return err
		})
		if n != 1 {
			t.Errorf("deleted %d expired sessions, want 1", n)
		}
		w.tx(func(ctx context.Context, tx *store.Tx) (err error) {
			n, err = tx.DeleteSessionsBefore(ctx, at.Add(24*time.Hour), 2)
			return err
		})
		if n != 2 {
			t.Errorf("deleted %d sessions, want the 2 that were asked for", n)
		}
	})
}
