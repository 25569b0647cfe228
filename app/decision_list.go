package app

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/coagent-studio/coagent/app/turntaking"
	"github.com/coagent-studio/coagent/store"
)

// The causes that are shown for a message without a stored decision.
const (
	causeRead    = "read"    // an agent has read it in a turn that it already had
	causeUnheard = "unheard" // the room's AI was off, or the decision is not kept any more
	ruleRead     = "read"
)

// SeenDecision is a decision as staff see it.
type SeenDecision struct {
	store.Decision
	Agents []SeenCandidate
}

// SeenCandidate is what was decided about one agent, with the turn that it got.
type SeenCandidate struct {
	turntaking.Candidate
	Turn *store.Turn // nil for an agent that did not speak
}

// DecisionFilter selects decisions of a room. Seq or MessageID selects those about one
// message, Before those made before the decision with this id.
type DecisionFilter struct {
	Before    string
	Limit     int
	Seq       int64
	MessageID string
}

// Decisions lists why each agent of a room spoke or did not, the newest decision first.
func (a *App) Decisions(ctx context.Context, actor *Actor, roomID string, f DecisionFilter) (*store.Listing[SeenDecision], error) {
	room, err := a.roomFor(ctx, actor, roomID, ActReadDecisions)
	if err != nil {
		return nil, err
	}
	if f.MessageID != "" {
		m, err := a.db.MessageInRoom(ctx, roomID, f.MessageID)
		if err != nil {
			return nil, fromStore(err, "Message")
		}
		f.Seq = m.Seq
	}
	f.Limit = WithinPage(f.Limit, store.MaxLimit)
	if f.Seq > 0 {
		about, err := a.decisionsAbout(ctx, room, f.Seq)
		return store.Of(about), err
	}
	rows, err := a.db.Decisions(ctx, roomID, f.Before, f.Limit)
	if err != nil {
		return nil, err
	}
	return store.Map(rows, func(ctx context.Context, rows []store.Decision) ([]SeenDecision, error) {
		return a.seenDecisions(ctx, room, rows)
	}), nil
}

// aboutMessage is how many decisions there may be about one message: the first one, and
// those with which staff let the agents go on.
const aboutMessage = 20

// decisionsAbout returns the decisions about one message. For a message without a
// decision it returns one that says why there is none.
func (a *App) decisionsAbout(ctx context.Context, room *store.Room, seq int64) ([]SeenDecision, error) {
	rows, err := a.db.MessageDecisions(ctx, room.ID, seq, aboutMessage)
	if err != nil {
		return nil, err
	}
	rows = slices.DeleteFunc(rows, func(d store.Decision) bool { return d.FromSeq >= seq })
	if len(rows) > 0 || seq > room.DecidedSeq {
		return a.seenDecisions(ctx, room, rows)
	}
	turns, err := a.db.TurnsThatRead(ctx, room.ID, seq)
	if err != nil {
		return nil, err
	}
	if len(turns) == 0 {
		messages, err := a.db.MessagesBySeq(ctx, room.ID, []int64{seq})
		if err != nil {
			return nil, err
		}
		if len(messages) > 0 && messages[0].Silent {
			return a.seenDecisions(ctx, room, []store.Decision{{RoomID: room.ID, FromSeq: seq - 1, Seq: seq, CreatedAt: messages[0].CreatedAt,
				Candidates: messages[0].Rolls}})
		}
		return []SeenDecision{{Decision: store.Decision{RoomID: room.ID, Cause: causeUnheard, FromSeq: seq - 1, Seq: seq}}}, nil
	}
	seen := make([]SeenDecision, len(turns))
	for i := range turns {
		t := &turns[i]
		seen[i] = SeenDecision{Decision: store.Decision{RoomID: room.ID, Cause: causeRead, FromSeq: t.TriggerSeq, Seq: t.ReadSeq, CreatedAt: t.CreatedAt},
			Agents: []SeenCandidate{{Candidate: turntaking.Candidate{AgentID: t.AgentID, Speaks: true, Rule: ruleRead}, Turn: t}}}
	}
	return seen, nil
}

// seenDecisions adds to each agent the turn that it got. To summaries of silent messages it
// adds why no agent has answered.
func (a *App) seenDecisions(ctx context.Context, room *store.Room, rows []store.Decision) ([]SeenDecision, error) {
	var ids []string
	var summaries []store.Decision
	for _, row := range rows {
		if row.Summary() {
			summaries = append(summaries, row)
		} else {
			ids = append(ids, row.ID)
		}
	}
	turns, err := a.db.TurnsOf(ctx, ids)
	if err != nil {
		return nil, err
	}
	var nobody [][]turntaking.Candidate
	if len(summaries) > 0 {
		if nobody, err = a.engine.Nobody(ctx, room, summaries); err != nil {
			return nil, err
		}
	}
	type given struct{ decision, agent string }
	by := map[given]*store.Turn{}
	for i := range turns {
		by[given{turns[i].DecisionID, turns[i].AgentID}] = &turns[i]
	}
	seen := make([]SeenDecision, len(rows))
	for i, row := range rows {
		var all []turntaking.Candidate
		if row.Summary() {
			row.Cause, all, nobody = turntaking.CausePost, nobody[0], nobody[1:]
		} else if err := json.Unmarshal([]byte(row.Candidates), &all); err != nil {
			return nil, err
		}
		seen[i] = SeenDecision{Decision: row, Agents: make([]SeenCandidate, len(all))}
		for j, c := range all {
			seen[i].Agents[j] = SeenCandidate{Candidate: c, Turn: by[given{row.ID, c.AgentID}]}
		}
	}
	return seen, nil
}
