package turn

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/mention"
	"github.com/coagent-studio/coagent/app/turntaking"
	"github.com/coagent-studio/coagent/store"
)

// This file takes what agents outside this program send on their own account, or as the
// answer to a turn that waits for it, or has waited. Answers in threads and to questions
// of other agents' turns are in outside_answers.go.

// Outside is a message that an agent outside this program sends. Package app knows that
// it is this agent.
type Outside struct {
	Agent   *store.Agent
	RoomID  string // "" for the room of the turn
	To      string // the agent that it calls; "" for nobody but whom its text calls
	Content string
	// Answers is the id of what it answers, if that is a turn of the agent or a question to
	// it in another agent's turn.
	Answers string
}

// Taken is what has become of a message: a message of a room, or the answer to a step.
type Taken struct {
	Message *store.Message
	StepID  string // if there is no message
	At      time.Time
}

// NotTaken is why a message was not stored, in words for the program that has sent it.
type NotTaken string

// Error returns the words.
func (n NotTaken) Error() string { return string(n) }

const (
	noSuchRoom      = NotTaken("metadata.room_id: this agent is in no such room")
	answeredBefore  = NotTaken("The turn of correlation_id has its answer already")
	notToBeAnswered = NotTaken("The turn of correlation_id waits for no answer any more")

	answeredLate = "it was answered late, by the webhook"

	// lateAnswers is how long after the end of a turn its answer may come.
	lateAnswers = 24 * time.Hour
)

// TakeOutside stores a message of an agent outside this program, if a turn of the agent
// could say it now: it is in the room, neither switched off, muted nor outside its hours,
// and agents have not said enough to each other. An answer needs no new permission to
// speak; it counts once, also when it comes late. with runs in the transaction. The error
// is a NotTaken when the message may not be stored.
func (e *Engine) TakeOutside(ctx context.Context, in Outside, with func(*store.Tx, Taken) error) (taken Taken, err error) {
	err = e.background.Do(ctx, func() error {
		o := &outsideTaken{engine: e, Outside: in}
		if err := o.findAsked(ctx); err != nil {
			return err
		}
		err := store.ErrStale
		for range 5 { // the next attempt at the turn may begin at this moment
			if err = e.db.InTx(ctx, func(tx *store.Tx) error { return o.take(ctx, tx, with) }); !errors.Is(err, store.ErrStale) {
				break
			}
		}
		if err != nil {
			return err
		}
		taken = o.taken()
		if o.ended != nil {
			// Whoever still waits for the agent in this turn need not.
			e.stops.stop(o.ended.ID)
			e.signalNodes(o.ended.RoomID, signalStop, o.ended.ID)
			e.telemetry.TurnEnded(ctx, store.TurnFinished, reasonOutside, taken.At.Sub(o.ended.CreatedAt))
		}
		return nil
	})
	return taken, err
}

// outsideTaken is a message on its way into its room.
type outsideTaken struct {
	Outside
	engine  *Engine
	turn    *store.Turn     // that it answers; nil for none
	step    *store.RoomStep // the question in another agent's turn that it answers; nil for none
	ended   *store.Turn     // the turn that it has ended
	message *store.Message
}

func (o *outsideTaken) taken() Taken {
	if o.step != nil {
		return Taken{StepID: o.step.ID, At: o.step.EndedAt}
	}
	return Taken{Message: o.message, At: o.message.CreatedAt}
}

// findAsked finds what the message answers, and the room of that. Any other id means
// nothing to this program, as the ids of the agent's own conversations do.
func (o *outsideTaken) findAsked(ctx context.Context) error {
	var asked string
	if o.Answers != "" {
		var err error
		if asked, err = o.roomOfAsked(ctx); err != nil {
			return err
		}
	}
	switch {
	case asked == "" && o.RoomID == "":
		return NotTaken("metadata.room_id is missing: name the room that shall read this")
	case asked == "":
	case o.RoomID == "":
		o.RoomID = asked
	case o.RoomID != asked:
		return NotTaken("metadata.room_id: the turn of correlation_id is in another room; leave one of the two out")
	}
	return nil
}

// roomOfAsked returns the room of the turn or question that the message answers, "" if it
// answers none.
func (o *outsideTaken) roomOfAsked(ctx context.Context) (string, error) {
	t, err := o.engine.db.Turn(ctx, o.Answers)
	switch {
	case err == nil && t.AgentID == o.Agent.ID && t.Workflow == "":
		o.turn = t
		return t.RoomID, nil
	case err == nil:
		return "", nil
	case !errors.Is(err, store.ErrNotFound):
		return "", err
	}
	step, err := o.engine.db.Step(ctx, o.Answers)
	if err != nil || step.AgentID != o.Agent.ID || !isQuestion(&step.TurnStep) {
		return "", store.UnlessMissing(err)
	}
	o.step = step
	return step.Turn.RoomID, nil
}

// take stores the message and what follows from it.
func (o *outsideTaken) take(ctx context.Context, tx *store.Tx, with func(*store.Tx, Taken) error) error {
	room, err := tx.RoomForUpdate(ctx, o.RoomID)
	if errors.Is(err, store.ErrNotFound) {
		return noSuchRoom
	}
	if err != nil {
		return err
	}
	put := o.takeInRoom
	switch {
	case o.step != nil:
		put = o.takeAnswer
	case room.ThreadID != "":
		put = o.takeInThread
	}
	if err := put(ctx, tx, room); err != nil {
		return err
	}
	return with(tx, o.taken())
}

// takeInRoom stores the message in a course's room.
func (o *outsideTaken) takeInRoom(ctx context.Context, tx *store.Tx, room *store.Room) error {
	e := o.engine
	s, here, err := o.lockedSnapshot(ctx, tx, room)
	if err != nil {
		return err
	}
	if o.turn != nil {
		if o.turn, err = tx.Turn(ctx, o.turn.ID); err != nil {
			return err
		}
		if err := mayAnswer(o.turn, s.Now); err != nil {
			return err
		}
	}
	if err := o.maySpeak(ctx, tx, s, here); err != nil {
		return err
	}
	content := event.EscapeTrace(o.Content)
	if o.To != "" {
		if content, err = addressed(s, o.To, o.Agent.ID, content); err != nil {
			return err
		}
	}
	o.ended = nil
	o.message = &store.Message{ID: store.NewID(), RoomID: room.ID, AgentID: here.AgentID, AgentType: here.Agent.Type,
		AgentName: here.Agent.Name, Content: content, CreatedAt: e.instant()}
	if _, err := e.Call(ctx, tx.Queries, room, o.message, Calling{People: true}); err != nil {
		return err
	}
	if o.turn != nil {
		o.message.TurnID, o.message.RootID = o.turn.ID, o.turn.RootID
	}
	if o.turn != nil && o.turn.EndedAt.IsZero() {
		return o.endTurn(ctx, tx, s, here)
	}
	return o.post(ctx, tx, s, here)
}

// lockedSnapshot reads the agents of a room that the transaction has locked, with the
// sender among them.
func (o *outsideTaken) lockedSnapshot(ctx context.Context, tx *store.Tx, room *store.Room) (s *roomSnapshot, here *RoomAgent, err error) {
	s = o.engine.newSnapshot(room)
	rows, err := tx.RoomAgents(ctx, room.ID)
	for i := range rows {
		p := Effective(&rows[i], s.Now, o.engine.zone)
		s.rows[p.AgentID] = p
		s.Agents = append(s.Agents, p.Effective)
	}
	if here = s.rows[o.Agent.ID]; here == nil && err == nil {
		err = noSuchRoom
	}
	return s, here, err
}

// mayAnswer tells whether a turn waits for an answer, or has waited for one that came too
// late. Nobody answers a turn that a person has stopped.
func mayAnswer(t *store.Turn, now time.Time) error {
	switch {
	case t.State == store.TurnFinished:
		return answeredBefore
	case t.EndedAt.IsZero() && t.StopAt.IsZero():
		return nil
	case t.EndedAt.IsZero(), now.Sub(t.EndedAt) > lateAnswers:
	case t.State == store.TurnFailed, t.Reason == reasonLater, t.Reason == reasonNothing:
		return nil
	}
	return notToBeAnswered
}

// maySpeak tells whether the agent may say something in the room now.
func (o *outsideTaken) maySpeak(ctx context.Context, tx *store.Tx, s *roomSnapshot, here *RoomAgent) error {
	own, streak, at := 0, 0, s.Now
	if o.turn != nil {
		at = o.turn.CreatedAt // as the turn itself judges it
	} else {
		said, err := tx.MessagesSincePerson(ctx, []string{s.room.ID})
		if err != nil {
			return err
		}
		own = here.Effective.OwnMessages(&s.Room, MessagesOf(said), at)
		for i := range said {
			if said[i].Seq > s.Room.StreakFrom {
				streak++
			}
		}
	}
	rule, detail := here.Effective.CanSpeak(&s.Room, own, at)
	if rule == "" && streak >= s.MaxStreak {
		rule = turntaking.RuleGuard
	}
	if rule == "" {
		return nil
	}
	return mayNotNow(rule, detail)
}

// addressed is a text that calls an agent of the room, as a mention does.
func addressed(s *roomSnapshot, to, from, text string) (string, error) {
	target := s.rows[to]
	if target == nil || to == from {
		return "", NotTaken(fmt.Sprintf("Target agent %s not found", to))
	}
	if s.WouldCall(text, to) {
		return text, nil
	}
	if text = "@" + target.Agent.Name + " " + text; !s.WouldCall(text, to) {
		return "", NotTaken(fmt.Sprintf("Target agent %s cannot be called: another one has its name", to))
	}
	return text, nil
}

// endTurn ends the turn with the message, as its own attempt would.
func (o *outsideTaken) endTurn(ctx context.Context, tx *store.Tx, s *roomSnapshot, here *RoomAgent) error {
	e, m, how := o.engine, o.message, o.end()
	how.calls = mention.May(m.Content)
	how.rearmed = func(after *store.Room) []store.Rearmed {
		return e.rearmedOutside(s, after, here, how.turn.ReadSeq, m.CreatedAt)
	}
	return e.commitTurnEnd(ctx, tx, how, m.CreatedAt)
}

// end describes the end of the turn with the message.
func (o *outsideTaken) end() *turnEnd {
	end := *o.turn
	end.State, end.Reason, end.Detail, end.ReadSeq = store.TurnFinished, "", "", o.turn.TriggerSeq
	end.PromptTokens, end.CompletionTokens = 0, 0 // counted before
	o.ended = &end
	return &turnEnd{turn: &end, waited: o.turn.State == store.TurnWaiting || o.turn.State == store.TurnParked, message: o.message,
		read: o.turn.TriggerSeq}
}

// post stores a message that ends no turn that still goes on.
func (o *outsideTaken) post(ctx context.Context, tx *store.Tx, s *roomSnapshot, here *RoomAgent) error {
	e, m := o.engine, o.message
	added, err := e.Post(ctx, tx, m, store.Heard{DecideAt: m.CreatedAt.Add(e.cfg.Turns.Lease)})
	if err == nil && !added {
		err = answeredBefore
	}
	if err != nil {
		return err
	}
	if o.turn != nil {
		if err := tx.AnswerLate(ctx, o.turn.ID, answeredLate); err != nil {
			return err
		}
	}
	return tx.Rearm(ctx, e.rearmedOutside(s, s.room, here, 0, m.CreatedAt))
}

// rearmedOutside returns the rows of the room's agents after a message of an agent outside
// this program: from what its trigger counts now, and when only time will make it or
// others speak. It has read the messages up to read at least.
func (e *Engine) rearmedOutside(s *roomSnapshot, room *store.Room, here *RoomAgent, read int64, now time.Time) []store.Rearmed {
	after := e.newSnapshot(room)
	after.Agents = s.Agents
	own := *here.Effective
	own.SpokeAt, own.ReadSeq = now, max(own.ReadSeq, read)
	due := own.Due(&after.Room, own.Facts(&after.Room, 0, now), 0)
	if room.PersonSeq > own.ReadSeq && own.Trigger.Timed() {
		due = now // what fires triggers counts the messages that it has not read
	}
	return append(after.rearmed(own.ID), store.Rearmed{RoomID: room.ID, AgentID: own.ID, SpokeAt: now, ReadSeq: own.ReadSeq, NextDueAt: due})
}
