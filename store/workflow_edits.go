package store

import "context"

// Workflows lists a course's workflows without their graphs, by name.
func (q Queries) Workflows(ctx context.Context, courseID string, p Page) ([]Workflow, error) {
	var rows []Workflow
	err := p.on(q.db.NewSelect().Model(&rows).ExcludeColumn("graph").Where("w.course_id = ?", courseID).
		OrderExpr("w.name, w.id")).Scan(ctx)
	return rows, translate(err)
}

// WorkflowContents counts what loses something when a workflow is deleted.
func (q Queries) WorkflowContents(ctx context.Context, id string) (Counts, error) {
	return q.counts(ctx, id, []held{{"rooms", "rooms", "workflow = ?"}})
}

// WorkflowForUpdate returns a workflow whose row stays locked until the
// transaction ends. Who locks rooms too does so afterwards.
func (t *Tx) WorkflowForUpdate(ctx context.Context, id string) (*Workflow, error) {
	w := new(Workflow)
	return first(ctx, t.locked(t.db.NewSelect().Model(w).Where("w.id = ?", id)), w)
}

// UpdateWorkflow writes the name and graph of a workflow that was read at
// w.Version, which it moves on; ErrStale when it was changed meanwhile,
// ErrExists when its course has another one of that name.
func (t *Tx) UpdateWorkflow(ctx context.Context, w *Workflow) error {
	w.Version++
	res, err := t.db.NewUpdate().Model(w).Column("name", "graph", "updated_at", "version").
		Where("w.id = ?", w.ID).Where("w.version = ?", w.Version-1).Exec(ctx)
	return changed(res, err, ErrStale)
}

// DeleteWorkflow removes a workflow and takes it from the rooms that have it.
// Runs keep the graph that they began with.
func (t *Tx) DeleteWorkflow(ctx context.Context, id string) error {
	_, err := t.db.NewUpdate().Model((*Room)(nil)).Set("workflow = NULL").Where("workflow = ?", id).Exec(ctx)
	if err != nil {
		return translate(err)
	}
	res, err := t.db.NewDelete().Model((*Workflow)(nil)).Where("id = ?", id).Exec(ctx)
	return changed(res, err, ErrNotFound)
}
