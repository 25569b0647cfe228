package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// Workflow is a graph that turns of a course's rooms can go through.
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

// Workflow returns the workflow with this id.
func (q Queries) Workflow(ctx context.Context, id string) (*Workflow, error) {
	w := new(Workflow)
	return first(ctx, q.db.NewSelect().Model(w).Where("w.id = ?", id), w)
}
