package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"

	"github.com/coagent-studio/coagent/app/archive"
	"github.com/coagent-studio/coagent/app/blob"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/terminal"
	"github.com/coagent-studio/coagent/store"
)

// stdio is the name of standard output and input among the names of archives.
const stdio = "-"

// partly is the end of an archive's name until it is whole.
const partly = ".partial"

// Backup writes an archive to a file, or to standard output when its name is "-". There is
// no file of that name before it is whole and on the disk.
func (a *Archives) Backup(ctx context.Context, name string, withKeys bool) (m *archive.Manifest, end *archive.End, err error) {
	if name == stdio {
		if terminal.Is(os.Stdout) {
			return nil, nil, errors.New("an archive is not for a terminal: name a file, or redirect the output")
		}
		return a.write(ctx, os.Stdout, withKeys)
	}
	if _, err := os.Lstat(name); err == nil {
		return nil, nil, fmt.Errorf("%s exists: choose another name, or remove it first", name)
	}
	err = partFile{at: name, part: name + partly}.make(func(to *os.File) (err error) {
		m, end, err = a.write(ctx, to, withKeys)
		return err
	})
	return m, end, err
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
		return fmt.Errorf("`coagent %s` has not finished filling this database, so there is nothing whole to back up", command)
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
