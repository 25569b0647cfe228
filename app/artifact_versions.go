package app

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/store"
)

// keepVersionEvery is how often a version is kept while one person goes on changing an
// artifact. Editors save with every keystroke, and nobody wants each of these back.
const keepVersionEvery = time.Minute

// keepVersion stores what an artifact was before a change, and tells whether it did. If
// another person or an agent made the last change, it always stores a version, so that
// each of their changes can be undone.
func (s *artifacts) keepVersion(ctx context.Context, tx *store.Tx, before *store.Artifact, by author) (kept bool, err error) {
	now := s.now.instant()
	if before.ModifiedBy == by.user() && before.ModifiedByAgent == by.agent {
		lately, err := tx.ArtifactKeptSince(ctx, before.ID, now.Add(-keepVersionEvery))
		if lately || err != nil {
			return false, err
		}
	}
	return true, tx.KeepArtifactVersion(ctx, before, now, s.limits.ArtifactVersions)
}

// ArtifactVersions lists the earlier versions of an artifact, newest first and without
// contents.
func (a *App) ArtifactVersions(ctx context.Context, actor *Actor, id string) ([]store.ArtifactVersion, error) {
	if err := a.liveArtifact(ctx, actor, id); err != nil {
		return nil, err
	}
	return a.db.ArtifactVersions(ctx, id)
}

// ArtifactVersion returns one earlier version with its content.
func (a *App) ArtifactVersion(ctx context.Context, actor *Actor, id string, version int) (*store.ArtifactVersion, error) {
	if err := a.liveArtifact(ctx, actor, id); err != nil {
		return nil, err
	}
	v, err := a.db.ArtifactVersion(ctx, id, version)
	return v, fromStore(err, "Version")
}

// liveArtifact returns nil if the artifact exists, is not deleted, and the actor may
// read it.
func (a *App) liveArtifact(ctx context.Context, actor *Actor, id string) error {
	head, _, err := a.artifactFor(ctx, actor, id, ActReadArtifacts)
	if err == nil && head.Deleted() {
		err = notFound("Artifact")
	}
	return err
}

// RestoreArtifactVersion sets an artifact back to an earlier version. It first keeps the
// present one, so that this can be undone too.
func (a *App) RestoreArtifactVersion(ctx context.Context, actor *Actor, id string, version int) (*store.Artifact, error) {
	head, _, err := a.artifactFor(ctx, actor, id, ActWriteArtifact)
	if err != nil {
		return nil, err
	}
	if err := a.limits.edits.spend(ctx, actor.User.ID); err != nil {
		return nil, err
	}
	return a.artifacts.edit(ctx, head, func(tx *store.Tx, room *store.Room, f *store.Artifact) error {
		if f.Deleted() {
			return store.ErrNotFound
		}
		v, err := tx.ArtifactVersion(ctx, f.ID, version)
		if err != nil {
			return fromStore(err, "Version")
		}
		if v.ContentBytes > f.ContentBytes {
			if err := a.artifacts.fits(ctx, tx, f.RoomID, 0, v.ContentBytes-f.ContentBytes); err != nil {
				return err
			}
		}
		if err := tx.KeepArtifactVersion(ctx, f, a.instant(), a.cfg.Limits.ArtifactVersions); err != nil {
			return err
		}
		f.Title, f.Content, f.ContentBytes = v.Title, v.Content, v.ContentBytes
		return a.artifacts.saveFor(ctx, tx, room, f, actor, true)
	})
}
