package app

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/coagent-studio/coagent/app/blob"
	"github.com/coagent-studio/coagent/store"
)

const (
	// chunkBytes is the length of the pieces in which the database keeps content. Each is
	// a transaction of its own, so that on SQLite nobody waits long for the writer.
	chunkBytes = 256 << 10
	// chunksAtOnce is how many pieces one transaction removes.
	chunksAtOnce = 16
)

// databaseBlobs keeps content in the program's own database: nothing has to be set up, and
// a copy of the database has everything.
type databaseBlobs struct{ db *store.DB }

// Put stores the pieces one after the other. Without its file nobody reads them.
func (d databaseBlobs) Put(ctx context.Context, key string, c blob.Content) error {
	for n := 0; ; n++ {
		left := c.Size - int64(n)*chunkBytes
		if left <= 0 {
			return nil
		}
		piece := make([]byte, min(chunkBytes, left))
		if _, err := io.ReadFull(c, piece); err != nil {
			return err
		}
		err := d.db.InTx(ctx, func(tx *store.Tx) error {
			return tx.AddBlobChunk(ctx, &store.BlobChunk{BlobID: key, Number: n, Data: piece})
		})
		if err != nil {
			return err
		}
	}
}

// Open reads one piece at a time, whenever the reader has had the one before.
func (d databaseBlobs) Open(ctx context.Context, key string, offset, n int64) (io.ReadCloser, error) {
	r := &chunkReader{ctx: ctx, db: d.db, key: key, next: int(offset / chunkBytes), left: n}
	if n > 0 {
		if err := r.load(); err != nil {
			return nil, err
		}
		if skip := offset % chunkBytes; skip <= int64(len(r.piece)) {
			r.piece = r.piece[skip:]
		}
	}
	return r, nil
}

// Delete removes some pieces at a time.
func (d databaseBlobs) Delete(ctx context.Context, key string) error {
	for {
		n := int64(0)
		err := d.db.InTx(ctx, func(tx *store.Tx) (err error) {
			n, err = tx.DropBlobChunks(ctx, key, chunksAtOnce)
			return err
		})
		if err != nil || n < chunksAtOnce {
			return err
		}
	}
}

// Check has nothing to check: without the database nothing works.
func (databaseBlobs) Check(context.Context) error { return nil }

type chunkReader struct {
	ctx   context.Context
	db    *store.DB
	key   string
	next  int
	piece []byte
	left  int64
}

func (r *chunkReader) load() (err error) {
	if r.piece, err = r.db.BlobChunk(r.ctx, r.key, r.next); errors.Is(err, store.ErrNotFound) {
		return blob.ErrGone
	}
	r.next++
	return err
}

// Read gives what is left of the piece, or of the next one.
func (r *chunkReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	if len(r.piece) == 0 {
		if err := r.load(); err != nil {
			return 0, err
		}
	}
	n := copy(p[:min(int64(len(p)), r.left)], r.piece)
	r.piece, r.left = r.piece[n:], r.left-int64(n)
	return n, nil
}

// Close lets the piece go.
func (r *chunkReader) Close() error {
	r.piece, r.left = nil, 0
	return nil
}

// inMemory is content that was made here.
func inMemory(data []byte) io.Reader { return bytes.NewReader(data) }
