package store

import (
	"context"
	"errors"
	"time"

	"github.com/uptrace/bun"
)

// ArtifactBase is what the outline of an artifact was at a version, as the delta that leads
// there from the outline of the next version. Written adds up the bytes of the artifact's
// deltas, those that were deleted too.
type ArtifactBase struct {
	bun.BaseModel `bun:"table:artifact_bases,alias:ab"`
	ArtifactID    string `bun:",pk"`
	Version       int    `bun:",pk"`
	KeptAt        time.Time
	Written       int64
	Delta         JSON
}

// spareBases is how many bases one save of an artifact deletes at most.
const spareBases = 100

// KeepArtifactBase stores the base of the version that was just replaced. It deletes old
// ones: those from before a time, and what is more than most bytes in all.
func (t *Tx) KeepArtifactBase(ctx context.Context, b *ArtifactBase, before time.Time, most int64) error {
	newest := new(ArtifactBase)
	_, err := first(ctx, t.db.NewSelect().Model(newest).Column("ab.written").Where("ab.artifact_id = ?", b.ArtifactID).OrderExpr("ab.version DESC"), newest)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	b.Written = newest.Written + int64(len(b.Delta))
	if err := t.insert(ctx, b); err != nil {
		return err
	}
	oldest := t.db.NewSelect().Model((*ArtifactBase)(nil)).Column("ab.version").Where("ab.artifact_id = ?", b.ArtifactID).
		OrderExpr("ab.version").Limit(spareBases)
	_, err = t.db.NewDelete().Model((*ArtifactBase)(nil)).Where("artifact_id = ?", b.ArtifactID).Where("version IN (?)", oldest).
		Where("(kept_at < ? OR written <= ?)", before, b.Written-most).Exec(ctx)
	return translate(err)
}

// ArtifactBases lists the bases of an artifact from a version on, the newest first.
func (q Queries) ArtifactBases(ctx context.Context, artifactID string, from, limit int) ([]ArtifactBase, error) {
	var rows []ArtifactBase
	err := q.db.NewSelect().Model(&rows).Column("ab.version", "ab.delta").Where("ab.artifact_id = ?", artifactID).Where("ab.version >= ?", from).
		OrderExpr("ab.version DESC").Limit(int64(limit)).Scan(ctx)
	return rows, translate(err)
}

// DeleteArtifactBasesBefore deletes bases from before a time, at most limit.
func (t *Tx) DeleteArtifactBasesBefore(ctx context.Context, before time.Time, limit int) (int64, error) {
	old := t.db.NewSelect().Model((*ArtifactBase)(nil)).Column("ab.artifact_id", "ab.version").Where("ab.kept_at < ?", before).Limit(int64(limit))
	return affected(t.db.NewDelete().Model((*ArtifactBase)(nil)).Where("(artifact_id, version) IN (?)", old).Exec(ctx))
}
