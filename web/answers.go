package web

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/coagent-studio/coagent/app"
)

const (
	// answerPatience is how long a request waits for its turn before it is told
	// to come back: those before it are mostly read within milliseconds.
	answerPatience = 5 * time.Second
	// answerQueue is how many requests of one person may wait so.
	answerQueue = 64
)

// answers counts the bytes of answers that are made or wait for their readers,
// of each person and of all. What does not fit waits, the people in turn, so
// that one who asks for much holds up nobody else.
type answers struct {
	most, mostOf int64
	patience     time.Duration

	mu   sync.Mutex
	used int64
	of   map[string]*reader
	turn []*reader // those with somebody waiting; the first is next
}

// reader is a person, or the address of somebody unknown.
type reader struct {
	name    string
	used    int64
	waiting []*ticket
}

// ticket is room for one answer.
type ticket struct {
	answers *answers
	reader  *reader
	bytes   int64
	granted chan struct{}
}

func newAnswers(most, mostOf int64) *answers {
	return &answers{most: max(most, mostOf), mostOf: mostOf, patience: answerPatience, of: map[string]*reader{}}
}

// take waits for room for n bytes, or for as much as anybody may have. The
// ticket must be given back.
func (a *answers) take(ctx context.Context, who string, n int64) (*ticket, error) {
	a.mu.Lock()
	r := a.reader(who)
	t := &ticket{answers: a, reader: r, bytes: min(n, a.mostOf), granted: make(chan struct{})}
	if len(r.waiting) >= answerQueue {
		a.mu.Unlock()
		return nil, errTooManyAnswers
	}
	if r.waiting = append(r.waiting, t); len(r.waiting) == 1 {
		a.turn = append(a.turn, r)
	}
	a.serve()
	a.mu.Unlock()
	select {
	case <-t.granted:
		return t, nil // the usual case needs no timer
	default:
	}
	timer := time.NewTimer(a.patience)
	defer timer.Stop()
	select {
	case <-t.granted:
		return t, nil
	case <-timer.C:
	case <-ctx.Done():
	}
	return nil, a.giveUp(t)
}

var errTooManyAnswers = &app.Error{Kind: app.KindUnavailable, Code: "answers_under_way", RetryAfter: 2 * time.Second,
	Message: "Too many large answers are still being read. Read those that you asked for, then try again in a moment."}

// giveUp takes a ticket out of its queue, or gives it back if it was granted
// meanwhile.
func (a *answers) giveUp(t *ticket) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case <-t.granted:
		a.giveBack(t, t.bytes)
	default:
		r := t.reader
		r.waiting = slices.DeleteFunc(r.waiting, func(w *ticket) bool { return w == t })
		if len(r.waiting) == 0 {
			a.turn = slices.DeleteFunc(a.turn, func(w *reader) bool { return w == r })
		}
		a.serve()
		a.forget(r)
	}
	return errTooManyAnswers
}

// resize makes a ticket one for the n bytes that an answer has in the end,
// which it may have whatever the bounds say: it exists.
func (t *ticket) resize(n int64) {
	a := t.answers
	a.mu.Lock()
	defer a.mu.Unlock()
	more := n - t.bytes
	t.bytes = n
	if more <= 0 {
		a.giveBack(t, -more)
		return
	}
	a.used += more
	t.reader.used += more
}

// done gives the room back; once is enough.
func (t *ticket) done() { t.resize(0) }

// reader finds or makes the account of a person.
func (a *answers) reader(who string) *reader {
	r := a.of[who]
	if r == nil {
		r = &reader{name: who}
		a.of[who] = r
	}
	return r
}

func (a *answers) giveBack(t *ticket, n int64) {
	a.used -= n
	t.reader.used -= n
	a.serve()
	a.forget(t.reader)
}

// forget drops the account of a reader who has nothing.
func (a *answers) forget(r *reader) {
	if r.used == 0 && len(r.waiting) == 0 && a.of[r.name] == r {
		delete(a.of, r.name)
	}
}

// serve lets in who waits, one of each reader in turn. A reader who has all
// that one may have is passed over; where all of them together have too much,
// nobody overtakes the first.
func (a *answers) serve() {
	for i := 0; i < len(a.turn); {
		r := a.turn[i]
		t := r.waiting[0]
		if r.used+t.bytes > a.mostOf {
			i++
			continue
		}
		if a.used+t.bytes > a.most {
			return
		}
		a.used += t.bytes
		r.used += t.bytes
		close(t.granted)
		r.waiting = r.waiting[1:]
		a.turn = append(a.turn[:i], a.turn[i+1:]...)
		if len(r.waiting) > 0 {
			a.turn = append(a.turn, r)
		}
	}
}

// wholeAnswer is how large an answer may be that is not counted: it fits into
// what the system keeps for a connection anyway.
const wholeAnswer = 16 << 10

// manyBytes is what an answer with one large thing is counted as until its size
// is known.
const manyBytes = 1 << 20

// reserve gets a request room for its answer before that is made, in place of
// what it had if that is less.
func (s *Server) reserve(ctx context.Context, r *request, n int64) error {
	if r.ticket != nil {
		if r.ticket.bytes >= min(n, s.answers.mostOf) {
			return nil
		}
		r.ticket.done()
		r.ticket = nil
	}
	t, err := s.answers.take(ctx, r.reader(), n)
	if err == nil {
		r.ticket = t
	}
	return err
}

// reader is whose bytes an answer's are.
func (r *request) reader() string {
	if r.userID != "" {
		return r.userID
	}
	return "at " + r.address
}

// serveSocket keeps count of an answer until it is sent. Only one that changed nothing
// can still be refused here.
func (s *Server) serveSocket(c *fiber.Ctx, r *request) error {
	if r.stream != nil && r.stream.conn != nil {
		r.stream.ticket, r.ticket = r.ticket, nil
		return nil
	}
	n := int64(0)
	if !c.Response().IsBodyStream() && !r.shared {
		n = int64(len(c.Response().Body()))
	}
	if n > wholeAnswer && r.ticket == nil {
		err := s.reserve(c.UserContext(), r, n)
		switch {
		case err == nil:
		case c.Method() == http.MethodGet:
			c.Response().ResetBody()
			return s.failed(c, err)
		default:
			r.ticket = s.answers.owed(r.reader())
		}
	}
	if n > wholeAnswer {
		r.ticket.resize(n)
		body := c.Response().SwapBody(nil)
		c.Context().SetBodyStream(&heldBody{bytes.NewReader(body), r.ticket}, len(body))
		r.ticket = nil
	}
	r.drop()
	return nil
}

// drop gives back what a request has not handed on to its answer.
func (r *request) drop() {
	if r.stream != nil && r.stream.conn == nil {
		_ = r.stream.Close() // never fails
	}
	if r.ticket != nil {
		r.ticket.done()
		r.ticket = nil
	}
}

// owed is a ticket without room, for an answer that must be given.
func (a *answers) owed(who string) *ticket {
	a.mu.Lock()
	defer a.mu.Unlock()
	return &ticket{answers: a, reader: a.reader(who)}
}

// heldBody is an answer that is counted until it is sent.
type heldBody struct {
	*bytes.Reader
	ticket *ticket
}

// Close is called by the server when the answer is sent or its reader has gone.
func (b *heldBody) Close() error {
	b.ticket.done()
	return nil
}
