package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// race runs fn n times at once, each in its own transaction, and counts those
// that did not come too late.
func (w *world) race(n int, fn func(ctx context.Context, tx *store.Tx, i int) error) (won int) {
	w.Helper()
	var wg sync.WaitGroup
	var wins atomic.Int32
	for i := range n {
		wg.Go(func() {
			err := w.try(func(ctx context.Context, tx *store.Tx) error { return fn(ctx, tx, i) })
			switch {
			case err == nil:
				wins.Add(1)
			case !errors.Is(err, store.ErrStale) && !errors.Is(err, store.ErrExists):
				w.Error(err)
			}
		})
	}
	wg.Wait()
	return int(wins.Load())
}

func TestOneLiveTurnPerRoom(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		won := w.race(20, func(ctx context.Context, tx *store.Tx, i int) error {
			return tx.CreateTurns(ctx, []store.Turn{newTurn(w, int64(i+1), []string{store.TurnQueued, store.TurnRunning}[i%2])})
		})
		if won != 1 {
			t.Errorf("got %d live turns, want 1", won)
		}
		var waiting []store.Turn
		for i := range 5 {
			waiting = append(waiting, newTurn(w, int64(100+i), store.TurnWaiting))
		}
		w.tx(func(ctx context.Context, tx *store.Tx) error { return tx.CreateTurns(ctx, waiting) })
		err := w.try(func(ctx context.Context, tx *store.Tx) error { return tx.QueueTurn(ctx, waiting[0].ID, at) })
		mustBe(t, "queueing beside a live turn", err, store.ErrExists)

		turns, err := db.Turns(t.Context(), w.room.ID, store.Page{})
		if err != nil {
			t.Fatal(err)
		}
		live := turns[slices.IndexFunc(turns, func(t store.Turn) bool { return t.State != store.TurnWaiting })]
		live.State = store.TurnFinished
		w.tx(func(ctx context.Context, tx *store.Tx) error { return tx.EndTurn(ctx, &live, at) })
		won = w.race(5, func(ctx context.Context, tx *store.Tx, i int) error { return tx.QueueTurn(ctx, waiting[i].ID, at) })
		if won != 1 {
			t.Errorf("got %d queued turns, want 1", won)
		}
	})
}

// Each step of a turn is done once, by one of all who try it at once.
func TestTurnFences(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		turn := newTurn(w, 1, store.TurnWaiting)
		w.tx(func(ctx context.Context, tx *store.Tx) error { return tx.CreateTurns(ctx, []store.Turn{turn}) })
		lease := at.Add(time.Minute)
		once := func(what string, fn func(ctx context.Context, tx *store.Tx, i int) error) {
			t.Helper()
			if won := w.race(20, fn); won != 1 {
				t.Errorf("%s: %d of 20 won, want 1", what, won)
			}
		}
		never := func(what string, fn func(context.Context, *store.Tx) error) {
			t.Helper()
			mustBe(t, what, w.try(fn), store.ErrStale)
		}
		now := func(want store.Turn) {
			t.Helper()
			got, err := db.Turn(t.Context(), turn.ID)
			if err != nil {
				t.Fatal(err)
			}
			if g, w := fmt.Sprint(got.State, got.Attempt, got.Reason, got.LeaseUntil, got.StartedAt), fmt.Sprint(want.State, want.Attempt, want.Reason, want.LeaseUntil, want.StartedAt); g != w {
				t.Errorf("got %s, want %s", g, w)
			}
		}

		claim := func(attempt int) func(context.Context, *store.Tx) error {
			return func(ctx context.Context, tx *store.Tx) error {
				_, err := tx.ClaimTurn(ctx, turn.ID, attempt, "n", at, lease)
				return err
			}
		}
		never("claiming what waits", claim(1))
		never("holding what waits", func(ctx context.Context, tx *store.Tx) error { return tx.RenewTurnLease(ctx, turn.ID, 1, lease) })
		never("retrying what waits", func(ctx context.Context, tx *store.Tx) error { return tx.RetryTurn(ctx, turn.ID, 1, lease, "r", "d") })
		once("QueueTurn", func(ctx context.Context, tx *store.Tx, _ int) error { return tx.QueueTurn(ctx, turn.ID, lease) })
		never("claiming a later attempt", claim(2))
		var winner atomic.Value
		once("ClaimTurn", func(ctx context.Context, tx *store.Tx, i int) error {
			_, err := tx.ClaimTurn(ctx, turn.ID, 1, fmt.Sprint(i), at, lease)
			if err == nil {
				tx.AfterCommit(func() { winner.Store(fmt.Sprint(i)) })
			}
			return err
		})
		if got, err := db.Turn(t.Context(), turn.ID); err != nil || got.Node != winner.Load() {
			t.Errorf("node: got %+v (%v), want %v", got, err, winner.Load())
		}
		now(store.Turn{State: store.TurnRunning, Attempt: 1, LeaseUntil: lease, StartedAt: at})
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			return tx.RenewTurnLease(ctx, turn.ID, 1, lease.Add(time.Minute))
		})
		never("holding another attempt", func(ctx context.Context, tx *store.Tx) error { return tx.RenewTurnLease(ctx, turn.ID, 2, lease) })
		once("RetryTurn", func(ctx context.Context, tx *store.Tx, _ int) error {
			return tx.RetryTurn(ctx, turn.ID, 1, lease, "lost", "d")
		})
		now(store.Turn{State: store.TurnQueued, Attempt: 2, Reason: "lost", LeaseUntil: lease, StartedAt: at})

		// The first worker is back from a pause: nothing is its own any more.
		never("a lost worker's hold", func(ctx context.Context, tx *store.Tx) error { return tx.RenewTurnLease(ctx, turn.ID, 1, lease) })
		never("a lost worker's end", func(ctx context.Context, tx *store.Tx) error {
			return tx.EndTurn(ctx, &store.Turn{ID: turn.ID, Attempt: 1, State: store.TurnFinished}, at)
		})
		never("a lost worker's retry", func(ctx context.Context, tx *store.Tx) error { return tx.RetryTurn(ctx, turn.ID, 1, lease, "r", "d") })
		never("requeueing what is not overdue", func(ctx context.Context, tx *store.Tx) error {
			return tx.RequeueTurn(ctx, turn.ID, 2, lease, lease.Add(time.Minute))
		})
		lease = lease.Add(time.Minute)
		once("RequeueTurn", func(ctx context.Context, tx *store.Tx, _ int) error {
			return tx.RequeueTurn(ctx, turn.ID, 2, lease.Add(-time.Second), lease)
		})
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.ClaimTurn(ctx, turn.ID, 2, "n", at.Add(time.Hour), lease)
			return err
		})
		now(store.Turn{State: store.TurnRunning, Attempt: 2, Reason: "lost", LeaseUntil: lease, StartedAt: at})
		never("requeueing what runs", func(ctx context.Context, tx *store.Tx) error {
			return tx.RequeueTurn(ctx, turn.ID, 2, lease.Add(time.Hour), lease)
		})
		once("EndTurn", func(ctx context.Context, tx *store.Tx, _ int) error {
			return tx.EndTurn(ctx, &store.Turn{ID: turn.ID, Attempt: 2, State: store.TurnFinished, PromptTokens: 7, CompletionTokens: 3}, at)
		})
		now(store.Turn{State: store.TurnFinished, Attempt: 2, StartedAt: at})
		never("retrying what has ended", func(ctx context.Context, tx *store.Tx) error { return tx.RetryTurn(ctx, turn.ID, 2, lease, "r", "d") })
		if got, err := db.Turn(t.Context(), turn.ID); err != nil || got.PromptTokens != 7 || got.CompletionTokens != 3 || !got.EndedAt.Equal(at) {
			t.Errorf("the end: got %+v (%v)", got, err)
		}
		if _, turns, err := db.RoomToDecide(t.Context(), w.room.ID); err != nil || turns != (store.RoomTurns{}) {
			t.Errorf("the room at the end: got %+v (%v), want no turn", turns, err)
		}
	})
}

func TestWaitingTurns(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		second := newAgent(w.project.ID)
		a, b, c := newTurn(w, 2, store.TurnWaiting), newTurn(w, 1, store.TurnWaiting), newTurn(w, 1, store.TurnWaiting)
		b.Position, c.AgentID = 1, second.ID
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			return errors.Join(tx.CreateAgents(ctx, []store.Agent{*second}), tx.CreateTurns(ctx, []store.Turn{a, b, c}))
		})
		for _, want := range []store.Turn{c, b, a} {
			got, err := db.WaitingTurn(t.Context(), w.room.ID)
			if err != nil || got.ID != want.ID {
				t.Fatalf("next in line: got %+v (%v), want %+v", got, err, want)
			}
			if want.ID == a.ID {
				break
			}
			want.State = store.TurnStopped
			w.tx(func(ctx context.Context, tx *store.Tx) error { return tx.EndTurn(ctx, &want, at) })
		}
		turns, err := db.Turns(t.Context(), w.room.ID, store.Page{Limit: 2})
		if err != nil || len(turns) != 2 {
			t.Errorf("Turns: got %d (%v), want 2", len(turns), err)
		}
	})
}

func TestOverdue(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		rooms := []*store.Room{newRoom(w.course.ID), newRoom(w.course.ID), newRoom(w.course.ID)}
		turns := make([]store.Turn, len(rooms))
		w.tx(func(ctx context.Context, tx *store.Tx) (err error) {
			for i, r := range rooms {
				due := at.Add(time.Duration(len(rooms)-i) * time.Second)
				err = errors.Join(err, tx.CreateRoom(ctx, r))
				_, serr := tx.NextSeq(ctx, r.ID, due)
				turns[i] = newTurn(w, 1, []string{store.TurnQueued, store.TurnRunning, store.TurnFinished}[i])
				turns[i].RoomID, turns[i].LeaseUntil = r.ID, due
				err = errors.Join(err, serr)
			}
			return errors.Join(err, tx.CreateTurns(ctx, turns))
		})
		next := func(want time.Time, wantWaiting bool) {
			t.Helper()
			if got, waiting, err := db.NextOverdue(t.Context()); !got.Equal(want) || waiting != wantWaiting || err != nil {
				t.Errorf("next: got %v, %v (%v), want %v, %v", got, waiting, err, want, wantWaiting)
			}
		}
		next(at.Add(time.Second), false)
		w.say("hello")
		storetest.Exec(t, db, "UPDATE messages SET reactions_due = ? WHERE room_id = ?", true, w.room.ID)
		next(at.Add(time.Second), true)
		storetest.Exec(t, db, "UPDATE messages SET reactions_due = ? WHERE room_id = ?", false, w.room.ID)
		next(at.Add(time.Second), false)
		for _, rule := range []struct {
			after, limit        int
			wantRooms, wantTurn []int
		}{
			{0, 10, nil, nil}, {1, 10, nil, nil}, {2, 10, []int{2}, nil}, {3, 10, []int{2, 1}, []int{1}},
			{4, 10, []int{2, 1, 0}, []int{1, 0}}, {4, 1, []int{2}, []int{1}},
		} {
			now := at.Add(time.Duration(rule.after) * time.Second)
			ids, err := db.OverdueRooms(t.Context(), now, rule.limit)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, i := range rule.wantRooms {
				want = append(want, rooms[i].ID)
			}
			if !slices.Equal(ids, want) {
				t.Errorf("rooms after %d s: got %v, want %v", rule.after, ids, want)
			}
			overdue, err := db.OverdueTurns(t.Context(), now, rule.limit)
			if err != nil {
				t.Fatal(err)
			}
			ids, want = nil, nil
			for _, turn := range overdue {
				ids = append(ids, turn.ID)
			}
			for _, i := range rule.wantTurn {
				want = append(want, turns[i].ID)
			}
			if !slices.Equal(ids, want) {
				t.Errorf("turns after %d s: got %v, want %v", rule.after, ids, want)
			}
		}
		later := at.Add(time.Hour)
		won := w.race(10, func(ctx context.Context, tx *store.Tx, _ int) error {
			return tx.PostponeDecision(ctx, rooms[0].ID, at.Add(time.Minute), later)
		})
		if r, err := db.Room(t.Context(), rooms[0].ID); won != 1 || err != nil || !r.DecideAt.Equal(later) {
			t.Errorf("PostponeLook: %d of 10 won, the room is due %v (%v)", won, r.DecideAt, err)
		}
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			return errors.Join(tx.DeleteRoom(ctx, rooms[2].ID), tx.DeleteRoom(ctx, rooms[1].ID), tx.CreateTurns(ctx, []store.Turn{newTurn(w, 5, store.TurnWaiting)}))
		})
		next(at.Add(3*time.Second), true)
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			return tx.CreateCopy(ctx, &store.CourseCopy{ID: store.NewID(), CourseID: w.course.ID, CreatedBy: w.owner.ID, Title: "Copy", Parts: "{}",
				State: store.CopyRunning, Attempt: 1, LeaseUntil: at.Add(2 * time.Second), CreatedAt: at}, 1)
		})
		next(at.Add(2*time.Second), true)
	})
}

func TestSetLooked(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for name, rule := range map[string]struct {
			from, seq int64
			want      error
			looked    int64
			due       bool
		}{
			"up to the newest line nothing is due":     {0, 3, nil, 3, false},
			"below the newest line the room stays due": {0, 2, nil, 2, true},
			"another look was first":                   {1, 3, store.ErrStale, 0, true},
		} {
			w := newWorld(t, db)
			w.setLog(3, 0)
			err := w.try(func(ctx context.Context, tx *store.Tx) error {
				left, err := tx.SetDecided(ctx, w.room.ID, rule.from, rule.seq)
				if err == nil && left != rule.due {
					t.Errorf("%s: left %v", name, left)
				}
				return err
			})
			mustBe(t, name, err, rule.want)
			w.wantLook(name, rule.looked, rule.due, at)
		}
		w := newWorld(t, db)
		w.setLog(3, 0)
		if won := w.race(10, func(ctx context.Context, tx *store.Tx, _ int) error {
			_, err := tx.SetDecided(ctx, w.room.ID, 0, 3)
			return err
		}); won != 1 {
			t.Errorf("%d of 10 looks won, want 1", won)
		}
	})
}

func TestMarkRead(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for _, rule := range []struct {
			name              string
			head, looked      int64
			read, own, marked int64
			due               bool
		}{
			{"all read, no own line", 3, 1, 3, 0, 3, false},
			{"all read, its own line after them", 4, 1, 3, 4, 4, false},
			{"all read, its own line calls others", 4, 1, 3, 0, 3, true},
			{"a line came while it spoke", 5, 1, 3, 5, 3, true},
			{"a line came, which a look has decided about", 5, 4, 3, 5, 5, false},
			{"a line came after its own", 5, 1, 3, 4, 4, true},
			{"a look was further", 5, 4, 3, 0, 4, true},
			{"a look was at the newest line", 5, 5, 3, 0, 5, false},
			{"a look was beyond its own line", 5, 5, 3, 4, 5, false},
			{"nothing read", 2, 0, 0, 0, 0, true},
			{"its own line is the first", 1, 0, 0, 1, 1, false},
			{"an empty room", 0, 0, 0, 0, 0, false},
		} {
			w := newWorld(t, db)
			w.setLog(rule.head, rule.looked)
			later := at.Add(time.Minute)
			var due bool
			w.tx(func(ctx context.Context, tx *store.Tx) (err error) {
				room, err := tx.MarkRead(ctx, w.room.ID, rule.read, rule.own, later)
				due = room.Undecided()
				return err
			})
			if due != rule.due {
				t.Errorf("%s: due %v, want %v", rule.name, due, rule.due)
			}
			w.wantLook(rule.name, rule.marked, rule.due, later)
		}
		w := newWorld(t, db)
		err := w.try(func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.MarkRead(ctx, store.NewID(), 0, 0, at)
			return err
		})
		mustBe(t, "no room", err, store.ErrNotFound)
	})
}

// setLog gives the room a log of so many lines, due for a look at the time at.
func (w *world) setLog(head, looked int64) {
	w.Helper()
	w.tx(func(ctx context.Context, tx *store.Tx) (err error) {
		for range head {
			_, serr := tx.NextSeq(ctx, w.room.ID, at)
			err = errors.Join(err, serr)
		}
		if looked > 0 {
			_, serr := tx.SetDecided(ctx, w.room.ID, 0, looked)
			err = errors.Join(err, serr)
		}
		return err
	})
}

func (w *world) wantLook(name string, looked int64, due bool, when time.Time) {
	w.Helper()
	r, err := w.db.Room(w.Context(), w.room.ID)
	if err != nil {
		w.Fatal(err)
	}
	if r.DecidedSeq != looked || r.DecideAt.IsZero() == due || due && !r.DecideAt.Equal(when) {
		w.Errorf("%s: looked up to %d and due at %v; want %d and due %v at %v", name, r.DecidedSeq, r.DecideAt, looked, due, when)
	}
}
