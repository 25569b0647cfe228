package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/coagent-studio/coagent/app/archive"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/terminal"
)

// RunBackup is `coagent backup`. It says what was written, and what was left out, on standard
// error: standard output may be the archive.
func RunBackup(ctx context.Context, cfg *config.Config, log *slog.Logger, version, name string, withKeys bool) (err error) {
	a, err := OpenArchives(ctx, cfg, log, version)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	m, end, err := metered(func(tell func(Progress)) (*archive.Manifest, *archive.End, error) {
		a.Told(tell)
		return a.Backup(ctx, name, withKeys)
	})
	if err != nil {
		return errors.Join(err, errors.New("the backup was not made"))
	}
	tellArchive(os.Stderr, m, end)
	for _, l := range m.LeftOut {
		if !l.Missed {
			continue // the manifest has it
		}
		_, _ = fmt.Fprintf(os.Stderr, "  left out: %s (%s)\n", l.What, l.Why)
	}
	if !m.WithKeys {
		_, _ = fmt.Fprintln(os.Stderr, "Encrypted values, such as model keys, are not in it; --with-keys takes them along.")
	} else {
		_, _ = fmt.Fprintln(os.Stderr, "Encrypted values are in it. They need the encryption keys of this installation (auth.encryption_keys, or secrets.yaml in the data folder): keep those elsewhere.")
	}
	if name != stdio {
		_, _ = fmt.Fprintln(os.Stdout, "wrote", name)
	}
	return nil
}

// RunRestore is `coagent restore`.
func RunRestore(ctx context.Context, cfg *config.Config, log *slog.Logger, version, name string) error {
	m, end, err := metered(func(tell func(Progress)) (*archive.Manifest, *archive.End, error) {
		return Restore(ctx, cfg, log, version, name, tell)
	})
	if err != nil {
		if !errors.Is(err, errHalf) {
			err = errors.Join(err, errors.New("nothing was restored"))
		}
		return err
	}
	tellArchive(os.Stdout, m, end)
	for _, l := range m.LeftOut {
		if l.Missed {
			_, _ = fmt.Fprintf(os.Stdout, "  not in the archive: %s (%s)\n", l.What, l.Why)
		}
	}
	_, _ = fmt.Fprintln(os.Stdout, "restored into", placeOf(cfg)+"; `coagent serve` puts the messages into the index of the search")
	return nil
}

// RunVerify is `coagent verify`.
func RunVerify(ctx context.Context, name string) error {
	m, end, err := metered(func(tell func(Progress)) (*archive.Manifest, *archive.End, error) { return Verify(ctx, name, tell) })
	if err != nil {
		return err
	}
	tellArchive(os.Stdout, m, end)
	_, _ = fmt.Fprintln(os.Stdout, "the archive is whole")
	return nil
}

// metered runs fn and prints its progress on standard error.
func metered(fn func(tell func(Progress)) (*archive.Manifest, *archive.End, error)) (*archive.Manifest, *archive.End, error) {
	line := terminal.NewProgress(os.Stderr)
	m, end, err := fn(func(p Progress) { line.Tell(p.String()) })
	line.End()
	return m, end, err
}

// tellArchive says what an archive has.
func tellArchive(to io.Writer, m *archive.Manifest, end *archive.End) {
	keys := "without encrypted values"
	if m.WithKeys {
		keys = "with encrypted values"
	}
	_, _ = fmt.Fprintf(to, "%s of %s, coagent %s, schema %s, %s\n", m.Database, m.Made.Format(time.RFC3339), m.Program, m.Schema[len(m.Schema)-1], keys)
	_, _ = fmt.Fprintf(to, "%d rows in %d tables, %d files outside the database (%d bytes)\n", end.Rows(), len(end.Tables), end.Files.Files, end.Files.Bytes)
	if len(end.Gone) > 0 {
		_, _ = fmt.Fprintf(to, "the content of %d files was not where it should lie: %s\n", len(end.Gone), strings.Join(end.Gone[:min(len(end.Gone), 5)], ", "))
	}
}
