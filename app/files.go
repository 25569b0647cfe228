package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/google/uuid"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// filesOf finds the files that a message shall show: the actor's own, uploaded to this room
// and not shown by another message.
func (a *App) filesOf(ctx context.Context, actor *Actor, roomID string, ids []string) ([]event.File, error) {
	if most := a.cfg.Files.PerMessage; len(ids) > most {
		return nil, invalid("files", "has %d members, at most %d are possible", len(ids), most)
	}
	for i, id := range ids {
		if u, err := uuid.Parse(id); err != nil || u.String() != id {
			return nil, invalid(fmt.Sprintf("files[%d]", i), "must be the id of a file that you have uploaded to this room")
		}
		if slices.Contains(ids[:i], id) {
			return nil, invalid(fmt.Sprintf("files[%d]", i), "names a file a second time, leave it out")
		}
	}
	rows, err := a.db.UnpostedFiles(ctx, roomID, actor.User.ID, ids)
	if err != nil {
		return nil, err
	}
	files := make([]event.File, len(ids))
	for i, id := range ids {
		f := rows[id]
		if f == nil {
			return nil, errNoSuchFile(i)
		}
		files[i] = event.FileOf(f)
	}
	return files, nil
}

// errNoSuchFile is for a file that cannot go with a message.
func errNoSuchFile(i int) *Error {
	return invalid(fmt.Sprintf("files[%d]", i), "is not a file that you have uploaded to this room and that no message shows; upload it again")
}

// RoomFiles lists the files of a room's messages that the actor may read, newest first:
// those with an id below before ("" = no bound).
func (a *App) RoomFiles(ctx context.Context, actor *Actor, roomID, before string, limit int) ([]store.File, error) {
	_, res, err := a.roomAccess(ctx, actor, roomID, ActReadFile)
	if err != nil {
		return nil, err
	}
	return a.db.FilesInRoom(ctx, roomID, Check(actor, ActReadHidden, res) == nil, before, limit)
}

// FileContent is the content of a file in one of its forms.
type FileContent struct {
	store.FileContent
	storage *fileStorage
}

// Open reads n bytes of the content from an offset.
func (c *FileContent) Open(ctx context.Context, offset, n int64) (io.ReadCloser, error) {
	at, configured := c.storage.stores[c.Storage]
	err := errors.New("files.s3 is not set any more, and the file lies there")
	if configured {
		var r io.ReadCloser
		if r, err = at.Open(ctx, c.BlobID, offset, n); err == nil {
			return r, nil
		}
	}
	return nil, c.storage.failure(ctx, err)
}

// FileContent returns the content of a file for who may read the message that shows it, or
// for its uploader while no message does. kind is that of a store.Blob.
func (a *App) FileContent(ctx context.Context, actor *Actor, id, kind string) (*FileContent, error) {
	if actor == nil {
		return nil, errNotAuthenticated
	}
	c, err := a.db.FileContent(ctx, id, kind)
	if err != nil {
		return nil, fromStore(err, "File")
	}
	_, res, err := a.roomAccess(ctx, actor, c.RoomID, ActReadFile)
	if KindOf(err) == KindNotFound {
		return nil, notFound("File") // and not that there is one, in a room
	}
	if err != nil {
		return nil, err
	}
	m := &store.Message{DeletedAt: c.DeletedAt, HiddenAt: c.HiddenAt}
	switch {
	case c.MessageID == "" && c.UploaderID != actor.User.ID, m.State() == store.MessageDeleted,
		m.State() == store.MessageHidden && Check(actor, ActReadHidden, res) != nil:
		return nil, notFound("File")
	case c.BlobID == "" && kind == store.BlobOriginal:
		return nil, errorf(KindNotFound, wording.NotKept, "The content of this file is not kept any more")
	case c.BlobID == "":
		return nil, notFound("Picture")
	}
	return &FileContent{*c, a.files}, nil
}

// DeleteFile deletes a file of the actor that no message shows. Those of messages go with
// their message.
func (a *App) DeleteFile(ctx context.Context, actor *Actor, id string) error {
	if actor == nil {
		return errNotAuthenticated
	}
	f, err := a.db.File(ctx, id)
	if err != nil {
		return fromStore(err, "File")
	}
	if _, _, err := a.roomAccess(ctx, actor, f.RoomID, ActUploadFile); KindOf(err) == KindNotFound || err == nil && f.UploaderID != actor.User.ID {
		return notFound("File")
	} else if err != nil {
		return err
	}
	if f.MessageID != "" {
		return errorf(KindConflict, wording.Posted, "A message shows this file. Delete the message instead")
	}
	return fromStore(a.db.InTx(ctx, func(tx *store.Tx) error { return tx.DeleteUnpostedFile(ctx, id, actor.User.ID) }), "File")
}
