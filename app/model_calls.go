package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/ledger"
	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/model"
	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// This file has the model calls that a person waits for: sandbox, threads, generated
// instructions.

// errSlow ends a model call that a person waits for after limits.answer_within.
var errSlow = &turn.Fault{Reason: turn.ReasonTooLong, Detail: "the answer took too long"}

// personCalls are the model calls of people in this process: how many at once, how often,
// and for how long.
type personCalls struct {
	cfg     *config.Config
	db      *store.DB
	rate    personLimit
	slots   modelCallSlots
	closing <-chan struct{} // closed when this process shuts down
}

// waiting bounds a model call that a person waits for. When the process shuts down,
// the call gets the same time to end as jobs get.
func (c *personCalls) waiting(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	ctx, done := context.WithTimeoutCause(ctx, c.cfg.Limits.AnswerWithin, errSlow)
	go func() {
		select {
		case <-ctx.Done():
			return
		case <-c.closing:
		}
		grace, end := context.WithTimeout(ctx, c.cfg.Jobs.DrainTimeout)
		defer end()
		<-grace.Done()
		cancel(turn.ErrStopped)
	}()
	return ctx, func() { done(); cancel(nil) }
}

// retryModelAfter is when to ask a model again that did not answer, unless its
// provider says when.
const retryModelAfter = 5 * time.Second

// notAnswered is the error that a person gets for a failed model call. The reason may
// name the provider and the model, so only those who look after the agent get it.
func notAnswered(err error, mayKnow bool, now time.Time) error {
	var fault *turn.Fault
	var unasked *model.Fault
	var failed *llm.Error
	var refused *ledger.Refused
	kind, text := KindUpstream, wording.Of("The agent could not answer")
	var code wording.Code
	var why wording.Text
	var wait time.Duration
	switch {
	case errors.As(err, &refused):
		kind, code, text, why = KindLimited, wording.Code(refused.Reason), wording.Of("The budget does not allow this answer"), refused.Wording()
		if at := refused.RenewsAt; !at.IsZero() {
			text, wait = wording.Of("The budget is used up; it renews at %s", at.Format(time.RFC3339)), max(at.Sub(now), time.Second)
		}
	case errors.As(err, &unasked) && unasked.Reason == model.ReasonNoKey:
		kind, code, text, why = KindRejected, wording.Code(unasked.Reason), wording.Of("Failed to initialize agent"), wording.Of("%s", unasked.Detail)
	case errors.As(err, &unasked):
		code, why = wording.Code(unasked.Reason), wording.Of("%s", unasked.Detail)
	case errors.As(err, &fault) && fault.Reason == turn.ReasonStopped:
		kind, code, wait = KindUnavailable, wording.Code(fault.Reason), time.Second
		text = wording.Of("The server is restarting; send it again")
	case errors.As(err, &fault) && fault.Reason == turn.ReasonTooLong:
		kind, code, wait = KindUnavailable, wording.Timeout, time.Second
		text = wording.Of("The agent took too long to answer; try again")
	case errors.As(err, &fault):
		code, why = wording.Code(fault.Reason), wording.Of("%s", fault.Detail)
	case errors.As(err, &failed):
		code, why = wording.Code(turn.FaultOf(err, 1).Reason), wording.Of("%s", failed.Message)
		switch failed.Kind {
		case llm.Limited:
			kind, wait = KindLimited, max(failed.RetryAfter, retryModelAfter)
		case llm.Open, llm.Unavailable, llm.Timeout:
			kind, wait = KindUnavailable, max(failed.RetryAfter, retryModelAfter)
		}
	default:
		return err
	}
	if why.Pattern != "" && mayKnow {
		text = wording.Of("%s: %s", text, why)
	}
	return &Error{Kind: kind, Code: code, Message: text.String(), Text: text, RetryAfter: wait, Err: err}
}

// modelCallSlots bounds the model calls in this process that people wait for. The
// slots of a person are numbered, so that all nodes together can bound them: each
// slot has a lease.
type modelCallSlots struct {
	mu  sync.Mutex
	by  map[string]map[int]bool
	all int
}

// callSlack is how long a call may take in addition to the model's answer.
const callSlack = 15 * time.Second

// take lets a person make one more model call. The caller must call release at
// its end.
func (c *personCalls) take(ctx context.Context, actor *Actor) (release func(), err error) {
	who := actor.User.ID
	slot, err := c.takeSlot(ctx, who)
	if err != nil {
		return nil, err
	}
	release = func() { c.freeSlot(ctx, who, slot) }
	if err := c.rate.spend(ctx, who); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// takeSlot takes the first of a person's slots that no node holds. A slot of
// another node is free again when that node gives it back, or when its lease runs out
// after that node died.
func (c *personCalls) takeSlot(ctx context.Context, who string) (slot int, err error) {
	for ; ; slot++ {
		if slot, err = c.slots.take(who, slot, c.cfg.Limits.ModelCallsAtOnce, c.cfg.Limits.ModelCalls); err != nil || !c.db.Postgres() {
			return slot, err
		}
		leads, err := c.db.Single().Lead(ctx, callLease(who, slot), c.cfg.Limits.AnswerWithin+callSlack)
		if leads {
			return slot, nil
		}
		c.slots.free(who, slot)
		if err != nil {
			return 0, err
		}
	}
}

func (c *personCalls) freeSlot(ctx context.Context, who string, slot int) {
	// Free the slot last. The next holder takes the same lease, which resign would
	// give back.
	defer c.slots.free(who, slot)
	c.db.GiveBackLease(ctx, callLease(who, slot))
}

func callLease(who string, slot int) string { return fmt.Sprintf("call:%s:%d", who, slot) }

// errTooManyCalls is the error for a person who waits for as many answers as one may.
var errTooManyCalls = &Error{Kind: KindLimited, Code: wording.RateLimited, Message: "You are waiting for other answers; try again when they have come",
	RetryAfter: retryModelAfter}

// take gives out a person's first free slot, counting from the slot from.
func (s *modelCallSlots) take(who string, from, most, all int) (slot int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for slot = from; s.by[who][slot]; slot++ {
	}
	switch {
	case slot >= most:
		return 0, errTooManyCalls
	case s.all >= all:
		return 0, &Error{Kind: KindUnavailable, Code: wording.Overload, Message: "Too many people wait for an answer just now; try again in a moment", RetryAfter: retryModelAfter}
	case s.by == nil:
		s.by = map[string]map[int]bool{}
	}
	if s.by[who] == nil {
		s.by[who] = map[int]bool{}
	}
	s.by[who][slot] = true
	s.all++
	return slot, nil
}

func (s *modelCallSlots) free(who string, slot int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if delete(s.by[who], slot); len(s.by[who]) == 0 {
		delete(s.by, who)
	}
}
