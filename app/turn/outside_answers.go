package turn

import (
	"context"
	"fmt"
	"strings"

	"github.com/coagent-studio/coagent/app/turntaking"
	"github.com/coagent-studio/coagent/store"
)

// This file takes the answers of agents outside this program that are no messages in a
// course's room: in a thread, and to a question in another agent's turn.

const (
	onlyAnswers = NotTaken("metadata.room_id: that is a thread, which reads answers alone; send the id of the turn as correlation_id")
	answerGone  = NotTaken("The message that the turn of correlation_id was about is gone")
)

// takeInThread stores the answer to a turn in a thread. As for any turn there, it does not
// matter how the agent is set in its project.
func (o *outsideTaken) takeInThread(ctx context.Context, tx *store.Tx, room *store.Room) (err error) {
	e := o.engine
	if o.turn == nil {
		th, err := tx.Thread(ctx, room.ThreadID)
		switch {
		case err == nil && th.AgentID == o.Agent.ID:
			return onlyAnswers
		case store.UnlessMissing(err) != nil:
			return err
		}
		return noSuchRoom
	}
	if o.turn, err = tx.Turn(ctx, o.turn.ID); err != nil {
		return err
	}
	now := e.instant()
	if err := mayAnswer(o.turn, now); err != nil {
		return err
	}
	about, err := tx.MessagesBySeq(ctx, room.ID, []int64{o.turn.TriggerSeq})
	if err != nil {
		return err
	}
	if len(about) == 0 || about[0].State() != store.MessageShown {
		return answerGone
	}
	o.ended = nil
	o.message = &store.Message{ID: store.NewID(), RoomID: room.ID, Answers: about[0].ID, TurnID: o.turn.ID, AgentID: o.Agent.ID,
		AgentType: o.Agent.Type, AgentName: o.Agent.Name, Content: o.Content, CreatedAt: now}
	if o.turn.EndedAt.IsZero() {
		return e.commitTurnEnd(ctx, tx, o.end(), now)
	}
	added, err := e.Post(ctx, tx, o.message, store.Heard{Unheard: true})
	if err == nil && !added {
		err = answeredBefore
	}
	if err != nil {
		return err
	}
	if err := tx.AnswerLate(ctx, o.turn.ID, answeredLate); err != nil {
		return err
	}
	return tx.TouchThread(ctx, room.ID, now)
}

// takeAnswer stores the answer to a question in another agent's turn, which goes on when
// nothing in it waits any more. The room does not read the answer.
func (o *outsideTaken) takeAnswer(ctx context.Context, tx *store.Tx, room *store.Room) error {
	e := o.engine
	step, err := tx.StepInRoom(ctx, room.ID, o.step.ID)
	if err != nil {
		return err
	}
	switch t := &step.Turn; {
	case step.State == store.StepDone:
		return answeredBefore
	case step.State != store.StepPending, !t.EndedAt.IsZero(), !t.StopAt.IsZero():
		return notToBeAnswered
	}
	s, here, err := o.lockedSnapshot(ctx, tx, room)
	if err != nil {
		return err
	}
	if rule, detail := here.Effective.CanSpeak(&s.Room, 0, step.Turn.CreatedAt); rule != "" { // as the turn itself judges it
		return mayNotNow(rule, detail)
	}
	step.State, step.Output = store.StepDone, store.ToJSON(&modelOutput{Text: strings.TrimSpace(o.Content), Finish: finishSaid})
	o.step = step
	return e.settleAsked(ctx, tx, step)
}

// mayNotNow says by which rule an agent may not speak.
func mayNotNow(rule, detail string) NotTaken {
	return NotTaken(fmt.Sprintf("The agent may not speak in this room now (%s): %s", rule, turntaking.Reason(rule, detail)))
}
