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
	"github.com/coagent-studio/coagent/app/wording"
)

const (
	// answerPatience is how long a request waits for its turn before it gets 503 with
	// Retry-After. The answers before it are mostly read within milliseconds.
	answerPatience = 5 * time.Second
	// answerQueue is how many requests of one person may wait in this way.
	answerQueue = 64
)

// answers counts the bytes of answers that are being made or wait for their readers, for
// each person and for all together. An answer that does not fit waits. People take turns,
// so one person who asks for much does not block the others.
type answers struct {
	most, mostOf int64
	patience     time.Duration

	mu   sync.Mutex
	used int64
	of   map[string]*reader
	turn []*reader // readers with waiting requests; the first is next
}

// reader is a person, or the address of an unknown client.
type reader struct {
	name    string
	used    int64
	waiting []*ticket
}

// ticket is the reservation of bytes for one answer.
type ticket struct {
	answers *answers
	reader  *reader
	bytes   int64
	granted chan struct{}
}

func newAnswers(most, mostOf int64) *answers {
	return &answers{most: max(most, mostOf), mostOf: mostOf, patience: answerPatience, of: map[string]*reader{}}
}

// take waits until it can reserve n bytes, or mostOf when n is larger. The caller must
// give the ticket back.
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
		return t, nil // usually granted at once, without a timer
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

var errTooManyAnswers = &app.Error{Kind: app.KindUnavailable, Code: wording.AnswersUnderWay, RetryAfter: 2 * time.Second,
	Message: "Too many large answers are still being read. Read those that you asked for, then try again in a moment."}

// giveUp removes a ticket from its queue. When the ticket was granted meanwhile, giveUp
// gives it back.
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

// resize changes a ticket to n bytes, the size that the answer has in the end. The bounds
// do not apply: the answer exists already.
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

// done gives the reserved bytes back. A second call does nothing.
func (t *ticket) done() { t.resize(0) }

// reader finds or makes the account of a reader.
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

// forget removes the account of a reader who has no bytes and waits for none.
func (a *answers) forget(r *reader) {
	if r.used == 0 && len(r.waiting) == 0 && a.of[r.name] == r {
		delete(a.of, r.name)
	}
}

// serve grants waiting tickets, one of each reader in turn. It skips a reader who has all
// that one reader may have. When all readers together have too much, it stops: nobody
// overtakes the first.
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

// wholeAnswer is the largest answer in bytes that is not counted. It fits into the buffer
// that the system keeps for a connection anyway.
const wholeAnswer = 16 << 10

// manyBytes is counted for an answer with one large thing until its size is known.
const manyBytes = 1 << 20

// reserve reserves n bytes for the answer of a request, before the answer is made. It
// replaces a smaller reservation of the request.
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

// reader names who is charged for the answer: the person, else the address.
func (r *request) reader() string {
	if r.userID != "" {
		return r.userID
	}
	return "at " + r.address
}

// holdAnswer counts an answer until it is sent. Only an answer to a GET, which changed
// nothing, can still be refused here.
func (s *Server) holdAnswer(c *fiber.Ctx, r *request) error {
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

// drop gives back what a request has reserved and not handed on to its answer.
func (r *request) drop() {
	if r.stream != nil && r.stream.conn == nil {
		_ = r.stream.Close() // never fails
	}
	if r.ticket != nil {
		r.ticket.done()
		r.ticket = nil
	}
}

// owed returns a ticket of no bytes, for an answer that must be sent in any case.
func (a *answers) owed(who string) *ticket {
	a.mu.Lock()
	defer a.mu.Unlock()
	return &ticket{answers: a, reader: a.reader(who)}
}

// heldBody is the body of an answer that is counted until it is sent.
type heldBody struct {
	*bytes.Reader
	ticket *ticket
}

// Close gives the bytes back. The server calls it when the answer is sent or its reader
// has gone.
func (b *heldBody) Close() error {
	b.ticket.done()
	return nil
}
