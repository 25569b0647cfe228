package app

import (
	"context"

	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

const (
	maxBookmarks    = 1000 // of one person
	maxBookmarkNote = 500  // characters of a bookmark's note
)

// Bookmark keeps a message that the actor may read now for the actor alone, with a note,
// which may be empty. A bookmark that is there gets the note; nil leaves the one that it has.
func (a *App) Bookmark(ctx context.Context, actor *Actor, messageID string, note *string) error {
	if err := Check(actor, ActOwnBookmarks, Resource{}); err != nil {
		return err
	}
	b := &store.Bookmark{ID: store.NewID(), UserID: actor.User.ID, MessageID: messageID, CreatedAt: a.instant()}
	if note != nil {
		b.Note = *note
	}
	if err := text("note", b.Note, 0, maxBookmarkNote); err != nil {
		return err
	}
	if err := a.limits.edits.spend(ctx, actor.User.ID); err != nil {
		return err
	}
	ok, err := a.db.Readable(ctx, actor.reader(), messageID)
	if err != nil {
		return err
	}
	if !ok {
		return notFound("Message")
	}
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.SetBookmark(ctx, b, note != nil); err != nil {
			return err
		}
		n, err := tx.CountBookmarks(ctx, actor.User.ID)
		if err == nil && n > maxBookmarks {
			err = errorf(KindConflict, wording.TooMany, "One person can have %d bookmarks, and these are there. Delete some first.", maxBookmarks)
		}
		return err
	})
	return fromStore(err, "Message")
}

// DeleteBookmark removes the actor's bookmark on a message, if there is one.
func (a *App) DeleteBookmark(ctx context.Context, actor *Actor, messageID string) error {
	if err := Check(actor, ActOwnBookmarks, Resource{}); err != nil {
		return err
	}
	return a.db.InTx(ctx, func(tx *store.Tx) error { return tx.DeleteBookmark(ctx, actor.User.ID, messageID) })
}

// BookmarkedThere is a message with the actor's bookmark.
type BookmarkedThere struct {
	SaidThere
	Bookmark store.Bookmarked
}

// Bookmarks lists the actor's bookmarks on messages that the actor may read now, the newest
// first.
func (a *App) Bookmarks(ctx context.Context, actor *Actor, s store.BookmarkSearch) ([]BookmarkedThere, error) {
	if err := Check(actor, ActReadBookmarks, Resource{}); err != nil {
		return nil, err
	}
	rows, err := a.db.Bookmarks(ctx, actor.reader(), s)
	all := make([]BookmarkedThere, len(rows))
	for i, said := range saidThere(foundIn(rows, func(b *store.Bookmarked) store.Found { return b.Found })) {
		all[i] = BookmarkedThere{said, rows[i]}
	}
	return all, err
}
