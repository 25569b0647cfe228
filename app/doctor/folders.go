package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/coagent-studio/coagent/app/config"
)

// folders tells whether the program can write where it has to, and whether others can read
// what is nobody else's.
func folders(_ context.Context, in *Installation) (found []Finding) {
	for _, f := range placesOf(in.Config) {
		found = append(found, writable(f)...)
	}
	found = append(found, secretsFile(in.Config)...)
	if len(found) == 0 {
		return one(fine(words("The folders can be written, and nobody else reads the secrets")))
	}
	return found
}

// place is a folder of an installation with the setting that names it.
type place struct{ setting, path string }

// placesOf are the folders in which an installation keeps something. On Postgres the data
// folder has only the note for other commands, so it is none of them.
func placesOf(c *config.Config) []place {
	var all []place
	if !c.Postgres() {
		all = append(all, place{"data_dir", c.DataDir})
	}
	if c.Files.Storage == "folder" {
		all = append(all, place{"files.dir", c.FilesDir()})
	}
	if c.Postgres() || c.Files.TempDir != "" {
		all = append(all, place{"files.temp_dir", c.UploadsDir()})
	}
	return all
}

// writable tries to write a file into a folder and takes it away again.
func writable(p place) []Finding {
	info, err := os.Stat(p.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if writable := canMake(p.path); !writable {
			return one(fault(words("The folder %s (%s) is not there, and cannot be made", p.path, p.setting),
				words("Make the folder, and give it to the account that runs coagent")))
		}
		return one(Finding{State: Skipped, Text: words("The folder %s (%s) is not there yet: the first start makes it", p.path, p.setting)})
	case err != nil:
		return one(fault(words("The folder %s (%s) cannot be read: %s", p.path, p.setting, reason(err)),
			words("Give the folder to the account that runs coagent: chown -R")))
	case !info.IsDir():
		return one(fault(words("%s (%s) is a file", p.path, p.setting), words("Name a folder")))
	}
	f, err := os.CreateTemp(p.path, ".doctor-*")
	if err == nil {
		_ = f.Close()
		err = os.Remove(f.Name())
	}
	if err != nil {
		return one(fault(words("Nothing can be written into the folder %s (%s): %s", p.path, p.setting, reason(err)),
			words("Give the folder to the account that runs coagent, and look whether the disk is full or read-only")))
	}
	return nil
}

// canMake tells whether the nearest folder above a path that is there takes new folders.
func canMake(path string) bool {
	for up := filepath.Dir(path); ; up = filepath.Dir(up) {
		if _, err := os.Stat(up); err == nil {
			at, err := os.MkdirTemp(up, ".doctor-*")
			return err == nil && os.Remove(at) == nil
		}
		if up == filepath.Dir(up) {
			return false
		}
	}
}

// reason is the system's own word for an error, without the path that the text names already.
func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// secretsFile tells whether other accounts of the machine can read what lies in the data
// folder. Windows has other means for that.
func secretsFile(c *config.Config) (found []Finding) {
	if runtime.GOOS == "windows" {
		return nil
	}
	for _, path := range []string{c.DataDir, c.SecretsPath(), c.SQLitePath(), filepath.Join(c.DataDir, "demo.txt")} {
		if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
			found = append(found, fault(words("%s is open to other accounts of this machine", path), words("chmod -R go= %s", path)))
		}
	}
	return found
}
