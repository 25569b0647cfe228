package app

import (
	"context"

	"github.com/google/uuid"

	"github.com/coagent-studio/coagent/store"
)

// RoomWorkflow returns the workflow for a room's next turns. It is nil if none is set,
// and the room then uses what fits its agents.
func (a *App) RoomWorkflow(ctx context.Context, actor *Actor, roomID string) (*store.Workflow, error) {
	room, err := a.roomFor(ctx, actor, roomID, ActReadTurns)
	if err != nil || room.Workflow == "" {
		return nil, err
	}
	if w := builtinWorkflow(room.Workflow); w != nil {
		return w, nil
	}
	w, err := a.db.Workflow(ctx, room.Workflow)
	return w, store.UnlessMissing(err)
}

// SetRoomWorkflow sets the workflow for a room's next turns: one of its course, or a
// built-in one. With nil the room uses what fits its agents.
func (a *App) SetRoomWorkflow(ctx context.Context, actor *Actor, roomID string, chosen *string) (*store.Workflow, error) {
	if _, err := a.roomFor(ctx, actor, roomID, ActSetWorkflow); err != nil {
		return nil, err
	}
	unknown := invalid("workflow_id", "is neither a workflow of the room's course nor direct or student_teacher_review")
	var w *store.Workflow
	var id string
	if chosen != nil {
		id = *chosen
		if w = builtinWorkflow(id); w == nil && uuid.Validate(id) != nil {
			return nil, unknown
		}
	}
	err := a.db.InTx(ctx, func(tx *store.Tx) (err error) {
		if w == nil && id != "" { // lock it, so that it is not deleted meanwhile
			if w, err = tx.WorkflowForUpdate(ctx, id); err != nil {
				return orIfMissing(err, unknown)
			}
		}
		room, err := tx.OpenRoomForUpdate(ctx, roomID)
		if err != nil {
			return err
		}
		if w != nil && w.CourseID != "" && w.CourseID != room.CourseID {
			return unknown
		}
		if err := tx.SetRoomWorkflow(ctx, roomID, id); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActSetWorkflow, target{"room", roomID}, changes{"workflow": room.Workflow}, changes{"workflow": id})
	})
	if err != nil {
		return nil, fromStore(err, "Room")
	}
	return w, nil
}

// orIfMissing returns other if err says that something is missing, and err otherwise.
func orIfMissing(err error, other error) error {
	if store.UnlessMissing(err) == nil {
		return other
	}
	return err
}
