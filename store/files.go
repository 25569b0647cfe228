package store

import (
	"context"
	"errors"
	"time"

	"github.com/uptrace/bun"
)

// File is a file that somebody has put into a room. Until a message shows it, it is its
// uploader's alone.
type File struct {
	bun.BaseModel `bun:"table:files,alias:fi"`
	ID            string `bun:",pk"`
	RoomID        string
	UploaderID    string `bun:",nullzero"` // "" when the account is deleted
	MessageID     string `bun:",nullzero"`
	ClientID      string `bun:",nullzero"` // the uploader's own id for it; an upload with it again adds nothing
	Name          string
	Type          string // of the content, whatever the uploader said
	Size          int64
	Stored        int64 // Size and that of the pictures made of it
	IsText        bool  // the whole content is UTF-8 text
	Width         int   // of a picture, in pixels; else 0
	Height        int
	CreatedAt     time.Time
}

// BytesPerFile is what a file counts besides its content.
const BytesPerFile = 1 << 10

// ErrFilesTaken says that a file cannot go with a message: it is gone, somebody else's, in
// another room, or another message has it.
var ErrFilesTaken = errors.New("files cannot go with this message")

// File returns a file by its id.
func (q Queries) File(ctx context.Context, id string) (*File, error) {
	f := new(File)
	return first(ctx, q.db.NewSelect().Model(f).Where("fi.id = ?", id), f)
}

// FileByClientID returns the file that a person uploaded with this ClientID.
func (q Queries) FileByClientID(ctx context.Context, roomID, uploaderID, clientID string) (*File, error) {
	f := new(File)
	return first(ctx, q.db.NewSelect().Model(f).Where("fi.room_id = ?", roomID).Where("fi.uploader_id = ?", uploaderID).
		Where("fi.client_id = ?", clientID), f)
}

// UnpostedFiles returns those of a person's files in a room that no message shows yet, by
// their ids.
func (q Queries) UnpostedFiles(ctx context.Context, roomID, uploaderID string, ids []string) (map[string]*File, error) {
	var rows []File
	err := q.db.NewSelect().Model(&rows).Where("fi.id IN (?)", bun.List(ids)).Where("fi.room_id = ?", roomID).
		Where("fi.uploader_id = ?", uploaderID).Where("fi.message_id IS NULL").Limit(int64(len(ids))).Scan(ctx)
	by := make(map[string]*File, len(rows))
	for i := range rows {
		by[rows[i].ID] = &rows[i]
	}
	return by, translate(err)
}

// FilesInRoom lists the files of messages that are shown, or also of hidden ones, newest
// first: those with an id below before ("" = no bound).
func (q Queries) FilesInRoom(ctx context.Context, roomID string, hidden bool, before string, limit int) ([]File, error) {
	var rows []File
	sel := q.db.NewSelect().Model(&rows).Join("JOIN messages AS m ON m.id = fi.message_id").Where("fi.room_id = ?", roomID).
		Where("fi.message_id IS NOT NULL").Where("m.deleted_at IS NULL")
	if !hidden {
		sel = sel.Where("m.hidden_at IS NULL")
	}
	if before != "" {
		sel = sel.Where("fi.id < ?", before)
	}
	err := sel.OrderExpr("fi.id DESC").Limit(int64(limit)).Scan(ctx)
	return rows, translate(err)
}

// CreateFile adds a file and gives it its blobs, which may be dropped as soon as it is gone. It returns ErrStale when one of them is
// being dropped, because the upload took too long.
func (t *Tx) CreateFile(ctx context.Context, f *File, blobIDs []string) error {
	if err := t.insert(ctx, f); err != nil {
		return err
	}
	n, err := affected(t.db.NewUpdate().Model((*Blob)(nil)).Set("file_id = ?", f.ID).Set("drop_after = ?", f.CreatedAt).
		Where("id IN (?)", bun.List(blobIDs)).
		Where("file_id IS NULL").Where("NOT dropping").Exec(ctx))
	if err == nil && n != int64(len(blobIDs)) {
		err = ErrStale
	}
	return err
}

// claimFiles gives files to the message that shows them.
func (t *Tx) claimFiles(ctx context.Context, m *Message) error {
	if len(m.Claims) == 0 {
		return nil
	}
	n, err := affected(t.db.NewUpdate().Model((*File)(nil)).Set("message_id = ?", m.ID).Where("id IN (?)", bun.List(m.Claims)).
		Where("room_id = ?", m.RoomID).Where("uploader_id = ?", m.SenderID).Where("message_id IS NULL").Exec(ctx))
	if err == nil && n != int64(len(m.Claims)) {
		err = ErrFilesTaken
	}
	return err
}

// DeleteUnpostedFile removes a file that no message shows. ErrNotFound when there is none.
func (t *Tx) DeleteUnpostedFile(ctx context.Context, id, uploaderID string) error {
	res, err := t.db.NewDelete().Model((*File)(nil)).Where("id = ?", id).Where("uploader_id = ?", uploaderID).
		Where("message_id IS NULL").Exec(ctx)
	return changed(res, err, ErrNotFound)
}

// DeleteUnpostedFilesBefore removes files that no message shows and that were uploaded
// before a time, limit at most; also those whose uploader is gone. Their content follows,
// see BlobsToDrop.
func (t *Tx) DeleteUnpostedFilesBefore(ctx context.Context, before time.Time, limit int) (int64, error) {
	old := t.db.NewSelect().Model((*File)(nil)).Column("fi.id").Where("fi.message_id IS NULL").
		Where("fi.created_at < ? OR fi.uploader_id IS NULL", before).Limit(int64(limit))
	return affected(t.db.NewDelete().Model((*File)(nil)).Where("id IN (?)", old).Where("message_id IS NULL").Exec(ctx))
}

// FileBytes is what files take: those of a room, or those that a person has uploaded.
type FileBytes struct{ All, Unposted int64 }

// FileBytesOfPerson counts the files that a person has uploaded.
func (q Queries) FileBytesOfPerson(ctx context.Context, userID string) (b FileBytes, err error) {
	err = q.db.NewSelect().Model((*File)(nil)).ColumnExpr("COALESCE(SUM(stored + ?), 0)", BytesPerFile).
		ColumnExpr("COALESCE(SUM(CASE WHEN message_id IS NULL THEN stored + ? ELSE 0 END), 0)", BytesPerFile).
		Where("uploader_id = ?", userID).Scan(ctx, &b.All, &b.Unposted)
	return b, translate(err)
}

// FileBytesInRoom counts the files of a room.
func (q Queries) FileBytesInRoom(ctx context.Context, roomID string) (n int64, err error) {
	err = q.db.NewSelect().Model((*File)(nil)).ColumnExpr("COALESCE(SUM(stored + ?), 0)", BytesPerFile).
		Where("room_id = ?", roomID).Scan(ctx, &n)
	return n, translate(err)
}

// DropContentBefore takes their content from files that were uploaded before a time, limit
// at most. The files stay, so that the messages still say what was there.
func (t *Tx) DropContentBefore(ctx context.Context, before time.Time, limit int) (int64, error) {
	var ids []string
	err := t.db.NewSelect().Model((*File)(nil)).Column("fi.id").Where("fi.created_at < ?", before).Where("fi.stored > 0").
		OrderExpr("fi.created_at").Limit(int64(limit)).Scan(ctx, &ids)
	if err != nil || len(ids) == 0 {
		return 0, translate(err)
	}
	if _, err := t.db.NewUpdate().Model((*Blob)(nil)).Set("file_id = NULL").Where("file_id IN (?)", bun.List(ids)).Exec(ctx); err != nil {
		return 0, translate(err)
	}
	return affected(t.db.NewUpdate().Model((*File)(nil)).Set("stored = 0").Where("id IN (?)", bun.List(ids)).Exec(ctx))
}

// FileContent is a file with one of its blobs, and the state of the message that shows it.
type FileContent struct {
	File      `bun:",extend"`
	DeletedAt time.Time `bun:",scanonly,nullzero"`
	HiddenAt  time.Time `bun:",scanonly,nullzero"`
	BlobID    string    `bun:",scanonly"` // "" when there is no such content
	BlobType  string    `bun:",scanonly"`
	BlobSize  int64     `bun:",scanonly"`
	Storage   string    `bun:",scanonly"`
}

// FileContent returns a file with its blob of a kind.
func (q Queries) FileContent(ctx context.Context, id, kind string) (*FileContent, error) {
	c := new(FileContent)
	return first(ctx, q.db.NewSelect().Model(c).ColumnExpr("?TableColumns").ColumnExpr("m.deleted_at, m.hidden_at").
		ColumnExpr("COALESCE(b.id, '') AS blob_id, COALESCE(b.type, '') AS blob_type, COALESCE(b.size, 0) AS blob_size, COALESCE(b.storage, '') AS storage").
		Join("LEFT JOIN messages AS m ON m.id = fi.message_id").Join("LEFT JOIN blobs AS b ON b.file_id = fi.id AND b.kind = ?", kind).
		Where("fi.id = ?", id), c)
}

// Picture is the image that was made of a picture.
type Picture struct {
	FileID, BlobID, Type, Storage string
	Size                          int64
}

// PicturesShown returns the images of those of the files that messages of a room show now.
func (q Queries) PicturesShown(ctx context.Context, roomID string, fileIDs []string) ([]Picture, error) {
	var rows []Picture
	err := q.db.NewSelect().TableExpr("files AS fi").ColumnExpr("fi.id AS file_id, b.id AS blob_id, b.type, b.storage, b.size").
		Join("JOIN messages AS m ON m.id = fi.message_id").Join("JOIN blobs AS b ON b.file_id = fi.id AND b.kind = ?", BlobImage).
		Where("fi.id IN (?)", bun.List(fileIDs)).Where("fi.room_id = ?", roomID).Where("m.room_id = ?", roomID).
		Where("m.deleted_at IS NULL").Where("m.hidden_at IS NULL").Limit(int64(len(fileIDs))).Scan(ctx, &rows)
	return rows, translate(err)
}
