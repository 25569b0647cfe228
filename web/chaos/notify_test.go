//go:build unix

package chaos

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/store/storetest"
	"github.com/coagent-studio/coagent/web/proctest"
)

// TestKillBeforeNotify: a node commits, is killed before it could tell anybody,
// and the others find what it committed: the messages reach their sockets, and
// the jobs their workers. Nothing else looks for them in this test.
func TestKillBeforeNotify(t *testing.T) {
	t.Parallel()
	s := proctest.New(t, storetest.Postgres(t), "COAGENT_ROOMS_EVENT_POLL=5m", "COAGENT_TURNS_SWEEP=5m", "COAGENT_JOBS_IN_SERVE=false")
	far := s.Serve()
	s.Worker()
	w := s.Populate(proctest.To(false, far), proctest.Plan{Students: 2, Rooms: 1, Agent: canary})
	s.Model.Script(answers)
	room, here := w.Rooms[0], s.Join(w.Students[0], w.Rooms[0])
	if err := here.Await(within(t, 30*time.Second), "a seat", func() bool { return here.Connects() == 1 }); err != nil {
		t.Fatal(err)
	}
	var acks []proctest.Ack
	var took time.Duration
	kills := either(10, 2)
	for i := range kills {
		g := newGate(t, s.DatabaseURL)
		near := s.Serve("COAGENT_DATABASE_LISTEN_URL=" + g.url)
		p := w.Students[1].At(proctest.To(false, near))
		post := func(name string) {
			ack, _, err := p.Post(within(t, 30*time.Second), room, fmt.Sprintf("%s-%d", name, i), fmt.Sprintf("Line %d, %s", i, name))
			if err != nil {
				t.Fatal(err)
			}
			acks = append(acks, *ack)
		}
		answered := func() bool { return here.Last() >= int64(2*len(acks)) }
		post("told")
		if err := here.Await(within(t, 30*time.Second), "the line and its answer", answered); err != nil {
			t.Fatal(err)
		}
		g.shut()
		post("untold")
		killed := time.Now()
		if err := near.Kill9(); err != nil {
			t.Fatal(err)
		}
		seen := func() bool { return here.Last() >= acks[len(acks)-1].Seq }
		if err := here.Await(within(t, 30*time.Second), "the untold line", seen); err != nil {
			t.Fatal(err)
		}
		took = max(took, time.Since(killed))
		if err := here.Await(within(t, 30*time.Second), "its answer", answered); err != nil {
			t.Fatal(err)
		}
	}
	verdict(t, s, row{fault: "kill before notify", recovery: took, note: fmt.Sprintf("%d kills", kills)}, w.Rooms, acks, []*proctest.Member{here})
}

// gate is a way to a database's server that can be shut: nothing passes it any
// more, and its two sides notice nothing.
type gate struct {
	url    string
	listen net.Listener
	server string
	closed chan struct{}

	mu    sync.Mutex
	conns []net.Conn
}

func newGate(t *testing.T, database string) *gate {
	t.Helper()
	to, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{server: to.Host, closed: make(chan struct{})}
	if g.listen, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	to.Host = g.listen.Addr().String()
	g.url = to.String()
	t.Cleanup(g.close)
	go g.accept()
	return g
}

func (g *gate) accept() {
	for {
		in, err := g.listen.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", g.server)
		if err != nil {
			_ = in.Close()
			continue
		}
		g.mu.Lock()
		g.conns = append(g.conns, in, out)
		g.mu.Unlock()
		go g.pass(out, in)
		go g.pass(in, out)
	}
}

// pass copies until the gate is shut.
func (g *gate) pass(to io.Writer, from io.Reader) {
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		select {
		case <-g.closed:
			return
		default:
		}
		if err != nil {
			return
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}

// shut lets nothing pass any more. Call it once.
func (g *gate) shut() { close(g.closed) }

func (g *gate) close() {
	_ = g.listen.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.conns {
		_ = c.Close()
	}
}
