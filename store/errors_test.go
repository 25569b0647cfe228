package store_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// A caller decides on the sentinels alone, so both databases must give the
// same one for the same mistake.
func TestErrors(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ghost := store.NewID()
		turn := newTurn(w, 1, store.TurnQueued)
		w.tx(func(ctx context.Context, tx *store.Tx) error { return tx.CreateTurns(ctx, []store.Turn{turn}) })

		for name, rule := range map[string]struct {
			do   func(context.Context, *store.Tx) error
			want error
		}{
			"an id twice":      {func(ctx context.Context, tx *store.Tx) error { return tx.CreateRoom(ctx, w.room) }, store.ErrExists},
			"an account twice": {func(ctx context.Context, tx *store.Tx) error { return tx.CreateUser(ctx, w.pupil) }, store.ErrExists},
			"a turn twice":     {func(ctx context.Context, tx *store.Tx) error { return tx.CreateTurns(ctx, []store.Turn{turn}) }, store.ErrExists},
			"a second live one": {func(ctx context.Context, tx *store.Tx) error {
				return tx.CreateTurns(ctx, []store.Turn{newTurn(w, 2, store.TurnRunning)})
			}, store.ErrExists},
			"a link twice": {func(ctx context.Context, tx *store.Tx) error {
				m := &store.ProjectMember{ProjectID: w.project.ID, UserID: w.pupil.ID, Role: "viewer", CreatedAt: at}
				if err := tx.AddProjectMember(ctx, m); err != nil {
					return err
				}
				return tx.AddProjectMember(ctx, m)
			}, store.ErrExists},
			"a room of no course": {func(ctx context.Context, tx *store.Tx) error { return tx.CreateRoom(ctx, newRoom(ghost)) }, store.ErrReferenced},
			"a link to nobody": {func(ctx context.Context, tx *store.Tx) error {
				_, err := tx.AddRoomMember(ctx, &store.RoomMember{RoomID: w.room.ID, UserID: ghost, CreatedAt: at})
				return err
			}, store.ErrReferenced},
			"an agent of no project": {func(ctx context.Context, tx *store.Tx) error {
				return tx.CreateAgents(ctx, []store.Agent{*newAgent(ghost)})
			}, store.ErrReferenced},
			"deleting no agent":    {func(ctx context.Context, tx *store.Tx) error { return tx.DeleteAgent(ctx, ghost) }, store.ErrNotFound},
			"deleting no setting":  {func(ctx context.Context, tx *store.Tx) error { return tx.DeleteSetting(ctx, ghost) }, store.ErrNotFound},
			"a password of nobody": {func(ctx context.Context, tx *store.Tx) error { return tx.SetPasswordHash(ctx, ghost, "x") }, store.ErrNotFound},
			"a number of no room":  {func(ctx context.Context, tx *store.Tx) error { _, err := tx.NextSeq(ctx, ghost, at); return err }, store.ErrNotFound},
			"locking no room":      {func(ctx context.Context, tx *store.Tx) error { _, err := tx.RoomForUpdate(ctx, ghost); return err }, store.ErrNotFound},
			"locking no session":   {func(ctx context.Context, tx *store.Tx) error { _, err := tx.SessionForUpdate(ctx, ghost); return err }, store.ErrNotFound},
			"locking no agents": {func(ctx context.Context, tx *store.Tx) error {
				_, err := tx.LockAgents(ctx, ghost, "teacher")
				return err
			}, store.ErrNotFound},
			"an agent out of no room": {func(ctx context.Context, tx *store.Tx) error { return tx.RemoveRoomAgent(ctx, w.room.ID, ghost) }, store.ErrNotFound},
		} {
			mustBe(t, name, w.try(rule.do), rule.want)
		}

		ctx := t.Context()
		for name, read := range map[string]func() error{
			"User":              func() error { _, err := db.User(ctx, ghost); return err },
			"UserByEmail":       func() error { _, err := db.UserByEmail(ctx, ghost); return err },
			"UserByLogin":       func() error { _, err := db.UserByLogin(ctx, ghost); return err },
			"Session":           func() error { _, err := db.Session(ctx, ghost); return err },
			"Course":            func() error { _, err := db.Course(ctx, ghost); return err },
			"Room":              func() error { _, err := db.Room(ctx, ghost); return err },
			"RoomAccess":        func() error { _, err := db.RoomAccess(ctx, ghost, w.pupil.ID); return err },
			"EventRange":        func() error { _, _, err := db.EventRange(ctx, ghost); return err },
			"MessageByClientID": func() error { _, err := db.MessageByClientID(ctx, w.room.ID, w.pupil.ID, ghost); return err },
			"Agent":             func() error { _, err := db.Agent(ctx, ghost); return err },
			"Turn":              func() error { _, err := db.Turn(ctx, ghost); return err },
			"RoomToLook":        func() error { _, _, err := db.RoomToDecide(ctx, ghost); return err },
			"WaitingTurn":       func() error { _, err := db.WaitingTurn(ctx, ghost); return err },
			"Organization":      func() error { _, err := db.Organization(ctx, ghost); return err },
			"Project":           func() error { _, err := db.Project(ctx, ghost); return err },
			"Setting":           func() error { _, err := db.Setting(ctx, ghost); return err },
		} {
			mustBe(t, name, read(), store.ErrNotFound)
		}
	})
}

// A NOT NULL or CHECK that fires is a fault of ours, none of the sentinels.
func TestFaultIsNoSentinel(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		r := newRoom(w.course.ID)
		r.AIMode = "sometimes"
		err := w.try(func(ctx context.Context, tx *store.Tx) error { return tx.CreateRoom(ctx, r) })
		if err == nil {
			t.Fatal("it went through")
		}
		for _, sentinel := range []error{store.ErrNotFound, store.ErrExists, store.ErrStale, store.ErrReferenced, store.ErrFull} {
			if errors.Is(err, sentinel) {
				t.Errorf("got %v", err)
			}
		}
	})
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, store.Options{URL: storetest.SQLite(t)})
	w := newWorld(t, db)
	if _, err := db.Writer().ExecContext(t.Context(), "PRAGMA max_page_count = 1"); err != nil {
		t.Fatal(err)
	}
	err := w.try(func(ctx context.Context, tx *store.Tx) error {
		return tx.SetSetting(ctx, "long", strings.Repeat("x", 1<<20))
	})
	mustBe(t, "a write without room", err, store.ErrFull)
	_, err = db.Room(t.Context(), w.room.ID)
	mustBe(t, "a read", err, nil)
}
