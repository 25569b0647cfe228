package app

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/app/turntaking"
	"github.com/coagent-studio/coagent/store"
)

// AgentState is what an agent did in a room, and when it will speak next.
type AgentState struct {
	*AgentInRoom
	AgentMessage  *store.Message // its last message that is shown, if any
	PersonMessage *store.Message // a person's last message that agents may see, if it is shown
	Asleep        string         // why it sleeps until a person posts a message; "" when it is awake
	Streak        int            // its messages since a person's last message
	// Unread counts the people's messages since the agent's last turn. SinceReset counts
	// those since ResetAt, when the agent's state was cleared. A zero ResetAt means
	// never: it then counts from when the agent was attached or its settings changed.
	Unread, SinceReset int
	ResetAt            time.Time
	NextDueAt          time.Time // when its trigger will make it speak by time alone; zero if it will not
	Decided            *AgentDecision
	Unreachable        *Unreachable // of an agent outside this program that failed the last time
}

// AgentDecision is the last decision about an agent.
type AgentDecision struct {
	ID, Cause    string
	Seq          int64
	At           time.Time
	Speaks       bool
	Rule, Detail string
}

// decidedBack is how many of a room's newest decisions are searched for the last one
// about an agent.
const decidedBack = 50

// AgentState returns the state of an agent in a room.
func (a *App) AgentState(ctx context.Context, actor *Actor, roomID, agentID string) (*AgentState, error) {
	p, room, err := a.agentInRoom(ctx, actor, roomID, agentID, ActReadRoomAgent)
	if err != nil {
		return nil, err
	}
	now := a.instant()
	effective, r := p.Effective, turn.RoomOf(room)
	s := &AgentState{ResetAt: effective.Cleared(now)}
	if s.AgentInRoom, err = a.describe(ctx, p, room); err != nil {
		return nil, err
	}
	messages, err := a.db.MessagesSincePerson(ctx, []string{roomID})
	if err != nil {
		return nil, err
	}
	s.Streak = effective.OwnMessages(r, turn.MessagesOf(messages), now)
	s.Asleep = effective.Asleep(r, s.Streak, now)
	key := [2]string{roomID, agentID}
	asked := store.Unread{RoomID: roomID, AgentID: agentID, AfterSeq: p.ReadSeq, Since: s.ResetAt}
	counts, err := a.db.CountUnread(ctx, []store.Unread{asked})
	if err != nil {
		return nil, err
	}
	s.Unread = counts[key]
	asked.AfterSeq, asked.Since = 0, turntaking.Latest(s.ResetAt, effective.Since)
	if counts, err = a.db.CountUnread(ctx, []store.Unread{asked}); err != nil {
		return nil, err
	}
	s.SinceReset = counts[key]
	s.NextDueAt = effective.Due(r, effective.Facts(r, s.Unread, now), s.Streak)
	if err := lastMessages(ctx, a.db, s, room); err != nil {
		return nil, err
	}
	if s.Decided, err = lastDecision(ctx, a.db, roomID, agentID); err != nil {
		return nil, err
	}
	s.Unreachable, err = a.reach(ctx, p.Agent)
	return s, err
}

func lastMessages(ctx context.Context, db *store.DB, s *AgentState, room *store.Room) error {
	own, err := db.LastMessageOf(ctx, room.ID, s.AgentID)
	if err == nil {
		s.AgentMessage = own
	} else if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	messages, err := db.MessagesBySeq(ctx, room.ID, []int64{room.PersonSeq})
	if err == nil && len(messages) > 0 && messages[0].State() == store.MessageShown {
		s.PersonMessage = &messages[0]
	}
	return err
}

func lastDecision(ctx context.Context, db *store.DB, roomID, agentID string) (*AgentDecision, error) {
	rows, err := db.LastDecisions(ctx, roomID, decidedBack)
	for _, r := range rows {
		var all []turntaking.Candidate
		if json.Unmarshal([]byte(r.Candidates), &all) != nil {
			continue
		}
		for _, c := range all {
			if c.AgentID == agentID {
				return &AgentDecision{ID: r.ID, Cause: r.Cause, Seq: r.Seq, At: r.CreatedAt, Speaks: c.Speaks, Rule: c.Rule, Detail: c.Detail}, nil
			}
		}
	}
	return nil, err
}
