package store_test

import (
	"testing"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// Statements that stay prepared with a connection see later rows and outlive a
// change of the tables they read.
func TestPreparedStatementsStayRight(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		s := newSession(w.pupil.ID)
		w.open(s)
		ask := func() {
			t.Helper()
			for range 2 * 8 { // more often than there are reading connections
				got, err := db.Session(t.Context(), s.ID)
				mustBe(t, "the error", err, nil)
				if got.User.ID != w.pupil.ID {
					t.Fatalf("got the session of %s, want %s", got.User.ID, w.pupil.ID)
				}
				acc, err := db.RoomAccess(t.Context(), w.room.ID, w.pupil.ID)
				mustBe(t, "the error", err, nil)
				if acc.Room.ID != w.room.ID || acc.Room.Name != w.room.Name {
					t.Fatalf("got room %+v, want %+v", acc.Room, w.room)
				}
				_, err = db.Session(t.Context(), "nobody's")
				mustBe(t, "the error without a row", err, store.ErrNotFound)
			}
		}
		ask()
		for _, change := range []string{"ALTER TABLE rooms ADD COLUMN later TEXT", "ALTER TABLE sessions ADD COLUMN later TEXT"} {
			if _, err := raw(t, db).ExecContext(t.Context(), change); err != nil {
				t.Fatal(err)
			}
		}
		ask()
	})
}
