package legacy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/terminal"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/dump"
)

// Command is the name of the import, by which the database is marked while it is filled.
const Command = "import-legacy"

// Options say what is imported, and how.
type Options struct {
	From        string      // postgres://..., a file that pg_dump has written, or - for standard input
	Static      string      // the old system's folder of uploaded pictures; "" without
	Key         secret.Text // the old system's ENCRYPTION_KEY; "" without
	WithoutKeys bool        // leave out what only that key opens
	Zone        string      // in which the old system reads the clock times of schedules
	DryRun      bool
	Report      string // a file for all findings; "" for none
	Leftovers   string // a file for the rows that have no place here

	In       io.Reader          // standard input
	Out      io.Writer          // what people read
	Progress *terminal.Progress // how far it is
	Now      time.Time
}

// Run imports a school, or says with DryRun what would come of it and writes nothing.
func Run(ctx context.Context, cfg *config.Config, log *slog.Logger, o Options) (err error) {
	files, err := openPictures(o.Static)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, files.close()) }()
	p := &plan{files: files, zone: o.Zone, ours: cfg.Location().String(), now: begun(o.Now)}
	if p.old, err = oldKeys(cfg, o.Key); err != nil {
		return err
	}
	if p.src, err = openSource(ctx, o); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.src.Close()) }()
	if err := p.detect(); err != nil {
		return err
	}
	if o.DryRun {
		return dryRun(ctx, cfg, log, o, p)
	}
	return realRun(ctx, cfg, log, o, p)
}

// oldKeys are the keys with which the old system's secrets may be encrypted: the one that is
// given, and those of this installation, which may have taken it over.
func oldKeys(cfg *config.Config, key secret.Text) (*secret.Keyring, error) {
	keys := cfg.Auth.EncryptionKeys
	if key != "" {
		keys = append([]secret.Text{key}, keys...)
	}
	if len(keys) == 0 {
		return nil, nil //nolint:nilnil // there is none
	}
	ring, err := secret.NewKeyring(keys...)
	if err != nil {
		return nil, fmt.Errorf("the old system's ENCRYPTION_KEY: %w", err)
	}
	return ring, nil
}

func openSource(ctx context.Context, o Options) (dump.Source, error) {
	if strings.HasPrefix(o.From, "postgres://") || strings.HasPrefix(o.From, "postgresql://") {
		return dump.Connect(ctx, o.From)
	}
	in := o.In
	if o.From != "-" {
		f, err := os.Open(o.From)
		if err != nil {
			return nil, fmt.Errorf("open the dump: %w", err)
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	o.Progress.Tell("reading the dump")
	return dump.Open(ctx, in, "")
}

// outputs opens the files of an import. A dry run writes only the report.
func (o Options) outputs(p *plan) (done func() error, err error) {
	var open []*os.File
	done = func() (err error) {
		for _, f := range open {
			err = errors.Join(err, f.Close())
		}
		return err
	}
	make := func(path string) (io.Writer, error) {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err == nil {
			open = append(open, f)
		}
		return f, err
	}
	var file io.Writer
	if o.Report != "" {
		if file, err = make(o.Report); err != nil {
			return done, fmt.Errorf("write the report: %w", err)
		}
	}
	if o.Leftovers != "" && !o.DryRun {
		if p.left, err = make(o.Leftovers); err != nil {
			return done, errors.Join(fmt.Errorf("write the rows that do not come: %w", err), done())
		}
	}
	p.report = newReport(o.Out, file)
	return done, nil
}

// planned makes the plan, and writes its table into the report.
func (o Options) planned(ctx context.Context, p *plan) (err error) {
	o.Progress.Tell("planning")
	done, err := o.outputs(p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	if err := p.make(ctx); err != nil {
		return err
	}
	for _, c := range p.report.list() {
		p.report.write(c)
	}
	return p.report.err
}

// lacksKey refuses an import that would lose all encrypted keys, which nobody notices before
// the agents are silent.
func (p *plan) lacksKey(o Options) error {
	if p.unread == 0 || p.unread < p.sealed || o.WithoutKeys {
		return nil
	}
	return fmt.Errorf("none of the %d encrypted keys can be read: give the old system's ENCRYPTION_KEY in %s or by --legacy-key-file, or leave the keys out by --without-keys", p.sealed, config.EnvLegacyKey)
}

// ReadKey returns the old system's ENCRYPTION_KEY from a file, or from the environment when
// file is "". An argument would show in the list of processes.
func ReadKey(file string) (secret.Text, error) {
	if file == "" {
		return secret.Text(strings.TrimSpace(os.Getenv(config.EnvLegacyKey))), nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read the old ENCRYPTION_KEY: %w", err)
	}
	return secret.Text(strings.TrimSpace(string(text))), nil
}

// dryRun makes the plan with the rules of an installation that is nowhere: its database is a
// temporary file, which is deleted, and the configured one is not touched.
func dryRun(ctx context.Context, cfg *config.Config, log *slog.Logger, o Options, p *plan) (err error) {
	dir, err := os.MkdirTemp("", "coagent-dry-run-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	own := *cfg
	own.Database.URL, own.DataDir = "", dir
	if err := own.EnsureSecrets(func() (bool, error) { return false, nil }); err != nil {
		return err
	}
	db, err := store.Open(ctx, store.Options{URL: "sqlite:" + filepath.Join(dir, "rules.db")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if p.rules, err = app.NewImports(&own, db, log); err != nil {
		return err
	}
	if err := o.planned(ctx, p); err != nil {
		return err
	}
	fmt.Fprintln(o.Out)
	if err := print(o.Out, p.report.list()); err != nil {
		return err
	}
	fmt.Fprintf(o.Out, "\nA dry run: nothing was written. %d rows would be left out, %d changed, %d want somebody to look at them.\n",
		p.report.kinds[leftOut], p.report.kinds[changed], p.report.kinds[decide])
	if err := p.lacksKey(o); err != nil {
		fmt.Fprintf(o.Out, "The import itself would refuse: %v.\n", err)
	}
	return nil
}

// settings is what of the options changes the plan, without telling the key.
func (o Options) settings(p *plan) string {
	h := sha256.New()
	key := ""
	if p.old != nil && o.Key != "" {
		key = o.Key.Reveal()
	}
	fmt.Fprintf(h, "%s\n%v\n%v\n", key, o.WithoutKeys, p.files != nil)
	return hex.EncodeToString(h.Sum(nil)[:8])
}
