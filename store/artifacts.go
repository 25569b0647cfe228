package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// Artifact is a piece of work in a room: a task, a document or a process. A person or an
// agent made it, and a person or an agent changed it last. EventSeq is the newest event
// of the room about it.
type Artifact struct {
	bun.BaseModel   `bun:"table:artifacts,alias:af"`
	ID              string `bun:",pk"`
	RoomID          string
	Type            string
	Title           string
	ParentID        string `bun:",nullzero"` // in the same room; set once, so that parents form no cycle
	Version         int
	EventSeq        int64
	CreatedBy       string `bun:",nullzero"`
	CreatedByAgent  string `bun:",nullzero"`
	ModifiedBy      string `bun:",nullzero"`
	ModifiedByAgent string `bun:",nullzero"`
	// ModifiedAgentName is what that agent was called; it stays when the agent is deleted.
	ModifiedAgentName string `bun:",nullzero"`
	ModifiedTurnID    string `bun:",nullzero"` // the turn in which the agent changed it
	CreatedAt         time.Time
	UpdatedAt         time.Time
	DeletedAt         time.Time `bun:",nullzero"`
	ContentBytes      int64
	Content           JSON

	Modifier *User `bun:"rel:belongs-to,join:modified_by=id"` // its name only
}

// Deleted tells whether the artifact is deleted and kept only to be restored.
func (f *Artifact) Deleted() bool { return !f.DeletedAt.IsZero() }

// Artifact returns the artifact with this id, deleted or not.
func (q Queries) Artifact(ctx context.Context, id string) (*Artifact, error) {
	f := new(Artifact)
	return first(ctx, q.db.NewSelect().Model(f).Relation("Modifier", nameOnly).Where("af.id = ?", id), f)
}

// ArtifactHead is Artifact without the content.
func (q Queries) ArtifactHead(ctx context.Context, id string) (*Artifact, error) {
	f := new(Artifact)
	return first(ctx, q.db.NewSelect().Model(f).ExcludeColumn("content").Where("af.id = ?", id), f)
}

// Artifacts lists a room's artifacts, newest first; with kind only those of
// that type.
func (q Queries) Artifacts(ctx context.Context, roomID, kind string, p Page) (*Listing[Artifact], error) {
	sel := q.db.NewSelect().Model((*Artifact)(nil)).Where("af.room_id = ?", roomID).Where("af.deleted_at IS NULL").
		OrderExpr("af.created_at DESC, af.id DESC")
	if kind != "" {
		sel = sel.Where("af.type = ?", kind)
	}
	return listing(ctx, listed[Artifact]{places: p.on(sel), key: "af.id", size: "af.content_bytes",
		rows: func(model any) *bun.SelectQuery { return q.everything(model).Relation("Modifier", nameOnly) },
		id:   func(f *Artifact) string { return f.ID }})
}

// ArtifactHeads is Artifacts without the contents.
func (q Queries) ArtifactHeads(ctx context.Context, roomID, kind string, p Page) ([]Artifact, error) {
	var rows []Artifact
	sel := q.db.NewSelect().Model(&rows).ExcludeColumn("content").Where("af.room_id = ?", roomID).Where("af.deleted_at IS NULL").
		OrderExpr("af.created_at DESC, af.id DESC")
	if kind != "" {
		sel = sel.Where("af.type = ?", kind)
	}
	return rows, translate(p.on(sel).Scan(ctx))
}

// ArtifactHeadsByID lists those of a room's artifacts that have these ids and
// are not deleted, newest first and without their contents.
func (q Queries) ArtifactHeadsByID(ctx context.Context, roomID string, ids []string) ([]Artifact, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var rows []Artifact
	err := q.db.NewSelect().Model(&rows).ExcludeColumn("content").Where("af.id IN (?)", bun.List(ids)).Where("af.room_id = ?", roomID).
		Where("af.deleted_at IS NULL").OrderExpr("af.created_at DESC, af.id DESC").Limit(int64(len(ids))).Scan(ctx)
	return rows, translate(err)
}

// PersonInArtifact tells whether a person has made or changed an artifact, as far as its
// kept versions show.
func (q Queries) PersonInArtifact(ctx context.Context, id string) (bool, error) {
	versions := q.db.NewSelect().Model((*ArtifactVersion)(nil)).ColumnExpr("1").Where("av.artifact_id = af.id").Where("av.modified_by_agent IS NULL")
	ok, err := q.db.NewSelect().Model((*Artifact)(nil)).Where("af.id = ?", id).
		Where("(af.created_by_agent IS NULL OR af.modified_by_agent IS NULL OR EXISTS (?))", versions).Exists(ctx)
	return ok, translate(err)
}

// DeletedArtifacts lists those that can be restored, without their contents,
// the last deleted first.
func (q Queries) DeletedArtifacts(ctx context.Context, roomID, kind string, p Page) ([]Artifact, error) {
	var rows []Artifact
	sel := q.db.NewSelect().Model(&rows).ExcludeColumn("content").Relation("Modifier", nameOnly).Where("af.room_id = ?", roomID).
		Where("af.deleted_at IS NOT NULL").OrderExpr("af.deleted_at DESC, af.id DESC")
	if kind != "" {
		sel = sel.Where("af.type = ?", kind)
	}
	return rows, translate(p.on(sel).Scan(ctx))
}

// ArtifactLoad returns the number of a room's artifacts and the bytes of their contents,
// without the deleted ones.
func (q Queries) ArtifactLoad(ctx context.Context, roomID string) (n int, size int64, err error) {
	err = q.db.NewSelect().Model((*Artifact)(nil)).ColumnExpr("count(*)").ColumnExpr("COALESCE(sum(af.content_bytes), 0)").
		Where("af.room_id = ?", roomID).Where("af.deleted_at IS NULL").Scan(ctx, &n, &size)
	return n, size, translate(err)
}

// BoardCard is a task as its room's board orders it: the members status and order of its
// content as JSON, empty where it has none.
type BoardCard struct {
	ID     string
	Status JSON `bun:",nullzero"`
	Place  JSON `bun:",nullzero"`
}

// BoardCards lists a room's tasks, newest first.
func (q Queries) BoardCards(ctx context.Context, roomID string) ([]BoardCard, error) {
	var rows []BoardCard
	err := q.db.NewSelect().Model((*Artifact)(nil)).ColumnExpr("af.id").ColumnExpr("af.content -> 'status' AS status").
		ColumnExpr("af.content -> 'order' AS place").Where("af.room_id = ?", roomID).Where("af.type = 'task'").Where("af.deleted_at IS NULL").
		OrderExpr("af.created_at DESC, af.id DESC").Limit(MaxLimit).Scan(ctx, &rows)
	return rows, translate(err)
}

// CreateArtifact adds an artifact.
func (t *Tx) CreateArtifact(ctx context.Context, f *Artifact) error { return t.insert(ctx, f) }

// UpdateArtifact writes an artifact that was read at f.Version, and increases the
// version. ErrStale when somebody else changed it meanwhile.
func (t *Tx) UpdateArtifact(ctx context.Context, f *Artifact) error {
	f.Version++
	res, err := t.db.NewUpdate().Model(f).
		Column("title", "content", "content_bytes", "version", "event_seq", "modified_by", "modified_by_agent",
			"modified_agent_name", "modified_turn_id", "updated_at", "deleted_at").
		Where("af.id = ?", f.ID).Where("af.version = ?", f.Version-1).Exec(ctx)
	if err := changed(res, err, ErrStale); err != nil {
		f.Version-- // the caller's copy stays what it read
		return err
	}
	return nil
}

// EraseArtifact deletes an artifact for good, also from the steps of turns. ErrNotFound
// when there is none.
func (t *Tx) EraseArtifact(ctx context.Context, id string) error {
	if err := t.emptySteps(ctx, t.db.NewSelect().ColumnExpr("?", id)); err != nil {
		return err
	}
	res, err := t.db.NewDelete().Model((*Artifact)(nil)).Where("id = ?", id).Exec(ctx)
	return changed(res, err, ErrNotFound)
}

// emptySteps removes the inputs and outputs from the steps of all turns in which a step
// had to do with these artifacts.
func (t *Tx) emptySteps(ctx context.Context, artifacts *bun.SelectQuery) error {
	turns := t.db.NewSelect().Model((*TurnStep)(nil)).Column("ts.turn_id").Where("ts.artifact_id IN (?)", artifacts)
	_, err := t.db.NewUpdate().Model((*TurnStep)(nil)).Set("input = NULL").Set("output = ?", JSON(`{"erased":true}`)).
		Where("turn_id IN (?)", turns).Where("kind IN (?, ?)", StepModel, StepTool).Exec(ctx)
	return translate(err)
}

// EraseArtifactsBefore erases artifacts that were deleted before a time, at most limit.
func (t *Tx) EraseArtifactsBefore(ctx context.Context, before time.Time, limit int) (int64, error) {
	old := t.db.NewSelect().Model((*Artifact)(nil)).Column("af.id").Where("af.deleted_at < ?", before).Limit(int64(limit))
	if err := t.emptySteps(ctx, old); err != nil {
		return 0, err
	}
	// The second condition leaves out an artifact that was restored since the first
	// select.
	return affected(t.db.NewDelete().Model((*Artifact)(nil)).Where("id IN (?)", old).Where("deleted_at < ?", before).Exec(ctx))
}
