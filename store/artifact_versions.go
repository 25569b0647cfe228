package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// ArtifactVersion is the state of an artifact before a change, with who had made that
// state and when (UpdatedAt). KeptAt is when it was replaced.
type ArtifactVersion struct {
	bun.BaseModel     `bun:"table:artifact_versions,alias:av"`
	ArtifactID        string `bun:",pk"`
	Version           int    `bun:",pk"`
	Title             string
	ModifiedBy        string `bun:",nullzero"`
	ModifiedByAgent   string `bun:",nullzero"`
	ModifiedAgentName string `bun:",nullzero"`
	ModifiedTurnID    string `bun:",nullzero"`
	UpdatedAt         time.Time
	KeptAt            time.Time
	ContentBytes      int64
	Content           JSON

	Modifier *User `bun:"rel:belongs-to,join:modified_by=id"` // its name only
}

// ArtifactVersions lists the kept versions of an artifact without their
// contents, newest first.
func (q Queries) ArtifactVersions(ctx context.Context, artifactID string) ([]ArtifactVersion, error) {
	var rows []ArtifactVersion
	err := q.db.NewSelect().Model(&rows).ExcludeColumn("content").Relation("Modifier", nameOnly).Where("av.artifact_id = ?", artifactID).
		OrderExpr("av.version DESC").Limit(MaxLimit).Scan(ctx)
	return rows, translate(err)
}

// ArtifactVersion returns one kept version of an artifact.
func (q Queries) ArtifactVersion(ctx context.Context, artifactID string, version int) (*ArtifactVersion, error) {
	v := new(ArtifactVersion)
	return first(ctx, q.db.NewSelect().Model(v).Relation("Modifier", nameOnly).Where("av.artifact_id = ?", artifactID).Where("av.version = ?", version), v)
}

// ArtifactKeptSince tells whether a version of an artifact was kept after t.
func (q Queries) ArtifactKeptSince(ctx context.Context, artifactID string, t time.Time) (bool, error) {
	newest := q.db.NewSelect().Model((*ArtifactVersion)(nil)).Column("av.kept_at").Where("av.artifact_id = ?", artifactID).
		OrderExpr("av.version DESC").Limit(1)
	ok, err := q.db.NewSelect().TableExpr("(?) AS newest", newest).Where("newest.kept_at > ?", t).Exists(ctx)
	return ok, translate(err)
}

// KeepArtifactVersion stores the present state of an artifact as a version. It deletes
// the oldest versions when there are more than most.
func (t *Tx) KeepArtifactVersion(ctx context.Context, f *Artifact, now time.Time, most int) error {
	err := t.insert(ctx, &ArtifactVersion{ArtifactID: f.ID, Version: f.Version, Title: f.Title, ModifiedBy: f.ModifiedBy,
		ModifiedByAgent: f.ModifiedByAgent, ModifiedAgentName: f.ModifiedAgentName, ModifiedTurnID: f.ModifiedTurnID,
		UpdatedAt: f.UpdatedAt, KeptAt: now, ContentBytes: f.ContentBytes, Content: f.Content})
	if err != nil {
		return err
	}
	spare := t.db.NewSelect().Model((*ArtifactVersion)(nil)).Column("av.version").Where("av.artifact_id = ?", f.ID).
		OrderExpr("av.version DESC").Limit(1).Offset(int64(most))
	_, err = t.db.NewDelete().Model((*ArtifactVersion)(nil)).Where("artifact_id = ?", f.ID).Where("version <= (?)", spare).Exec(ctx)
	return translate(err)
}
