package app

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/app/turntaking"
	"github.com/coagent-studio/coagent/store"
)

// Listening is an answer in a thread that a person hears as it comes. Close it once.
type Listening struct {
	*EventStream
	// Prompt is what the model gets at the beginning of the turn. It is nil for an agent
	// outside this program, and for who may not change the agent.
	Prompt *turn.SentPrompt
	TurnID string // "" when the message was answered so long ago that only its answer is kept

	app      *App
	actor    *Actor
	post     *threadPost
	agent    *store.Agent
	context  context.Context // ends when the answer takes too long
	done     context.CancelFunc
	release  func()
	passing  bool // the thread is thrown away at the end
	began    time.Time
	first    time.Time // when the first of the text came
	answered time.Time
}

// Answered is an answer that has ended, with what it took.
type Answered struct {
	Answer           *store.ThreadMessage
	Provider, Model  string
	Prompt, Complete int64         // tokens
	Cost             int64         // in billionths of Currency
	Currency         string        // "" when a call has no price, or none was made
	First, All       time.Duration // First is 0 when the text came at once, with its end
}

// ListenToSandbox is Simulate for who hears the answer as it comes.
func (a *App) ListenToSandbox(ctx context.Context, actor *Actor, agentID string, in ThreadMessage) (*Listening, error) {
	ag, mayKnow, err := a.usableAgent(ctx, actor, agentID, "Agent")
	if err != nil {
		return nil, err
	}
	if err := a.threads.check(&in); err != nil {
		return nil, err
	}
	l := &Listening{app: a, actor: actor, agent: ag, passing: true, began: a.now()}
	if l.release, err = a.calls.take(ctx, actor); err != nil {
		return nil, err
	}
	now := a.instant()
	th := &store.Thread{ID: store.NewID(), ProjectID: ag.ProjectID, AgentID: ag.ID, UserID: actor.User.ID, Stateless: true,
		CreatedAt: now, UpdatedAt: now, Version: 1}
	l.post = &threadPost{thread: th, mayKnow: mayKnow, in: ThreadMessage{Message: in.Message}, cause: turntaking.CauseStateless,
		most: a.cfg.Limits.ModelCallsAtOnce}
	if l.EventStream, err = a.OpenEventStream(actor, th.ID); err != nil {
		l.release()
		return nil, err
	}
	if err := a.threads.post(ctx, actor, l.post); err != nil {
		l.Stop()
		l.release()
		return nil, fromStore(err, "Agent")
	}
	return l.begin(ctx)
}

// ListenInThread is TalkInThread for who hears the answer as it comes. Who leaves does not
// stop the turn: what is said in a thread is kept.
func (a *App) ListenInThread(ctx context.Context, actor *Actor, id string, in ThreadMessage) (*Listening, error) {
	p, err := a.mayTalk(ctx, actor, id, &in)
	if err != nil {
		return nil, err
	}
	l := &Listening{app: a, actor: actor, post: p, began: a.now()}
	if l.agent, err = a.db.Agent(ctx, p.thread.AgentID); err != nil {
		return nil, fromStore(err, "Agent config")
	}
	if l.EventStream, err = a.OpenEventStream(actor, id); err != nil {
		return nil, err
	}
	if l.release, err = a.talk(ctx, actor, p); err != nil {
		l.Stop()
		return nil, err
	}
	return l.begin(ctx)
}

// begin reads the prompt. The answer may come meanwhile; Deltas has what was missed.
func (l *Listening) begin(ctx context.Context) (*Listening, error) {
	l.context, l.done = l.app.calls.waiting(context.WithoutCancel(ctx))
	if l.post.turn == nil {
		return l, nil
	}
	l.TurnID = l.post.turn.ID
	if !l.post.mayKnow {
		return l, nil
	}
	var err error
	if l.Prompt, err = l.app.engine.PromptAlone(ctx, l.post.turn); err != nil && KindOf(fromStore(err, "Turn")) != KindNotFound {
		l.Close()
		return nil, err
	}
	return l, nil // without its rows the turn is gone, which End says
}

// Deltas is that of the stream. It notes when the first text came.
func (l *Listening) Deltas() []StreamFrame {
	frames := l.EventStream.Deltas()
	if len(frames) > 0 && l.first.IsZero() {
		for _, t := range l.turns() {
			if t.Text != "" && l.first.IsZero() {
				l.first = l.app.now()
			}
		}
	}
	return frames
}

// TooLong is closed when the answer takes too long, or the process ends.
func (l *Listening) TooLong() <-chan struct{} { return l.context.Done() }

// End returns the answer once there is one, and the error of a turn that ended without one.
// While the turn goes on it returns neither.
func (l *Listening) End() (*Answered, error) {
	if l.answered.IsZero() {
		l.answered = l.app.now()
	}
	if l.post.answer != nil {
		return l.with(l.post.answer)
	}
	m, err := l.app.answerNow(l.context, l.post)
	if err != nil || m == nil {
		l.answered = time.Time{}
		return nil, err
	}
	return l.with(m)
}

// with adds what an answer took.
func (l *Listening) with(m *store.ThreadMessage) (*Answered, error) {
	out := &Answered{Answer: m, Provider: l.agent.ModelProvider, All: l.answered.Sub(l.began)}
	if l.agent.Model != nil {
		out.Model = *l.agent.Model
	}
	if out.Model == "" {
		out.Model = l.app.model.DefaultModel(out.Provider)
	}
	if !l.first.IsZero() {
		out.First = l.first.Sub(l.began)
	}
	if l.post.turn == nil {
		return out, nil
	}
	sums, err := l.app.db.UsageSums(l.context, store.UsageFilter{AgentID: l.agent.ID, TurnID: l.TurnID, From: l.post.turn.CreatedAt}, nil, store.Page{Limit: 10})
	if err != nil {
		return nil, err
	}
	for _, s := range sums {
		out.Prompt, out.Complete = out.Prompt+s.InputTokens, out.Complete+s.OutputTokens
		out.Cost, out.Currency = s.Cost, s.Currency
	}
	if len(sums) != 1 { // some calls have no price, or another currency
		out.Cost, out.Currency = 0, ""
	}
	return out, nil
}

// Recheck returns an error when the actor may not listen any more.
func (l *Listening) Recheck(ctx context.Context) error {
	_, err := l.app.Recheck(ctx, l.actor)
	return err
}

// Close ends the listening. A sandbox is thrown away: a turn that is still under way is
// stopped, which ends its call of the model.
func (l *Listening) Close() {
	if l.passing {
		l.app.throwAway(l.context, l.post)
	}
	l.done()
	l.Stop()
	l.release()
}
