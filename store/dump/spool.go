package dump

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
	_ "modernc.org/sqlite" // the "sqlite" driver of database/sql
)

// spoolPrefix begins the name of each folder with the temporary file of a dump.
const spoolPrefix = "coagent-dump-"

// spool is a dump in a temporary SQLite file.
type spool struct {
	dir    string
	lock   *flock.Flock
	db     *sql.DB
	tx     *sql.Tx
	tables map[string]*spooled
}

type spooled struct {
	number  int
	columns []string
	index   map[string]int
	zoned   []bool // timestamps with a zone
	insert  *sql.Stmt
	rows    int64
	indexed map[string]bool
}

// Open reads a dump into a temporary file. folder is where that lies. Files that a killed
// process has left there are deleted.
func Open(ctx context.Context, r io.Reader, folder string) (Source, error) {
	plain, err := unpacked(r)
	if err != nil {
		return nil, err
	}
	s, err := newSpool(ctx, folder)
	if err != nil {
		return nil, fmt.Errorf("make a temporary file for the dump: %w", err)
	}
	if err = parse(&watched{ctx, plain}, s); err == nil {
		err = s.finish(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// watched ends with its context.
type watched struct {
	ctx context.Context
	r   io.Reader
}

func (w *watched) Read(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.r.Read(p)
}

// unpacked unpacks gzip, and says what is wrong with a file in another form.
func unpacked(r io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	head, err := b.Peek(5)
	switch {
	case len(head) == 0 && (err == nil || errors.Is(err, io.EOF)):
		return nil, errors.New("the dump is empty")
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return gzip.NewReader(b)
	case bytes.HasPrefix(head, []byte("PGDMP")):
		return nil, errors.New("this is a dump in pg_dump's own format; make a plain one of it with pg_restore --file=FILE.sql, or with pg_dump --format=plain")
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}), bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		return nil, errors.New("the dump is in UTF-16, as PowerShell writes what a program prints; make it with pg_dump --encoding=UTF8 --file=FILE.sql")
	case bytes.HasPrefix(head, []byte{0xef, 0xbb, 0xbf}):
		_, err = b.Discard(3)
		return b, err
	}
	return b, nil
}

func newSpool(ctx context.Context, folder string) (*spool, error) {
	removeLeft(folder)
	dir, err := os.MkdirTemp(folder, spoolPrefix) // 0700
	if err != nil {
		return nil, err
	}
	s := &spool{dir: dir, lock: flock.New(filepath.Join(dir, "lock")), tables: map[string]*spooled{}}
	if _, err = s.lock.TryLock(); err == nil {
		s.db, err = sql.Open("sqlite", "file:"+filepath.ToSlash(filepath.Join(dir, "dump.db"))+
			"?_pragma=journal_mode(OFF)&_pragma=synchronous(OFF)&_pragma=cache_size(-16000)&_pragma=temp_store(FILE)")
	}
	if err == nil {
		s.tx, err = s.db.BeginTx(ctx, nil)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// removeLeft deletes the temporary files of processes that do not run any more.
func removeLeft(folder string) {
	if folder == "" {
		folder = os.TempDir()
	}
	left, _ := filepath.Glob(filepath.Join(folder, spoolPrefix+"*"))
	for _, dir := range left {
		lock := flock.New(filepath.Join(dir, "lock"))
		if st, err := os.Stat(dir); err != nil || time.Since(st.ModTime()) < time.Minute && !exists(lock.Path()) {
			continue // another process makes it right now
		}
		if free, err := lock.TryLock(); err == nil && free {
			_ = lock.Unlock()
			_ = os.RemoveAll(dir)
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (s *spool) table(name string, columns []column) error {
	if s.tables[name] != nil {
		return nil
	}
	t := &spooled{number: len(s.tables), indexed: map[string]bool{}}
	made, marks := make([]string, len(columns)), make([]string, len(columns))
	for i, c := range columns {
		made[i], marks[i] = fmt.Sprintf("c%d TEXT", i), "?"
		t.columns = append(t.columns, c.name)
		t.zoned = append(t.zoned, strings.HasPrefix(c.kind, "timestamp with time zone") || strings.HasPrefix(c.kind, "timestamptz"))
	}
	t.index = indexed(t.columns)
	if len(columns) == 0 {
		made = []string{"c0 TEXT"}
	}
	//nolint:noctx // the transaction was begun with the context and ends with it
	if _, err := s.tx.Exec(fmt.Sprintf("CREATE TABLE t%d (%s)", t.number, strings.Join(made, ", "))); err != nil {
		return err
	}
	s.tables[name] = t
	if len(columns) == 0 {
		return nil
	}
	var err error
	//nolint:noctx // likewise
	t.insert, err = s.tx.Prepare(fmt.Sprintf("INSERT INTO t%d VALUES (%s)", t.number, strings.Join(marks, ", ")))
	return err
}

func (s *spool) row(table string, columns []string, values []sql.NullString) error {
	t := s.tables[table]
	row := make([]any, len(t.columns))
	for i, name := range columns {
		at, ok := t.index[name]
		if !ok {
			return fmt.Errorf("rows of %s have a column %s, which its CREATE TABLE has not", table, name)
		}
		if row[at] = any(nil); values[i].Valid {
			row[at] = values[i].String
			if t.zoned[at] {
				row[at] = inUTC(values[i].String)
			}
		}
	}
	if t.rows++; t.insert == nil {
		return nil
	}
	_, err := t.insert.Exec(row...) //nolint:noctx // likewise
	return err
}

// inUTC is a timestamp with a zone as Postgres writes it in UTC. So the order of the texts
// is the order of the times.
func inUTC(value string) string {
	for _, layout := range []string{"2006-01-02 15:04:05.999999-07", "2006-01-02 15:04:05.999999-07:00"} {
		if at, err := time.Parse(layout, value); err == nil {
			return at.UTC().Format("2006-01-02 15:04:05.999999") + "+00"
		}
	}
	return value
}

func (s *spool) finish(ctx context.Context) error {
	for _, t := range s.tables {
		if t.insert != nil {
			_ = t.insert.Close()
		}
	}
	err := s.tx.Commit()
	s.tx = nil
	if err != nil {
		return err
	}
	return s.db.PingContext(ctx)
}

// Tables implements Source.
func (s *spool) Tables() map[string][]string {
	all := map[string][]string{}
	for name, t := range s.tables {
		all[name] = t.columns
	}
	return all
}

// Count implements Source.
func (s *spool) Count(_ context.Context, table string) (int64, error) {
	if t := s.tables[table]; t != nil {
		return t.rows, nil
	}
	return 0, nil
}

// Scan implements Source.
func (s *spool) Scan(ctx context.Context, table string, order, after []string, fn func(Row) error) error {
	t := s.tables[table]
	if t == nil || len(t.columns) == 0 {
		return nil
	}
	if err := missing(t.index, order, table); err != nil {
		return err
	}
	columns, by, marks := make([]string, len(t.columns)), make([]string, len(order)), make([]string, len(order))
	for i := range columns {
		columns[i] = fmt.Sprintf("c%d", i)
	}
	for i, name := range order {
		by[i], marks[i] = columns[t.index[name]], "?"
	}
	query := fmt.Sprintf("SELECT %s FROM t%d", strings.Join(columns, ", "), t.number)
	var args []any
	if len(order) > 0 {
		key := strings.Join(by, ", ")
		if !t.indexed[key] {
			if _, err := s.db.ExecContext(ctx, fmt.Sprintf("CREATE INDEX i%d_%d ON t%d (%s)", t.number, len(t.indexed), t.number, key)); err != nil {
				return err
			}
			t.indexed[key] = true
		}
		if after != nil {
			query += fmt.Sprintf(" WHERE (%s) > (%s)", key, strings.Join(marks, ", "))
			for _, v := range after {
				args = append(args, v)
			}
		}
		query += " ORDER BY " + key
	}
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	return each(rows, t.index, len(t.columns), fn)
}

func each(rows *sql.Rows, index map[string]int, n int, fn func(Row) error) error {
	r := Row{columns: index, values: make([]sql.NullString, n)}
	into := make([]any, n)
	for i := range into {
		into[i] = &r.values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		if err := fn(r); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Close implements Source. It deletes the temporary file.
func (s *spool) Close() error {
	var errs []error
	if s.tx != nil {
		_ = s.tx.Rollback()
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	return errors.Join(append(errs, s.lock.Unlock(), os.RemoveAll(s.dir))...)
}
