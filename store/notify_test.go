package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// ear listens on Postgres' channels with a connection of its own.
type ear struct {
	*testing.T
	conn *pgx.Conn
}

func listen(t *testing.T, db *store.DB) *ear {
	t.Helper()
	conn, err := db.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	for _, channel := range []string{store.ChannelWake, store.ChannelQueues, store.ChannelSignal} {
		if _, err := conn.Exec(t.Context(), "LISTEN "+channel); err != nil {
			t.Fatal(err)
		}
	}
	return &ear{t, conn}
}

func (e *ear) next() (channel, payload string) {
	e.Helper()
	ctx, cancel := context.WithTimeout(e.Context(), 10*time.Second)
	defer cancel()
	n, err := e.conn.WaitForNotification(ctx)
	if err != nil {
		e.Fatal(err)
	}
	return n.Channel, n.Payload
}

func TestNotify(t *testing.T) {
	t.Parallel()
	t.Run("delivers after the commit, never after a rollback", func(t *testing.T) {
		t.Parallel()
		db := storetest.Open(t, store.Options{URL: storetest.Postgres(t), Node: "me"})
		w, e := newWorld(t, db), listen(t, db)
		errNo := errors.New("no")
		mustBe(t, "the rollback", w.try(func(ctx context.Context, tx *store.Tx) error {
			if _, err := post(ctx, tx, w, store.Message{SenderID: w.pupil.ID, Content: "lost"}); err != nil {
				return err
			}
			return errNo
		}), errNo)
		before := func() {
			if err := db.SendSignal(t.Context(), []byte("before the commit")); err != nil {
				t.Error(err)
			}
		}
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			for range 2 {
				if _, err := post(ctx, tx, w, store.Message{SenderID: w.pupil.ID, Content: "kept"}); err != nil {
					return err
				}
			}
			before()
			return nil
		})
		if _, got := e.next(); got != "before the commit" {
			t.Errorf("first came %q", got)
		}
		// The two events of one commit are one wake.
		channel, got := e.next()
		if want := fmt.Sprintf("me %s:2", w.room.ID); channel != store.ChannelWake || got != want {
			t.Errorf("got %q on %s, want %q on %s", got, channel, want, store.ChannelWake)
		}
	})
	t.Run("splits what is too long for one payload", func(t *testing.T) {
		t.Parallel()
		db := storetest.Open(t, store.Options{URL: storetest.Postgres(t), Node: "me"})
		other := storetest.Open(t, store.Options{URL: storetest.SQLite(t), Node: "you"})
		w, e := newWorld(t, db), listen(t, db)
		want := map[string]int64{}
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			for range 400 {
				r := newRoom(w.course.ID)
				want[r.ID] = 1
				if err := tx.CreateRoom(ctx, r); err != nil {
					return err
				}
				if err := tx.CreateEvent(ctx, &store.Event{RoomID: r.ID, Seq: 1, ID: store.NewID(), Type: "closed", Body: "{}", CreatedAt: at}); err != nil {
					return err
				}
			}
			return nil
		})
		for len(want) > 0 {
			_, payload := e.next()
			if len(payload) > 7999 {
				t.Fatalf("a payload of %d bytes", len(payload))
			}
			for _, wake := range other.ParseWake(payload) {
				if want[wake.Room] != wake.Seq {
					t.Fatalf("woke %v", wake)
				}
				delete(want, wake.Room)
			}
		}
	})
	t.Run("a signal arrives as it was sent", func(t *testing.T) {
		t.Parallel()
		db := storetest.Open(t, store.Options{URL: storetest.Postgres(t)})
		e := listen(t, db)
		for _, want := range []string{`{"text":"it's \\ $1 ? 學生 🙂"}`, strings.Repeat("x", 7999)} {
			mustBe(t, "SendSignal", db.SendSignal(t.Context(), []byte(want)), nil)
			if channel, got := e.next(); channel != store.ChannelSignal || got != want {
				t.Errorf("got %q on %s, want %q", got, channel, want)
			}
		}
		if err := db.SendSignal(t.Context(), make([]byte, 8000)); err == nil {
			t.Error("8,000 bytes were taken")
		}
	})
	t.Run("on SQLite there is nobody to tell", func(t *testing.T) {
		t.Parallel()
		db := storetest.Open(t, store.Options{URL: storetest.SQLite(t)})
		mustBe(t, "SendSignal", db.SendSignal(t.Context(), []byte("x")), nil)
	})
}

func TestParseWake(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, store.Options{URL: storetest.SQLite(t), Node: "me"})
	for payload, want := range map[string][]store.Wake{
		"":                   nil,
		"me a:1":             nil,
		"you":                {},
		"you a:1 b:22":       {{Room: "a", Seq: 1}, {Room: "b", Seq: 22}},
		"you a:x b c: d:4 :": {{Room: "d", Seq: 4}},
	} {
		if got := db.ParseWake(payload); !slices.Equal(got, want) {
			t.Errorf("%q: got %v, want %v", payload, got, want)
		}
	}
	if _, err := fmt.Sscanf(store.NewID(), "%8x-", new(uint32)); err != nil {
		t.Errorf("a node name with a space would break the payload: %v", err)
	}
}
