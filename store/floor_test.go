package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// One live turn of a room has the floor, whoever tries at once, and each agent has one
// live turn there.
func TestFloor(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		agents := []store.Agent{*newAgent(w.project.ID), *newAgent(w.project.ID), *newAgent(w.project.ID)}
		live := make([]store.Turn, len(agents))
		for i := range agents {
			live[i] = newTurn(w, 1, store.TurnRunning)
			live[i].AgentID, live[i].Aside = agents[i].ID, true
		}
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			return errors.Join(tx.CreateAgents(ctx, agents), tx.CreateTurns(ctx, live))
		})
		is := func(what string, want store.RoomTurns) {
			t.Helper()
			_, got, err := db.RoomToDecide(t.Context(), w.room.ID)
			aside, asideErr := db.AllAside(t.Context(), w.room.ID)
			if err != nil || asideErr != nil || got != want || aside != (got.Live && !got.Speaking) {
				t.Errorf("%s: got %+v, all aside %v (%v, %v), want %+v", what, got, aside, err, asideErr, want)
			}
		}
		take := func(i int) func(context.Context, *store.Tx) error {
			return func(ctx context.Context, tx *store.Tx) error {
				if _, err := tx.RoomForUpdate(ctx, w.room.ID); err != nil {
					return err
				}
				return tx.TakeFloor(ctx, live[i].ID, 1)
			}
		}
		is("all aside", store.RoomTurns{Live: true})
		if won := w.race(30, func(ctx context.Context, tx *store.Tx, i int) error { return take(i%3)(ctx, tx) }); won != 1 {
			t.Fatalf("%d have the floor, want 1", won)
		}
		is("one speaks", store.RoomTurns{Live: true, Speaking: true})
		speaker := 0
		for i := range live {
			if turn, err := db.Turn(t.Context(), live[i].ID); err != nil || !turn.Aside {
				speaker = i
			}
		}
		other := (speaker + 1) % 3
		again := newTurn(w, 2, store.TurnQueued)
		again.AgentID, again.Aside = live[other].AgentID, true
		mustBe(t, "a second live turn of an agent", w.try(func(ctx context.Context, tx *store.Tx) error { return tx.CreateTurns(ctx, []store.Turn{again}) }), store.ErrExists)
		mustBe(t, "a second speaker", w.try(func(ctx context.Context, tx *store.Tx) error {
			return tx.CreateTurns(ctx, []store.Turn{newTurn(w, 2, store.TurnQueued)})
		}), store.ErrExists)
		leave := func(attempt int) func(context.Context, *store.Tx) error {
			return func(ctx context.Context, tx *store.Tx) error { return tx.LeaveFloor(ctx, live[speaker].ID, attempt) }
		}
		mustBe(t, "another attempt leaves the floor", w.try(leave(2)), store.ErrStale)
		w.tx(leave(1))
		w.tx(take(other))
		mustBe(t, "taking what somebody has", w.try(take(speaker)), store.ErrStale)
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			return tx.PutBackTurn(ctx, live[speaker].ID, 1, "floor", "it waits")
		})
		got, err := db.Turn(t.Context(), live[speaker].ID)
		if err != nil || got.State != store.TurnWaiting || got.Attempt != 2 || got.Resumed != 1 || got.Reason != "floor" || !got.LeaseUntil.IsZero() {
			t.Errorf("put back: got %+v (%v)", got, err)
		}
		is("one waits", store.RoomTurns{Live: true, Speaking: true, Waiting: true})
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			return tx.AskToStop(ctx, live[other].ID, w.pupil.ID, at)
		})
		mustBe(t, "putting back what is to stop", w.try(func(ctx context.Context, tx *store.Tx) error { return tx.PutBackTurn(ctx, live[other].ID, 1, "", "") }), store.ErrStale)
	})
}

// Which waiting turn may begin, by what is live in its room.
func TestWhoMayBegin(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		second := newAgent(w.project.ID)
		w.tx(func(ctx context.Context, tx *store.Tx) error { return tx.CreateAgents(ctx, []store.Agent{*second}) })
		const none, speaks, aside, own = "nobody", "somebody has the floor", "somebody is aside", "its agent is aside"
		for _, c := range []struct {
			cause   string
			resumed int
			may     []string
		}{
			{"post", 0, []string{none, aside}}, {"wake", 0, []string{none, aside}}, {"agent_lines", 0, []string{none}},
			{"silence", 0, []string{none}}, {"", 0, []string{none}}, {"agent_lines", 1, []string{none, aside}},
		} {
			for _, live := range []string{none, speaks, aside, own} {
				room := newRoom(w.course.ID)
				waiting, other := newTurn(w, 2, store.TurnWaiting), newTurn(w, 1, store.TurnRunning)
				waiting.RoomID, waiting.Cause, waiting.Resumed = room.ID, c.cause, c.resumed
				other.RoomID, other.Aside = room.ID, live != speaks
				if live != own {
					other.AgentID = second.ID
				}
				turns := []store.Turn{waiting, other}
				if live == none {
					turns = turns[:1]
				}
				w.tx(func(ctx context.Context, tx *store.Tx) error {
					return errors.Join(tx.CreateRoom(ctx, room), tx.CreateTurns(ctx, turns))
				})
				want := false
				for _, may := range c.may {
					want = want || may == live
				}
				_, err := db.WaitingTurn(t.Context(), room.ID, "post", "wake")
				stranded, strandedErr := db.StrandedRooms(t.Context(), 100, "post", "wake")
				found := false
				for _, id := range stranded {
					found = found || id == room.ID
				}
				if strandedErr != nil || found != want || (err == nil) != want || err != nil && !errors.Is(err, store.ErrNotFound) {
					t.Errorf("%q, begun %d times, while %s: got %v, stranded %v (%v), want %v", c.cause, c.resumed, live, err, found, strandedErr, want)
				}
			}
		}
	})
}

// What an agent has read in one turn needs no other.
func TestEndRead(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		turn := func(seq int64, tune func(*store.Turn)) store.Turn {
			x := newTurn(w, seq, store.TurnWaiting)
			x.Cause = "post"
			tune(&x)
			return x
		}
		same := func(*store.Turn) {}
		read, newer := turn(5, same), turn(6, same)
		begun, agents := turn(4, func(x *store.Turn) { x.Resumed = 1 }), turn(3, func(x *store.Turn) { x.Cause = "agent_lines" })
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			return errors.Join(tx.CreateTurns(ctx, []store.Turn{read, newer, begun, agents}), tx.EndRead(ctx, w.room.ID, w.agent.ID, "post", 5, "was_read", "why", at))
		})
		for _, x := range []store.Turn{read, newer, begun, agents} {
			got, err := db.Turn(t.Context(), x.ID)
			if err != nil || (got.State == store.TurnStopped) != (x.ID == read.ID) || x.ID == read.ID && (got.Reason != "was_read" || got.EndedAt.Before(at.Add(-time.Second))) {
				t.Errorf("the turn about %d: got %+v (%v)", x.TriggerSeq, got, err)
			}
		}
	})
}
