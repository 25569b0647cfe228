package web

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
)

// room takes n bytes, or reports that there was none.
func (a *answers) room(t *testing.T, who string, n int64) *ticket {
	t.Helper()
	ticket, err := a.take(t.Context(), who, n)
	if err != nil {
		t.Fatalf("%s, %d bytes: %v", who, n, err)
	}
	return ticket
}

// queue has somebody wait for room and returns where the ticket will come.
func (a *answers) queue(t *testing.T, who string, n int64) <-chan *ticket {
	t.Helper()
	before, got := a.waiting(), make(chan *ticket, 1)
	go func() {
		ticket, _ := a.take(context.Background(), who, n)
		got <- ticket
	}()
	apptest.Await(t, who+" to wait", func() bool { return a.waiting() == before+1 })
	return got
}

func (a *answers) waiting() (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range a.of {
		n += len(r.waiting)
	}
	return n
}

func (a *answers) empty() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.used == 0 && len(a.of) == 0 && len(a.turn) == 0
}

func TestAnswersUnderWay(t *testing.T) {
	t.Parallel()
	rules := map[string]func(*testing.T, *answers){
		"OnePersonsBound": func(t *testing.T, a *answers) {
			held := a.room(t, "ann", 100)
			a.patience = time.Millisecond
			if _, err := a.take(t.Context(), "ann", 1); app.KindOf(err) != app.KindUnavailable {
				t.Errorf("got %v, want a refusal that can be tried again", err)
			}
			a.room(t, "bob", 100).done()
			held.done()
		},
		"EverybodysBound": func(t *testing.T, a *answers) {
			held := []*ticket{a.room(t, "ann", 100), a.room(t, "bob", 100)}
			a.patience = time.Millisecond
			if _, err := a.take(t.Context(), "cid", 51); err == nil {
				t.Error("more than all may have")
			}
			for _, h := range append(held, a.room(t, "cid", 50)) {
				h.done()
			}
		},
		"MoreThanAnybodyMayHave": func(t *testing.T, a *answers) { a.room(t, "ann", 1000).done() },
		"PeopleTakeTurns": func(t *testing.T, a *answers) {
			held := []*ticket{a.room(t, "ann", 100), a.room(t, "bob", 100), a.room(t, "cid", 50)}
			greedy := []<-chan *ticket{a.queue(t, "dan", 100), a.queue(t, "dan", 100), a.queue(t, "dan", 100)}
			modest := a.queue(t, "eve", 100)
			held[0].done() // for Dan, who came first
			first := <-greedy[0]
			held[1].done() // for Eve, and not for Dan again
			(<-modest).done()
			held[2].done()
			first.done()
			(<-greedy[1]).done()
			(<-greedy[2]).done()
		},
		"WhoLeavesHoldsUpNobody": func(t *testing.T, a *answers) {
			held := []*ticket{a.room(t, "ann", 100), a.room(t, "bob", 100)}
			ctx, leave := context.WithCancel(t.Context())
			left := make(chan error, 1)
			go func() { _, err := a.take(ctx, "cid", 100); left <- err }()
			apptest.Await(t, "Cid to wait", func() bool { return a.waiting() == 1 })
			next := a.queue(t, "dan", 50)
			leave()
			if err := <-left; err == nil {
				t.Error("room for one who has left")
			}
			(<-next).done()
			for _, h := range held {
				h.done()
			}
		},
		"TooManyWait": func(t *testing.T, a *answers) {
			held := a.room(t, "ann", 100)
			var waiting []<-chan *ticket
			for range answerQueue {
				waiting = append(waiting, a.queue(t, "ann", 100))
			}
			if _, err := a.take(t.Context(), "ann", 1); err == nil {
				t.Error("the queue has no end")
			}
			held.done()
			for _, w := range waiting {
				(<-w).done()
			}
		},
		"SizeKnownLater": func(t *testing.T, a *answers) {
			held := a.room(t, "ann", 100)
			held.resize(10)
			more := a.room(t, "ann", 90)
			more.resize(500) // it exists
			held.done()
			more.done()
		},
	}
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) {
			a := newAnswers(250, 100)
			a.patience = time.Minute
			rule(t, a)
			if !a.empty() {
				t.Errorf("%d bytes of %d readers are left", a.used, len(a.of))
			}
		})
	}
}

// numbers are rows, of which a fault may come in the middle.
type numbers struct {
	n     int
	fault error
}

func (numbers) Most() int64 { return 1000 }

func (r numbers) Size() int64 { return int64(r.n) * 4000 }

func (r numbers) Rows(context.Context) iter.Seq2[*string, error] {
	return func(yield func(*string, error) bool) {
		row := strings.Repeat("<é>", 1000)
		for range r.n {
			if !yield(&row, nil) {
				return
			}
		}
		if r.fault != nil {
			yield(nil, r.fault)
		}
	}
}

// streamed is a list as its reader gets it.
func streamed(t *testing.T, rows numbers) (string, error) {
	t.Helper()
	s := &Server{log: slog.New(slog.DiscardHandler), answers: newAnswers(1<<20, 1<<20)}
	r := &request{userID: "ann"}
	out, err := whole(r.within(t.Context()), s, rows, func(s *string) string { return *s })
	if err != nil {
		r.drop()
		return "", err
	}
	l := out.Body
	near, far := net.Pipe()
	t.Cleanup(func() { _ = errors.Join(near.Close(), far.Close()) })
	l.conn, l.ticket, r.ticket = near, r.ticket, nil
	text, err := io.ReadAll(l)
	_ = l.Close()
	if !s.answers.empty() {
		t.Errorf("%d bytes are left", s.answers.used)
	}
	return string(text), err
}

func TestArraysAreWhole(t *testing.T) {
	t.Parallel()
	broken := errors.New("the database is gone")
	for _, n := range []int{0, 1, 2, 7, 8, 200} {
		want := "[" + strings.Join(slices.Repeat([]string{`"` + strings.Repeat("<é>", 1000) + `"`}, n), ",") + "]\n"
		if got, err := streamed(t, numbers{n: n}); err != nil || got != want {
			t.Errorf("%d rows: %d bytes, %v, want %d", n, len(got), err, len(want))
		}
		got, err := streamed(t, numbers{n: n, fault: broken})
		if !errors.Is(err, broken) || strings.HasSuffix(got, "]\n") {
			t.Errorf("%d rows and a fault: %d bytes and %v, which looks whole", n, len(got), err)
		}
	}
}

// A page says where to go on whenever there may be more, and only then.
func TestPages(t *testing.T) {
	t.Parallel()
	s := &Server{log: slog.New(slog.DiscardHandler), answers: newAnswers(8<<20, 8<<20)}
	r := &request{userID: "ann", query: "limit=50&q=a%26b&skip=3"}
	for _, rule := range []struct {
		rows, limit int
		link        string
	}{
		{0, 50, ""}, {1, 50, ""}, {49, 50, ""},
		{50, 50, `<?limit=50&q=a%26b&skip=53>; rel="next"`},
		{2000, 2000, `<?limit=50&q=a%26b&skip=264>; rel="next"`}, // as many as fit
	} {
		got, err := paged(r.within(t.Context()), s, numbers{n: rule.rows}, func(s *string) string { return *s },
			skipping[string](PageIn{Skip: 3, Limit: rule.limit}))
		if err != nil || got.Link != rule.link {
			t.Errorf("%d rows: got the link %s, %v, want %s", rule.rows, got.Link, err, rule.link)
		}
		var rows []string
		if err := json.Unmarshal(got.Body.buf.Bytes(), &rows); err != nil || got.Body.buf.Len() > pageBytes || len(rows) != got.Body.rows {
			t.Errorf("%d rows: got %d in %d bytes, %v", rule.rows, len(rows), got.Body.buf.Len(), err)
		}
	}
	broken := errors.New("the database is gone")
	if _, err := paged(r.within(t.Context()), s, numbers{n: 3, fault: broken}, func(s *string) string { return *s }, skipping[string](PageIn{})); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if r.drop(); !s.answers.empty() {
		t.Errorf("%d bytes are left", s.answers.used)
	}
}

// An object whose list is sent row by row is what it was when it was encoded
// at once.
func TestEnclosed(t *testing.T) {
	t.Parallel()
	type object struct {
		Name string   `json:"name"`
		Rows []string `json:"rows"`
	}
	row := strings.Repeat("<é>", 1000)
	for _, n := range []int{0, 1, 300} {
		s := &Server{log: slog.New(slog.DiscardHandler), answers: newAnswers(1<<20, 1<<20)}
		r := &request{userID: "ann"}
		body, err := enclosed(r.within(t.Context()), s, object{"]}<é>", []string{}}, numbers{n: n}, func(s *string) string { return *s })
		if err != nil {
			t.Fatal(err)
		}
		near, far := net.Pipe()
		t.Cleanup(func() { _ = errors.Join(near.Close(), far.Close()) })
		body.conn = near
		got, err := io.ReadAll(body)
		if want := `{"name":"]}<é>","rows":[` + strings.Join(slices.Repeat([]string{`"` + row + `"`}, n), ",") + "]}\n"; err != nil || string(got) != want {
			t.Errorf("%d rows: got %d bytes, %v, want %d", n, len(got), err, len(want))
		}
		if r.drop(); !s.answers.empty() {
			t.Errorf("%d bytes are left", s.answers.used)
		}
	}
}
