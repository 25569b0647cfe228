// Package postgres runs throw-away Postgres servers for tests, benchmarks and
// fault injection, from the binaries that are installed on the machine, or from
// ones that are downloaded into the user's cache.
//
// It imports nothing of ours but ram, which has no imports. A [Server] belongs to the process that started
// it: when that process ends in any way, kill -9 included, the server is ended
// and its folder removed. Servers never run as root, listen on the loopback
// interface only and ask for a random password.
package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/coagent-studio/coagent/store/storetest/ram"
)

// ErrNotInstalled says that no Postgres server binaries were found, and none
// could be downloaded.
var ErrNotInstalled = errors.New("no Postgres server binaries: install Postgres, or set " + BinEnv + " to the folder of initdb and postgres")

// superuser is the name of the role that initdb makes.
const superuser = "postgres"

// startTimeout bounds the wait for a server to accept connections.
const startTimeout = 60 * time.Second

// Options of a server; the zero value is right for most tests.
type Options struct {
	// Fsync makes commits durable with Postgres' own defaults, as benchmarks
	// need it. Without it the data does not survive a crash of the machine.
	Fsync bool
	// MaxConnections is the server's connection limit; 0 means 300.
	MaxConnections int
	// Port is the TCP port on 127.0.0.1; 0 chooses a free one.
	Port int
	// DataDir puts the cluster into a folder of the caller's, which must be new
	// or empty and is not removed at the end. Empty means a temporary folder.
	DataDir string
}

// Mode is one of Postgres' ways to shut down.
type Mode string

// The shutdown modes of pg_ctl, section "Shutting Down the Server" of the manual.
const (
	Smart     Mode = "smart"     // waits until all clients have left
	Fast      Mode = "fast"      // rolls back open transactions, disconnects clients
	Immediate Mode = "immediate" // aborts; the next start recovers from the log
)

// Server is one running Postgres cluster; its methods may be called from several goroutines.
type Server struct {
	opts     Options
	bin      string // folder of the binaries
	home     string // our temporary folder: log, guard's target
	data     string
	port     int
	password string
	owner    *owner
	guard    *guard

	mu   sync.Mutex
	proc *process // nil while stopped
}

// Start makes a cluster and starts its server, ready for connections when it
// returns; the error is ErrNotInstalled when there are no binaries.
func Start(ctx context.Context, opts Options) (*Server, error) {
	who, err := findOwner()
	if err != nil {
		return nil, err
	}
	bin, err := findBinaries()
	if err != nil {
		return nil, err
	}
	if opts.MaxConnections == 0 {
		opts.MaxConnections = 300
	}
	s := &Server{opts: opts, bin: bin, owner: who, password: rand.Text(), port: opts.Port}
	if s.port == 0 {
		if s.port, err = freePort(); err != nil {
			return nil, err
		}
	}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.Start(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// prepare makes the folders and the cluster.
func (s *Server) prepare(ctx context.Context) (err error) {
	parent := ""
	if !s.opts.Fsync { // who asks for it measures a disk
		parent = ram.Dir()
	}
	if s.home, err = os.MkdirTemp(parent, "coagent-pg-"); err != nil {
		return err
	}
	s.data = filepath.Join(s.home, "data")
	if s.opts.DataDir != "" {
		if s.data, err = filepath.Abs(s.opts.DataDir); err != nil {
			return err
		}
		// Check this before the guard starts: the guard would end whatever runs there.
		if _, err := os.Stat(filepath.Join(s.data, "PG_VERSION")); err == nil {
			return fmt.Errorf("postgres: %s already holds a cluster", s.data)
		}
	}
	if err := os.MkdirAll(s.data, 0o700); err != nil {
		return err
	}
	if err := s.owner.chown(s.home, s.data); err != nil {
		return err
	}
	if s.bin, err = s.owner.reach(s.bin, s.home); err != nil {
		return err
	}
	if s.guard, err = startGuard(s.home, s.data); err != nil {
		return err
	}
	return s.initdb(ctx)
}

// initdb makes the cluster.
func (s *Server) initdb(ctx context.Context) error {
	pwfile := filepath.Join(s.home, "password")
	if err := os.WriteFile(pwfile, []byte(s.password), 0o600); err != nil {
		return err
	}
	if err := s.owner.chown(pwfile); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "initdb"),
		"--pgdata="+s.data, "--username="+superuser, "--pwfile="+pwfile,
		// On loopback md5 will do. To check a password kept for scram, even one that is
		// sent as text, takes 4096 rounds of a hash for each of the thousands of connections.
		"--auth=md5", "--encoding=UTF8", "--no-locale", "--no-sync", "--no-instructions")
	cmd.Dir = s.home
	cmd.SysProcAttr = s.owner.attr()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("postgres: initdb: %w: %s", err, out)
	}
	return nil
}

// Start starts a stopped server on its old port and data.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc != nil {
		return errors.New("postgres: already running")
	}
	args := []string{"-D", s.data, "-p", strconv.Itoa(s.port)}
	for _, setting := range s.settings() {
		args = append(args, "-c", setting)
	}
	proc, err := s.launch(filepath.Join(s.bin, "postgres"), args)
	if err != nil {
		return err
	}
	s.proc = proc
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return s.waitReady(ctx)
}

func (s *Server) settings() []string {
	set := []string{
		"listen_addresses=127.0.0.1",
		"unix_socket_directories=", // a temporary path may be longer than a socket's may be
		"max_connections=" + strconv.Itoa(s.opts.MaxConnections),
		"timezone=UTC",
		"log_timezone=UTC",
	}
	if s.opts.Fsync {
		return set
	}
	return append(set, "fsync=off", "synchronous_commit=off", "full_page_writes=off",
		"wal_level=minimal", "max_wal_senders=0",
		"min_wal_size=32MB", "max_wal_size=128MB") // the folder may be in memory
}

// waitReady polls until a connection succeeds, the server ends or ctx is done.
func (s *Server) waitReady(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, s.URL("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-s.proc.done:
			s.proc = nil
			return fmt.Errorf("postgres: ended while starting: %s", s.logTail())
		case <-ctx.Done():
			return fmt.Errorf("postgres: not ready: %w: %s", err, s.logTail())
		case <-tick.C:
		}
	}
}

// URL is the superuser's connection URL for the named database.
func (s *Server) URL(database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(superuser, s.password),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// CreateDatabase makes an empty database and returns its URL.
func (s *Server) CreateDatabase(ctx context.Context, name string) (string, error) {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return "", err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()); err != nil {
		return "", err
	}
	return s.URL(name), nil
}

// Stop ends the server and waits for it; data and port are kept for Start.
// Stopping a stopped server does nothing.
func (s *Server) Stop(mode Mode) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stop(mode)
}

func (s *Server) stop(mode Mode) error {
	if s.proc == nil {
		return nil
	}
	if err := s.proc.shutdown(mode); err != nil {
		return err
	}
	<-s.proc.done
	s.proc = nil
	return nil
}

// Restart stops the server in the given mode and starts it again.
func (s *Server) Restart(ctx context.Context, mode Mode) error {
	if err := s.Stop(mode); err != nil {
		return err
	}
	return s.Start(ctx)
}

// Signal sends sig to the server and all its child processes. For example SIGSTOP and
// SIGCONT simulate a server that hangs.
func (s *Server) Signal(sig os.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return os.ErrProcessDone
	}
	return s.proc.signalAll(sig)
}

// Close ends the server for good and removes its temporary folder.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.stop(Immediate)
	if s.guard != nil {
		return errors.Join(err, s.guard.end())
	}
	if s.home != "" {
		return errors.Join(err, os.RemoveAll(s.home))
	}
	return err
}

// logTail returns the end of the server's log.
func (s *Server) logTail() string {
	log, err := os.ReadFile(s.logFile())
	if err != nil {
		return err.Error()
	}
	return string(log[max(0, len(log)-2000):])
}

func (s *Server) logFile() string { return filepath.Join(s.home, "postgres.log") }
