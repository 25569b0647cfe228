package llm

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"
)

// Stream asks a model and yields its answer piece by piece. The last element
// is either a Chunk with Finish or an *Error. Each range over it is a call of its own.
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
		r, refused := p.prepare(r)
		if refused != nil {
			fail(refused)
			return
		}
		bounded, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		defer time.AfterFunc(m.limits.Total, func() { cancel(errTotal) }).Stop()
		c := &call{m: m, p: p, r: r, caller: ctx, ctx: bounded, yield: yield}
		if e := c.run(); e != nil {
			fail(e)
		}
	}
}

// prepare fills in the defaults and refuses what could not succeed anywhere.
func (p *provider) prepare(r Request) (Request, *Error) {
	if r.Model == "" {
		r.Model = p.defaultModel
	}
	r.Key = strings.TrimSpace(r.Key)
	switch {
	case p.needsKey && r.Key == "":
		return r, &Error{Kind: BadKey, Message: "there is no key"}
	case !printable(r.Key):
		return r, &Error{Kind: BadKey, Message: "the key has characters that no key has"}
	case r.Model == "" || len(r.Model) > 200 || !printable(r.Model):
		return r, badRequest("no model is named, or its name is none")
	case len(r.Messages) == 0:
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
	caller context.Context // the caller's own, to tell its end from that of a limit
	ctx    context.Context // ends after Limits.Total too
	yield  func(Chunk, error) bool
	spoke  bool // something was yielded, so there is no way back
	left   bool // the consumer stopped ranging
	away   bool // the consumer's code runs
}

// tell yields chunk and reports whether the consumer wants more.
func (c *call) tell(chunk Chunk) bool {
	c.spoke, c.away = true, true
	more := c.yield(chunk, nil)
	c.away = false
	return more
}

// run tries until an attempt succeeds or nothing more can; nil when all that there is has been yielded.
func (c *call) run() *Error {
	var last *Error
	for n := 1; ; n++ {
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
		if !last.retry || c.spoke || n >= c.m.retry.Attempts || last.RetryAfter > c.m.retry.MaxWait {
			return last
		}
		if e := c.sleep(c.m.backoff(n, last.RetryAfter)); e != nil {
			return e
		}
	}
}

// backoff is the wait after attempt n, counted from 1.
func (m *Models) backoff(n int, asked time.Duration) time.Duration {
	base := m.retry.Base << min(n-1, 10)
	jittered := base/2 + time.Duration(m.rand()*float64(base/2))
	if asked > 0 {
		// The jitter comes on top, so that all who were told the same moment do not come back in the same moment.
		return asked + min(jittered, asked/10)
	}
	return min(jittered, m.retry.MaxWait)
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

// attempt sends the request once and yields what comes. It reports the outcome
// to the breaker, also when the consumer stops or panics.
func (c *call) attempt(done func(*Error)) (fault *Error) {
	settled := false
	a := newAttempt(c.ctx, c.m.limits, c.r.Key)
	defer func() {
		a.release()
		if !settled && !c.away && recover() != nil {
			// genai asserts the types of JSON that it has not checked. A panic of the consumer's passes.
			fault, settled = broken("the answer is not what the provider's interface promises: the SDK cannot read it"), true
		}
		if c.left || !settled {
			fault = &Error{Kind: Canceled, Message: "the consumer stopped"}
		}
		done(fault)
	}()
	fault = c.consume(a)
	settled = true
	return fault
}

func (c *call) consume(a *attempt) *Error {
	var last Chunk
	size := 0
	a.expect(c.m.limits.FirstToken, errFirstToken)
	for chunk, err := range c.p.impl.Stream(a.ctx, c.r) {
		a.timer.Stop()
		if err != nil {
			if last.Finish != "" {
				// The answer is whole; only its trailer, with the usage, is lost.
				break
			}
			return c.explain(a, err)
		}
		chunk.Text = clean(chunk.Text)
		size += chunk.size()
		if size > c.m.limits.MaxBytes {
			return broken("the answer is longer than the limit of %d bytes", c.m.limits.MaxBytes)
		}
		merge(&last, chunk)
		a.finish = last.Finish
		if chunk.Text != "" {
			a.timer.Stop() // how long the caller takes is not the provider's fault
			if c.left = !c.tell(Chunk{Text: chunk.Text}); c.left {
				return nil
			}
		}
		if last.Finish != "" {
			a.expect(tailTime, errTail)
		} else {
			a.expect(c.m.limits.Silence, errSilence)
		}
	}
	a.timer.Stop()
	if last.Finish == "" {
		return c.explain(a, nil)
	}
	return c.conclude(last)
}

// merge collects what the last chunk will carry.
func merge(last *Chunk, chunk Chunk) {
	last.ToolCalls = append(last.ToolCalls, chunk.ToolCalls...)
	if chunk.Finish != "" {
		last.Finish = chunk.Finish
	}
	if chunk.Usage != nil {
		last.Usage = chunk.Usage
	}
}

// conclude checks the tool calls and yields the last chunk. A call that the
// model got wrong goes to who can tell it so; without tools nobody can.
func (c *call) conclude(last Chunk) *Error {
	if len(last.ToolCalls) == 0 && last.Finish == FinishToolCalls {
		last.ToolCalls = []ToolCall{{Malformed: "no tool was named"}}
	}
	checkToolCalls(last.ToolCalls)
	for _, call := range last.ToolCalls {
		if call.Malformed != "" && len(c.r.Tools) == 0 {
			return spared(broken("the model called a tool in a form that cannot be read, and was offered none: %s", call.Malformed))
		}
	}
	if len(last.ToolCalls) > 0 && last.Finish == FinishStop {
		last.Finish = FinishToolCalls
	}
	c.tell(last)
	return nil
}

// explain finds the reason why an attempt ended before its answer did; err is
// what the SDK said, nil when it saw a clean end.
func (c *call) explain(a *attempt, err error) *Error {
	var own *Error
	switch {
	case a.ctx.Err() != nil:
		return c.ended(a.ctx)
	case a.fault != nil:
		return a.fault
	case errors.As(err, &own):
		return own
	case err == nil:
		return &Error{Kind: Broken, Message: "the answer was cut off: it ended without a finish reason", retry: true}
	case a.answered:
		return broken("the answer is not what the provider's interface promises: %s", sanitise(err.Error(), c.r.Key))
	default:
		return badRequest("the request cannot be sent: %s", sanitise(err.Error(), c.r.Key))
	}
}

// ended explains why ctx, the call's or an attempt's, is done.
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

// tailTime is how long a finished answer may keep the reader waiting for its usage.
const tailTime = 2 * time.Second

type attemptKey struct{}

// intact reports whether the stream of the attempt in ctx has not been cut: an
// SDK sees a clean end in any case.
func intact(ctx context.Context) bool {
	a, ok := ctx.Value(attemptKey{}).(*attempt)
	return !ok || a.fault == nil && a.ctx.Err() == nil
}

// attempt is one request on its way. All of it but the timer's function runs
// in the consumer's goroutine, so nothing needs a lock.
type attempt struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer // for what is expected next
	limits Limits
	key    string

	answered bool   // an event stream began
	finish   string // the finish reason, once it is known
	fault    *Error // what the wire saw go wrong; it outranks what the SDK makes of it
}

func newAttempt(ctx context.Context, limits Limits, key string) *attempt {
	a := &attempt{limits: limits, key: key}
	ctx, a.cancel = context.WithCancelCause(ctx)
	a.ctx = context.WithValue(ctx, attemptKey{}, a)
	a.timer = time.AfterFunc(limits.FirstToken, func() {})
	return a
}

// expect ends the attempt with cause unless it is called again, or the timer stopped, within d.
func (a *attempt) expect(d time.Duration, cause error) {
	a.timer.Stop()
	a.timer = time.AfterFunc(d, func() { a.cancel(cause) })
}

func (a *attempt) release() {
	a.timer.Stop()
	a.cancel(nil)
}
