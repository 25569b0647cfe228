package app

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// The decisions that staff can make, as the API names them.
const (
	DecisionApprove = "approve"
	DecisionReject  = "reject"
)

// maxNote is the longest note to a decision.
const maxNote = 1000

// Approval is a step that waits for a person, with its turn.
type Approval struct {
	Step      store.TurnStep
	Turn      store.Turn
	AgentName string
	Summary   string
	Call      json.RawMessage // the arguments of a tool
}

func approvalOf(row *store.RoomStep) Approval {
	var in turn.ToolInput
	if json.Unmarshal([]byte(row.Input), &in) != nil {
		in.Arguments = nil
	}
	return Approval{Step: row.TurnStep, Turn: row.Turn, AgentName: row.AgentName, Summary: turn.SummaryOf(&row.TurnStep), Call: in.Arguments}
}

// Approvals lists for a room's staff the steps that wait for a person, the oldest
// first.
func (a *App) Approvals(ctx context.Context, actor *Actor, roomID string, p store.Page) (*store.Listing[Approval], error) {
	if _, _, err := a.roomAccess(ctx, actor, roomID, ActReadApprovals); err != nil {
		return nil, err
	}
	return a.pendingApprovals(ctx, roomID, p)
}

// MyApproval is an approval with its room.
type MyApproval struct {
	Approval
	Room store.Room
}

// MyApprovals lists the steps that wait for a person in all rooms of the courses that the
// actor runs, the oldest first.
func (a *App) MyApprovals(ctx context.Context, actor *Actor, p store.Page) (*store.Listing[MyApproval], error) {
	if err := Check(actor, ActListMyApprovals, Resource{}); err != nil {
		return nil, err
	}
	rows, err := a.db.MyPendingSteps(ctx, actor.User.ID, p)
	if err != nil {
		return nil, err
	}
	return store.Map(rows, func(ctx context.Context, rows []store.RoomStep) ([]MyApproval, error) {
		ids := make([]string, len(rows))
		for i := range rows {
			ids[i] = rows[i].Turn.RoomID
		}
		rooms, err := a.db.RoomsByID(ctx, ids)
		if err != nil {
			return nil, err
		}
		out := make([]MyApproval, 0, len(rows))
		for i := range rows {
			if room := rooms[rows[i].Turn.RoomID]; room != nil { // else it has just gone
				out = append(out, MyApproval{approvalOf(&rows[i]), *room})
			}
		}
		return out, nil
	}), nil
}

// pendingApprovals lists the steps that wait for a person in a room.
func (a *App) pendingApprovals(ctx context.Context, roomID string, p store.Page) (*store.Listing[Approval], error) {
	rows, err := a.db.PendingSteps(ctx, roomID, p)
	if err != nil {
		return nil, err
	}
	return store.Map(rows, func(_ context.Context, rows []store.RoomStep) ([]Approval, error) {
		out := make([]Approval, len(rows))
		for i := range rows {
			out[i] = approvalOf(&rows[i])
		}
		return out, nil
	}), nil
}

// DecideApproval allows or refuses a step that waits in a room. The first decision
// counts. A later one gets KindConflict, with the name of the person who decided.
func (a *App) DecideApproval(ctx context.Context, actor *Actor, roomID, stepID, decision, note string) (*Approval, error) {
	if _, _, err := a.roomAccess(ctx, actor, roomID, ActDecideApproval); err != nil {
		return nil, err
	}
	return a.decide(ctx, actor, ActDecideApproval, roomID, stepID, decision, note)
}

// decide does the work of DecideApproval. The caller has checked that the actor may do the
// action.
func (a *App) decide(ctx context.Context, actor *Actor, action Action, roomID, stepID, decision, note string) (*Approval, error) {
	if err := firstOf(errors.Join(oneOf("decision", decision, DecisionApprove, DecisionReject), text("note", note, 0, maxNote))); err != nil {
		return nil, err
	}
	if decision == DecisionApprove {
		if err := canApprove(ctx, a.db, a.engine, roomID, stepID); err != nil {
			return nil, err
		}
	}
	state := map[string]string{DecisionApprove: store.StepApproved, DecisionReject: store.StepRejected}[decision]
	var done Approval
	err := a.db.InTx(ctx, func(tx *store.Tx) error {
		room, err := tx.OpenRoomForUpdate(ctx, roomID)
		if err != nil {
			return fromStore(err, "Room")
		}
		row, err := tx.StepInRoom(ctx, roomID, stepID)
		if err != nil || row.DueAt.IsZero() || row.Kind == store.StepModel { // that waits for an agent
			return errors.Join(err, store.ErrNotFound)
		}
		if row.State != store.StepPending || row.Turn.State != store.TurnParked {
			return decidedBefore(ctx, tx, row)
		}
		s := &row.TurnStep
		s.State, s.DecidedBy, s.Note = state, actor.User.ID, note
		if err := a.engine.Settle(ctx, tx, room, row, event.ShownName(actor.User.Name())); err != nil {
			return err
		}
		done = approvalOf(row)
		return a.audit.record(ctx, tx, actor, action, target{"turn_step", s.ID}, changes{"state": store.StepPending},
			changes{"state": state, "room_id": roomID, "agent_id": row.Turn.AgentID, "name": s.Name, "summary": done.Summary, "note": note})
	})
	return &done, fromStore(err, "Approval")
}

// canApprove returns an error if a step waits whose turn could not go on: approving it
// would do nothing. It can still be refused.
func canApprove(ctx context.Context, db *store.DB, engine *turn.Engine, roomID, stepID string) error {
	row, err := db.StepInRoom(ctx, roomID, stepID)
	if err != nil || row.State != store.StepPending || row.Turn.State != store.TurnParked {
		return fromStore(err, "Approval")
	}
	return refusal(engine.CanContinue(ctx, &row.Turn))
}

// decidedBefore is the error for a decision that comes too late.
func decidedBefore(ctx context.Context, tx *store.Tx, row *store.RoomStep) error {
	how := wording.Of("approved")
	switch row.State {
	case store.StepPending:
		return errorf(KindConflict, wording.TurnOver, "The turn is over; nothing waits any more")
	case store.StepExpired:
		return errorf(KindConflict, wording.Expired, "Nobody decided in time; this counts as refused")
	case store.StepRejected:
		how = wording.Of("rejected")
	}
	who := wording.Of("Somebody")
	if row.DecidedBy != "" {
		u, err := tx.User(ctx, row.DecidedBy)
		if err != nil {
			return err
		}
		who = wording.Of("%s", event.ShownName(u.Name()))
	}
	return errorf(KindConflict, wording.Decided, "%s has %s this already", who, how)
}
