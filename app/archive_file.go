package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/gofrs/flock"

	"github.com/coagent-studio/coagent/app/archive"
	"github.com/coagent-studio/coagent/app/blob"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/terminal"
	"github.com/coagent-studio/coagent/store"
)

// stdio is the name of standard output and input among the names of archives.
const stdio = "-"

// partly is the end of an archive's name until it is whole. Nothing else has such names, so
// what a kill has left is known by it.
const partly = ".coagent-partial"

// mostParts is how many parts of dead backups go at once.
const mostParts = 1000

// Backup writes an archive to a file, or to standard output when its name is "-". There is
// no file of that name before it is whole and on the disk.
func (a *Archives) Backup(ctx context.Context, name string, withKeys bool) (m *archive.Manifest, end *archive.End, err error) {
	if name == stdio {
		if terminal.Is(os.Stdout) {
			return nil, nil, errors.New("an archive is not for a terminal: name a file, or redirect the output")
		}
		// A reader that ends early is an error to tell, and no silent death.
		signal.Ignore(syscall.SIGPIPE)
		return a.write(ctx, os.Stdout, withKeys)
	}
	if _, err := os.Lstat(name); err == nil {
		return nil, nil, fmt.Errorf("%s exists: choose another name, or remove it first", name)
	}
	a.dropParts(ctx, filepath.Dir(name))
	err = partFile{at: name, part: name + partly}.make(func(to *os.File) (err error) {
		m, end, err = a.write(ctx, to, withKeys)
		return err
	})
	return m, end, err
}

// dropParts removes from a folder what killed backups have left there, and tells each. The
// part of a living one is locked. A part that stays is no reason to make no backup.
func (a *Archives) dropParts(ctx context.Context, folder string) {
	entries, _ := os.ReadDir(folder) // a folder that is not there yet has no parts
	left := mostParts
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), partly) || !e.Type().IsRegular() || left == 0 {
			continue
		}
		left--
		part := filepath.Join(folder, e.Name())
		lock := flock.New(part, flock.SetFlag(os.O_RDWR)) // it makes no file
		if dead, err := lock.TryLock(); err != nil || !dead {
			continue
		}
		if err := os.Remove(part); err == nil {
			a.log.WarnContext(ctx, "removed what a killed backup had left", "file", part)
		}
		_ = lock.Close() // it ends with this process anyway
	}
}

// partFile is a file that is there whole or not at all. Only its owner may read it.
type partFile struct {
	at, part string // its name, and the one that it has until it is whole
	replaces bool   // it takes the place of a file of that name
}

func (p partFile) make(fill func(*os.File) error) (err error) {
	out, err := os.OpenFile(p.part, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	lock := flock.New(p.part)
	defer func() { _ = lock.Close() }() // it ends with this process anyway
	if mine, lockErr := lock.TryLock(); lockErr != nil || !mine {
		return errors.Join(fmt.Errorf("%s is being written by another backup: choose another name", p.part), lockErr, out.Close())
	}
	if !still(out, p.part) {
		return errors.Join(fmt.Errorf("%s was taken away by another backup: run it again", p.part), out.Close())
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, out.Close(), os.Remove(p.part))
		}
	}()
	// What a kill has left of an earlier one goes.
	if err := out.Truncate(0); err != nil {
		return err
	}
	if err := fill(out); err != nil {
		return err
	}
	if err := out.Sync(); err != nil {
		return err
	}
	if err := p.name(); err != nil {
		return err
	}
	return errors.Join(out.Close(), blob.SyncFolder(filepath.Dir(p.at)))
}

// name gives the file its name. A link refuses a name that was taken meanwhile; not every
// file system has links.
func (p partFile) name() error {
	if p.replaces {
		return os.Rename(p.part, p.at)
	}
	err := os.Link(p.part, p.at)
	switch {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s exists: choose another name, or remove it first", p.at)
	case err != nil:
		return os.Rename(p.part, p.at)
	}
	return os.Remove(p.part)
}

// still tells whether a file still has its name.
func still(f *os.File, name string) bool {
	mine, err := f.Stat()
	there, err2 := os.Stat(name)
	return err == nil && err2 == nil && os.SameFile(mine, there)
}

// openArchive opens an archive to read; "-" is standard input.
func openArchive(name string) (in io.ReadCloser, err error) {
	if name != stdio {
		return os.Open(name)
	}
	if terminal.Is(os.Stdin) {
		return nil, errors.New("an archive does not come from a terminal: name a file, or redirect the input")
	}
	return io.NopCloser(os.Stdin), nil
}

// Verify reads an archive and checks that nothing of it is missing or changed.
func Verify(ctx context.Context, name string, tell func(Progress)) (m *archive.Manifest, end *archive.End, err error) {
	in, err := openArchive(name)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	return VerifyArchive(ctx, in, tell)
}

// mayBeRead refuses a database that is not there, or that this program does not understand.
func mayBeRead(ctx context.Context, cfg *config.Config, db *store.DB) error {
	command, err := db.Unfinished(ctx)
	if err != nil {
		return err
	}
	if command != "" {
		return fmt.Errorf("there is nothing whole to back up: %w", unfinished(command))
	}
	if err := db.CheckSchema(ctx); err != nil && (!errors.Is(err, store.ErrSchemaOld) || errors.Is(err, store.ErrSchemaBefore)) {
		return err
	}
	empty, err := db.Unmigrated(ctx)
	if err == nil && empty {
		err = fmt.Errorf("there is nothing to back up in %s", placeOf(cfg))
	}
	return err
}

// placeOf names the database for people, without its password.
func placeOf(cfg *config.Config) string {
	if cfg.Postgres() {
		return "the database that database.url names"
	}
	return cfg.SQLitePath()
}
