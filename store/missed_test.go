package store_test

import (
	"context"
	"maps"
	"slices"
	"testing"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// missed asks a watch and returns the seq of each room that has new events.
func missed(t *testing.T, w *store.Watch) map[string]int64 {
	t.Helper()
	m, err := w.Missed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rooms := map[string]int64{}
	for _, wake := range m.Rooms {
		if _, twice := rooms[wake.Room]; twice {
			t.Errorf("the room %s came twice", wake.Room)
		}
		rooms[wake.Room] = wake.Seq
	}
	return rooms
}

func TestMissed(t *testing.T) {
	t.Parallel()
	// open returns a world whose database has two rooms besides its own, and a watch that
	// has asked before.
	open := func(t *testing.T) (w *world, rooms []*store.Room, watch *store.Watch) {
		t.Helper()
		w = newWorld(t, storetest.Open(t, store.Options{URL: storetest.Postgres(t)}))
		rooms = []*store.Room{w.room, newRoom(w.course.ID), newRoom(w.course.ID)}
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			for _, r := range rooms[1:] {
				if err := tx.CreateRoom(ctx, r); err != nil {
					return err
				}
			}
			_, err := post(ctx, tx, w, store.Message{SenderID: w.pupil.ID, Content: "from before"})
			return err
		})
		watch = w.db.Watch()
		if got := missed(t, watch); len(got) > 0 {
			t.Errorf("the first time: got %v", got)
		}
		return w, rooms, watch
	}
	// say adds an event to a room.
	say := func(ctx context.Context, tx *store.Tx, r *store.Room, seq int64) error {
		return tx.CreateEvent(ctx, &store.Event{RoomID: r.ID, Seq: seq, ID: store.NewID(), Type: "closed", Body: "{}", CreatedAt: at})
	}
	holds := func(t *testing.T, watch *store.Watch, want map[string]int64) {
		t.Helper()
		if got := missed(t, watch); !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	t.Run("each commit once, rooms together", func(t *testing.T) {
		t.Parallel()
		w, rooms, watch := open(t)
		for seq := range int64(3) {
			w.tx(func(ctx context.Context, tx *store.Tx) error { return say(ctx, tx, rooms[1], 10+seq) })
		}
		w.tx(func(ctx context.Context, tx *store.Tx) error { return say(ctx, tx, rooms[2], 7) })
		holds(t, watch, map[string]int64{rooms[1].ID: 12, rooms[2].ID: 7})
		holds(t, watch, map[string]int64{})
	})
	t.Run("a commit that ends long after younger ones", func(t *testing.T) {
		t.Parallel()
		w, rooms, watch := open(t)
		written, commit, ended := make(chan struct{}), make(chan struct{}), make(chan error)
		go func() {
			ended <- w.db.InTx(context.WithoutCancel(t.Context()), func(tx *store.Tx) error {
				err := say(t.Context(), tx, rooms[1], 1)
				close(written)
				<-commit
				return err
			})
		}()
		<-written
		for seq := int64(1); seq <= 5; seq++ {
			w.tx(func(ctx context.Context, tx *store.Tx) error { return say(ctx, tx, rooms[2], seq) })
			holds(t, watch, map[string]int64{rooms[2].ID: seq})
			holds(t, watch, map[string]int64{})
		}
		close(commit)
		mustBe(t, "the old transaction", <-ended, nil)
		w.tx(func(ctx context.Context, tx *store.Tx) error { return say(ctx, tx, rooms[2], 6) })
		holds(t, watch, map[string]int64{rooms[1].ID: 1, rooms[2].ID: 6})
		holds(t, watch, map[string]int64{})
	})
	t.Run("a rollback is nothing new", func(t *testing.T) {
		t.Parallel()
		w, rooms, watch := open(t)
		mustBe(t, "the rollback", w.try(func(ctx context.Context, tx *store.Tx) error {
			return errorOf(say(ctx, tx, rooms[1], 1), context.Canceled)
		}), context.Canceled)
		holds(t, watch, map[string]int64{})
	})
	t.Run("rows that came from another server", func(t *testing.T) {
		t.Parallel()
		w, rooms, watch := open(t)
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			if err := say(ctx, tx, rooms[1], 1); err != nil {
				return err
			}
			_, err := tx.PG.Exec(ctx, "UPDATE events SET xid = '9000000000000' WHERE room_id = $1", rooms[1].ID)
			return err
		})
		holds(t, watch, map[string]int64{})
	})
	t.Run("what others commit is a change", func(t *testing.T) {
		t.Parallel()
		w, rooms, watch := open(t)
		before := w.db.Changes()
		if _, err := w.db.Pool().Exec(t.Context(), "UPDATE rooms SET name = 'other' WHERE id = $1", rooms[1].ID); err != nil {
			t.Fatal(err)
		}
		holds(t, watch, map[string]int64{})
		if w.db.Changes() == before {
			t.Error("the number of changes is the same")
		}
	})
	t.Run("queues with jobs that wait", func(t *testing.T) {
		t.Parallel()
		w, _, _ := open(t)
		watch := w.db.Watch("quick", "turns", "none")
		for queue, state := range map[string]string{"quick": "available", "turns": "completed"} {
			if _, err := w.db.Pool().Exec(t.Context(), `INSERT INTO river_job (state, args, kind, max_attempts, queue, priority, scheduled_at, finalized_at)
				VALUES ($1::text::river_job_state, '{}', 'x', 1, $2, 1, now(), CASE WHEN $1::text = 'completed' THEN now() END)`, state, queue); err != nil {
				t.Fatal(err)
			}
		}
		m, err := watch.Missed(t.Context())
		if err != nil || !slices.Equal(m.Queues, []string{"quick"}) {
			t.Errorf("got %v (%v), want quick", m, err)
		}
		// It may wait for a worker, so it is told again while nothing changes.
		if m, err = watch.Missed(t.Context()); err != nil || !slices.Equal(m.Queues, []string{"quick"}) {
			t.Errorf("again: got %v (%v), want quick", m, err)
		}
	})
}

// errorOf is err, or else another one.
func errorOf(err, other error) error {
	if err != nil {
		return err
	}
	return other
}
