package turn

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/app/turntaking"
	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
)

// staleAfter is how old a turn may be when it starts. An answer that comes later
// would only disturb, so an overloaded server leaves it out.
const staleAfter = 5 * time.Minute

// ErrLeaseLost cancels work that another worker has taken over.
var ErrLeaseLost = errors.New("the lease is lost")

// attempt is one attempt at a turn, in the worker that holds its lease.
type attempt struct {
	engine   *Engine
	turn     *store.Turn
	agent    *store.Agent
	room     *store.Room
	speakers []store.Agent // the room's agents that may speak
	// present are all agents of the room, those that may speak first.
	present    []store.Agent
	roomAgents map[string]*RoomAgent // how all of them are set in the room
	text       strings.Builder
	shown      *pacer
	units      int           // length of the text, in UTF-16 code units
	read       int64         // the newest message that the answer covers, see readUpTo
	heard      int64         // see part.heard
	ended      time.Time     // when a person stopped it in the middle
	waited     time.Duration // how long it waited for people who typed
	anew       bool          // the model is asked again, because people said more
	acted      bool          // a tool has run, a person has decided, an outside agent was asked: none may happen twice
	thread     inThread      // of a turn in a thread
	outside    outsideTurn   // of a turn of an agent outside this program

	floor   sync.Mutex // guards turn.Aside while branches of a graph run at once
	mu      sync.Mutex // guards the fields below: branches of a graph run at once
	usage   llm.Usage
	saved   []store.TurnStep  // steps of earlier attempts, in order
	unsaved []store.TurnStep  // steps that the next commit of this attempt adds
	waiting []store.TurnStep  // steps that a person has to decide about, see park
	ends    map[string]string // the finish reason of each node's last answer, as package llm names it
	steps   int               // the number of the last step
	asked   int               // calls of models, counted for the guards
	spent   int               // tokens, counted for the guards
	flow    flow              // the run of the turn's graph; nil for the direct answer
	later   bool              // an agent outside this program will answer one of its questions later
}

// flow is a run through a graph, as its attempt needs it.
type flow interface {
	hasSaid() bool                    // it has posted a message
	finish(ctx context.Context) error // ends the turn at the graph's end
}

// runTurn lets an agent speak: it claims the turn, streams the model's answer to the
// room and stores it. Nothing happens twice, because the claim and the end are fenced
// by the attempt's number.
func (e *Engine) runTurn(ctx context.Context, job jobs.RunTurn) error {
	var r *attempt
	err := e.background.Do(ctx, func() (err error) { r, err = e.claim(ctx, job); return err })
	if err != nil || r == nil {
		return err
	}
	defer e.hub.TurnOver(r.turn.RoomID, r.turn.ID, r.turn.Attempt)
	ctx, over := e.telemetry.Turn(ctx, r.turn.ID, r.turn.RoomID, r.turn.AgentID, r.turn.Attempt)
	defer over()
	started := e.now()
	if err = e.background.Do(ctx, func() error { return r.load(ctx) }); err == nil {
		err = r.speak(ctx)
	}
	e.log.InfoContext(ctx, "turn", "room", r.turn.RoomID, "agent", r.turn.AgentID, "attempt", r.turn.Attempt,
		"ms", e.now().Sub(started).Milliseconds(), "prompt_tokens", r.usage.PromptTokens,
		"completion_tokens", r.usage.CompletionTokens, "err", err)
	// The job's context may have ended the turn, so the end gets a context of its
	// own.
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	failed := err
	err = e.background.Do(end, func() error {
		switch {
		case failed == nil:
			return r.conclude(end)
		case errors.Is(failed, errParked):
			return nil
		case ctx.Err() == nil && emptyBudget(failed) != nil && !r.alone():
			return r.waitForBudget(end, emptyBudget(failed))
		case errors.Is(failed, errNoFloor):
			return r.waitForFloor(end)
		case errors.Is(failed, errAsked) && r.units > 0 && (r.flow == nil || !r.flow.hasSaid()):
			r.ended = e.instant()
			return r.conclude(end)
		case errors.Is(failed, ErrLeaseLost), errors.Is(failed, store.ErrNotFound):
			return failed
		case ctx.Err() != nil:
			return e.retryTurn(end, r.turn, r.withFault(ErrStopped))
		}
		return e.retryTurn(end, r.turn, r.withFault(failed))
	})
	if errors.Is(err, ErrLeaseLost) || errors.Is(err, store.ErrStale) ||
		errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrReferenced) {
		return e.afterLost(end, r.turn)
	}
	return err
}

// conclude ends a turn that has come to its end. What it says is dropped if the course was
// archived before it could be stored.
func (r *attempt) conclude(ctx context.Context) error {
	err := r.finish(ctx)
	if errors.Is(err, store.ErrArchived) {
		return r.engine.endTurn(ctx, r.turn, r.withFault(err))
	}
	return err
}

// afterLost goes on in the room of a turn that this worker could not end. Normally
// another attempt has the turn and goes on itself. When the turn was deleted with its
// agent, nobody else does.
func (e *Engine) afterLost(ctx context.Context, t *store.Turn) error {
	if _, err := e.db.Turn(ctx, t.ID); !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return e.resumeRoom(ctx, t.RoomID)
}

// resumeRoom goes on in a room in which nobody has the floor. It does nothing when the
// room is gone or a turn has just begun there.
func (e *Engine) resumeRoom(ctx context.Context, roomID string) error {
	err := e.db.InTx(ctx, func(tx *store.Tx) error {
		_, err := e.nextInRoom(ctx, tx, roomID, 0, 0)
		return err
	})
	if errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrStale) {
		return nil
	}
	return store.UnlessMissing(err)
}

// claim leases the turn. It returns nil when there is nothing to do any more.
func (e *Engine) claim(ctx context.Context, job jobs.RunTurn) (*attempt, error) {
	now := e.instant()
	t, err := e.db.Single().ClaimTurn(ctx, job.TurnID, job.Attempt, e.db.Node(), now, now.Add(e.cfg.Turns.Lease))
	if errors.Is(err, store.ErrStale) {
		return nil, nil
	}
	return &attempt{engine: e, turn: t}, err
}

// load reads the saved steps, the room and the agent.
func (r *attempt) load(ctx context.Context) (err error) {
	if err := r.loadSteps(ctx); err != nil {
		return err
	}
	if err := r.reload(ctx); err != nil {
		return err
	}
	if r.agent != nil {
		return nil
	}
	if here := r.roomAgents[r.turn.AgentID]; here != nil {
		r.agent = here.Agent
		return nil
	}
	r.agent, err = r.engine.db.Agent(ctx, r.turn.AgentID)
	return err
}

// reload reads the room and which of its agents may speak. Nothing else of the attempt may
// run meanwhile.
func (r *attempt) reload(ctx context.Context) error {
	if r.alone() {
		return r.loadAlone(ctx)
	}
	s, err := r.look(ctx)
	if err != nil {
		return err
	}
	r.room, r.roomAgents = s.room, s.rows
	speakers, silent := bySpeech(s)
	r.speakers, r.present = speakers, slices.Concat(speakers, silent)
	return nil
}

// look reads the room as it is now, with its agents. It changes nothing of the attempt, so
// branches of a graph may run beside it.
func (r *attempt) look(ctx context.Context) (*roomSnapshot, error) {
	room, err := r.engine.db.Room(ctx, r.turn.RoomID)
	if err != nil {
		return nil, err
	}
	s := r.engine.newSnapshot(room)
	s.Now = r.turn.CreatedAt // a turn that began within an agent's hours may end after them
	return s, r.engine.loadRoomAgents(ctx, s)
}

// bySpeech divides a room's agents into those that may speak and the others.
func bySpeech(s *roomSnapshot) (speakers, silent []store.Agent) {
	for _, p := range s.Agents {
		ag := s.rows[p.ID].Agent
		if rule, _ := s.CanSpeak(p); rule == "" {
			speakers = append(speakers, *ag)
		} else {
			silent = append(silent, *ag)
		}
	}
	return speakers, silent
}

// mayNotSpeak returns the fault when the agent was removed or switched off, or the
// room's AI was, since the turn was decided; else nil. speakers are the agents of the room
// that may speak.
func (r *attempt) mayNotSpeak(speakers []store.Agent) error {
	if slices.ContainsFunc(speakers, func(ag store.Agent) bool { return ag.ID == r.agent.ID }) {
		return nil
	}
	return &Fault{Reason: ReasonNotAble, Detail: "the agent or the room's AI was switched off", State: store.TurnStopped}
}

// speak streams the model's answer into r.text and keeps the lease alive.
func (r *attempt) speak(ctx context.Context) error {
	if err := r.mayNotSpeak(r.speakers); err != nil {
		return err
	}
	if r.turn.Attempt == 1 && r.turn.Position == 0 && !r.alone() && r.turn.StartedAt.Sub(r.turn.CreatedAt) > staleAfter {
		return &Fault{Reason: ReasonOverload, Detail: "the server had too much to do; the moment to answer has passed", State: store.TurnStopped}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ctx, done := context.WithDeadlineCause(ctx, r.turn.StartedAt.Add(r.engine.cfg.Turns.MaxDuration), ErrTooLong)
	defer done()
	defer HoldLease(ctx, cancel, &r.engine.cfg.Turns, r.engine.now, r.beat)()
	defer r.engine.stops.add(r.turn.ID, cancel)()
	err := r.speakNow(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(err, errParked) {
		return cause
	}
	return err
}

// speakNow first lets the people who type finish, then has the agent answer the
// messages that it reads.
func (r *attempt) speakNow(ctx context.Context) error {
	if r.agent.IsExternal {
		return r.speakOutside(ctx)
	}
	g, err := r.workflow(ctx)
	if err != nil {
		return err
	}
	if g != nil {
		return r.runGraph(ctx, g)
	}
	// The floor stays with the turn while people type: whoever got it would wait for
	// them, too.
	if _, err := r.yieldToTyping(ctx); err != nil {
		return err
	}
	if err := r.takeFloor(ctx); err != nil {
		return err
	}
	part, err := r.partNow(ctx)
	if err != nil {
		return err
	}
	defer r.begin()()
	if _, err = r.converse(ctx, part); !errors.Is(err, errNewerMessage) {
		return err
	}
	if part, err = r.partNow(ctx); err == nil {
		_, err = r.converse(ctx, part)
	}
	return err
}

// begin tells the room that the attempt begins. From then on it may show text, until end.
func (r *attempt) begin() (end func()) {
	// The pacer's timer runs beside the attempt, which may read its room anew.
	roomID, hub, started := r.room.ID, r.engine.hub, r.signalOf(event.StartOf(r.turn.Attempt), "")
	r.shown = &pacer{
		show:  func(d realtime.Delta) { hub.Delta(roomID, d) },
		begin: func() { hub.Signal(roomID, started) },
		hold:  func() (release func()) { return hub.Hold(roomID) },
	}
	r.shown.start()
	return r.shown.stop
}

// partNow is the direct answer to the messages as they are now.
func (r *attempt) partNow(ctx context.Context) (part part, err error) {
	if err = r.engine.background.Do(ctx, func() (err error) { part, err = r.directPart(ctx); return err }); err == nil {
		err = r.giveWay(part.messages)
	}
	r.heard = part.heard
	return part, err
}

// yieldToTyping waits while people type, at most yield_to_typing per attempt in all.
// It tells whether it waited.
func (r *attempt) yieldToTyping(ctx context.Context) (waited bool, err error) {
	began := r.engine.now()
	waited, err = r.engine.typists.wait(ctx, r.room.ID, began.Add(r.engine.cfg.Turns.YieldToTyping-r.waited), r.engine.now)
	r.waited += r.engine.now().Sub(began)
	return waited, err
}

// giveWay returns errGaveWay when the turn answers agents and a person has spoken
// since; else nil.
func (r *attempt) giveWay(messages []store.Message) error {
	newer := func(m store.Message) bool { return m.Seq > r.turn.TriggerSeq && m.ByPerson() }
	if r.turn.Cause == turntaking.CauseAgents && slices.ContainsFunc(messages, newer) {
		return errGaveWay
	}
	return nil
}

// errParked ends an attempt whose turn waits for a person, or for an agent outside this
// program. The wait is committed already.
var errParked = errors.New("the turn waits for a person or an outside agent")

// add shows a piece of the answer to the room.
func (r *attempt) add(text string) {
	r.shown.add(realtime.Delta{TurnID: r.turn.ID, Attempt: r.turn.Attempt, Offset: r.units, Text: text})
	r.text.WriteString(text)
	r.units += realtime.Units(text)
}

// signal tells the room how the attempt ended. The reason is why the turn is parked.
func (r *attempt) signal(state, reason string) {
	if r.shown != nil {
		r.shown.begun()
	}
	r.engine.hub.Signal(r.room.ID, r.signalOf(state, reason))
}

// signalOf says that the attempt begins, or how it ended.
func (r *attempt) signalOf(state, reason string) realtime.Signal {
	mark := &realtime.TurnMark{ID: r.turn.ID, Attempt: r.turn.Attempt, Over: state != event.StartOf(r.turn.Attempt)}
	return realtime.Signal{Type: event.SignalTurn, Turn: mark, Body: json.RawMessage(store.ToJSON(event.Turn{
		TurnID: r.turn.ID, AgentID: r.agent.ID, AgentName: r.agent.Name, State: state, Attempt: r.turn.Attempt,
		Reason: reason, RootID: r.turn.RootID}))}
}
