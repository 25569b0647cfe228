package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	embedded "github.com/fergusstrange/embedded-postgres"
	"github.com/gofrs/flock"
)

// fetched is the Postgres version for a machine without Postgres.
const fetched = embedded.V17

// fetchTimeout bounds the one download of about 15 MB, and the wait for another process
// that downloads.
const fetchTimeout = 5 * time.Minute

// fetchBinaries returns the folder of the binaries in the user's cache. It downloads them
// first when they are missing.
func fetchBinaries() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return fetchInto(filepath.Join(cache, "coagent"), func(into string) error {
		fmt.Fprintf(os.Stderr, "no Postgres is installed: fetching Postgres %s once, about 15 MB, into %s\n", fetched, cache)
		return download(into)
	})
}

// fetchInto stores what get fetches in a folder of home. The folder gets its name only
// when it is complete, so an interrupted download starts anew.
func fetchInto(home string, get func(into string) error) (string, error) {
	root := filepath.Join(home, "postgres-"+string(fetched))
	bin := filepath.Join(root, "bin")
	if hasBinaries(bin) {
		return bin, nil
	}
	if err := os.MkdirAll(home, 0o755); err != nil {
		return "", err
	}
	// The test processes of several packages may want it at once.
	lock := flock.New(root + ".lock")
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	if _, err := lock.TryLockContext(ctx, 100*time.Millisecond); err != nil {
		return "", err
	}
	defer lock.Close()
	if hasBinaries(bin) {
		return bin, nil
	}
	temp, err := os.MkdirTemp(home, "fetch-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	into := filepath.Join(temp, "postgres")
	done := make(chan error, 1)
	// The download cannot be stopped. A process that gives up leaves it behind.
	go func() { done <- get(into) }()
	select {
	case err := <-done:
		if err != nil {
			return "", err
		}
	case <-ctx.Done():
		return "", fmt.Errorf("no Postgres was downloaded within %s", fetchTimeout)
	}
	return bin, os.Rename(into, root)
}

// download uses the library only for its archive. To get the archive one must start the
// library's server, which refuses root. So only the presence of the binaries counts
// afterwards. The library's server is stopped: ours run with other settings.
func download(into string) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	work := filepath.Join(filepath.Dir(into), "work")
	db := embedded.NewDatabase(embedded.DefaultConfig().Version(fetched).Port(uint32(port)).Logger(io.Discard).
		CachePath(filepath.Join(work, "archive")).RuntimePath(filepath.Join(work, "run")).BinariesPath(into))
	err = db.Start()
	if err == nil {
		err = db.Stop()
	}
	if bin := filepath.Join(into, "bin"); hasBinaries(bin) {
		return nil
	}
	return errors.Join(errors.New("the downloaded archive holds no initdb and postgres"), err)
}
