//go:build unix

package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// rowFloor is a way to commit one row of 200 bytes in a transaction of its own. Its value
// is its name in the table.
type rowFloor string

const (
	benchRows    rowFloor = "pgbench, a row"
	benchNotify  rowFloor = "pgbench, a row and pg_notify"
	bareRows     rowFloor = "bare driver, a row"
	driverNotify rowFloor = "bare driver, a row and pg_notify"
)

// rowFloors measure them in one database.
type rowFloors struct {
	dir   string // of the scripts
	bench string // the path of pgbench; "" where it is not installed
	env   []string
	pool  *pgxpool.Pool
	lite  *sql.DB
	row   *sql.Stmt
}

const (
	floorTablePG   = "CREATE TABLE bench_floor (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, content text NOT NULL)"
	floorTableLite = "CREATE TABLE bench_floor (id INTEGER PRIMARY KEY, content TEXT NOT NULL)"
	floorRow       = "INSERT INTO bench_floor (content) VALUES ($1)"
	floorNotify    = "WITH r AS (INSERT INTO bench_floor (content) VALUES ($1) RETURNING id) SELECT pg_notify('bench_floor', 'room') FROM r"
)

func (l *lab) rowFloors(kind string) (*rowFloors, error) {
	d, err := l.database(kind)
	if err != nil {
		return nil, err
	}
	f := &rowFloors{dir: d.dir}
	if kind == onSQLite {
		if f.lite, err = openLite(d); err != nil {
			return nil, err
		}
		if _, err = f.lite.ExecContext(l.ctx, floorTableLite); err == nil {
			f.row, err = f.lite.PrepareContext(l.ctx, floorRow)
		}
		return f, err
	}
	cfg, err := pgxpool.ParseConfig(d.url)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = mostWriters
	if f.pool, err = pgxpool.NewWithConfig(l.ctx, cfg); err != nil {
		return nil, err
	}
	if _, err := f.pool.Exec(l.ctx, floorTablePG); err != nil {
		return nil, err
	}
	f.bench = l.server.Tool("pgbench")
	f.env, err = connectionEnv(d.url)
	return f, err
}

// connectionEnv names a database to Postgres' own programs. Who lists the processes does
// not see the password there.
func connectionEnv(address string) ([]string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	password, _ := u.User.Password()
	return []string{"PGHOST=" + u.Hostname(), "PGPORT=" + u.Port(), "PGUSER=" + u.User.Username(), "PGPASSWORD=" + password,
		"PGDATABASE=" + u.Path[1:], "PGSSLMODE=disable", "PATH=" + os.Getenv("PATH")}, nil
}

func (f *rowFloors) close() error {
	if f.pool != nil {
		f.pool.Close()
		return nil
	}
	return errors.Join(f.row.Close(), f.lite.Close())
}

// kinds are the ways that this machine has. The first is the floor of the others.
func (f *rowFloors) kinds() []rowFloor {
	switch {
	case f.lite != nil:
		return []rowFloor{bareRows}
	case f.bench == "": // the same transactions
		return []rowFloor{bareRows, driverNotify}
	}
	return []rowFloor{benchRows, benchNotify, bareRows}
}

// measure keeps n connections busy, in each of the ways in turn.
func (f *rowFloors) measure(l *lab, n int) (map[rowFloor]pace, error) {
	got := map[rowFloor]pace{}
	for _, kind := range f.kinds() {
		var err error
		switch kind {
		case benchRows:
			got[kind], err = f.pgbench(l, n, "INSERT INTO bench_floor (content) VALUES ('"+lineText(lineSize)+"');")
		case benchNotify:
			got[kind], err = f.pgbench(l, n, "WITH r AS (INSERT INTO bench_floor (content) VALUES ('"+lineText(lineSize)+
				"') RETURNING id) SELECT pg_notify('bench_floor', 'room') FROM r;")
		default:
			got[kind], err = f.bare(l, n, kind)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", kind, err)
		}
	}
	return got, nil
}

// bare uses the driver, which prepares the statement once for each connection.
func (f *rowFloors) bare(l *lab, n int, kind rowFloor) (got pace, err error) {
	text := lineText(lineSize)
	exec := func(int) error { _, err := f.row.ExecContext(l.ctx, text); return err }
	if f.pool != nil {
		query := map[rowFloor]string{bareRows: floorRow, driverNotify: floorNotify}[kind]
		conns := make([]*pgxpool.Conn, n)
		for i := range conns {
			if conns[i], err = f.pool.Acquire(l.ctx); err != nil {
				return got, err
			}
			defer conns[i].Release()
		}
		exec = func(i int) error { _, err := conns[i].Exec(l.ctx, query, text); return err }
	}
	before, _ := l.spent(nil) // it asks no process
	wall, every, err := busy(n, postSlice, exec)
	if err != nil {
		return got, err
	}
	after, _ := l.spent(nil)
	got = paceOf(wall, every, before, after)
	got.cpu, got.clients = got.clients, 0 // there is no other server
	return got, nil
}

var (
	benchRate    = regexp.MustCompile(`(?m)^tps = ([0-9.]+)`)
	benchLatency = regexp.MustCompile(`(?m)^latency average = ([0-9.]+) ms`)
)

// pgbench runs a script on n connections. It tells the mean of the latencies alone, which
// stands for all of them here.
func (f *rowFloors) pgbench(l *lab, n int, script string) (got pace, err error) {
	file := filepath.Join(f.dir, "row.sql")
	if err := os.WriteFile(file, []byte(script+"\n"), 0o600); err != nil {
		return got, err
	}
	ctx, cancel := context.WithTimeout(l.ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, f.bench, "--no-vacuum", "--protocol=prepared", "--file="+file, "--client="+strconv.Itoa(n),
		"--jobs=1", "--time=2") // whole seconds
	cmd.Env = f.env
	before, _ := l.spent(nil)
	out, err := cmd.Output()
	if err != nil {
		return got, err
	}
	after, _ := l.spent(nil)
	rate, errRate := matched(benchRate, out)
	latency, errLatency := matched(benchLatency, out)
	if err := errors.Join(errRate, errLatency); err != nil {
		return got, err
	}
	rows := time.Duration(rate * 2)
	mean := time.Duration(latency * float64(time.Millisecond))
	return pace{each: time.Duration(float64(time.Second) / rate), cpu: (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()) / rows,
		p50: mean, p99: mean, database: (after.database - before.database) / rows, machine: (after.machine - before.machine) / rows}, nil
}

func matched(re *regexp.Regexp, text []byte) (float64, error) {
	m := re.FindSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("pgbench says nothing like %s: %.300s", re, text)
	}
	return strconv.ParseFloat(string(m[1]), 64)
}
