//go:build unix

package chaos

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/coagent-studio/coagent/store/storetest"
	"github.com/coagent-studio/coagent/web/proctest"
)

// drainLimit is http.shutdown_timeout's default.
const drainLimit = 20 * time.Second

// load is people who post and read without a pause by HTTP.
type load struct {
	done   atomic.Int64
	mu     sync.Mutex
	failed []string
	acks   []proctest.Ack
	all    sync.WaitGroup
}

// press begins the load of one person in one room.
func (l *load) press(ctx context.Context, p *proctest.Person, room string) {
	l.all.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			text := fmt.Sprintf("%s under load %d %s", p.Name, n, uuid.NewString())
			ack, a, err := p.Post(context.WithoutCancel(ctx), room, uuid.NewString(), text)
			if ack == nil {
				l.fail("post: %v %+v", err, a)
			} else {
				l.mu.Lock()
				l.acks = append(l.acks, *ack)
				l.mu.Unlock()
			}
			if err := ok(p.Try(context.WithoutCancel(ctx), http.MethodGet, "/api/v1/rooms/"+room, nil)); err != nil {
				l.fail("read: %v", err)
			}
			l.done.Add(2)
			pause(ctx, 5*time.Millisecond)
		}
	})
}

// pressUntilRefused is press that ends when nobody listens.
func (l *load) pressUntilRefused(ctx context.Context, p *proctest.Person, room string, refused *atomic.Int64) {
	l.all.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			ack, a, err := p.Post(ctx, room, uuid.NewString(), fmt.Sprintf("%s until the end %d", p.Name, n))
			switch {
			case errors.Is(err, syscall.ECONNREFUSED):
				refused.Add(1)
				return
			case ack == nil:
				l.fail("post: %v %+v", err, a)
			default:
				l.mu.Lock()
				l.acks = append(l.acks, *ack)
				l.mu.Unlock()
			}
			l.done.Add(1)
		}
	})
}

func (l *load) fail(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = append(l.failed, fmt.Sprintf(format, args...))
}

// TestTerm: SIGTERM under load on two nodes. No request fails: only where
// nobody listens any more a client goes to the other node. Members move there
// and miss nothing; the process exits with 0 within its deadline.
func TestTerm(t *testing.T) {
	t.Parallel()
	s := proctest.New(t, storetest.Postgres(t))
	s.Model.Script(answers)
	a, b := s.Serve(), s.Serve()
	w := s.Populate(proctest.To(false, a, b), proctest.Plan{Students: 8, Rooms: 2, Agent: "sk-test"})
	c := seat(s, w)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var l load
	for i, p := range w.Students {
		// Half of them keep their connections, half open one for each request.
		l.press(ctx, p.At(proctest.To(i%2 == 0, a, b)), w.Rooms[i%2])
	}
	for i := range either(10, 2) {
		p := []*proctest.Process{a, b}[i%2]
		pause(ctx, 700*time.Millisecond)
		code, took, err := p.Term(drainLimit + 5*time.Second)
		if err != nil || code != 0 || took > drainLimit {
			t.Errorf("%s ended with %d after %s (%v), want 0 within %s", p.Name, code, took, err, drainLimit)
		}
		pause(ctx, 300*time.Millisecond)
		if _, err := p.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	l.all.Wait()
	if n := len(l.failed); n > 0 {
		t.Errorf("%d of %d requests failed: %q", n, l.done.Load(), l.failed[:min(n, 5)])
	}
	for _, m := range c.members {
		for _, code := range m.Closes() {
			if code != 1001 {
				t.Errorf("%s was closed with %d, want 1001", m.Person.Name, code)
			}
		}
	}
	if !slices.ContainsFunc(c.members, func(m *proctest.Member) bool { return len(m.Closes()) > 0 }) {
		t.Error("nobody was told that the server goes away")
	}
	verdict(t, s, row{fault: "SIGTERM under load", note: fmt.Sprintf("%d requests, %d failed", l.done.Load(), len(l.failed))},
		w.Rooms, l.acks, c.members)
}

// TestTermAlone: a single node that is told to end answers all that it has
// accepted; then nobody listens.
func TestTermAlone(t *testing.T) {
	t.Parallel()
	s := proctest.New(t, "")
	s.Model.Script(answers)
	serve := s.Serve()
	w := s.Populate(proctest.To(false, serve), proctest.Plan{Students: 4, Rooms: 1, Agent: "sk-test"})
	c := seat(s, w)
	var refused atomic.Int64
	var l load
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	for i, p := range w.Students {
		l.pressUntilRefused(ctx, p.At(proctest.To(i%2 == 0, serve)), w.Rooms[0], &refused)
	}
	pause(ctx, 500*time.Millisecond)
	code, took, err := serve.Term(drainLimit + 5*time.Second)
	if err != nil || code != 0 || took > drainLimit {
		t.Errorf("ended with %d after %s (%v), want 0 within %s", code, took, err, drainLimit)
	}
	l.all.Wait()
	if got := refused.Load(); got != int64(len(w.Students)) || len(l.failed) > 0 {
		t.Errorf("%d of %d were refused at the end; failed: %q", got, len(w.Students), l.failed)
	}
	if _, err := serve.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	verdict(t, s, row{fault: "SIGTERM under load", note: fmt.Sprintf("%d requests, %d failed", l.done.Load(), len(l.failed))},
		w.Rooms, l.acks, c.members)
}
