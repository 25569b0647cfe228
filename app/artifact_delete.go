package app

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/store"
)

// DeleteArtifact deletes an artifact. It can be restored until the retention time is
// over. Deleting it again changes nothing. erase is for the room's staff: it removes the
// artifact for good, from the event log too.
func (a *App) DeleteArtifact(ctx context.Context, actor *Actor, id string, erase bool) error {
	head, res, err := a.artifactFor(ctx, actor, id, ActDeleteArtifact)
	if err != nil {
		return err
	}
	if err := a.limits.edits.spend(ctx, actor.User.ID); err != nil {
		return err
	}
	if erase {
		return a.eraseArtifact(ctx, actor, head, res)
	}
	_, err = a.artifacts.edit(ctx, head, func(tx *store.Tx, room *store.Room, f *store.Artifact) error {
		if f.Deleted() {
			return nil
		}
		f.DeletedAt = a.instant()
		if err := a.artifacts.save(ctx, tx, room, f, authorOf(actor), event.TypeArtifactDelete); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActDeleteArtifact, target{"artifact", f.ID}, artifactChanges(f, false), artifactChanges(f, true))
	})
	return err
}

func (a *App) eraseArtifact(ctx context.Context, actor *Actor, head *store.Artifact, res Resource) error {
	if err := Check(actor, ActEraseArtifact, res); err != nil {
		return err
	}
	_, err := a.artifacts.edit(ctx, head, func(tx *store.Tx, room *store.Room, f *store.Artifact) error {
		spent := f.EventSeq
		var err error
		if f.EventSeq, err = tx.NextQuietSeq(ctx, room); err != nil {
			return err
		}
		if err := tx.ReplaceEventBody(ctx, f.RoomID, spent, event.SpentArtifact(f.ID)); err != nil {
			return err
		}
		if err := tx.EraseArtifact(ctx, f.ID); err != nil {
			return err
		}
		if err := tx.CreateEvent(ctx, event.OfArtifact(f, actor.User.ID, a.instant(), event.TypeArtifactDelete)); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActEraseArtifact, target{"artifact", f.ID}, artifactChanges(f, f.Deleted()), nil)
	})
	return err
}

// RestoreArtifact restores a deleted artifact, for the person who deleted it and for the
// room's staff. It changes nothing if the artifact is not deleted.
func (a *App) RestoreArtifact(ctx context.Context, actor *Actor, id string) (*store.Artifact, error) {
	head, res, err := a.artifactFor(ctx, actor, id, ActWriteArtifact)
	if err != nil {
		return nil, err
	}
	if head.Deleted() {
		if err := Check(actor, ActRestoreArtifact, res); err != nil {
			return nil, err
		}
	}
	if err := a.limits.edits.spend(ctx, actor.User.ID); err != nil {
		return nil, err
	}
	return a.artifacts.edit(ctx, head, func(tx *store.Tx, room *store.Room, f *store.Artifact) error {
		switch {
		case !f.Deleted():
			return nil
		case !head.Deleted():
			return store.ErrNotFound // deleted after the actor's right was checked
		}
		if err := a.artifacts.fits(ctx, tx, f.RoomID, 1, f.ContentBytes); err != nil {
			return err
		}
		f.DeletedAt = time.Time{}
		if err := a.artifacts.saveFor(ctx, tx, room, f, actor, false); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActRestoreArtifact, target{"artifact", f.ID}, artifactChanges(f, true), artifactChanges(f, false))
	})
}

// artifactChanges is an artifact as the audit log shows it.
func artifactChanges(f *store.Artifact, deleted bool) changes {
	return changes{"room_id": f.RoomID, "type": f.Type, "title": f.Title, "deleted": deleted}
}
