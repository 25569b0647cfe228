package llm

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Stream calls a model and yields its answer piece by piece. The last element is either
// a Chunk with Finish or an *Error. Each range over the result is a new call.
func (m *Models) Stream(ctx context.Context, r Request) iter.Seq2[Chunk, error] {
	return func(yield func(Chunk, error) bool) {
		p := m.providers[r.Provider]
		if p == nil {
			yield(Chunk{}, &Error{Kind: UnknownProvider, Provider: r.Provider, Message: "no such provider is configured"})
			return
		}
		fail := func(e *Error) {
			e.Provider = p.name
			yield(Chunk{}, e)
		}
		if r.Meter == nil {
			fail(&Error{Kind: Refused, Message: "the call was not made, because nobody books it"})
			return
		}
		r, refused := p.prepare(r)
		if refused != nil {
			fail(refused)
			return
		}
		bounded, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		defer time.AfterFunc(m.limits.Total, func() { cancel(errTotal) }).Stop()
		c := &call{m: m, p: p, r: r, caller: ctx, ctx: bounded, yield: yield, habits: m.memory.get(p.key(r.Model))}
		if e := c.run(); e != nil {
			fail(e)
		}
	}
}

// prepare fills in the defaults and refuses a request that could not succeed at any
// provider.
func (p *provider) prepare(r Request) (Request, *Error) {
	if r.Model == "" {
		r.Model = p.defaultModel
	}
	var err error
	if r.Key = strings.TrimSpace(r.Key); p.needsKey || r.Key != "" {
		if r.Key, err = CleanKey(r.Key); err != nil {
			return r, &Error{Kind: BadKey, Message: err.Error()}
		}
	}
	if r.Model, err = CleanModel(r.Model); err != nil {
		return r, badRequest("no model is named, or its name is none: %v", err)
	}
	if r.MaxTokens <= 0 {
		r.MaxTokens = p.maxTokens
	}
	if len(r.Messages) == 0 {
		return r, badRequest("there is no message to answer")
	}
	for _, t := range r.Tools {
		if len(t.Schema) > 0 && !isObject(t.Schema) {
			return r, badRequest("the schema of tool %q is not a JSON object", t.Name)
		}
	}
	for _, msg := range r.Messages {
		switch msg.Role {
		case RoleSystem, RoleUser, RoleAssistant, RoleTool:
		default:
			return r, badRequest("%q is not a role", msg.Role)
		}
		for _, c := range msg.ToolCalls {
			if len(c.Arguments) > 0 && !isObject(c.Arguments) {
				return r, badRequest("the arguments of an earlier call of %q are not a JSON object", c.Name)
			}
		}
	}
	return r, nil
}

// call is one use of Stream.
type call struct {
	m      *Models
	p      *provider
	r      Request
	caller context.Context // the caller's own context, to tell its end from the end by a limit
	ctx    context.Context // ends after Limits.Total too
	yield  func(Chunk, error) bool
	spoke  bool // something was yielded, so the call cannot be retried
	left   bool // the consumer stopped ranging

	habits  habits
	adapted []adaptation // how the request was changed so far, see adapt
}

// tell yields chunk and reports whether the consumer wants more.
func (c *call) tell(chunk Chunk) bool {
	c.spoke = true
	return c.yield(chunk, nil)
}

// run makes attempts until one succeeds or another would not help. It returns nil when
// the whole answer has been yielded.
func (c *call) run() *Error {
	var last *Error
	pauses := c.m.newPauses()
	for n := 1; ; {
		done, refused := c.m.breakers.allow(c.p, c.r.Key)
		if refused != nil {
			if last != nil {
				return last
			}
			return refused
		}
		last = c.attempt(done)
		if last == nil || c.left {
			return nil
		}
		if !c.spoke && c.adapt(last) {
			continue // the request was changed, so this is not a retry
		}
		if !last.retry || c.spoke || n >= c.m.retry.Attempts || last.RetryAfter > c.m.retry.MaxWait {
			return last
		}
		if e := c.sleep(pauseFor(last.RetryAfter, pauses.NextBackOff())); e != nil {
			return e
		}
		n++
	}
}

// newPauses returns the pauses between the attempts of one call, see Retry. Three
// quarters, and up to a third of that more or less, are 50 to 100 %.
func (m *Models) newPauses() *backoff.ExponentialBackOff {
	return &backoff.ExponentialBackOff{InitialInterval: min(m.retry.Base, m.retry.MaxWait) * 3 / 4,
		RandomizationFactor: 1. / 3, Multiplier: 2, MaxInterval: m.retry.MaxWait * 3 / 4}
}

// pauseFor is the wait before the next attempt, if the provider asked for one of asked.
// The pause is added to it, so that callers who were all told the same moment do not
// return at the same moment.
func pauseFor(asked, pause time.Duration) time.Duration {
	if asked > 0 {
		return asked + min(pause, asked/10)
	}
	return pause
}

func (c *call) sleep(d time.Duration) *Error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-c.ctx.Done():
		return c.ended(c.ctx)
	}
}

// attempt sends the request once and yields what comes. It reports the outcome to the
// breaker, even when the consumer stops or panics.
func (c *call) attempt(done func(*Error)) (fault *Error) {
	settled := false
	a := c.newAttempt()
	end := func(Metered) {}
	defer func() {
		a.release()
		if c.left || !settled {
			fault = &Error{Kind: Canceled, Message: "the consumer stopped"}
		}
		done(fault)
		end(a.metered(fault))
	}()
	if end, fault = c.begin(a); fault != nil {
		settled = true
		return fault
	}
	fault = c.consume(a)
	settled = true
	return fault
}

// consume reads an answer to its end.
func (c *call) consume(a *attempt) *Error {
	h := newHearing(c, a)
	a.expect(c.m.limits.FirstToken, errFirstToken)
	pieces := a.read(c.p.impl, c.r)
	for {
		select {
		case p, more := <-pieces:
			a.timer.Stop()
			if !more {
				return h.finish()
			}
			a.note(p.chunk)
			if p.err != nil {
				return h.fail(p.err)
			}
			if fault := h.hear(p.chunk); fault != nil || c.left {
				return fault
			}
			h.wait()
		case <-h.probation:
			left := time.Until(a.until)
			a.timer.Stop() // the time that the caller needs must not count against the provider
			h.endProbation()
			if c.left {
				return nil
			}
			a.expect(left, a.missing)
		}
	}
}

// explain returns the reason why an attempt ended before its answer did. err is nil
// when the stream had a clean end.
func (c *call) explain(a *attempt, err error) *Error {
	var own *Error
	switch {
	case a.ctx.Err() != nil:
		return c.ended(a.ctx)
	case errors.As(err, &own):
		return own
	}
	return &Error{Kind: Broken, Message: "the answer was cut off: it ended without a finish reason", retry: true}
}

// ended returns the reason why ctx is done. ctx is the context of the call or of an
// attempt.
func (c *call) ended(ctx context.Context) *Error {
	if err := c.caller.Err(); err != nil {
		return &Error{Kind: Canceled, Message: "the caller stopped waiting", Err: err}
	}
	limit := map[error]time.Duration{
		errFirstToken: c.m.limits.FirstToken,
		errSilence:    c.m.limits.Silence,
		errTotal:      c.m.limits.Total,
	}
	cause := context.Cause(ctx)
	return &Error{Kind: Timeout, Message: fmt.Sprintf("%v (limit %v)", cause, limit[cause]), Err: cause}
}

// The causes with which a limit ends an attempt.
var (
	errFirstToken = errors.New("no first token in time")
	errSilence    = errors.New("the answer stopped in the middle")
	errTotal      = errors.New("the whole call took too long")
	errTail       = errors.New("the stream stayed open after its end")
	errDrain      = errors.New("the body stayed open after its end")
)

// tailTime is how long a finished answer may take to send its usage.
const tailTime = 2 * time.Second

type attemptKey struct{}

// attemptOf returns the attempt that a provider's Stream is called for.
func attemptOf(ctx context.Context) *attempt { return ctx.Value(attemptKey{}).(*attempt) }

// attempt is one request that is being answered. The provider reads in its own
// goroutine, which ends before release returns. Only the consumer uses the timer.
type attempt struct {
	ctx     context.Context
	cancel  context.CancelCauseFunc
	timer   *time.Timer   // for the next piece that is expected
	until   time.Time     // when the timer fires
	missing error         // the cause with which it then ends the attempt
	gone    chan struct{} // closed when the consumer wants no more pieces
	pieces  chan piece
	started bool

	limits Limits
	habits habits
	source string              // identifies the provider, address and model, see Reasoning.From
	hide   func(string) string // makes a provider's text fit for an error
	done   atomic.Bool         // set by the provider's goroutine when the answer has ended properly

	// For the Meter. The transport and the provider's goroutine set the first two.
	sent    atomic.Bool // the request has left
	refused atomic.Bool // the provider answered that it would not work on it
	usage   *Usage
	heard   int
	whole   bool
}

// piece is an element of a provider's stream.
type piece struct {
	chunk Chunk
	err   error
}

func (c *call) newAttempt() *attempt {
	mask := newMasker(c.r)
	a := &attempt{limits: c.m.limits, habits: c.habits, source: c.p.source(c.r.Model), gone: make(chan struct{}), pieces: make(chan piece),
		hide: func(text string) string { return sanitise(mask.all(text), c.r.Key) }}
	ctx, cancel := context.WithCancelCause(c.ctx)
	a.cancel = cancel
	a.ctx = context.WithValue(ctx, attemptKey{}, a)
	a.timer = time.AfterFunc(c.m.limits.FirstToken, func() {})
	return a
}

// read runs the provider's stream, one element ahead of the consumer.
func (a *attempt) read(p Provider, r Request) <-chan piece {
	a.started = true
	go func() {
		defer close(a.pieces)
		defer func() {
			if v := recover(); v != nil {
				a.send(piece{err: broken("the answer is not what the provider's interface promises: reading it failed")})
			}
		}()
		for chunk, err := range p.Stream(a.ctx, r) {
			if !a.send(piece{chunk, err}) {
				return
			}
		}
	}()
	return a.pieces
}

func (a *attempt) send(p piece) bool {
	select {
	case a.pieces <- p:
		return true
	case <-a.gone:
		return false
	}
}

// expect starts the timer: after d it ends the attempt with cause. Calling expect
// again, or stopping the timer, prevents that.
func (a *attempt) expect(d time.Duration, cause error) {
	a.timer.Stop()
	a.until, a.missing = time.Now().Add(d), cause
	a.timer = time.AfterFunc(d, func() { a.cancel(cause) })
}

// release ends everything that the attempt began.
func (a *attempt) release() {
	a.timer.Stop()
	close(a.gone)
	if a.started {
		// The last bytes of a finished answer are read before the connection is given
		// back.
		stop := time.AfterFunc(2*drainTime, func() { a.cancel(errDrain) })
		if !a.done.Load() {
			a.cancel(nil)
		}
		for range a.pieces {
		}
		stop.Stop()
	}
	a.cancel(nil)
}
