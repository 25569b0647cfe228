package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/coagent-studio/coagent/app/blob"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/limit"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// The content of a file is a blob: recorded, written where it shall lie, then given to its
// file, in this order. A blob without a file is dropped after blobLease. So whatever
// becomes of an upload, of a process, or of what a file hangs on, nothing is left for long,
// and a file always has its content.

const (
	// blobLease is how long content waits for its file. An upload takes uploadWithin at
	// most, and then nothing writes any more.
	blobLease = time.Hour
	// uploadWithin bounds one upload, from its first byte to its file.
	uploadWithin = 10 * time.Minute
	// dropAgain is when content is dropped again that could not be dropped.
	dropAgain = 10 * time.Minute
	// dropWithin bounds one try to drop content.
	dropWithin = time.Minute
	// checkWithin bounds the question at the start whether files can be kept.
	checkWithin = 10 * time.Second
	// totalFor is how long the size of all files is remembered.
	totalFor = time.Minute
)

// The places where content lies, as blobs name them.
const (
	inDatabase = "database"
	inFolder   = "folder"
	inS3       = "s3"
)

// fileStorage keeps the content of files.
type fileStorage struct {
	cfg        *config.Config
	db         *store.DB
	log        *slog.Logger
	now        clock
	background *limit.Gate
	stores     map[string]blob.Store

	mu     sync.Mutex
	total  int64 // of all content, as of read, and what this process has added since
	readAt time.Time
}

// newFileStorage makes the stores that the settings name. Those that files were put into
// under earlier settings stay.
func newFileStorage(cfg *config.Config, db *store.DB, log *slog.Logger, now clock, background *limit.Gate) (*fileStorage, error) {
	s := &fileStorage{cfg: cfg, db: db, log: log, now: now, background: background,
		stores: map[string]blob.Store{inDatabase: databaseBlobs{db}, inFolder: blob.NewFolder(cfg.FilesDir())}}
	if s3 := cfg.Files.S3; s3.Endpoint != "" && s3.Bucket != "" {
		store, err := blob.NewS3(blob.S3Config{Endpoint: s3.Endpoint, Region: s3.Region, Bucket: s3.Bucket, Prefix: s3.Prefix, PathStyle: s3.PathStyle,
			Key: func() (id, secret string) { return s3.AccessKey.Reveal(), s3.SecretKey.Reveal() }, Now: now})
		if err != nil {
			return nil, err
		}
		s.stores[inS3] = store
	}
	return s, nil
}

// check refuses settings with which no file could be kept. A store that does not answer now
// may answer later: everything but files works without it.
func (s *fileStorage) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	err := s.stores[s.cfg.Files.Storage].Check(ctx)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, blob.ErrRefused):
		return fmt.Errorf("files.storage %s: %w", s.cfg.Files.Storage, err)
	}
	s.log.WarnContext(ctx, "the store of files does not answer: files cannot be uploaded or read until it does", "storage", s.cfg.Files.Storage, "err", err)
	return nil
}

// content is what a file consists of, before it is stored.
type content struct {
	kind, mediaType string
	blob.Content
}

// put stores content and returns the ids of its blobs. The caller gives them to a file, or
// leaves them. With an error they are left already.
func (s *fileStorage) put(ctx context.Context, all []content) (ids []string, err error) {
	blobs := make([]store.Blob, len(all))
	for i, c := range all {
		blobs[i] = store.Blob{ID: store.NewID(), Kind: c.kind, Type: c.mediaType, Size: c.Size, Storage: s.cfg.Files.Storage,
			DropAfter: s.now.instant().Add(blobLease)}
		ids = append(ids, blobs[i].ID)
	}
	if err := s.db.InTx(ctx, func(tx *store.Tx) error { return tx.CreateBlobs(ctx, blobs) }); err != nil {
		return nil, err
	}
	for i, c := range all {
		if err := s.stores[s.cfg.Files.Storage].Put(ctx, ids[i], c.Content); err != nil {
			s.leave(ctx, ids)
			return nil, s.failure(ctx, err)
		}
	}
	return ids, nil
}

// failure is the error for a person whose file could not be stored or read.
func (s *fileStorage) failure(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, blob.ErrFull), errors.Is(err, store.ErrFull):
		return StorageFull(err)
	case ctx.Err() != nil:
		return err
	}
	s.log.ErrorContext(ctx, "the store of files fails", "storage", s.cfg.Files.Storage, "err", err)
	return &Error{Kind: KindUnavailable, Code: wording.FilesUnavailable, RetryAfter: 30 * time.Second, Err: err,
		Message: "Files cannot be stored or read now. Try again in 30 s."}
}

// leave drops content that no file will have. What fails here the next sweep does.
func (s *fileStorage) leave(ctx context.Context, ids []string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropWithin)
	defer cancel()
	at := s.now.instant().Add(-time.Second)
	err := s.db.InTx(ctx, func(tx *store.Tx) error { return tx.LeaveBlobs(ctx, ids, at) })
	if err == nil {
		_, err = s.sweep(ctx, len(ids))
	}
	if err != nil {
		s.log.WarnContext(ctx, "content of an upload that failed is left for the sweep", "err", err)
	}
}

// sweep drops content that no file has and whose time is over, and returns how much was
// looked at.
func (s *fileStorage) sweep(ctx context.Context, most int) (n int64, err error) {
	var blobs []store.Blob
	err = s.background.Do(ctx, func() error {
		return s.db.InTx(ctx, func(tx *store.Tx) (err error) {
			blobs, err = tx.BlobsToDrop(ctx, s.now.instant(), most)
			return err
		})
	})
	for i := range blobs {
		if err = errors.Join(err, s.drop(ctx, &blobs[i])); ctx.Err() != nil {
			break
		}
	}
	return int64(len(blobs)), err
}

// drop removes content, then what is known of it. What cannot be removed is tried again
// later.
func (s *fileStorage) drop(ctx context.Context, b *store.Blob) error {
	ctx, cancel := context.WithTimeout(ctx, dropWithin)
	defer cancel()
	at, configured := s.stores[b.Storage]
	err := errors.New("files.s3 is not set any more, and some files lie there")
	if configured {
		err = at.Delete(ctx, b.ID)
	}
	return errors.Join(err, s.background.Do(ctx, func() error {
		return s.db.InTx(ctx, func(tx *store.Tx) error {
			if err != nil {
				return tx.PostponeBlob(ctx, b.ID, s.now.instant().Add(dropAgain))
			}
			return tx.ForgetBlob(ctx, b.ID)
		})
	}))
}

// hasRoom tells whether so many more bytes fit into what all files may take.
func (s *fileStorage) hasRoom(ctx context.Context, more int64) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.now(); s.readAt.IsZero() || now.Sub(s.readAt).Abs() > totalFor {
		n, err := s.db.BlobBytes(ctx)
		if err != nil {
			return false, err
		}
		s.total, s.readAt = n, now
	}
	if s.total+more > int64(s.cfg.Files.AtAll) {
		return false, nil
	}
	s.total += more
	return true, nil
}

// text reads the beginning of a file that is text, for agents. What cannot be read now keeps
// no agent from answering.
func (s *fileStorage) text(ctx context.Context, id string, most int) (string, error) {
	c, err := s.db.FileContent(ctx, id, store.BlobOriginal)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	if err != nil || !c.IsText || c.BlobID == "" || !c.DeletedAt.IsZero() || !c.HiddenAt.IsZero() {
		return "", err
	}
	const unread = "(its text cannot be read now)"
	in, err := (&FileContent{*c, s}).Open(ctx, 0, min(c.BlobSize, int64(most)))
	if err != nil {
		return unread, ctx.Err()
	}
	defer func() { _ = in.Close() }() // it is read
	text, err := io.ReadAll(in)
	if err != nil {
		return unread, ctx.Err()
	}
	if c.BlobSize > int64(most) {
		return store.Cut(string(text), most-1) + fmt.Sprintf("\n(this is the beginning; the file has %d bytes)", c.BlobSize), nil
	}
	return string(text), nil
}
