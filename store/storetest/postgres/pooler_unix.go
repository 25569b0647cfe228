//go:build unix

package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrNoPooler says that PgBouncer is not installed.
var ErrNoPooler = errors.New("no pgbouncer: install PgBouncer")

// Pooler is one running PgBouncer. It ends with the process that started it.
type Pooler struct {
	// URL leads through the pooler to its database.
	URL   string
	home  string
	cmd   *exec.Cmd
	input io.Closer
}

// poolerScript ends PgBouncer when its input ends. The kernel ends that input however our
// process ends.
const poolerScript = `"$1" "$2" & pid=$!; read -r _; kill "$pid"; wait "$pid"`

// StartPooler starts a PgBouncer in transaction mode in front of the database
// at databaseURL; the error is ErrNoPooler when it is not installed.
func StartPooler(ctx context.Context, databaseURL string) (p *Pooler, err error) {
	bin, err := exec.LookPath("pgbouncer")
	if err != nil {
		if bin, err = exec.LookPath("/usr/sbin/pgbouncer"); err != nil {
			return nil, ErrNoPooler
		}
	}
	who, err := findOwner()
	if err != nil {
		return nil, err
	}
	p = new(Pooler)
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	if p.home, err = os.MkdirTemp("", "coagent-pgbouncer-"); err != nil {
		return nil, err
	}
	config, err := p.configure(databaseURL)
	if err != nil {
		return nil, err
	}
	if err := who.chown(p.home, config); err != nil {
		return nil, err
	}
	p.cmd = exec.Command("/bin/sh", "-c", poolerScript, "sh", bin, config)
	p.cmd.Dir, p.cmd.SysProcAttr = p.home, who.attr()
	if p.input, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	return p, p.waitReady(ctx)
}

// configure chooses a port and writes the configuration.
func (p *Pooler) configure(databaseURL string) (path string, err error) {
	server, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		return "", err
	}
	port, err := freePort()
	if err != nil {
		return "", err
	}
	through, err := url.Parse(databaseURL)
	if err != nil {
		return "", err
	}
	through.Host = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	p.URL = through.String()
	path = filepath.Join(p.home, "pgbouncer.ini")
	return path, os.WriteFile(path, fmt.Appendf(nil, `[databases]
%s = host=%s port=%d user=%s password='%s'
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 8
max_client_conn = 200
logfile = %s
`, server.Database, server.Host, server.Port, server.User, server.Password, port, filepath.Join(p.home, "pgbouncer.log")), 0o600)
}

// waitReady polls until a connection succeeds or ctx is done.
func (p *Pooler) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, p.URL)
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-ctx.Done():
			log, _ := os.ReadFile(filepath.Join(p.home, "pgbouncer.log")) // what it says of itself, if anything
			return fmt.Errorf("postgres: pgbouncer is not ready: %w: %s", err, log)
		case <-tick.C:
		}
	}
}

// Close ends the pooler and removes its folder.
func (p *Pooler) Close() error {
	var err error
	if p.input != nil {
		err = p.input.Close()
		_ = p.cmd.Wait() // it was ended by a signal
	}
	if p.home != "" {
		err = errors.Join(err, os.RemoveAll(p.home))
	}
	return err
}
