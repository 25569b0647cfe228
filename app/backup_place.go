package app

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/coagent-studio/coagent/app/blob"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store"
)

// backupPlace is where backups lie: a folder or a bucket.
type backupPlace struct {
	name  string   // for people
	dir   string   // a folder; "" for a bucket
	s3    *blob.S3 // nil for a folder
	spool string   // the folder in which a backup for a bucket waits until it is whole
}

// mostInOneRequest is the longest object that S3 takes in one request.
const mostInOneRequest = 5 << 30

// newBackupPlace returns the place that backup.to names.
func newBackupPlace(cfg *config.Config, now clock) (*backupPlace, error) {
	to := cfg.BackupTo()
	if !strings.HasPrefix(to, "s3://") {
		dir, err := filepath.Abs(to)
		return &backupPlace{name: dir, dir: dir}, err
	}
	at, err := url.Parse(to)
	if err != nil || at.Host == "" || at.User != nil || at.RawQuery != "" {
		return nil, errors.New("backup.to: name a bucket as s3://bucket/prefix; its endpoint and keys are those of files.s3")
	}
	s3 := cfg.Files.S3
	if s3.Endpoint == "" || s3.AccessKey == "" {
		return nil, errors.New("backup.to names a bucket: set files.s3.endpoint, region, access_key and secret_key as well")
	}
	prefix := strings.Trim(at.Path, "/")
	if prefix != "" {
		prefix += "/"
	}
	objects, err := blob.NewS3(blob.S3Config{Endpoint: s3.Endpoint, Region: s3.Region, Bucket: at.Host, Prefix: prefix, PathStyle: s3.PathStyle,
		Key: func() (id, secret string) { return s3.AccessKey.Reveal(), s3.SecretKey.Reveal() }, Now: now})
	return &backupPlace{name: to, s3: objects, spool: cfg.UploadsDir()}, err
}

// written is a backup that is whole and was read back.
type written struct {
	rows   int64
	bytes  int64
	sha256 [32]byte
}

// backupSource writes a backup and reads it back. mine gives an error when another attempt has
// the backup, so that what this one wrote must not get its name.
type backupSource struct {
	write func(io.Writer) (rows int64, err error)
	check func(io.Reader) error
	mine  func() error
}

// counted hashes and counts what is written.
type counted struct {
	io.Writer
	bytes int64
	hash  hash.Hash
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.bytes += int64(n)
	c.hash.Write(p[:n])
	return n, err
}

// put writes a backup, reads it back, and only then gives it its name.
func (p *backupPlace) put(ctx context.Context, row *store.Backup, from backupSource) (w written, err error) {
	if p.s3 == nil {
		if err := os.MkdirAll(p.dir, 0o700); err != nil {
			return w, err
		}
		if row.Attempt > 1 { // what an earlier attempt has left, if it is this place's
			if err := p.drop(ctx, row.Name); err != nil {
				return w, err
			}
		}
		at := filepath.Join(p.dir, row.Name)
		// Each attempt has a part of its own: one that was thought dead may still write.
		return w, partFile{at: at, part: fmt.Sprintf("%s.%d%s", at, row.Attempt, partly), replaces: true}.make(func(f *os.File) error {
			return w.fill(f, from)
		})
	}
	f, done, err := blob.Spool(p.spool)
	if err != nil {
		return w, err
	}
	defer done()
	if err := w.fill(f, from); err != nil {
		return w, err
	}
	if w.bytes > mostInOneRequest {
		return w, fmt.Errorf("the backup has %d bytes, and a bucket takes 5 GiB at once: let backup.to name a folder", w.bytes)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return w, err
	}
	return w, p.s3.Put(ctx, row.Name, blob.Content{Reader: f, Size: w.bytes, SHA256: w.sha256})
}

// fill writes the backup into a file and reads it back.
func (w *written) fill(f *os.File, from backupSource) (err error) {
	out := &counted{Writer: f, hash: sha256.New()}
	if w.rows, err = from.write(out); err != nil {
		return err
	}
	w.bytes = out.bytes
	out.hash.Sum(w.sha256[:0])
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := from.check(f); err != nil {
		return fmt.Errorf("the backup was written and could not be read back: %w", err)
	}
	return from.mine()
}

// drop removes a backup, and what attempts at it have left; one that is not there is no error.
func (p *backupPlace) drop(ctx context.Context, name string) error {
	if p.s3 != nil {
		return p.s3.Delete(ctx, name)
	}
	all, err := os.ReadDir(p.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, one := range all {
		rest, its := strings.CutPrefix(one.Name(), name)
		if its && (rest == "" || strings.HasPrefix(rest, ".") && strings.HasSuffix(rest, partly)) {
			if err := os.Remove(filepath.Join(p.dir, one.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}
