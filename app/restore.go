package app

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/coagent-studio/coagent/app/archive"
	"github.com/coagent-studio/coagent/app/blob"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
)

// restoring is the mark of a database that `coagent restore` fills.
const restoring = "restore"

// restore fills an empty database from an archive. Whatever ends it in between, the database
// is marked as unfinished, and the same command begins anew.
type restore struct {
	*Archives
	m      *archive.Manifest
	fill   *store.Fill
	sums   []archive.TableSum // what is in the database once all rows are
	filled int64
	bytes  int64
	spool  *os.File // the file whose pieces come
	done   func()
	begun  bool // the database is marked
	opened func(ctx context.Context, m *archive.Manifest) (*Archives, error)
}

// restoreFrom reads an archive to its end and fills the database that open opens when the
// archive's manifest is known.
func restoreFrom(ctx context.Context, in io.Reader, open func(context.Context, *archive.Manifest) (*Archives, error)) (m *archive.Manifest, end *archive.End, err error) {
	r := &restore{opened: open}
	defer func() {
		if r.Archives != nil {
			r.dropSpool()
			err = errors.Join(err, r.Close())
		}
	}()
	m, end, err = archive.Read(&ending{ctx, in}, archive.Into{
		Manifest: func(m *archive.Manifest) error { return r.begin(ctx, m) },
		Rows:     func(t *archive.Table, rows [][]any) error { return r.rows(ctx, t, rows) },
		Piece:    func(_ string, piece []byte) error { return r.piece(ctx, piece) },
		File:     func(id string, size int64, sum [32]byte) error { return r.file(ctx, id, size, sum) },
	})
	if err == nil {
		err = r.finish(ctx, end)
	}
	if err != nil && r.begun {
		err = errors.Join(err, errHalf)
	}
	return m, end, err
}

// errHalf is what a person is to know when a restore fails after it has begun.
var errHalf = errors.New("the database has only a part now, and nothing serves it: run the restore again, or begin with an empty database")

// begin checks that the database may be filled, marks it, and makes the archive's tables.
func (r *restore) begin(ctx context.Context, m *archive.Manifest) (err error) {
	r.m = m
	if r.Archives, err = r.opened(ctx, m); err != nil {
		return err
	}
	if err := r.checkKeys(); err != nil {
		return err
	}
	if err := r.mayBeFilled(ctx); err != nil {
		return err
	}
	r.tell(Progress{Stage: "making the tables"})
	if err := r.db.BeginLoad(ctx, restoring); err != nil {
		return err
	}
	r.begun = true
	if err := r.db.Clear(ctx); err != nil {
		return err
	}
	if err := r.db.WithMigrationLock(ctx, func(db *store.DB) error { return db.MigrateTo(ctx, m.Schema) }); err != nil {
		return err
	}
	if r.fill, err = r.db.BeginFill(ctx); err != nil {
		return err
	}
	for _, t := range m.Tables {
		if err := r.fill.Place(t.Name, columnNames(&t)); err != nil {
			return err
		}
	}
	return nil
}

// checkKeys refuses encrypted values that the configured keys do not decrypt.
func (r *restore) checkKeys() error {
	if !r.m.WithKeys || r.m.Canary == "" {
		return nil
	}
	keys, err := secret.NewKeyring(r.cfg.Auth.EncryptionKeys...)
	if err != nil {
		return err
	}
	if keys.CheckCanary(r.m.Canary) == nil {
		return nil
	}
	return errors.New("the archive has encrypted values, and the encryption keys here are not those that it was made with: " +
		"set auth.encryption_keys (COAGENT_AUTH_ENCRYPTION_KEYS) to the old keys, or put the old secrets.yaml into the data folder; " +
		"without them, restore an archive that was made without --with-keys")
}

// mayBeFilled refuses a database that has anything to lose.
func (r *restore) mayBeFilled(ctx context.Context) error {
	command, err := r.db.Unfinished(ctx)
	if err != nil {
		return err
	}
	switch {
	case command == restoring:
		return nil // begun before, and begins anew
	case command != "":
		return store.OtherLoad(command)
	}
	if err := r.db.CheckSchema(ctx); err != nil && !errors.Is(err, store.ErrSchemaOld) {
		return err
	}
	if err := r.db.KnowsAll(r.m.Schema); err != nil {
		return err
	}
	_, err = r.db.CheckEmpty(ctx, r.now.instant())
	return err
}

func columnNames(t *archive.Table) []string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.Name
	}
	return names
}

func (r *restore) rows(ctx context.Context, t *archive.Table, rows [][]any) error {
	if err := r.fill.Rows(ctx, t.Name, columnNames(t), rows); err != nil {
		return err
	}
	r.filled += int64(len(rows))
	r.tell(Progress{Stage: t.Name, Rows: r.filled})
	return nil
}

// piece keeps a piece of a file until it is whole: where it shall lie may want to know its
// size and its hash first.
func (r *restore) piece(ctx context.Context, piece []byte) (err error) {
	if err := r.whole(ctx); err != nil {
		return err
	}
	if r.spool == nil {
		if r.spool, r.done, err = blob.Spool(r.cfg.UploadsDir()); err != nil {
			return err
		}
	}
	r.bytes += int64(len(piece))
	r.tell(Progress{Stage: "files", Rows: r.filled, Bytes: r.bytes})
	_, err = r.spool.Write(piece)
	return err
}

func (r *restore) dropSpool() {
	if r.spool != nil {
		r.done()
		r.spool = nil
	}
}

// file puts a file where the settings say that files lie.
func (r *restore) file(ctx context.Context, id string, size int64, sum [32]byte) error {
	defer r.dropSpool()
	var from io.Reader = bytes.NewReader(nil)
	if r.spool != nil {
		if _, err := r.spool.Seek(0, io.SeekStart); err != nil {
			return err
		}
		from = r.spool
	}
	at := r.cfg.Files.Storage
	if err := r.db.InTx(ctx, func(tx *store.Tx) error { return tx.MoveBlob(ctx, id, at) }); err != nil {
		return fmt.Errorf("the archive has content of a file that it does not have: %w", err)
	}
	return r.files.stores[at].Put(ctx, id, blob.Content{Reader: from, Size: size, SHA256: sum})
}

// finish compares what is there now with what the archive had, and brings the database to
// this program's schema.
func (r *restore) finish(ctx context.Context, end *archive.End) error {
	if err := r.whole(ctx); err != nil {
		return err
	}
	for _, got := range r.sums {
		if want := end.Table(got.Name); got.Rows != want.Rows || got.SHA256 != want.SHA256 {
			return fmt.Errorf("the table %s has %d rows after the restore, and the archive %d; or they differ", got.Name, got.Rows, want.Rows)
		}
	}
	r.tell(Progress{Stage: "bringing the schema to this version", Rows: r.filled})
	if err := Migrate(ctx, r.db, r.log); err != nil {
		return err
	}
	return r.db.InTx(ctx, func(tx *store.Tx) error {
		return errors.Join(tx.SearchAnew(ctx), tx.EndLoad(ctx))
	})
}

// whole makes the database whole again once all rows are there, and reads what it has: before
// the files come, which may lie elsewhere than before.
func (r *restore) whole(ctx context.Context) (err error) {
	if r.sums != nil {
		return nil
	}
	r.tell(Progress{Stage: "checking references", Rows: r.filled})
	if err := r.fill.Whole(ctx); err != nil {
		return err
	}
	snap, err := r.db.Snapshot(ctx, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, snap.Close(ctx)) }()
	read := int64(0)
	for i := range r.m.Tables {
		t := &r.m.Tables[i]
		sum, err := sumOf(ctx, snap, t, func() {
			if read++; read%rowsTold == 1 {
				r.tell(Progress{Stage: "comparing " + t.Name, Rows: read, Of: r.filled})
			}
		})
		if err != nil {
			return err
		}
		r.sums = append(r.sums, sum)
	}
	return nil
}

// sumOf counts and hashes the rows of a table as an archive does.
func sumOf(ctx context.Context, snap *store.Snapshot, t *archive.Table, read func()) (archive.TableSum, error) {
	columns := make([]store.BackupColumn, len(t.Columns))
	for i, c := range t.Columns {
		columns[i] = store.BackupColumn{Name: c.Name, Kind: string(c.Kind)}
	}
	var sum archive.Sum
	var line []byte
	got := archive.TableSum{Name: t.Name}
	err := snap.Rows(ctx, store.TableAs(t.Name, columns), func(values []any) (err error) {
		read()
		got.Rows++
		line, err = archive.AppendRow(line[:0], t.Columns, values)
		sum.Add(sha256.Sum256(line))
		return err
	})
	got.SHA256 = sum.String()
	return got, err
}

// openToRestore opens the configured database to restore an archive into it.
func openToRestore(ctx context.Context, cfg *config.Config, log *slog.Logger, now clock, version string, m *archive.Manifest) (a *Archives, err error) {
	if m.WithKeys && m.Canary != "" && cfg.LacksEncryptionKeys() {
		return nil, errors.New("the archive has encrypted values, and there are no encryption keys here: " +
			"put the old secrets.yaml into the data folder " + cfg.DataDir + ", or set auth.encryption_keys (COAGENT_AUTH_ENCRYPTION_KEYS) to the old keys")
	}
	f, err := OpenToFill(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if a, err = newArchives(cfg, f.DB, log, now, version); err == nil {
		err = a.files.check(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	a.end = f.Close
	return a, nil
}
