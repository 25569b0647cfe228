package realtime

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// postgresURL returns the server of COAGENT_TEST_POSTGRES.
func postgresURL(t *testing.T) string {
	t.Helper()
	url := os.Getenv("COAGENT_TEST_POSTGRES")
	switch {
	case url != "":
	case os.Getenv("CI") != "":
		t.Fatal("COAGENT_TEST_POSTGRES is not set, and CI tests on Postgres")
	default:
		t.Skip("SKIPPED (no Postgres): COAGENT_TEST_POSTGRES is not set")
	}
	return url
}

// link is a TCP hop to the server, which tests break.
type link struct {
	t        *testing.T
	target   string
	listener net.Listener
	passed   atomic.Int64 // packets

	mu     sync.Mutex
	conns  []net.Conn
	frozen bool // bytes of connections there are go nowhere
	refuse bool // new connections are closed at once
}

func newLink(t *testing.T, target string) *link {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &link{t: t, target: target, listener: l}
	t.Cleanup(func() { _ = l.Close(); k.cut() })
	go k.serve()
	return k
}

func (k *link) serve() {
	for {
		near, err := k.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", k.target)
		k.mu.Lock()
		if err != nil || k.refuse {
			_ = near.Close()
			if far != nil {
				_ = far.Close()
			}
			k.mu.Unlock()
			continue
		}
		k.conns = append(k.conns, near, far)
		k.mu.Unlock()
		go k.pass(near, far)
		go k.pass(far, near)
	}
}

func (k *link) pass(to, from net.Conn) {
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		k.passed.Add(1)
		k.mu.Lock()
		frozen := k.frozen
		k.mu.Unlock()
		if frozen {
			_, _ = io.Copy(io.Discard, from)
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (k *link) set(frozen, refuse bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.frozen, k.refuse = frozen, refuse
}

func (k *link) cut() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, c := range k.conns {
		_ = c.Close()
	}
	k.conns = nil
}

type listening struct {
	listener   *Listener
	link       *link
	db         *pgx.Conn // beside the link
	channel    string
	heard      chan string
	reconnects chan struct{}
}

func listen(t *testing.T, idle time.Duration) *listening {
	t.Helper()
	url := postgresURL(t)
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	db, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	k := newLink(t, net.JoinHostPort(cfg.Host, fmt.Sprint(cfg.Port)))
	b := &listening{
		link: k, db: db,
		channel:    fmt.Sprintf("test %d", rand.Uint64()),
		heard:      make(chan string, 100),
		reconnects: make(chan struct{}, 100),
	}
	through := cfg.Copy()
	through.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", k.listener.Addr().String())
	}
	b.listener = NewListener(ListenConfig{
		Connect:     func(ctx context.Context) (*pgx.Conn, error) { return pgx.ConnectConfig(ctx, through) },
		Channels:    []string{b.channel, b.channel + " 2"},
		OnNotify:    func(channel, payload string) { b.heard <- channel + ": " + payload },
		OnReconnect: func() { b.reconnects <- struct{}{} },
		Idle:        idle,
		Patience:    time.Second,
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); b.listener.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-ended
		if b.listener.Ready() {
			t.Error("ready after it ended")
		}
		_ = db.Close(context.Background())
	})
	b.connected(t)
	return b
}

func (b *listening) connected(t *testing.T) {
	t.Helper()
	select {
	case <-b.reconnects:
	case <-time.After(patience):
		t.Fatal("it never listened")
	}
	if !b.listener.Ready() {
		t.Error("listening, but not ready")
	}
}

// hears fails unless what is notified now is heard.
func (b *listening) hears(t *testing.T, channel, payload string) {
	t.Helper()
	if _, err := b.db.Exec(t.Context(), "SELECT pg_notify($1, $2)", channel, payload); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-b.heard:
		if want := channel + ": " + payload; got != want {
			t.Errorf("heard %q, want %q", got, want)
		}
	case <-time.After(patience):
		t.Fatalf("%q was never heard", payload)
	}
}

func TestListener(t *testing.T) {
	t.Parallel()

	t.Run("HearsAllItsChannels", func(t *testing.T) {
		t.Parallel()
		b := listen(t, time.Minute)
		b.hears(t, b.channel, "one")
		b.hears(t, b.channel+" 2", "two")
	})

	t.Run("SilenceIsNotAFailure", func(t *testing.T) {
		t.Parallel()
		b := listen(t, 20*time.Millisecond)
		passed := b.link.passed.Load()
		eventually(t, "several questions and answers", func() bool { return b.link.passed.Load() > passed+10 })
		b.hears(t, b.channel, "still here")
		if len(b.reconnects) != 0 {
			t.Error("it reconnected, want one connection through the silence")
		}
	})

	t.Run("ReconnectsWhenItsConnectionIsTerminated", func(t *testing.T) {
		t.Parallel()
		b := listen(t, time.Minute)
		if _, err := b.db.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE query LIKE 'LISTEN%' || $1 || '%' AND pid <> pg_backend_pid()`, b.channel); err != nil {
			t.Fatal(err)
		}
		b.connected(t)
		b.hears(t, b.channel, "again")
	})

	t.Run("ReconnectsWhenTheServerComesBack", func(t *testing.T) {
		t.Parallel()
		b := listen(t, time.Minute)
		b.link.set(false, true)
		b.link.cut()
		eventually(t, "not ready while the server is away", func() bool { return !b.listener.Ready() })
		b.link.set(false, false)
		b.connected(t)
		b.hears(t, b.channel, "again")
	})

	t.Run("NoticesAServerThatNoLongerAnswers", func(t *testing.T) {
		t.Parallel()
		b := listen(t, 100*time.Millisecond)
		b.link.set(true, true)
		eventually(t, "not ready while nothing answers", func() bool { return !b.listener.Ready() })
		b.link.set(false, false)
		b.connected(t)
		b.hears(t, b.channel, "again")
	})

	t.Run("NodesHearEachOtherThroughPostgres", func(t *testing.T) {
		t.Parallel()
		b := listen(t, time.Minute)
		far := setup(t, func(cfg *Config) { cfg.Node = "far" })
		c := far.join(t, room1, ConnOptions{}, JoinOptions{})
		var mu sync.Mutex
		near := setup(t, func(cfg *Config) {
			cfg.Node = "near"
			cfg.Send = func(ctx context.Context, payload []byte) error {
				mu.Lock()
				defer mu.Unlock()
				_, err := b.db.Exec(ctx, "SELECT pg_notify($1, $2)", b.channel, string(payload))
				return err
			}
		})
		near.hub.Delta(room1, Delta{TurnID: "t", Attempt: 2, Text: "\x00老師 <b>"})
		payload := <-b.heard
		far.hub.HandleSignal([]byte(payload[len(b.channel)+2:]))
		if got := c.expect(t, "delta").Delta; got.Text != "\x00老師 <b>" || got.Attempt != 2 {
			t.Errorf("got %+v, want the delta as it was sent", got)
		}
	})
}
