package app

import (
	"context"
	"errors"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/app/turntaking"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// threadPost is a message to a thread's agent on its way: first what is posted, then what
// has become of it.
type threadPost struct {
	thread  *store.Thread
	mayKnow bool // the actor may see why the agent fails
	in      ThreadMessage
	cause   string
	most    int // how many turns the actor may have under way in all threads

	message *store.Message
	turn    *store.Turn          // nil if the message was answered and its turn is not kept any more
	answer  *store.ThreadMessage // nil while there is none
}

func (p *threadPost) underWay() bool { return p.turn != nil && p.turn.EndedAt.IsZero() }

// mayUse checks that the actor may have a thread's agent work. A template stays with its
// maker. But whoever has left the project may not talk to it there any more.
func (a *App) mayUse(ctx context.Context, actor *Actor, th *store.Thread) (mayKnow bool, err error) {
	if _, mayKnow, err = a.usableAgent(ctx, actor, th.AgentID, "Agent config"); err != nil {
		return false, err
	}
	return mayKnow, a.mayUseProject(ctx, actor, th.ProjectID)
}

// mayTalk checks that the actor may send this message to a thread's agent.
func (a *App) mayTalk(ctx context.Context, actor *Actor, id string, in *ThreadMessage) (*threadPost, error) {
	th, err := a.threadFor(ctx, actor, id, ActWriteThread)
	if err != nil {
		return nil, err
	}
	mayKnow, err := a.mayUse(ctx, actor, th)
	if err != nil {
		return nil, err
	}
	if err := a.threads.check(in); err != nil {
		return nil, err
	}
	return &threadPost{thread: th, mayKnow: mayKnow, in: *in, cause: turntaking.CauseThread, most: a.cfg.Limits.ModelCallsAtOnce}, nil
}

// find looks for a message that was sent before, with its turn and its answer.
func (t *threads) find(ctx context.Context, p *threadPost) error { return p.find(ctx, t.db.Queries) }

func (p *threadPost) find(ctx context.Context, q store.Queries) (err error) {
	p.message, p.turn, p.answer = nil, nil, nil
	if p.in.ClientID == "" {
		return nil
	}
	m, err := q.MessageByClientID(ctx, p.thread.ID, p.thread.UserID, p.in.ClientID)
	if err != nil {
		return store.UnlessMissing(err)
	}
	p.message = m
	if p.turn, err = q.TurnAbout(ctx, p.thread.ID, p.thread.AgentID, m.Seq); err != nil {
		if p.turn = nil; store.UnlessMissing(err) != nil {
			return err
		}
	}
	if p.answer, err = q.ThreadAnswer(ctx, m.ID); err != nil {
		p.answer = nil
	}
	return store.UnlessMissing(err)
}

// errAnswering is the error for a second message while the agent answers the first.
var errAnswering = &Error{Kind: KindConflict, Code: wording.Answering, RetryAfter: retryModelAfter,
	Message: "The agent is still answering; wait for its answer"}

// post stores a message with its turn in one transaction, together with the thread if that
// is stateless. A message that was sent before is not stored again. If it has an answer or
// its turn is under way, nothing happens; if its turn ended without an answer, the turn
// goes on.
func (t *threads) post(ctx context.Context, actor *Actor, p *threadPost) error {
	return t.db.InTx(ctx, func(tx *store.Tx) error {
		if p.thread.Stateless {
			if err := tx.CreateThread(ctx, p.thread); err != nil {
				return err
			}
		}
		// Lock order: room, agent, turn, thread, account.
		if _, err := tx.RoomForUpdate(ctx, p.thread.ID); err != nil {
			return err
		}
		if err := p.find(ctx, tx.Queries); err != nil || p.answer != nil || p.underWay() {
			return err
		}
		other, err := tx.UnendedTurn(ctx, p.thread.ID)
		switch {
		case err == nil && other.State == store.TurnParked:
			return errWaitsForYou
		case err == nil:
			return errAnswering
		case store.UnlessMissing(err) != nil:
			return err
		}
		fresh := p.message == nil
		if fresh {
			if err := t.storeMessage(ctx, tx, actor, p); err != nil {
				return err
			}
		}
		if err := t.begin(ctx, tx, actor, p); err != nil {
			return err
		}
		if p.thread.Stateless {
			return t.fewUnderWay(ctx, tx, p)
		}
		if err := tx.TouchThread(ctx, p.thread.ID, t.now.instant()); err != nil {
			return err
		}
		if fresh {
			if err := t.quotas.within(ctx, tx, p.thread.UserID); err != nil {
				return err
			}
		}
		return t.fewUnderWay(ctx, tx, p)
	})
}

// storeMessage adds the person's message and its event. No agent decides about it.
func (t *threads) storeMessage(ctx context.Context, tx *store.Tx, actor *Actor, p *threadPost) error {
	m := &store.Message{ID: store.NewID(), RoomID: p.thread.ID, SenderID: p.thread.UserID, ClientID: p.in.ClientID, Content: p.in.Message,
		MetadataJSON: p.in.MetadataJSON, CreatedAt: t.now.instant(), Sender: &actor.User}
	added, _, err := tx.AddMessage(ctx, m, event.OfMessage(m), store.Heard{Unheard: true})
	if err == nil && !added {
		err = store.ErrStale
	}
	p.message = m
	return err
}

// begin gives the agent the turn about a post's message, or lets that go on.
func (t *threads) begin(ctx context.Context, tx *store.Tx, actor *Actor, p *threadPost) (err error) {
	if p.turn != nil {
		p.turn, err = t.engine.ReopenAlone(ctx, tx, p.turn, actor.User.ID)
		return err
	}
	p.turn, err = t.engine.AnswerAlone(ctx, tx, p.message, p.thread.AgentID, p.cause)
	if errors.Is(err, store.ErrReferenced) {
		return notFound("Agent config")
	}
	return err
}

// fewUnderWay returns an error if a person has too many turns under way in threads. Call
// it after the new turn is written.
func (t *threads) fewUnderWay(ctx context.Context, tx *store.Tx, p *threadPost) error {
	if _, err := tx.LockPerson(ctx, p.thread.UserID); err != nil {
		return fromStore(err, "User")
	}
	n, err := tx.CountAlone(ctx, p.thread.UserID)
	if err == nil && n > p.most {
		return errTooManyCalls
	}
	return err
}

// ThreadTurn is a turn in a thread, as its person sees it. Detail is "" unless the person
// may change the agent.
type ThreadTurn struct {
	store.Turn
	QuestionID string // the person's message that it answers
	AnswerID   string // the message that answers it, "" while there is none
}

// ThreadTurnDetails is a turn in a thread with its answer, what waits for the person's
// decision, and, for who may change the agent, its steps.
type ThreadTurnDetails struct {
	ThreadTurn
	Answer    *store.ThreadMessage
	Approvals []Approval
	Steps     *store.Listing[turn.Step]
}

// AskInThread stores the actor's message in a thread and starts a turn about it, without
// waiting for the answer. A message that was sent before with the same ClientID is not
// stored again; its turn goes on if it ended without an answer. The turn is nil if the
// message was answered so long ago that only the answer is kept.
func (a *App) AskInThread(ctx context.Context, actor *Actor, id string, in ThreadMessage) (
	message *store.ThreadMessage, t *ThreadTurn, answer *store.ThreadMessage, err error) {
	p, err := a.mayTalk(ctx, actor, id, &in)
	if err != nil {
		return nil, nil, nil, err
	}
	if err := a.calls.rate.spend(ctx, actor.User.ID); err != nil {
		return nil, nil, nil, err
	}
	if err := a.threads.post(ctx, actor, p); err != nil {
		return nil, nil, nil, fromStore(err, "Thread")
	}
	if p.turn != nil {
		t = &ThreadTurn{Turn: *p.turn, QuestionID: p.message.ID}
		if p.answer != nil {
			t.AnswerID = p.answer.ID
		}
		t.knownTo(p.mayKnow)
	}
	return p.message.InThread(), t, p.answer, nil
}

// knownTo takes out what only those who look after the agent may know.
func (t *ThreadTurn) knownTo(mayKnow bool) {
	if !mayKnow {
		t.Detail = ""
	}
}

// mayKnow tells whether the actor may change a thread's agent, and so may know why it
// fails.
func (a *App) mayKnow(ctx context.Context, actor *Actor, th *store.Thread) (bool, error) {
	if th.AgentID == "" {
		return false, nil
	}
	_, res, err := a.agentResource(ctx, actor, th.AgentID, "Agent config")
	if err != nil {
		return false, unlessNotFound(err)
	}
	return Check(actor, ActUpdateAgent, res) == nil, nil
}

func unlessNotFound(err error) error {
	if KindOf(err) == KindNotFound {
		return nil
	}
	return err
}

// ThreadTurns lists the turns in a thread, newest first.
func (a *App) ThreadTurns(ctx context.Context, actor *Actor, id string, p store.Page) ([]ThreadTurn, error) {
	th, err := a.threadFor(ctx, actor, id, ActReadThread)
	if err != nil {
		return nil, err
	}
	rows, err := a.db.Turns(ctx, id, p)
	if err != nil {
		return nil, err
	}
	mayKnow, err := a.mayKnow(ctx, actor, th)
	if err != nil {
		return nil, err
	}
	seqs := make([]int64, len(rows))
	for i := range rows {
		seqs[i] = rows[i].TriggerSeq
	}
	questions, err := a.db.MessageIDs(ctx, th.ID, seqs)
	if err != nil {
		return nil, err
	}
	ids := make([]string, 0, len(questions))
	for _, id := range questions {
		ids = append(ids, id)
	}
	answers, err := a.db.AnswersTo(ctx, ids)
	if err != nil {
		return nil, err
	}
	out := make([]ThreadTurn, len(rows))
	for i := range rows {
		question := questions[rows[i].TriggerSeq]
		out[i] = ThreadTurn{Turn: rows[i], QuestionID: question, AnswerID: answers[question]}
		out[i].knownTo(mayKnow)
	}
	return out, nil
}

// ThreadTurn returns a turn in a thread with its answer.
func (a *App) ThreadTurn(ctx context.Context, actor *Actor, id, turnID string) (*ThreadTurnDetails, error) {
	th, t, err := a.turnInThread(ctx, actor, id, turnID, ActReadThread)
	if err != nil {
		return nil, err
	}
	mayKnow, err := a.mayKnow(ctx, actor, th)
	if err != nil {
		return nil, err
	}
	d := &ThreadTurnDetails{ThreadTurn: ThreadTurn{Turn: t.Turn}, Steps: store.None[turn.Step]()}
	d.knownTo(mayKnow)
	said, err := a.db.MessagesOfTurn(ctx, id, turnID, []int64{t.TriggerSeq})
	if err != nil {
		return nil, err
	}
	for i := range said {
		if m := &said[i]; m.TurnID == turnID {
			d.Answer, d.AnswerID = m.InThread(), m.ID
		} else {
			d.QuestionID = m.ID
		}
	}
	if t.State == store.TurnParked {
		waiting, err := a.db.PendingStepsOf(ctx, turnID)
		if err != nil {
			return nil, err
		}
		for i := range waiting {
			d.Approvals = append(d.Approvals, approvalOf(&waiting[i]))
		}
	}
	if !mayKnow {
		return d, nil
	}
	described, err := a.engine.Describe(ctx, &t.Turn, t.AgentName)
	if err != nil {
		return nil, err
	}
	d.Steps = described.Steps
	return d, nil
}

// turnInThread loads a turn of a thread and checks that the actor may do the action.
func (a *App) turnInThread(ctx context.Context, actor *Actor, id, turnID string, action Action) (*store.Thread, *store.NamedTurn, error) {
	th, err := a.threadFor(ctx, actor, id, action)
	if err != nil {
		return nil, nil, err
	}
	t, err := a.db.TurnWithName(ctx, turnID)
	if err == nil && t.RoomID != id {
		err = store.ErrNotFound
	}
	return th, t, fromStore(err, "Turn")
}

// StopThreadTurn stops a turn in a thread, as StopTurn does in a room.
func (a *App) StopThreadTurn(ctx context.Context, actor *Actor, id, turnID string) (*store.Turn, error) {
	if _, _, err := a.turnInThread(ctx, actor, id, turnID, ActWriteThread); err != nil {
		return nil, err
	}
	t, err := a.engine.Stop(ctx, turnID, actor.User.ID)
	return t, fromStore(err, "Turn")
}

// ThreadApprovals lists what waits for the person's decision in a thread, the oldest
// first.
func (a *App) ThreadApprovals(ctx context.Context, actor *Actor, id string, p store.Page) (*store.Listing[Approval], error) {
	if _, err := a.threadFor(ctx, actor, id, ActReadThread); err != nil {
		return nil, err
	}
	return a.pendingApprovals(ctx, id, p)
}

// DecideThreadApproval allows or refuses what waits in a thread, as DecideApproval does in
// a room. The thread's person decides: what an agent can change there is theirs.
func (a *App) DecideThreadApproval(ctx context.Context, actor *Actor, id, stepID, decision, note string) (*Approval, error) {
	th, err := a.threadFor(ctx, actor, id, ActDecideInThread)
	if err != nil {
		return nil, err
	}
	if decision == DecisionApprove { // the agent goes on, which needs what a message needs
		if _, err := a.mayUse(ctx, actor, th); err != nil {
			return nil, err
		}
	}
	return a.decide(ctx, actor, ActDecideInThread, id, stepID, decision, note)
}

// ThreadArtifacts lists what the agent has made in a thread, newest first.
func (a *App) ThreadArtifacts(ctx context.Context, actor *Actor, id string) (*store.Listing[store.Artifact], error) {
	if _, err := a.threadFor(ctx, actor, id, ActReadThread); err != nil {
		return nil, err
	}
	return a.artifactsIn(ctx, id, "")
}

// ThreadArtifact returns one artifact of a thread. A deleted one is not found.
func (a *App) ThreadArtifact(ctx context.Context, actor *Actor, id, artifactID string) (*store.Artifact, error) {
	if _, err := a.threadFor(ctx, actor, id, ActReadThread); err != nil {
		return nil, err
	}
	f, err := a.db.Artifact(ctx, artifactID)
	if err == nil && (f.RoomID != id || f.Deleted()) {
		err = store.ErrNotFound
	}
	return f, fromStore(err, "Artifact")
}
