package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"

	"github.com/coagent-studio/coagent/app/config"
)

// A server writes its address to a file in its data folder, so that other commands find
// it, whatever address it was given. The file counts only while its writer holds the
// lock beside it, so a killed process leaves no valid address.
const (
	servingNote = "serving.url"
	servingLock = "serving.lock"
)

// NoteServing writes down where this process serves; withdraw removes that. If several
// processes serve one folder, which only Postgres allows, the first one is noted.
func NoteServing(cfg *config.Config, url string) (withdraw func(), err error) {
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	lock := flock.New(filepath.Join(cfg.DataDir, servingLock))
	if ok, err := lock.TryLock(); err != nil || !ok {
		return func() {}, err
	}
	note := filepath.Join(cfg.DataDir, servingNote)
	if err := writePrivate(note, url+"\n"); err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	return func() {
		_ = os.Remove(note)
		_ = lock.Unlock()
	}, nil
}

// ServedAt returns the address at which a process serves this data folder. url is "" if
// none serves. noted is false if the folder has no lock file, so no server could note
// its address; url is then "" as well.
func ServedAt(cfg *config.Config) (url string, noted bool, err error) {
	path := filepath.Join(cfg.DataDir, servingLock)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	lock := flock.New(path)
	free, err := lock.TryRLock()
	if err != nil {
		return "", false, err
	}
	if free {
		return "", true, lock.Unlock()
	}
	text, err := os.ReadFile(filepath.Join(cfg.DataDir, servingNote))
	if errors.Is(err, fs.ErrNotExist) {
		return "", true, nil // the server is about to write it, or has just removed it
	}
	return strings.TrimSpace(string(text)), true, err
}
