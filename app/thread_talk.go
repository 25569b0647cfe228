package app

import (
	"context"
	"errors"
	"time"

	"github.com/coagent-studio/coagent/app/ledger"
	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/model"
	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/app/turntaking"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// This file has the requests that wait for an answer. Each starts a turn or finds the one
// that is under way, and waits for its end. When the client or the process goes away, the
// turn goes on: the client gets the answer when it sends its message again.

// TalkInThread stores the actor's message in a thread and returns the agent's answer. If
// the agent fails or does not answer in time, the message stays. The actor gets its answer
// by sending it again with the same ClientID.
func (a *App) TalkInThread(ctx context.Context, actor *Actor, id string, in ThreadMessage) (*store.ThreadMessage, error) {
	p, err := a.mayTalk(ctx, actor, id, &in)
	if err != nil {
		return nil, err
	}
	reader, remove := a.audience.streams.add(id, actor.User.ID) // before the post, so that no end is missed
	defer remove()
	release, err := a.talk(ctx, actor, p)
	if err != nil {
		return nil, err
	}
	defer release()
	if p.answer != nil {
		return p.answer, nil
	}
	return a.awaitAnswer(ctx, reader, p)
}

// Simulate has an agent answer one message, in a thread that is thrown away with the
// answer. cut is true if the answer was cut before its end.
func (a *App) Simulate(ctx context.Context, actor *Actor, agentID string, in ThreadMessage) (text string, cut bool, err error) {
	ag, mayKnow, err := a.usableAgent(ctx, actor, agentID, "Agent")
	if err != nil {
		return "", false, err
	}
	if err := a.threads.check(&in); err != nil {
		return "", false, err
	}
	release, err := a.calls.take(ctx, actor)
	if err != nil {
		return "", false, err
	}
	defer release()
	now := a.instant()
	th := &store.Thread{ID: store.NewID(), ProjectID: ag.ProjectID, AgentID: ag.ID, UserID: actor.User.ID, Stateless: true,
		CreatedAt: now, UpdatedAt: now, Version: 1}
	p := &threadPost{thread: th, mayKnow: mayKnow, in: ThreadMessage{Message: in.Message}, cause: turntaking.CauseStateless,
		most: a.cfg.Limits.ModelCallsAtOnce}
	reader, remove := a.audience.streams.add(th.ID, actor.User.ID)
	defer remove()
	if err := a.threads.post(ctx, actor, p); err != nil {
		return "", false, fromStore(err, "Agent")
	}
	defer a.throwAway(ctx, p)
	said, err := a.awaitAnswer(ctx, reader, p)
	if err != nil {
		return "", false, err
	}
	return said.Content, said.Cut, nil
}

// throwAway deletes a stateless thread and stops its turn, which nobody waits for any more.
// If this fails, or the process dies before it, the pruner deletes the thread.
func (a *App) throwAway(ctx context.Context, p *threadPost) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if p.underWay() {
		if _, err := a.engine.Stop(ctx, p.turn.ID, p.thread.UserID); store.UnlessMissing(err) != nil {
			a.log.WarnContext(ctx, "the turn of a stateless thread was not stopped", "turn", p.turn.ID, "err", err)
		}
	}
	if err := a.db.InTx(ctx, func(tx *store.Tx) error { return tx.DeleteThread(ctx, p.thread.ID) }); store.UnlessMissing(err) != nil {
		a.log.WarnContext(ctx, "a stateless thread was not deleted; it will be with the next pruning", "thread", p.thread.ID, "err", err)
	}
}

// talk posts a message for a request that waits. Whoever begins a turn takes one of the
// actor's slots until release is called; whoever waits for one that is under way takes
// none. If the same message comes several times at once, it is posted once.
func (a *App) talk(ctx context.Context, actor *Actor, p *threadPost) (release func(), err error) {
	release = func() {}
	post := func() error {
		if err := a.threads.find(ctx, p); err != nil || p.answer != nil || p.underWay() {
			return err
		}
		slot, err := a.calls.takeSlot(ctx, actor.User.ID)
		if err != nil {
			return err
		}
		release = func() { a.calls.freeSlot(ctx, actor.User.ID, slot) }
		return a.threads.post(ctx, actor, p)
	}
	if err := a.calls.rate.spend(ctx, actor.User.ID); err != nil {
		return release, err
	}
	if p.in.ClientID == "" {
		err = post()
	} else {
		var first any
		first, err, _ = a.threads.posting.Do(p.thread.ID+" "+p.in.ClientID, func() (any, error) {
			err := post()
			return *p, err // a copy, since each who waits goes on with its own
		})
		if posted, ok := first.(threadPost); ok {
			p.message, p.answer, p.turn = posted.message, posted.answer, posted.turn
		}
	}
	if err != nil {
		release()
		return func() {}, fromStore(err, "Thread")
	}
	return release, nil
}

// awaitAnswer waits for the end of a post's turn and returns the answer, or the error for
// who waits. If an agent outside this program wants to answer later, it waits for that, too.
// reader was added before the post.
func (a *App) awaitAnswer(ctx context.Context, reader *streamReader, p *threadPost) (*store.ThreadMessage, error) {
	waiting, done := a.calls.waiting(ctx)
	defer done()
	for {
		m, err := a.answerNow(waiting, p)
		if m != nil || err != nil {
			return m, err
		}
		select {
		case <-reader.changed:
		case <-waiting.Done():
			return nil, notAnswered(context.Cause(waiting), p.mayKnow, a.now())
		}
	}
}

// answerNow returns the answer of a post's turn, or the error of a turn that ended without
// one. While the turn goes on it returns neither.
func (a *App) answerNow(waiting context.Context, p *threadPost) (*store.ThreadMessage, error) {
	ctx := context.WithoutCancel(waiting)
	t, err := a.db.Turn(waiting, p.turn.ID)
	if err == nil {
		p.turn = t
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, a.turnGone(ctx, p)
	case err == nil && (!t.EndedAt.IsZero() || t.State == store.TurnParked) && t.Reason != turn.ReasonLater():
		return a.answerOf(ctx, t, p.mayKnow)
	case err == nil:
		return nil, nil
	}
	if cause := context.Cause(waiting); cause != nil {
		return nil, notAnswered(cause, p.mayKnow, a.now())
	}
	return nil, err
}

// turnGone is the error for a turn that was deleted with its thread or its agent.
func (a *App) turnGone(ctx context.Context, p *threadPost) error {
	if _, err := a.db.Thread(ctx, p.thread.ID); err != nil {
		return fromStore(err, "Thread")
	}
	return notFound("Agent config")
}

// answerOf returns the message that a turn has answered with. Without one it returns the
// error that says why.
func (a *App) answerOf(ctx context.Context, t *store.Turn, mayKnow bool) (*store.ThreadMessage, error) {
	m, err := a.db.TurnMessage(ctx, t.ID)
	if err == nil {
		return m.InThread(), nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	switch {
	case t.State == store.TurnParked:
		return nil, errWaitsForYou
	case t.Reason == turn.ReasonAsked():
		return nil, errorf(KindConflict, wording.Stopped, "The answer was stopped; send the message again to get one")
	}
	last, err := a.engine.LastFailure(ctx, t.ID)
	if err != nil {
		return nil, err
	}
	return nil, notAnswered(endOf(t, last), mayKnow, a.now())
}

// errWaitsForYou is the error for who waits for a turn that waits for them.
var errWaitsForYou = errorf(KindConflict, wording.Approval, "The agent waits for your decision; see the approvals of the thread")

// endOf is the error that ended a turn, made of what its row keeps.
func endOf(t *store.Turn, last turn.Failure) error {
	if t.Reason == turn.ReasonOutside() && last.Kind != "" { // it gets the codes of a model that fails in the same way
		return &llm.Error{Kind: llm.ErrorKind(last.Kind), Message: t.Detail, RetryAfter: last.RetryAfter}
	}
	switch t.Reason {
	case model.ReasonNoKey, model.ReasonSilent, model.ReasonThought:
		return &model.Fault{Reason: t.Reason, Detail: t.Detail}
	case string(llm.Limited), string(llm.Open), string(llm.Unavailable), string(llm.Timeout):
		return &llm.Error{Kind: llm.ErrorKind(t.Reason), Message: t.Detail, RetryAfter: last.RetryAfter}
	case ledger.Empty, ledger.NoPrice, ledger.NoLimit:
		return &ledger.Refused{Reason: t.Reason, Why: t.Detail, RenewsAt: last.RenewsAt}
	}
	return &turn.Fault{Reason: t.Reason, Detail: t.Detail}
}
