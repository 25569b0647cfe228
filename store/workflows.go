package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// Workflow is a graph for the turns in a course's rooms.
type Workflow struct {
	bun.BaseModel `bun:"table:workflows,alias:w"`
	ID            string `bun:",pk"`
	CourseID      string
	Name          string
	Graph         JSON   // see app/workflow
	CreatedBy     string `bun:",nullzero"`
	CreatedAt     time.Time
	UpdatedAt     time.Time
	Version       int64
}

// SetRoomWorkflow sets the workflow of a room's future turns: the name of one that ships
// with the program, or an id. "" is the default.
func (t *Tx) SetRoomWorkflow(ctx context.Context, roomID, workflow string) error {
	res, err := t.db.NewUpdate().Model((*Room)(nil)).Set("workflow = NULLIF(?, '')", workflow).Where("id = ?", roomID).Exec(ctx)
	return changed(res, err, ErrNotFound)
}

// Workflow returns the workflow with this id.
func (q Queries) Workflow(ctx context.Context, id string) (*Workflow, error) {
	w := new(Workflow)
	return first(ctx, q.db.NewSelect().Model(w).Where("w.id = ?", id), w)
}

// CreateWorkflow adds a workflow; ErrExists when its course has one of that
// name.
func (t *Tx) CreateWorkflow(ctx context.Context, w *Workflow) error { return t.insert(ctx, w) }
