package turn

import (
	"context"
	"slices"

	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/turntaking"
	"github.com/coagent-studio/coagent/store"
)

// directPart is the answer of the turn's agent to the newest messages of the room:
// its instructions, the house rules and the messages. An attempt that continues after
// saved steps is shown the same messages as the first attempt.
func (r *attempt) directPart(ctx context.Context) (part, error) {
	if r.alone() {
		return r.partAlone(ctx)
	}
	a, part := r.engine, part{agent: r.agent, show: true}
	if why := occasion(r.turn.Cause); why != "" {
		part.asked = []llm.Message{{Role: llm.RoleUser, Text: why}}
	}
	begun, err := r.messagesShown(ctx, "")
	if err != nil {
		return part, err
	}
	if part.messages, part.heard = begun, newest(begun); begun == nil {
		if part.messages, part.heard, err = r.readRoom(ctx); err != nil {
			return part, err
		}
	}
	if len(part.messages) == 0 {
		return part, errMessagesGone
	}
	if err := r.covers(ctx, part.messages); err != nil {
		return part, err
	}
	course, err := a.db.Course(ctx, r.room.CourseID)
	if err != nil {
		return part, err
	}
	part.system, part.tools = r.instructionsFor(r.agent, course), r.toolsFor(r.agent)
	return part, nil
}

// readRoom reads the messages of the room that the turn's agent is shown, and the seq
// of the newest message of a person. A person's message that came after the room was read
// counts as heard only when it is among the messages.
func (r *attempt) readRoom(ctx context.Context) (messages []store.Message, heard int64, err error) {
	if messages, err = r.windowOf(ctx, r.agent); err != nil {
		return nil, 0, err
	}
	heard = r.room.PersonSeq
	for _, m := range messages {
		if m.ByPerson() {
			heard = max(heard, m.Seq)
		}
	}
	return messages, heard, nil
}

// letPeopleFirst waits for people who type. When a person has posted a message that is
// newer than heard, a turn that answers agents ends with errGaveWay. Any other turn
// begins again with errNewerMessage, if it may do so again.
func (r *attempt) letPeopleFirst(ctx context.Context, heard int64, again bool) error {
	if _, err := r.yieldToTyping(ctx); err != nil {
		return err
	}
	if !again && r.turn.Cause != turntaking.CauseAgents {
		return nil
	}
	newer := false
	err := r.engine.background.Do(ctx, func() (err error) { newer, err = r.hasNewer(ctx, heard); return err })
	switch {
	case err != nil || !newer:
		return err
	case r.turn.Cause == turntaking.CauseAgents:
		return errGaveWay
	}
	return errNewerMessage
}

// hasNewer tells whether a person has posted a message, still shown, that is newer
// than heard.
func (r *attempt) hasNewer(ctx context.Context, heard int64) (bool, error) {
	newest, err := r.engine.db.PersonSeq(ctx, r.room.ID)
	if err != nil || newest <= heard {
		return false, err
	}
	messages, err := r.engine.db.ShownMessages(ctx, r.room.ID, 0, snapshotMessages)
	return slices.ContainsFunc(messages, func(m store.Message) bool { return m.Seq > heard && m.ByPerson() }), err
}

// newest is the seq of the newest message, or 0.
func newest(messages []store.Message) (seq int64) {
	for i := range messages {
		seq = max(seq, messages[i].Seq)
	}
	return seq
}

// covers notes which messages an answer to these covers.
func (r *attempt) covers(ctx context.Context, shown []store.Message) (err error) {
	if r.turn.RootID != "" || len(shown) > 0 && shown[0].Seq > r.turn.TriggerSeq {
		// Those of a thread are not all messages of the room since its root. Or more messages came than the agent's window holds: those outside the
		// window may call others.
		if shown, err = r.engine.db.ShownMessages(ctx, r.room.ID, newest(shown)+1, snapshotMessages); err != nil {
			return err
		}
	}
	r.read = max(r.read, readUpTo(r.turn.TriggerSeq, shown, r.agent.ID, r.present))
	return nil
}

// readUpTo returns the seq of the newest message that an agent's answer covers: a
// burst of posts is one turn that has read them all. A message after trigger that
// calls another agent ends the coverage, so that the next decision handles it. This
// holds also when that agent may not speak, because the decision tells the person
// why. A word that can mean several agents means the first in agents, so pass those
// that may speak first.
func readUpTo(trigger int64, messages []store.Message, self string, agents []store.Agent) int64 {
	read, names := trigger, namesOf(agents)
	another := func(id string) bool { return id != self }
	for _, m := range messages {
		if m.Seq <= trigger {
			continue
		}
		if slices.ContainsFunc(names.Called(m.Content, nil), another) {
			break
		}
		read = m.Seq
	}
	return read
}
