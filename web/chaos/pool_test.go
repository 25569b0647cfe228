//go:build unix

package chaos

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store/storetest"
	"github.com/coagent-studio/coagent/web/proctest"
)

// TestSmallPool: no socket, stream or model call holds a database connection.
// With a pool of 4, 300 sockets and 30 model calls that hang, posts, reads,
// sign-ins and handshakes are answered as ever.
func TestSmallPool(t *testing.T) {
	t.Parallel()
	// What waits for one of those that hang waits until they are released, which is after all
	// of this; a busy machine only takes longer.
	const rooms, perRoom, patience = 30, 10, 30 * time.Second
	s := proctest.New(t, storetest.Postgres(t), "COAGENT_DATABASE_POOL=4")
	serve := s.Serve()
	w := s.Populate(proctest.To(false, serve), proctest.Plan{Students: perRoom, Rooms: rooms, Agent: "sk-test"})
	var members []*proctest.Member
	for _, room := range w.Rooms {
		for _, p := range w.Students {
			members = append(members, s.Join(p, room))
		}
	}
	gate := llmtest.NewGate(1)
	var questions atomic.Int64
	s.Model.Script(func(r llmtest.Request) llmtest.Response {
		if !strings.Contains(r.Body, "Meanwhile") {
			questions.Add(1)
		}
		return llmtest.Response{Text: fmt.Sprintf("Answer %d was slow in coming.", r.Number), Gate: gate}
	})
	for i, room := range w.Rooms {
		if err := members[i*perRoom].Say(within(t, 30*time.Second), "Think about this for a while, in "+room); err != nil {
			t.Fatal(err)
		}
	}
	if !s.Model.Await(rooms, 20*time.Second) {
		t.Fatalf("got %d model calls at once, want %d", s.Model.Count(), rooms)
	}
	for _, m := range members {
		if err := m.Await(within(t, 20*time.Second), "the question", func() bool { return m.Last() == 1 }); err != nil {
			t.Fatal(err)
		}
	}
	var worst slowest
	var asking sync.WaitGroup
	for i, p := range w.Students {
		asking.Go(func() {
			room := w.Rooms[i]
			for k := range 10 {
				worst.time(t, "post by socket", patience, func() error {
					return members[i*perRoom+i].Say(t.Context(), fmt.Sprintf("Meanwhile %d in %s", k, room))
				})
				worst.time(t, "read", patience, func() error {
					return ok(p.Try(t.Context(), http.MethodGet, "/api/v1/chat/messages/"+room, nil))
				})
			}
			worst.time(t, "sign-in", patience, func() error { return p.SignIn(t.Context()) })
			late := s.Join(p, room)
			worst.time(t, "handshake and replay", patience, func() error {
				return late.Await(within(t, patience), "the log", func() bool { return late.Last() >= 11 })
			})
		})
	}
	asking.Wait()
	// Who posts before an answer has begun to show has the model asked anew, with that
	// message. Without one it is asked again only after a turn has lost its worker.
	if got := questions.Load(); got != rooms {
		t.Errorf("got %d model calls about the questions, want %d that still hang", got, rooms)
	}
	gate.Release()
	o := verdict(t, s, row{fault: "pool of 4", note: worst.String()}, w.Rooms, nil, members)
	if o.Replies < rooms || o.Failed > 0 {
		t.Errorf("got %d replies and %d failed turns, want %d or more and none", o.Replies, o.Failed, rooms)
	}
}

// ok turns an answer that is no success into an error.
func ok(a *proctest.Answer, err error) error {
	if err == nil && a.Status/100 != 2 {
		err = fmt.Errorf("%d %s", a.Status, a.Body)
	}
	return err
}

// slowest remembers the longest of several calls.
type slowest struct {
	mu   sync.Mutex
	what string
	took time.Duration
}

func (s *slowest) String() string {
	return fmt.Sprintf("slowest: %s, %.2f s", s.what, s.took.Seconds())
}

// time runs fn, which must succeed within limit.
func (s *slowest) time(t *testing.T, what string, limit time.Duration, fn func() error) {
	t.Helper()
	began := time.Now()
	err := fn()
	took := time.Since(began)
	if err != nil || took > limit {
		t.Errorf("%s took %s (%v), want %s at most", what, took, err, limit)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if took > s.took {
		s.what, s.took = what, took
	}
}
