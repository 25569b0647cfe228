package app

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
)

// staleAfter is how long after the lines that it is about an answer would only
// disturb: a server with so much to do leaves it out.
const staleAfter = 5 * time.Minute

// errLeaseLost cancels work that another worker has taken over.
var errLeaseLost = errors.New("the lease is lost")

// attempt is one attempt at a turn, in the worker that holds its lease.
type attempt struct {
	app      *App
	turn     *store.Turn
	agent    *store.Agent
	room     *store.Room
	speakers []store.Agent // those of the room that may speak
	// present are all of the room, those that may speak first.
	present    []store.Agent
	roomAgents map[string]*roomAgent // how all of them are set there
	fence      string                // around the words of others in its prompts
	text       strings.Builder
	shown      *pacer
	units      int           // of text, in UTF-16 code units
	read       int64         // the newest line that the answer covers, see readUpTo
	ended      time.Time     // when a person has stopped it in the middle
	waited     time.Duration // for people who typed
	anew       bool          // it is asked again about what they said
	acted      bool          // a tool has run, or a person has decided: that is not done twice

	mu      sync.Mutex // guards what follows: parts of a graph speak at once
	usage   llm.Usage
	saved   []store.TurnStep  // of earlier attempts, in their order
	unsaved []store.TurnStep  // those that the next commit of this attempt adds
	waiting []store.TurnStep  // that a person has to decide about, see park
	ends    map[string]string // how the last answer of each node ended, in the words of package llm
	steps   int               // the number of the last one
	asked   int               // calls of models, for the guards
	spent   int               // tokens, likewise
	flow    *graphRun         // the way through the turn's graph; nil is the direct answer
}

// runTurn lets an agent speak: it claims the turn, streams the model's answer
// to the room and stores it. Nothing of it happens twice: the claim and the
// end are fenced by the attempt.
func (a *App) runTurn(ctx context.Context, job jobs.RunTurn) error {
	var r *attempt
	err := a.yielding(ctx, func() (err error) { r, err = a.claim(ctx, job); return err })
	if err != nil || r == nil {
		return err
	}
	defer a.hub.TurnOver(r.turn.RoomID, r.turn.ID, r.turn.Attempt)
	ctx, over := a.telemetry.Turn(ctx, r.turn.ID, r.turn.RoomID, r.turn.AgentID, r.turn.Attempt)
	defer over()
	started := a.now()
	if err = a.yielding(ctx, func() error { return r.load(ctx) }); err == nil {
		err = r.speak(ctx)
	}
	a.log.InfoContext(ctx, "turn", "room", r.turn.RoomID, "agent", r.turn.AgentID, "attempt", r.turn.Attempt,
		"ms", a.now().Sub(started).Milliseconds(), "prompt_tokens", r.usage.PromptTokens,
		"completion_tokens", r.usage.CompletionTokens, "err", err)
	// The job's own context may be what ended the turn; its cause is the queue's.
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	failed := err
	err = a.yielding(end, func() error {
		switch {
		case failed == nil:
			return r.finish(end)
		case errors.Is(failed, errParked):
			return nil
		case errors.Is(failed, errAsked) && r.units > 0 && (r.flow == nil || r.flow.said == 0):
			r.ended = a.instant()
			return r.finish(end)
		case errors.Is(failed, errLeaseLost), errors.Is(failed, store.ErrNotFound):
			return failed
		case ctx.Err() != nil:
			return a.retryTurn(end, r.turn, r.withFault(errStopped))
		}
		return a.retryTurn(end, r.turn, r.withFault(failed))
	})
	if errors.Is(err, errLeaseLost) || errors.Is(err, store.ErrStale) || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrReferenced) {
		return a.afterLost(end, r.turn)
	}
	return err
}

// afterLost goes on in a room whose turn could not be ended: another attempt
// has it and will, unless the turn was deleted with its agent, which leaves
// nobody else to do so.
func (a *App) afterLost(ctx context.Context, t *store.Turn) error {
	if _, err := a.db.Turn(ctx, t.ID); !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return a.resumeRoom(ctx, t.RoomID)
}

// resumeRoom goes on in a room that has no live turn; one that is gone, or in
// which a turn has just begun, needs nothing.
func (a *App) resumeRoom(ctx context.Context, roomID string) error {
	err := a.db.InTx(ctx, func(tx *store.Tx) error { return a.nextInRoom(ctx, tx, roomID, 0, 0) })
	if errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrStale) {
		return nil
	}
	return notMissing(err)
}

// claim leases the turn; nil when there is nothing to do any more.
func (a *App) claim(ctx context.Context, job jobs.RunTurn) (*attempt, error) {
	now := a.instant()
	t, err := a.db.Single().ClaimTurn(ctx, job.TurnID, job.Attempt, a.db.Node(), now, now.Add(a.cfg.Turns.Lease))
	if errors.Is(err, store.ErrStale) {
		return nil, nil
	}
	return &attempt{app: a, turn: t, fence: a.fence(t.ID)}, err
}

// load reads what the turn is about.
func (r *attempt) load(ctx context.Context) (err error) {
	if r.agent, err = r.app.db.Agent(ctx, r.turn.AgentID); err != nil {
		return err
	}
	if err := r.loadSteps(ctx); err != nil {
		return err
	}
	return r.reload(ctx)
}

// reload reads the room and who of its agents may speak.
func (r *attempt) reload(ctx context.Context) (err error) {
	if r.room, err = r.app.db.Room(ctx, r.turn.RoomID); err != nil {
		return err
	}
	s := r.app.newSnapshot(r.room)
	s.Now = r.turn.CreatedAt // what was begun within an agent's hours is ended
	if err := r.app.loadRoomAgents(ctx, s); err != nil {
		return err
	}
	r.roomAgents = s.RoomAgents
	var silent []store.Agent
	r.speakers = nil
	for i := range s.Agents {
		if rule, _ := canSpeak(s, &s.Agents[i]); rule == "" {
			r.speakers = append(r.speakers, s.Agents[i])
		} else {
			silent = append(silent, s.Agents[i])
		}
	}
	r.present = slices.Concat(r.speakers, silent)
	return nil
}

// mayNotSpeak is the fault of an agent that was taken out or switched off, or
// whose room was, since the turn was decided; else nil.
func (r *attempt) mayNotSpeak() error {
	if slices.ContainsFunc(r.speakers, func(ag store.Agent) bool { return ag.ID == r.agent.ID }) {
		return nil
	}
	return &turnFault{reason: reasonNotAble, detail: "the agent or the room's AI was switched off", state: store.TurnStopped}
}

// speak streams the model's answer into r.text, keeping the lease alive.
func (r *attempt) speak(ctx context.Context) error {
	if err := r.mayNotSpeak(); err != nil {
		return err
	}
	if r.turn.Attempt == 1 && r.turn.Position == 0 && r.turn.StartedAt.Sub(r.turn.CreatedAt) > staleAfter {
		return &turnFault{reason: reasonOverload, detail: "the server had too much to do; the moment to answer has passed", state: store.TurnStopped}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ctx, done := context.WithDeadlineCause(ctx, r.turn.StartedAt.Add(r.app.cfg.Turns.MaxDuration), errTooLong)
	defer done()
	held := make(chan struct{})
	go func() {
		defer close(held)
		r.app.renewLease(ctx, cancel, r.beat)
	}()
	defer func() { cancel(nil); <-held }()
	defer r.app.stops.add(r.turn.ID, cancel)()
	err := r.speakNow(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(err, errParked) {
		return cause
	}
	return err
}

// speakNow lets the people who type go first, and then has the agent answer what
// there is to read.
func (r *attempt) speakNow(ctx context.Context) error {
	if _, err := r.yieldToTyping(ctx); err != nil {
		return err
	}
	g, err := r.workflow(ctx)
	if err != nil {
		return err
	}
	var part part
	if g == nil {
		part, err = r.partNow(ctx)
	}
	if err != nil {
		return err
	}
	r.signal(startOf(r.turn.Attempt))
	r.shown = &pacer{show: func(d realtime.Delta) { r.app.hub.Delta(r.room.ID, d) }}
	defer r.shown.stop()
	if g != nil {
		return r.runGraph(ctx, g)
	}
	if _, err = r.converse(ctx, part); !errors.Is(err, errNewerMessage) {
		return err
	}
	if part, err = r.partNow(ctx); err == nil {
		_, err = r.converse(ctx, part)
	}
	return err
}

// partNow is the direct answer to what there is to read now.
func (r *attempt) partNow(ctx context.Context) (part part, err error) {
	if err = r.app.yielding(ctx, func() (err error) { part, err = r.directPart(ctx); return err }); err == nil {
		err = r.giveWay(part.messages)
	}
	return part, err
}

// yieldToTyping waits while people type, yield_to_typing in all, and tells whether it
// did.
func (r *attempt) yieldToTyping(ctx context.Context) (waited bool, err error) {
	began := r.app.now()
	waited, err = r.app.typists.wait(ctx, r.room.ID, began.Add(r.app.cfg.Turns.YieldToTyping-r.waited), r.app.now)
	r.waited += r.app.now().Sub(began)
	return waited, err
}

// giveWay is the fault of a turn about what agents said when a person has
// spoken since; else nil.
func (r *attempt) giveWay(lines []store.Message) error {
	if r.turn.Cause == causeAgents && slices.ContainsFunc(lines, func(m store.Message) bool { return m.Seq > r.turn.TriggerSeq && !m.ByAgent() }) {
		return errGaveWay
	}
	return nil
}

// errParked ends an attempt whose turn waits for a person: that is committed.
var errParked = errors.New("the turn waits for a person")

// add shows a piece of the answer to the room.
func (r *attempt) add(text string) {
	r.shown.add(realtime.Delta{TurnID: r.turn.ID, Attempt: r.turn.Attempt, Offset: r.units, Text: text})
	r.text.WriteString(text)
	r.units += realtime.Units(text)
}

// renewLease renews the lease of a turn or a report until ctx ends; one that is lost
// cancels the work. beat answers store.ErrStale when another attempt has begun.
func (a *App) renewLease(ctx context.Context, cancel context.CancelCauseFunc, beat func(ctx context.Context, lease time.Time) error) {
	tick := time.NewTicker(a.cfg.Turns.Heartbeat) //nolint:forbidigo // the pace of a loop is no rule's time
	defer tick.Stop()
	until := a.now().Add(a.cfg.Turns.Lease)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		next := a.instant().Add(a.cfg.Turns.Lease)
		within, done := context.WithTimeout(ctx, a.cfg.Turns.Heartbeat)
		err := beat(within, next)
		done()
		switch {
		case err == nil:
			until = next
		case errors.Is(err, store.ErrStale), a.now().After(until):
			// Without its lease the work may be going on elsewhere already.
			cancel(errLeaseLost)
			return
		case errors.Is(err, errAsked):
			cancel(errAsked)
			return
		}
	}
}

// signal tells the room that the attempt begins or how it ended.
func (r *attempt) signal(state string) {
	mark := &realtime.TurnMark{ID: r.turn.ID, Attempt: r.turn.Attempt, Over: state != startOf(r.turn.Attempt)}
	r.app.hub.Signal(r.room.ID, realtime.Signal{Type: signalTurn, Turn: mark, Body: json.RawMessage(toJSON(TurnEvent{
		TurnID: r.turn.ID, AgentID: r.agent.ID, AgentName: r.agent.Name, State: state, Attempt: r.turn.Attempt}))})
}
