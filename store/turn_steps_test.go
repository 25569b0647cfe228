package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func newStep(turn store.Turn, n int, state string) store.TurnStep {
	return store.TurnStep{ID: store.NewID(), TurnID: turn.ID, N: n, Kind: store.StepTool, Name: "manage_artifact", State: state,
		Input: `{"b":1,"a":2}`, Attempt: turn.Attempt, StartedAt: at}
}

func TestTurnSteps(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		turn := newTurn(w, 1, store.TurnQueued)
		w.tx(func(ctx context.Context, tx *store.Tx) error { return tx.CreateTurns(ctx, []store.Turn{turn}) })
		save := func(steps ...store.TurnStep) func(context.Context, *store.Tx) error {
			return func(ctx context.Context, tx *store.Tx) error { return tx.SaveSteps(ctx, steps) }
		}
		second, first := newStep(turn, 2, store.StepPending), newStep(turn, 1, store.StepDone)
		w.tx(save(second, first))
		w.tx(save())
		got, err := db.TurnSteps(t.Context(), turn.ID)
		if err != nil || len(got) != 2 || got[0].ID != first.ID || got[0].Input != first.Input || got[1].State != store.StepPending {
			t.Errorf("steps: got %+v (%v), want both in their order", got, err)
		}
		mustBe(t, "a number twice", w.try(save(newStep(turn, 2, store.StepDone))), store.ErrExists)

		second.State, second.Output, second.EndedAt, second.DecidedBy = store.StepApproved, `{"x":1}`, at.Add(time.Minute), w.owner.ID
		won := w.race(10, func(ctx context.Context, tx *store.Tx, _ int) error {
			s := second
			return tx.EndStep(ctx, &s, store.StepPending)
		})
		if won != 1 {
			t.Errorf("EndStep: %d of 10 won, want 1", won)
		}
		if got, err = db.TurnSteps(t.Context(), turn.ID); err != nil || got[1].State != store.StepApproved || got[1].DecidedBy != w.owner.ID || got[1].Output != second.Output {
			t.Errorf("after the decision: got %+v (%v)", got[1], err)
		}
		w.tx(func(ctx context.Context, tx *store.Tx) error { return tx.DeleteUser(ctx, w.pupil.ID) })
		w.tx(func(ctx context.Context, tx *store.Tx) error { return tx.DeleteAgent(ctx, w.agent.ID) })
		if got, err = db.TurnSteps(t.Context(), turn.ID); err != nil || len(got) != 0 {
			t.Errorf("steps of a turn that is gone: got %+v (%v)", got, err)
		}
	})
}

// A parked turn is not live: the room goes on, until it is put back in line.
func TestParkedTurn(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		turn, other := newTurn(w, 1, store.TurnQueued), newTurn(w, 2, store.TurnQueued)
		lease := at.Add(time.Minute)
		park := func(attempt int) func(context.Context, *store.Tx) error {
			return func(ctx context.Context, tx *store.Tx) error {
				return tx.ParkTurn(ctx, turn.ID, attempt, "approval", "wait")
			}
		}
		unpark := func(ctx context.Context, tx *store.Tx, _ int) error { return tx.UnparkTurn(ctx, turn.ID) }
		w.tx(func(ctx context.Context, tx *store.Tx) error { return tx.CreateTurns(ctx, []store.Turn{turn}) })
		mustBe(t, "parking what is queued", w.try(park(1)), store.ErrStale)
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.ClaimTurn(ctx, turn.ID, 1, "n", at, lease)
			return err
		})
		mustBe(t, "parking another attempt", w.try(park(2)), store.ErrStale)
		w.tx(park(1))
		if got, err := db.Turn(t.Context(), turn.ID); err != nil || got.State != store.TurnParked || got.Node != "" || !got.LeaseUntil.IsZero() || got.Reason != "approval" {
			t.Errorf("parked: got %+v (%v)", got, err)
		}
		w.tx(func(ctx context.Context, tx *store.Tx) error { return tx.CreateTurns(ctx, []store.Turn{other}) })
		if _, turns, err := db.RoomToDecide(t.Context(), w.room.ID); err != nil || turns != (store.RoomTurns{Live: true, Speaking: true}) {
			t.Errorf("got %+v (%v), want the other turn alone", turns, err)
		}
		if won := w.race(10, unpark); won != 1 {
			t.Errorf("UnparkTurn: %d of 10 won, want 1", won)
		}
		got, err := db.Turn(t.Context(), turn.ID)
		if err != nil || got.State != store.TurnWaiting || got.Attempt != 2 || got.Resumed != 1 || !got.StartedAt.IsZero() || got.Reason != "" {
			t.Errorf("back in line: got %+v (%v)", got, err)
		}
		end := *got
		end.State = store.TurnStopped
		w.tx(func(ctx context.Context, tx *store.Tx) error { return tx.EndTurn(ctx, &end, at) })
	})
}
