package app

import (
	"context"
	"errors"
	"time"

	"github.com/coagent-studio/coagent/app/limit"
	"github.com/coagent-studio/coagent/app/picture"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

const (
	// maxAvatar is the largest picture that can be uploaded, in bytes.
	maxAvatar = 2 << 20
	// pathAvatars is where pictures are served from, as clients know it.
	pathAvatars = "/static/avatars/"
)

// SetAvatar makes a picture from an upload and stores it as the actor's picture, in
// place of the old one.
func (a *App) SetAvatar(ctx context.Context, actor *Actor, upload []byte) (*store.User, error) {
	if err := Check(actor, ActUpdateSelf, Resource{}); err != nil {
		return nil, err
	}
	if len(upload) > maxAvatar {
		return nil, errorf(KindRejected, wording.FileTooLarge, "File too large")
	}
	image, extension, err := makePicture(ctx, a.limits.pictures, actor.User.ID, upload)
	if err != nil {
		return nil, err
	}
	v := &store.Avatar{ID: store.NewID(), UserID: actor.User.ID, Extension: extension, Image: image, CreatedAt: a.instant()}
	return a.replaceAvatar(ctx, actor, v)
}

// pictureBounds limits the pictures that are being made. A large one takes seconds, and
// each upload that waits is kept in memory. One person has at most one at work and one
// waiting.
var pictureBounds = limit.Bounds{PerAddress: 1, AtAll: 24, Busy: &Error{Kind: KindUnavailable, Code: wording.Busy, RetryAfter: 10 * time.Second,
	Message: "Other pictures are still being read. Try again in 10 s."}}

// makePicture decodes one upload at a time, since each may take 256 MiB and more. People
// take turns.
func makePicture(ctx context.Context, queue *limit.FairQueue, person string, upload []byte) (image []byte, extension string, err error) {
	release, err := queue.Acquire(ctx, limit.Asker{Address: person})
	if err != nil {
		return nil, "", err
	}
	defer release()
	image, extension, err = picture.Square(upload)
	switch {
	case errors.Is(err, picture.ErrNoPicture):
		return nil, "", errorf(KindRejected, wording.InvalidFileType, "Invalid file type")
	case errors.Is(err, picture.ErrTooLarge):
		return nil, "", errorf(KindRejected, wording.ImageTooLarge, "Image too large: at most %d million pixels, fewer where each takes many bytes",
			picture.MaxPixels/1_000_000)
	}
	return image, extension, err
}

// RemoveAvatar deletes the actor's picture.
func (a *App) RemoveAvatar(ctx context.Context, actor *Actor) (*store.User, error) {
	if err := Check(actor, ActUpdateSelf, Resource{}); err != nil {
		return nil, err
	}
	return a.replaceAvatar(ctx, actor, nil)
}

// replaceAvatar replaces the actor's picture by v. If v is nil, it only deletes the old
// one.
func (a *App) replaceAvatar(ctx context.Context, actor *Actor, v *store.Avatar) (*store.User, error) {
	var u *store.User
	err := a.db.InTx(ctx, func(tx *store.Tx) (err error) {
		if u, err = tx.UserForUpdate(ctx, actor.User.ID); err != nil {
			return err
		}
		if err := tx.DeleteAvatarOf(ctx, u.ID); err != nil {
			return err
		}
		before := userChanges(u)
		u.AvatarURL = nil
		if v != nil {
			if err := tx.CreateAvatar(ctx, v); err != nil {
				return err
			}
			at := pathAvatars + v.ID + "." + v.Extension
			u.AvatarURL = &at
		}
		if err := tx.UpdateUser(ctx, u); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActUpdateSelf, target{"user", u.ID}, before, userChanges(u))
	})
	return u, fromStore(err, "User")
}

// Avatar returns a picture. Everybody who is signed in may see it.
func (a *App) Avatar(ctx context.Context, actor *Actor, id string) (*store.Avatar, error) {
	if err := Check(actor, ActReadAvatar, Resource{}); err != nil {
		return nil, err
	}
	v, err := a.db.Avatar(ctx, id)
	return v, fromStore(err, "Picture")
}
