package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Folder keeps each content in a file of its own, in 256 folders below one folder. Several
// processes may share it.
type Folder struct{ path string }

// NewFolder returns the store in a folder, which is made when it is first used.
func NewFolder(path string) *Folder { return &Folder{path} }

// place is where the content of a key lies. The last characters of an id differ most.
func (f *Folder) place(key string) string {
	return filepath.Join(f.path, key[max(len(key)-2, 0):], key)
}

// part is the name under which content lies until it is whole.
const part = ".part"

// Put writes the content under another name, waits until it is on the disk, and then gives
// it its name.
func (f *Folder) Put(ctx context.Context, key string, c Content) (err error) {
	at := f.place(key)
	if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
		return fault(err)
	}
	out, err := os.OpenFile(at+part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fault(err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, out.Close(), os.Remove(at+part))
		}
	}()
	n, err := io.Copy(out, &ending{ctx, c.Reader})
	if err != nil {
		return fault(err)
	}
	if n != c.Size {
		return fmt.Errorf("blob: %d bytes came, not %d", n, c.Size)
	}
	if err := errors.Join(out.Sync(), out.Close()); err != nil {
		return fault(err)
	}
	if err := os.Rename(at+part, at); err != nil {
		return fault(err)
	}
	return fault(SyncFolder(filepath.Dir(at)))
}

// SyncFolder waits until the names in a folder are on the disk. A system that cannot open
// a folder for that does it by itself.
func SyncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return nil //nolint:nilerr // see above
	}
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, fs.ErrPermission) {
		return errors.Join(err, d.Close())
	}
	return d.Close()
}

// Open reads from the file.
func (f *Folder) Open(_ context.Context, key string, offset, n int64) (io.ReadCloser, error) {
	in, err := os.Open(f.place(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrGone
	}
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(in, offset, n), in}, nil
}

// Delete removes the file, whole or not.
func (f *Folder) Delete(_ context.Context, key string) error {
	at := f.place(key)
	for _, name := range []string{at, at + part} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Check makes the folder and writes a file into it.
func (f *Folder) Check(context.Context) error {
	if err := os.MkdirAll(f.path, 0o700); err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	probe, err := os.CreateTemp(f.path, "probe")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, fault(err))
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// Spool makes a file in a folder for content that comes from elsewhere. It has no name where
// the system allows that, so that a kill leaves nothing; otherwise it loses its name at once,
// or done removes it.
func Spool(folder string) (file *os.File, done func(), err error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, nil, fault(err)
	}
	if file, err = unnamed(folder); err == nil {
		return file, func() { _ = file.Close() }, nil // nobody needs its content any more
	}
	file, err = os.CreateTemp(folder, "upload-*")
	if err != nil {
		return nil, nil, fault(err)
	}
	nameless := os.Remove(file.Name()) == nil
	return file, func() {
		_ = file.Close() // nobody needs its content any more
		if !nameless {
			_ = os.Remove(file.Name()) // the system's own tidying is left
		}
	}, nil
}

// Full tells whether an error says that the disk is full.
func Full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, ErrFull)
}

func fault(err error) error {
	if err != nil && Full(err) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// ending is a reader that ends with a context.
type ending struct {
	ctx context.Context
	r   io.Reader
}

// Read reads unless the context has ended.
func (e *ending) Read(p []byte) (int, error) {
	if err := e.ctx.Err(); err != nil {
		return 0, err
	}
	return e.r.Read(p)
}
