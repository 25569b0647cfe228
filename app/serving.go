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
	"github.com/coagent-studio/coagent/app/secret"
)

// A server writes its address to a file in its data folder, so that other commands find
// it, whatever address it was given. The file counts only while its writer holds the
// lock beside it, so a killed process leaves no valid address.
const (
	servingNote = "serving.url"
	servingLock = "serving.lock"
)

// NoteServing writes down where this process, of a version, serves; withdraw removes that. If
// several processes serve one folder, which only Postgres allows, the first one is noted.
func NoteServing(cfg *config.Config, url, version string) (withdraw func(), err error) {
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	lock := flock.New(filepath.Join(cfg.DataDir, servingLock))
	if ok, err := lock.TryLock(); err != nil || !ok {
		return func() {}, err
	}
	keys, err := secret.NewKeyring(cfg.Auth.EncryptionKeys...)
	if err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	note := filepath.Join(cfg.DataDir, servingNote)
	if err := writePrivate(note, url+"\n"+strings.Join(keys.Fingerprints(), " ")+"\n"+version+"\n"); err != nil {
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
	text, noted, err := servingText(cfg)
	url, _, _ = strings.Cut(text, "\n")
	return url, noted, err
}

// servedVersion is the version of the process that serves this data folder; "" if none serves
// or it has noted none.
func servedVersion(cfg *config.Config) string {
	text, _, err := servingText(cfg)
	if lines := strings.Split(text, "\n"); err == nil && len(lines) > 2 {
		return lines[2]
	}
	return ""
}

// servingText returns the note of the process that serves this data folder: its address, in
// the second line the fingerprints of its encryption keys, and in the third its version.
func servingText(cfg *config.Config) (text string, noted bool, err error) {
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
	raw, err := os.ReadFile(filepath.Join(cfg.DataDir, servingNote))
	if errors.Is(err, fs.ErrNotExist) {
		return "", true, nil // the server is about to write it, or has just removed it
	}
	return strings.TrimSpace(string(raw)), true, err
}

// sameKeysServe refuses when the process that serves this SQLite database has another first
// key than first: it could not read what is encrypted with that.
func sameKeysServe(cfg *config.Config, first string) error {
	if cfg.Postgres() {
		return nil
	}
	text, _, err := servingText(cfg)
	if err != nil || text == "" {
		return err
	}
	if _, keys, _ := strings.Cut(text, "\n"); !strings.HasPrefix(keys, first) {
		return errors.New("the running server has another first encryption key, and could not read what this one encrypts: " +
			"stop it, and start it with the new key in front of auth.encryption_keys; then run this again")
	}
	return nil
}
