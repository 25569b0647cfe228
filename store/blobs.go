package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// The kinds of content that a file has.
const (
	BlobOriginal  = "original"
	BlobImage     = "image"     // a picture made of the original, of the size of a screen
	BlobThumbnail = "thumbnail" // the same, small
)

// Blob is content that lies in the database, in a folder or in S3, under the blob's id. It
// is recorded before it is written there, and forgotten after it is dropped there: so
// nothing that lies there is unknown here.
type Blob struct {
	bun.BaseModel `bun:"table:blobs,alias:b"`
	ID            string `bun:",pk"`
	FileID        string `bun:",nullzero"` // "" before its file is there, and when it is gone
	Kind          string
	Type          string
	Size          int64
	Storage       string
	DropAfter     time.Time // when it may be dropped if it has no file
	Dropping      bool      // no file can have it any more
}

// BlobOf returns a file's content of a kind.
func (q Queries) BlobOf(ctx context.Context, fileID, kind string) (*Blob, error) {
	b := new(Blob)
	return first(ctx, q.db.NewSelect().Model(b).Where("b.file_id = ?", fileID).Where("b.kind = ?", kind), b)
}

// CreateBlobs records content that is about to be written.
func (t *Tx) CreateBlobs(ctx context.Context, blobs []Blob) error { return t.insert(ctx, &blobs) }

// LeaveBlobs says that no file will have these blobs, so that they may be dropped now.
func (t *Tx) LeaveBlobs(ctx context.Context, ids []string, at time.Time) error {
	_, err := t.db.NewUpdate().Model((*Blob)(nil)).Set("drop_after = ?", at).Where("id IN (?)", bun.List(ids)).
		Where("file_id IS NULL").Exec(ctx)
	return translate(err)
}

// BlobsToDrop lists blobs without a file whose time is over, limit at most, and keeps any
// file from having them. A blob whose content could not be dropped comes again.
func (t *Tx) BlobsToDrop(ctx context.Context, before time.Time, limit int) ([]Blob, error) {
	var rows []Blob
	left := t.db.NewSelect().Model((*Blob)(nil)).Column("b.id").Where("b.file_id IS NULL").Where("b.drop_after < ?", before).
		OrderExpr("b.drop_after").Limit(int64(limit))
	err := t.db.NewUpdate().Model((*Blob)(nil)).Set("dropping = TRUE").Where("id IN (?)", left).Where("file_id IS NULL").
		Returning("id, storage").Scan(ctx, &rows)
	return rows, translate(err)
}

// PostponeBlob makes a blob whose content could not be dropped wait until a time, so that
// others come before it.
func (t *Tx) PostponeBlob(ctx context.Context, id string, until time.Time) error {
	_, err := t.db.NewUpdate().Model((*Blob)(nil)).Set("drop_after = ?", until).Where("id = ?", id).Where("dropping").Exec(ctx)
	return translate(err)
}

// ForgetBlob removes a blob whose content is dropped.
func (t *Tx) ForgetBlob(ctx context.Context, id string) error {
	_, err := t.db.NewDelete().Model((*Blob)(nil)).Where("id = ?", id).Where("dropping").Exec(ctx)
	return translate(err)
}

// BlobBytes counts all content that is recorded, wherever it lies.
func (q Queries) BlobBytes(ctx context.Context) (n int64, err error) {
	err = q.db.NewSelect().Model((*Blob)(nil)).ColumnExpr("COALESCE(SUM(size), 0)").Scan(ctx, &n)
	return n, translate(err)
}

// BlobChunk is a piece of the content of a blob that lies in the database. All have the
// same length but the last.
type BlobChunk struct {
	bun.BaseModel `bun:"table:blob_chunks,alias:bc"`
	BlobID        string `bun:",pk"`
	Number        int    `bun:",pk"` // 0, 1, 2 ...
	Data          []byte
}

// AddBlobChunk adds a piece.
func (t *Tx) AddBlobChunk(ctx context.Context, c *BlobChunk) error { return t.insert(ctx, c) }

// BlobChunk returns a piece.
func (q Queries) BlobChunk(ctx context.Context, blobID string, number int) ([]byte, error) {
	c := new(BlobChunk)
	_, err := first(ctx, q.db.NewSelect().Model(c).Column("bc.data").Where("bc.blob_id = ?", blobID).Where("bc.number = ?", number), c)
	return c.Data, err
}

// BlobChunks returns the pieces of several blobs, in the order of their numbers, limit at
// most.
func (q Queries) BlobChunks(ctx context.Context, blobIDs []string, limit int) ([]BlobChunk, error) {
	var rows []BlobChunk
	err := q.db.NewSelect().Model(&rows).Where("bc.blob_id IN (?)", bun.List(blobIDs)).OrderExpr("bc.blob_id, bc.number").Limit(int64(limit)).Scan(ctx)
	return rows, translate(err)
}

// DropBlobChunks removes pieces of a blob, limit at most, and returns how many.
func (t *Tx) DropBlobChunks(ctx context.Context, blobID string, limit int) (int64, error) {
	some := t.db.NewSelect().Model((*BlobChunk)(nil)).Column("bc.number").Where("bc.blob_id = ?", blobID).Limit(int64(limit))
	return affected(t.db.NewDelete().Model((*BlobChunk)(nil)).Where("blob_id = ?", blobID).Where("number IN (?)", some).Exec(ctx))
}
