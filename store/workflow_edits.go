package store

import "context"

// Workflows lists a course's workflows without their graphs, by name.
func (q Queries) Workflows(ctx context.Context, courseID string, p Page) ([]Workflow, error) {
	var rows []Workflow
	err := p.on(q.db.NewSelect().Model(&rows).ExcludeColumn("graph").Where("w.course_id = ?", courseID).
		OrderExpr("w.name, w.id")).Scan(ctx)
	return rows, translate(err)
}

// WorkflowContents counts the rooms that lose their workflow when this one is deleted.
func (q Queries) WorkflowContents(ctx context.Context, id string) (Counts, error) {
	return q.counts(ctx, id, []held{{"rooms", "rooms", "workflow = ?"}})
}

// WorkflowForUpdate returns a workflow and locks its row until the transaction ends. Lock
// rooms only after this.
func (t *Tx) WorkflowForUpdate(ctx context.Context, id string) (*Workflow, error) {
	w := new(Workflow)
	return first(ctx, t.locked(t.db.NewSelect().Model(w).Where("w.id = ?", id)), w)
}

// UpdateWorkflow writes the name and graph of a workflow that was read at w.Version, and
// increases the version. ErrStale when it was changed meanwhile, ErrExists when its
// course has another workflow of that name.
func (t *Tx) UpdateWorkflow(ctx context.Context, w *Workflow) error {
	w.Version++
	res, err := t.db.NewUpdate().Model(w).Column("name", "graph", "updated_at", "version").
		Where("w.id = ?", w.ID).Where("w.version = ?", w.Version-1).Exec(ctx)
	return changed(res, err, ErrStale)
}

// DeleteWorkflow deletes a workflow and removes it from the rooms that use it. Runs keep
// the graph with which they began.
func (t *Tx) DeleteWorkflow(ctx context.Context, id string) error {
	_, err := t.db.NewUpdate().Model((*Room)(nil)).Set("workflow = NULL").Where("workflow = ?", id).Exec(ctx)
	if err != nil {
		return translate(err)
	}
	res, err := t.db.NewDelete().Model((*Workflow)(nil)).Where("id = ?", id).Exec(ctx)
	return changed(res, err, ErrNotFound)
}
