package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// Bookmark is a message that a person wants to find again, with a note of their own. Nobody
// else sees it.
type Bookmark struct {
	bun.BaseModel `bun:"table:bookmarks,alias:bk"`
	ID            string `bun:",pk"`
	UserID        string
	MessageID     string
	Note          string
	CreatedAt     time.Time
}

// Bookmarked is a message with the reader's bookmark.
type Bookmarked struct {
	Found
	BookmarkID   string
	Note         string
	BookmarkedAt time.Time
}

// SetBookmark keeps a bookmark. One that is there already keeps its id and its time, and gets
// the note if it is renoted.
func (t *Tx) SetBookmark(ctx context.Context, b *Bookmark, renote bool) error {
	q := t.db.NewInsert().Model(b)
	if renote {
		q = q.On("CONFLICT (user_id, message_id) DO UPDATE").Set("note = excluded.note")
	} else {
		q = q.On("CONFLICT (user_id, message_id) DO NOTHING")
	}
	_, err := q.Exec(ctx)
	return translate(err)
}

// DeleteBookmark removes a bookmark of a person, if there is one.
func (t *Tx) DeleteBookmark(ctx context.Context, userID, messageID string) error {
	_, err := t.db.NewDelete().Model((*Bookmark)(nil)).Where("user_id = ?", userID).Where("message_id = ?", messageID).Exec(ctx)
	return translate(err)
}

// CountBookmarks returns how many bookmarks a person has.
func (q Queries) CountBookmarks(ctx context.Context, userID string) (int, error) {
	n, err := q.db.NewSelect().Model((*Bookmark)(nil)).Where("user_id = ?", userID).Count(ctx)
	return int(n), translate(err)
}

// Readable tells whether a person may read a message now. Nobody may who would see less
// than all of it.
func (q Queries) Readable(ctx context.Context, who Reader, messageID string) (bool, error) {
	var rows []Found
	err := q.readable(who, excerptOf, "messages AS m").Where("m.id = ?", messageID).Limit(1).Scan(ctx, &rows)
	return len(rows) > 0, translate(err)
}

// BookmarkSearch says which bookmarks of a person to list.
type BookmarkSearch struct {
	RoomID string // "" for all
	Before string // only those with a smaller id
	Limit  int
}

// Bookmarks lists a person's bookmarks on messages that the person may read now, the newest
// first.
func (q Queries) Bookmarks(ctx context.Context, who Reader, s BookmarkSearch) ([]Bookmarked, error) {
	var rows []Bookmarked
	sel := q.readable(who, excerptOf, "bookmarks AS bk JOIN messages AS m ON m.id = bk.message_id").
		ColumnExpr("bk.id AS bookmark_id, bk.note, bk.created_at AS bookmarked_at").Where("bk.user_id = ?", who.UserID)
	if s.RoomID != "" {
		sel = sel.Where("m.room_id = ?", s.RoomID)
	}
	if s.Before != "" {
		sel = sel.Where("bk.id < ?", s.Before)
	}
	err := sel.OrderExpr("bk.id DESC").Limit(int64(s.Limit)).Scan(ctx, &rows)
	return rows, translate(err)
}
