package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/coagent-studio/coagent/app/archive"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store"
)

// Mode says what a process does.
type Mode struct {
	Serve bool // it serves HTTP requests
	Work  bool // it runs jobs from the queue

	Version string // of the program
}

// Opened is an App with its database, checked and ready to start.
type Opened struct {
	*App
	DB   *store.DB
	lock *flock.Flock
}

// OpenDB connects to the configured database and refuses one that the program could not
// rely on. For SQLite it creates the data folder (0700) and, on the first start, the
// secrets in it.
func OpenDB(ctx context.Context, cfg *config.Config) (*store.DB, error) {
	if err := cfg.EnsureSecrets(func() (bool, error) { return madeWithSecrets(ctx, cfg) }); err != nil {
		return nil, err
	}
	o := store.Options{URL: "sqlite:" + cfg.SQLitePath(), Pool: cfg.Database.Pool}
	if cfg.Postgres() {
		o.URL, o.ListenURL = cfg.Database.URL.Reveal(), cfg.Database.ListenURL.Reveal()
	}
	db, err := store.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := db.CheckConnection(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// madeWithSecrets tells whether there is a SQLite database already whose secrets are encrypted
// with some key.
func madeWithSecrets(ctx context.Context, cfg *config.Config) (made bool, err error) {
	path := cfg.SQLitePath()
	if info, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return false, nil
	}
	db, err := store.Open(ctx, store.Options{URL: "sqlite:" + path})
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.HasCanary(ctx)
}

// Open makes an App on the configured database. It refuses, and says what to do about
// it, if the program could not run safely: secrets are missing or wrong, the schema does
// not fit, or another process serves the data folder. It is the only place that gives
// the App the real clock and real chance.
func Open(ctx context.Context, cfg *config.Config, log *slog.Logger, mode Mode) (o *Opened, err error) {
	o = &Opened{}
	defer func() {
		if err != nil {
			err = errors.Join(err, o.Close())
			o = nil
		}
	}()
	if !cfg.Postgres() {
		if !mode.Serve && mode.Work {
			return o, errors.New("coagent worker needs Postgres: SQLite belongs to one process, and `coagent serve` works its jobs off by itself; set database.url (DATABASE_URL), or just run `coagent serve`")
		}
		mode.Work = mode.Serve // only the process that serves SQLite can run its jobs
		if mode.Serve {
			if o.lock, err = lockFolder(cfg); err != nil {
				return o, err
			}
		}
	}
	if o.DB, err = OpenDB(ctx, cfg); err != nil {
		return o, err
	}
	if err := refuseUnfinished(ctx, o.DB); err != nil {
		return o, err
	}
	if err := PrepareSchema(ctx, o.DB, cfg, log); err != nil {
		return o, err
	}
	//nolint:forbidigo // the one place where the real clock and real chance come in
	o.App, err = New(Deps{Config: cfg, DB: o.DB, Log: log, Now: time.Now, Rand: rand.Float64, Work: mode.Work, Serve: mode.Serve, Version: mode.Version})
	if err != nil {
		return o, err
	}
	if cfg.Timezone == "" && (mode.Serve || mode.Work) {
		zone, _ := o.now().In(cfg.Location()).Zone()
		log.InfoContext(ctx, "timezone is not set: schedules and dates are read in the machine's zone", "zone", zone)
	}
	if err := o.operator.CheckEncryption(ctx); err != nil {
		return o, err
	}
	if mode.Serve || mode.Work {
		if err := o.files.check(ctx); err != nil {
			return o, err
		}
	}
	if mode.Serve || mode.Work {
		if err := o.operator.tellSameLogins(ctx); err != nil {
			log.WarnContext(ctx, "addresses and user names could not be compared; the next start does", "err", err)
		}
	}
	if made, err := o.operator.EnsureSuperAdmin(ctx); err != nil {
		return o, err
	} else if made != "" {
		log.InfoContext(ctx, "made the configured super admin", "account", made)
	}
	return o, nil
}

// OpenArchives opens the configured database for backups, beside a server or without one. It
// changes nothing there.
func OpenArchives(ctx context.Context, cfg *config.Config, log *slog.Logger, version string) (a *Archives, err error) {
	if !cfg.Postgres() {
		if _, err := os.Stat(cfg.SQLitePath()); err != nil {
			return nil, fmt.Errorf("there is nothing to back up: %w", err)
		}
	}
	db, err := OpenDB(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()
	if err := mayBeRead(ctx, cfg, db); err != nil {
		return nil, err
	}
	//nolint:forbidigo // a command's real clock comes in here
	if a, err = newArchives(cfg, db, log, time.Now, version); err == nil {
		a.end = db.Close
	}
	return a, err
}

// Close closes what was opened for it.
func (a *Archives) Close() error { return a.end() }

// Restore fills the configured database from an archive. A file is read and checked whole
// before anything is changed; standard input is checked while it is read.
func Restore(ctx context.Context, cfg *config.Config, log *slog.Logger, version, name string, tell func(Progress)) (m *archive.Manifest, end *archive.End, err error) {
	if name != stdio {
		if _, _, err := Verify(ctx, name, func(p Progress) { p.Stage = "checking " + p.Stage; tell(p) }); err != nil {
			return nil, nil, err
		}
	}
	in, err := openArchive(name)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	return restoreFrom(ctx, in, func(ctx context.Context, m *archive.Manifest) (*Archives, error) {
		//nolint:forbidigo // a command's real clock comes in here
		a, err := openToRestore(ctx, cfg, log, time.Now, version, m)
		if err == nil {
			a.Told(tell)
		}
		return a, err
	})
}

// refuseUnfinished refuses a database that a command has filled in part. Nobody must work with
// half of a school.
func refuseUnfinished(ctx context.Context, db *store.DB) error {
	command, err := db.Unfinished(ctx)
	if err != nil || command == "" {
		return err
	}
	return unfinished(command)
}

// unfinished says what a database is that a command has filled in part, and what helps.
func unfinished(command string) error {
	return fmt.Errorf("`coagent %s` has not finished filling this database: run it again with the same file, or begin with an empty database", command)
}

// MigrateAlone is `coagent migrate up`: it brings a database that is whole to this version's
// schema.
func MigrateAlone(ctx context.Context, db *store.DB, log *slog.Logger) error {
	if err := refuseUnfinished(ctx, db); err != nil {
		return err
	}
	return Migrate(ctx, db, log)
}

// lockFolder makes this process the only one on a data folder. The lock ends with the
// process.
func lockFolder(cfg *config.Config) (*flock.Flock, error) {
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	l := flock.New(filepath.Join(cfg.DataDir, "serve.lock"))
	ok, err := l.TryLock()
	if err != nil {
		return nil, fmt.Errorf("data_dir: lock %s: %w", l.Path(), err)
	}
	if !ok {
		return nil, fmt.Errorf("another coagent serves the data folder %s; stop it, or choose another data_dir (COAGENT_DATA_DIR)", cfg.DataDir)
	}
	return l, nil
}

// Close closes the database and unlocks the data folder. Stop the App first.
func (o *Opened) Close() error {
	var errs []error
	if o.DB != nil {
		errs = append(errs, o.DB.Close())
	}
	if o.lock != nil {
		errs = append(errs, o.lock.Unlock())
	}
	return errors.Join(errs...)
}
