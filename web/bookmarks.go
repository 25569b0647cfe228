package web

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
)

type setBookmarkIn struct {
	MessageID id `path:"message_id"`
	Body      struct {
		Note *string `json:"note,omitempty" maxLength:"500"`
	}
}

func (s *Server) setBookmark(ctx context.Context, actor *app.Actor, in *setBookmarkIn) (*empty, error) {
	return &empty{}, s.app.Bookmark(ctx, actor, in.MessageID.String(), in.Body.Note)
}

type bookmarkIn struct {
	MessageID id `path:"message_id"`
}

func (s *Server) deleteBookmark(ctx context.Context, actor *app.Actor, in *bookmarkIn) (*empty, error) {
	return &empty{}, s.app.DeleteBookmark(ctx, actor, in.MessageID.String())
}

// bookmarkOut is a bookmark of the caller.
type bookmarkOut struct {
	SaidThereOut
	ID           string    `json:"id" format:"uuid"`
	Note         string    `json:"note"`
	BookmarkedAt time.Time `json:"bookmarked_at"`
}

func bookmarkForm(b *app.BookmarkedThere) bookmarkOut {
	return bookmarkOut{saidThereForm(&b.SaidThere), b.Bookmark.BookmarkID, b.Bookmark.Note, instant(b.Bookmark.BookmarkedAt)}
}

type bookmarksIn struct {
	RoomID id  `query:"room_id" doc:"Only in this room"`
	Before id  `query:"before" doc:"Only those before the one with this id"`
	Limit  int `query:"limit" minimum:"1" maximum:"100" default:"50"`
}

func (s *Server) bookmarks(ctx context.Context, actor *app.Actor, in *bookmarksIn) (*pageOut[bookmarkOut], error) {
	rows, err := few(ctx, s, in.Limit, func() ([]app.BookmarkedThere, error) {
		return s.app.Bookmarks(ctx, actor, store.BookmarkSearch{RoomID: in.RoomID.String(), Before: in.Before.String(), Limit: in.Limit})
	})
	if err != nil {
		return nil, err
	}
	return paged(ctx, s, rows, bookmarkForm, before(in.Limit, func(b *app.BookmarkedThere) string { return b.Bookmark.BookmarkID }))
}
