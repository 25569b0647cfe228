package turn

import (
	"context"
	"errors"
	"slices"

	"github.com/coagent-studio/coagent/app/workflow"
	"github.com/coagent-studio/coagent/store"
)

// People first, also in time: a turn that shows nothing to the room does not hold it. It
// leaves the floor while it drafts, while a draft is judged, while a tool asks another
// agent, and before a later attempt. Whoever a person calls and who has no turn then
// answers beside it. Before a turn shows or stores anything, it takes the floor back.
// When somebody else has it, the turn waits behind its saved steps, as its next attempt.
//
// These hold at every commit:
//
//   - At most one live turn of a room has the floor, and only that one shows text and
//     stores messages. An agent has at most one live turn in a room.
//   - Each message is decided about once, as before. Beside live turns the room decides
//     only when a person calls an agent that has no turn.
//   - A called agent that has a turn gets one more, which waits behind it. It is not needed
//     when the earlier turn has read the message that calls: then it ends with that turn.
//   - While the floor is free, no turn waits that may begin, and a job is on its way for
//     each person's call of an agent without a turn.
//
// A plain answer has the floor from its beginning to its end, and pays for none of this.

// errNoFloor ends an attempt that has something to show while another turn has the floor.
var errNoFloor = &Fault{Reason: reasonFloor, Detail: "another agent speaks, so it waits and goes on after that"}

// leaveFloor lets others speak, unless the room has seen text of the turn that is not
// stored yet. Nothing else of the attempt may run meanwhile.
func (r *attempt) leaveFloor(ctx context.Context) error {
	if r.turn.Aside || r.units > 0 && (r.flow == nil || !r.flow.hasSaid()) {
		return nil
	}
	e := r.engine
	err := e.background.Do(ctx, func() error {
		return e.db.InTx(ctx, func(tx *store.Tx) error {
			return e.freeFloor(ctx, tx, r.turn, func() error { return tx.LeaveFloor(ctx, r.turn.ID, r.turn.Attempt) })
		})
	})
	if errors.Is(err, store.ErrStale) {
		return ErrLeaseLost
	}
	r.turn.Aside = err == nil
	return err
}

// freeFloor goes on in the room of a turn after leave, by which the turn leaves the floor.
// A turn that is aside already leaves nothing to others.
func (e *Engine) freeFloor(ctx context.Context, tx *store.Tx, t *store.Turn, leave func() error) error {
	if t.Aside {
		return leave()
	}
	room, err := tx.RoomForUpdate(ctx, t.RoomID)
	if err != nil {
		return err
	}
	if err := leave(); err != nil {
		return err
	}
	return e.startNext(ctx, tx, room)
}

// takeFloor takes the floor back. It returns errNoFloor when another turn has it.
func (r *attempt) takeFloor(ctx context.Context) error {
	r.floor.Lock()
	defer r.floor.Unlock()
	if !r.turn.Aside {
		return nil
	}
	e := r.engine
	err := e.background.Do(ctx, func() error {
		return e.db.InTx(ctx, func(tx *store.Tx) error {
			if _, err := tx.RoomForUpdate(ctx, r.turn.RoomID); err != nil {
				return err
			}
			return tx.TakeFloor(ctx, r.turn.ID, r.turn.Attempt)
		})
	})
	if errors.Is(err, store.ErrStale) {
		return errNoFloor
	}
	r.turn.Aside = err != nil
	return err
}

// waitForFloor lets the turn wait, as its next attempt. It begins in the same transaction
// if the floor has become free meanwhile.
func (r *attempt) waitForFloor(ctx context.Context) error {
	e, f := r.engine, r.withFault(errNoFloor)
	err := e.db.InTx(ctx, func(tx *store.Tx) error {
		room, err := tx.RoomForUpdate(ctx, r.turn.RoomID)
		if err != nil {
			return err
		}
		if err := tx.PutBackTurn(ctx, r.turn.ID, r.turn.Attempt, f.Reason, f.Detail); err != nil {
			return err
		}
		if err := tx.SaveSteps(ctx, f.Steps); err != nil {
			return err
		}
		return e.startNext(ctx, tx, room)
	})
	if !errors.Is(err, store.ErrStale) {
		return err
	}
	if stop, err := e.wantsStop(ctx, r.turn); err != nil || !stop {
		return errors.Join(err, ErrLeaseLost)
	}
	return e.endTurn(ctx, r.turn, r.withFault(errAsked))
}

// shows tells whether the room sees what a node does. alone says that no other node runs
// in parallel.
func (r *graphRun) shows(n workflow.Node, alone bool) bool {
	switch n.Type {
	case workflow.Agent:
		if n.Config.Mode != workflow.ModeSay || !alone || r.attempt.units > 0 {
			return false
		}
		who, err := r.who(n.Handler)
		return err == nil && !who.IsExternal // what one outside says comes at once, after a long time
	case workflow.Action:
		return n.Handler == workflow.Broadcast
	}
	return false
}

// leaveFloorFor leaves the floor before nodes that take long and show nothing. Conditions
// and notes take no time, and a turn that waits for a person is parked.
func (r *graphRun) leaveFloorFor(ctx context.Context, ready []string) error {
	slow := false
	for _, id := range ready {
		n := r.graph.Nodes[id]
		if r.shows(n, len(ready) == 1) {
			return nil
		}
		slow = slow || n.Type == workflow.Agent || n.Type == workflow.Tool && r.attempt.engine.tool(n.Handler).slow()
	}
	if !slow {
		return nil
	}
	return r.attempt.leaveFloor(ctx)
}

// tool returns the tool with this name, nil if there is none.
func (e *Engine) tool(name string) *Tool {
	if i := slices.IndexFunc(e.tools, func(t *Tool) bool { return t.Name == name }); i >= 0 {
		return e.tools[i]
	}
	return nil
}
