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
	store, err := blob.NewS3(blob.S3Config{Endpoint: s3.Endpoint, Region: s3.Region, Bucket: at.Host, Prefix: prefix, PathStyle: s3.PathStyle,
		Key: func() (id, secret string) { return s3.AccessKey.Reveal(), s3.SecretKey.Reveal() }, Now: now})
	return &backupPlace{name: to, s3: store, spool: cfg.UploadsDir()}, err
}

// written is a backup that is whole and was read back.
type written struct {
	bytes  int64
	sha256 [32]byte
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
func (p *backupPlace) put(ctx context.Context, name string, write func(io.Writer) error, check func(io.Reader) error) (w written, err error) {
	fill := func(f *os.File) error {
		out := &counted{Writer: f, hash: sha256.New()}
		if err := write(out); err != nil {
			return err
		}
		w.bytes = out.bytes
		out.hash.Sum(w.sha256[:0])
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		if err := check(f); err != nil {
			return fmt.Errorf("the backup was written and could not be read back: %w", err)
		}
		return nil
	}
	if p.s3 == nil {
		if err := os.MkdirAll(p.dir, 0o700); err != nil {
			return w, err
		}
		return w, wholeFile(filepath.Join(p.dir, name), fill)
	}
	f, done, err := blob.Spool(p.spool)
	if err != nil {
		return w, err
	}
	defer done()
	if err := fill(f); err != nil {
		return w, err
	}
	if w.bytes > mostInOneRequest {
		return w, fmt.Errorf("the backup has %d bytes, and a bucket takes 5 GiB at once: let backup.to name a folder", w.bytes)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return w, err
	}
	return w, p.s3.Put(ctx, name, blob.Content{Reader: f, Size: w.bytes, SHA256: w.sha256})
}

// drop removes a backup; one that is not there is no error.
func (p *backupPlace) drop(ctx context.Context, name string) error {
	if p.s3 != nil {
		return p.s3.Delete(ctx, name)
	}
	for _, n := range []string{name, name + partly} {
		if err := os.Remove(filepath.Join(p.dir, n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
