package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/coagent-studio/coagent/app/archive"
	"github.com/coagent-studio/coagent/app/blob"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/limit"
	"github.com/coagent-studio/coagent/store"
)

// Archives writes the whole database and all files into an archive, and fills an empty
// database from one. It needs no App, so a command can use it beside a server.
type Archives struct {
	cfg     *config.Config
	db      *store.DB
	log     *slog.Logger
	now     clock
	files   *fileStorage
	version string
	tell    func(Progress)
	end     func() error // closes what was opened for it; nil inside an App
}

// Progress says how far a backup, a restore or a check is.
type Progress struct {
	Stage string // what is being done, in English
	Rows  int64
	Of    int64 // about how many rows there will be, 0 when that is not known
	Bytes int64 // of files
}

// String is the progress for a person.
func (p Progress) String() string {
	text := fmt.Sprintf("%s: %d rows", p.Stage, p.Rows)
	if p.Of > p.Rows {
		text = fmt.Sprintf("%s: %d of about %d rows", p.Stage, p.Rows, p.Of)
	}
	if p.Bytes > 0 {
		text += fmt.Sprintf(", %d MiB of files", p.Bytes>>20)
	}
	return text
}

// newArchives makes the archives of a database.
func newArchives(cfg *config.Config, db *store.DB, log *slog.Logger, now clock, version string) (*Archives, error) {
	files, err := newFileStorage(cfg, db, log, now, limit.NewGate(1))
	return &Archives{cfg: cfg, db: db, log: log, now: now, files: files, version: version, tell: func(Progress) {}}, err
}

// Told makes fn hear of progress, about for each entry of an archive.
func (a *Archives) Told(fn func(Progress)) { a.tell = fn }

// write writes an archive of the database as it is now. Encrypted values are in it only with
// keys.
func (a *Archives) write(ctx context.Context, to io.Writer, withKeys bool) (m *archive.Manifest, end *archive.End, err error) {
	snap, err := a.db.Snapshot(ctx, withKeys)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, snap.Close(ctx)) }()
	if m, err = a.manifest(ctx, snap, withKeys); err != nil {
		return nil, nil, err
	}
	about, err := snap.Count(ctx)
	if err != nil {
		return nil, nil, err
	}
	w, err := archive.NewWriter(to, *m)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			w.Abort()
		}
	}()
	said := int64(0)
	for i := range snap.Tables {
		t := &snap.Tables[i]
		err := snap.Rows(ctx, t, func(values []any) error {
			if said++; said%rowsTold == 1 {
				a.tell(Progress{Stage: t.Name, Rows: said, Of: about})
			}
			return w.Row(t.Name, values)
		})
		if err != nil {
			return nil, nil, err
		}
	}
	if err := a.writeFiles(ctx, snap, w, about); err != nil {
		return nil, nil, err
	}
	end, err = w.Close()
	return m, end, err
}

// rowsTold is after how many rows progress is told.
const rowsTold = 500

func (a *Archives) manifest(ctx context.Context, snap *store.Snapshot, withKeys bool) (*archive.Manifest, error) {
	m := &archive.Manifest{Program: a.version, Database: "sqlite", Made: snap.Made, Schema: snap.Schema, WithKeys: withKeys}
	if a.db.Postgres() {
		m.Database = "postgres"
	}
	if withKeys {
		var err error
		if m.Canary, err = snap.Setting(ctx, store.SettingCanary); err != nil {
			return nil, err
		}
	}
	for _, t := range snap.Tables {
		m.Tables = append(m.Tables, archivedTable(&t))
	}
	for _, l := range snap.LeftOut {
		m.LeftOut = append(m.LeftOut, archive.LeftOut(l))
	}
	return m, nil
}

func archivedTable(t *store.BackupTable) archive.Table {
	at := archive.Table{Name: t.Name}
	for _, c := range t.Columns {
		at.Columns = append(at.Columns, archive.Column{Name: c.Name, Kind: archive.Kind(c.Kind)})
	}
	return at
}

// writeFiles adds the files that lie outside the database. One that was dropped meanwhile is
// noted: the program has deleted it since, or somebody has lost it.
func (a *Archives) writeFiles(ctx context.Context, snap *store.Snapshot, w *archive.Writer, about int64) error {
	return snap.OutsideBlobs(ctx, func(b *store.Blob) error {
		rows, bytes := w.Has()
		a.tell(Progress{Stage: "files", Rows: rows, Of: about, Bytes: bytes})
		at, configured := a.files.stores[b.Storage]
		if !configured {
			return errors.New("some files lie in S3, and files.s3 is not set any more: set it again, so that the backup has them")
		}
		in, err := at.Open(ctx, b.ID, 0, b.Size)
		if errors.Is(err, blob.ErrGone) {
			w.Gone(b.ID)
			return nil
		}
		if err != nil {
			return fmt.Errorf("read a file for the backup: %w", err)
		}
		err = w.File(b.ID, &exactly{in, b.Size})
		return errors.Join(err, in.Close())
	})
}

// exactly gives an error when there is less to read than there should be.
type exactly struct {
	io.Reader
	left int64
}

func (e *exactly) Read(p []byte) (int, error) {
	n, err := e.Reader.Read(p)
	e.left -= int64(n)
	if errors.Is(err, io.EOF) && e.left > 0 {
		err = fmt.Errorf("a file is %d bytes shorter than it was", e.left)
	}
	return n, err
}

// VerifyArchive reads a whole archive and checks that nothing of it is missing or changed.
func VerifyArchive(ctx context.Context, from io.Reader, tell func(Progress)) (*archive.Manifest, *archive.End, error) {
	rows, bytes := int64(0), int64(0)
	return archive.Read(&ending{ctx, from}, archive.Into{
		Rows: func(t *archive.Table, part [][]any) error {
			rows += int64(len(part))
			tell(Progress{Stage: t.Name, Rows: rows})
			return nil
		},
		Piece: func(_ string, piece []byte) error {
			bytes += int64(len(piece))
			tell(Progress{Stage: "files", Rows: rows, Bytes: bytes})
			return nil
		},
	})
}

// ending is a reader that ends with a context.
type ending struct {
	ctx context.Context
	io.Reader
}

func (e *ending) Read(p []byte) (int, error) {
	if err := e.ctx.Err(); err != nil {
		return 0, err
	}
	return e.Reader.Read(p)
}
