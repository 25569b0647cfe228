package app

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/store"
)

// DeleteArtifact takes an artifact away: it can be restored until the retention
// is over. Deleting it again changes nothing. erase, for the room's staff,
// removes it for good, from the event log too.
func (a *App) DeleteArtifact(ctx context.Context, actor *Actor, id string, erase bool) error {
	head, res, err := a.artifactFor(ctx, actor, id, ActDeleteArtifact)
	if err != nil {
		return err
	}
	if err := a.spend(ctx, a.edits, actor.User.ID); err != nil {
		return err
	}
	if erase {
		return a.eraseArtifact(ctx, actor, head, res)
	}
	_, err = a.editArtifact(ctx, head, func(tx *store.Tx, room *store.Room, f *store.Artifact) error {
		if f.Deleted() {
			return nil
		}
		f.DeletedAt = a.instant()
		if err := a.storeArtifact(ctx, tx, room, f, authorOf(actor), EventArtifactDelete); err != nil {
			return err
		}
		return a.record(ctx, tx, actor, ActDeleteArtifact, target{"artifact", f.ID}, artifactChanges(f, false), artifactChanges(f, true))
	})
	return err
}

func (a *App) eraseArtifact(ctx context.Context, actor *Actor, head *store.Artifact, res Resource) error {
	if err := Check(actor, ActEraseArtifact, res); err != nil {
		return err
	}
	_, err := a.editArtifact(ctx, head, func(tx *store.Tx, room *store.Room, f *store.Artifact) error {
		spent := f.EventSeq
		var err error
		if f.EventSeq, err = quietSeq(ctx, tx, room); err != nil {
			return err
		}
		if err := tx.ReplaceEventBody(ctx, f.RoomID, spent, spentArtifactEvent(f.ID)); err != nil {
			return err
		}
		if err := tx.EraseArtifact(ctx, f.ID); err != nil {
			return err
		}
		if err := tx.CreateEvent(ctx, artifactEvent(f, actor.User.ID, a.instant(), EventArtifactDelete)); err != nil {
			return err
		}
		return a.record(ctx, tx, actor, ActEraseArtifact, target{"artifact", f.ID}, artifactChanges(f, f.Deleted()), nil)
	})
	return err
}

// RestoreArtifact brings a deleted artifact back, for whoever deleted it and
// for the room's staff. One that is there stays as it is.
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
	if err := a.spend(ctx, a.edits, actor.User.ID); err != nil {
		return nil, err
	}
	return a.editArtifact(ctx, head, func(tx *store.Tx, room *store.Room, f *store.Artifact) error {
		switch {
		case !f.Deleted():
			return nil
		case !head.Deleted():
			return store.ErrNotFound // deleted since the actor's right was looked at
		}
		if err := a.artifactFits(ctx, tx, f.RoomID, 1, f.ContentBytes); err != nil {
			return err
		}
		f.DeletedAt = time.Time{}
		if err := a.storeArtifact(ctx, tx, room, f, authorOf(actor), EventArtifactUpdate); err != nil {
			return err
		}
		return a.record(ctx, tx, actor, ActRestoreArtifact, target{"artifact", f.ID}, artifactChanges(f, true), artifactChanges(f, false))
	})
}

// artifactChanges are what the audit log tells of an artifact.
func artifactChanges(f *store.Artifact, deleted bool) changes {
	return changes{"room_id": f.RoomID, "type": f.Type, "title": f.Title, "deleted": deleted}
}
