package app

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// The types of artifacts.
const (
	ArtifactTask    = "task"
	ArtifactDoc     = "doc"
	ArtifactProcess = "process"
)

var artifactTypes = []string{ArtifactTask, ArtifactDoc, ArtifactProcess}

// maxTitle is the longest title of an artifact, in characters.
const maxTitle = 500

// NewArtifact is what somebody puts into a room.
type NewArtifact struct {
	Type     string
	Title    string
	Content  Opt[json.RawMessage] // an object, {} when absent
	ParentID string               // another artifact of the same room, or "" for none
}

// ArtifactChange has the members of an artifact that a request changes.
type ArtifactChange struct {
	Title   Opt[string]
	Content Opt[json.RawMessage] // replaces the content; for a task only the sent members
	// ExpectedVersion, if sent, is the version that the client changed.
	ExpectedVersion Opt[int]
	// BaseVersion, if sent, is the version that the client changed, too. If there is a newer
	// one, what both have changed is merged.
	BaseVersion Opt[int]
}

// author is who makes or changes an artifact: a person, or an agent in a turn.
type author struct {
	person                 *store.User // nil for an agent
	agent, agentName, turn string
}

// authorOf is the actor of a request as an author.
func authorOf(actor *Actor) author { return author{person: &actor.User} }

// user is the person's id, "" for an agent.
func (by author) user() string {
	if by.person == nil {
		return ""
	}
	return by.person.ID
}

// signs notes in an artifact that the author has changed it.
func (by author) signs(f *store.Artifact) {
	f.Modifier, f.ModifiedBy = by.person, by.user()
	f.ModifiedByAgent, f.ModifiedAgentName, f.ModifiedTurnID = by.agent, by.agentName, by.turn
}

// artifacts stores artifacts, for people and for agents. Whoever calls it has checked
// that they may.
type artifacts struct {
	db     *store.DB
	now    clock
	limits *config.Limits
	quotas quotas

	audience *audience // is shown which agents change what
}

// Artifacts lists a room's artifacts, newest first. It returns all of them, since a room
// cannot hold more than one list may have. kind, unless "", is their type.
func (a *App) Artifacts(ctx context.Context, actor *Actor, roomID, kind string) (*store.Listing[store.Artifact], error) {
	if _, _, err := a.workspace(ctx, actor, roomID, "Workspace", ActReadArtifacts); err != nil {
		return nil, err
	}
	return a.artifactsIn(ctx, roomID, kind)
}

// artifactsIn lists the artifacts of a room for Artifacts.
func (a *App) artifactsIn(ctx context.Context, roomID, kind string) (*store.Listing[store.Artifact], error) {
	if kind != "" && !slices.Contains(artifactTypes, kind) {
		return store.None[store.Artifact](), nil
	}
	return a.db.Artifacts(ctx, roomID, kind, store.Page{Limit: store.MaxLimit})
}

// DeletedArtifacts lists the artifacts that can be restored, without contents, the last
// deleted first. It is for the room's staff.
func (a *App) DeletedArtifacts(ctx context.Context, actor *Actor, roomID, kind string, p store.Page) ([]store.Artifact, error) {
	_, res, err := a.workspace(ctx, actor, roomID, "Workspace", ActReadArtifacts)
	if err != nil {
		return nil, err
	}
	if err := Check(actor, ActSeeDeleted, res); err != nil {
		return nil, err
	}
	if kind != "" && !slices.Contains(artifactTypes, kind) {
		return nil, nil
	}
	return a.db.DeletedArtifacts(ctx, roomID, kind, p)
}

// Artifact returns one artifact. A deleted one is not found.
func (a *App) Artifact(ctx context.Context, actor *Actor, id string) (*store.Artifact, error) {
	if err := a.liveArtifact(ctx, actor, id); err != nil {
		return nil, err
	}
	f, err := a.db.Artifact(ctx, id)
	return f, fromStore(err, "Artifact")
}

// workspace loads a room and checks that the actor may do the action there. noun is the
// room's name in the errors of the artifact routes.
func (a *App) workspace(ctx context.Context, actor *Actor, roomID, noun string, action Action) (*store.Room, Resource, error) {
	if actor == nil {
		return nil, Resource{}, errNotAuthenticated
	}
	acc, err := a.db.RoomAccess(ctx, roomID, actor.User.ID)
	if err != nil {
		return nil, Resource{}, fromStore(err, noun)
	}
	res := roomResource(acc)
	res.Noun = noun
	return &acc.Room, res, Check(actor, action, res)
}

// artifactFor loads an artifact without its content, deleted or not, and checks that the
// actor may do the action to it.
func (a *App) artifactFor(ctx context.Context, actor *Actor, id string, action Action) (*store.Artifact, Resource, error) {
	if actor == nil {
		return nil, Resource{}, errNotAuthenticated
	}
	f, err := a.db.ArtifactHead(ctx, id)
	if err != nil {
		return nil, Resource{}, fromStore(err, "Artifact")
	}
	_, res, err := a.workspace(ctx, actor, f.RoomID, "Artifact", action)
	if f.Deleted() && f.ModifiedBy == actor.User.ID {
		res.Relations |= IsRemover
	}
	return f, res, err
}

// CreateArtifact adds an artifact to a room and shows it to everybody there.
func (a *App) CreateArtifact(ctx context.Context, actor *Actor, roomID string, n NewArtifact) (*store.Artifact, error) {
	if _, _, err := a.workspace(ctx, actor, roomID, "Workspace", ActWriteArtifact); err != nil {
		return nil, err
	}
	if err := a.limits.edits.spend(ctx, actor.User.ID); err != nil {
		return nil, err
	}
	f, err := a.artifacts.make(authorOf(actor), roomID, n)
	if err != nil {
		return nil, err
	}
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		if err := a.artifacts.add(ctx, tx, f); err != nil {
			return err
		}
		return a.quotas.artifactsWithin(ctx, tx, actor.User.ID)
	})
	return f, fromStore(err, "Workspace")
}

func (s *artifacts) make(by author, roomID string, n NewArtifact) (*store.Artifact, error) {
	if !slices.Contains(artifactTypes, n.Type) {
		return nil, errorf(KindRejected, wording.InvalidType, "Invalid artifact type. Must be one of: ['%s']", strings.Join(artifactTypes, "', '"))
	}
	now := s.now.instant()
	f := &store.Artifact{ID: store.NewID(), RoomID: roomID, Type: n.Type, ParentID: n.ParentID, Version: 1, CreatedAt: now, UpdatedAt: now,
		CreatedBy: by.user(), CreatedByAgent: by.agent}
	by.signs(f)
	if !n.Content.Sent {
		n.Content = Some(json.RawMessage("{}"))
	}
	change := ArtifactChange{Title: Some(n.Title), Content: n.Content}
	if err := change.check(int(s.limits.ArtifactBytes)); err != nil {
		return nil, err
	}
	return f, s.apply(f, change)
}

// add locks the room, so that the count of its artifacts is right and the
// parent cannot be deleted meanwhile.
func (s *artifacts) add(ctx context.Context, tx *store.Tx, f *store.Artifact) error {
	room, err := tx.OpenRoomForUpdate(ctx, f.RoomID)
	if err != nil {
		return err
	}
	if f.ParentID != "" {
		parent, err := tx.ArtifactHead(ctx, f.ParentID)
		if errors.Is(err, store.ErrNotFound) || err == nil && (parent.RoomID != f.RoomID || parent.Deleted()) {
			return invalid("parent_artifact_id", "is no artifact of this room")
		}
		if err != nil {
			return err
		}
	}
	if err := s.fits(ctx, tx, f.RoomID, 1, f.ContentBytes); err != nil {
		return err
	}
	if f.EventSeq, err = tx.NextQuietSeq(ctx, room); err != nil {
		return err
	}
	if err := tx.CreateArtifact(ctx, f); err != nil {
		return err
	}
	return tx.CreateEvent(ctx, event.OfArtifact(f, f.CreatedBy, f.CreatedAt, event.TypeArtifactUpdate))
}

// fits returns nil if a room can hold so many more artifacts and bytes. A room's
// artifacts are listed as a whole, so their total size is limited.
func (s *artifacts) fits(ctx context.Context, tx *store.Tx, roomID string, more int, bytes int64) error {
	n, size, err := tx.ArtifactLoad(ctx, roomID)
	switch most := int64(s.limits.RoomArtifactBytes); {
	case err != nil:
		return err
	case n+more > store.MaxLimit:
		return errorf(KindTooLarge, wording.TooMany, "The room has %d artifacts, which is all that it can hold. Delete some first.", n)
	case size+bytes > most:
		return errorf(KindTooLarge, wording.TooLarge, "The room's artifacts would have %d bytes together, at most %d are possible. Delete some first.", size+bytes, most)
	}
	return nil
}

// errVersionConflict tells a client that it changed a version that is not the newest.
var errVersionConflict = errorf(KindConflict, wording.Stale, "Version conflict. Please refresh and retry.")

// UpdateArtifact changes an artifact and shows it to everybody in the room. If several
// expect the same version, only one succeeds.
func (a *App) UpdateArtifact(ctx context.Context, actor *Actor, id string, change ArtifactChange) (*store.Artifact, error) {
	head, _, err := a.artifactFor(ctx, actor, id, ActWriteArtifact)
	if err != nil {
		return nil, err
	}
	if err := change.check(int(a.cfg.Limits.ArtifactBytes)); err != nil {
		return nil, err
	}
	if err := a.limits.edits.spend(ctx, actor.User.ID); err != nil {
		return nil, err
	}
	return a.artifacts.edit(ctx, head, func(tx *store.Tx, room *store.Room, f *store.Artifact) error {
		if f.Deleted() {
			return store.ErrNotFound
		}
		if e := change.ExpectedVersion; e.Sent && !e.Null && e.Value != f.Version {
			return errVersionConflict
		}
		before := *f
		if err := a.artifacts.mergeOrApply(ctx, tx, f, change); err != nil {
			return err
		}
		if more := f.ContentBytes - before.ContentBytes; more > 0 {
			if err := a.artifacts.fits(ctx, tx, f.RoomID, 0, more); err != nil {
				return err
			}
		}
		grew := f.ContentBytes > before.ContentBytes
		if f.Title != before.Title || f.Content != before.Content {
			kept, err := a.artifacts.keepVersion(ctx, tx, &before, authorOf(actor))
			if err != nil {
				return err
			}
			grew = grew || kept
		}
		return a.artifacts.saveFor(ctx, tx, room, f, actor, grew)
	})
}

// saveFor stores what a person made of an artifact, unless the person keeps too much then.
// grew says that the artifact or its versions have more bytes than before.
func (s *artifacts) saveFor(ctx context.Context, tx *store.Tx, room *store.Room, f *store.Artifact, actor *Actor, grew bool) error {
	grew = grew || f.ModifiedBy != actor.User.ID // then it begins to count for the actor
	if err := s.save(ctx, tx, room, f, authorOf(actor), event.TypeArtifactUpdate); err != nil || !grew {
		return err
	}
	return s.quotas.artifactsWithin(ctx, tx, actor.User.ID)
}

// edit runs fn on the stored artifact, in a transaction that locks its room. So
// the changes to a room's artifacts happen one after another.
func (s *artifacts) edit(ctx context.Context, head *store.Artifact, fn func(*store.Tx, *store.Room, *store.Artifact) error) (*store.Artifact, error) {
	var f *store.Artifact
	err := s.db.InTx(ctx, func(tx *store.Tx) error {
		room, err := tx.OpenRoomForUpdate(ctx, head.RoomID)
		if err != nil {
			return err
		}
		if f, err = tx.Artifact(ctx, head.ID); err != nil {
			return err
		}
		before := *f
		if err := fn(tx, room, f); err != nil {
			return err
		}
		return s.keepBase(ctx, tx, &before, f)
	})
	if errors.Is(err, store.ErrStale) {
		err = errVersionConflict
	}
	return f, fromStore(err, "Artifact")
}

// save stores a changed artifact as its next version. Its new event replaces
// the last one.
func (s *artifacts) save(ctx context.Context, tx *store.Tx, room *store.Room, f *store.Artifact, by author, kind string) error {
	spent := f.EventSeq
	var err error
	if f.EventSeq, err = tx.NextQuietSeq(ctx, room); err != nil {
		return err
	}
	f.UpdatedAt = s.now.instant()
	by.signs(f)
	if err := tx.UpdateArtifact(ctx, f); err != nil {
		return err
	}
	if err := tx.ReplaceEventBody(ctx, f.RoomID, spent, event.SpentArtifact(f.ID)); err != nil {
		return err
	}
	return tx.CreateEvent(ctx, event.OfArtifact(f, by.user(), f.UpdatedAt, kind))
}
