package web

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
)

// spokenTurnOut is the turn that a decision created for an agent.
type spokenTurnOut struct {
	ID        string     `json:"id" format:"uuid"`
	State     string     `json:"state" enum:"waiting,queued,running,parked,finished,failed,stopped"`
	Reason    *string    `json:"reason" doc:"Why it ended without the whole answer, or is tried again, in a word"`
	Detail    *string    `json:"detail" doc:"... in a sentence"`
	Key       *string    `json:"key" doc:"Which of the agent's keys its model was called with: own, lent (its maker's), room_key, global_key, backup_key, or none for a model that needs none; null while none was"`
	ReadSeq   *int64     `json:"read_seq" doc:"The newest message that the answer covers"`
	AskedBy   *string    `json:"asked_by" format:"uuid" doc:"The person whose message it is about"`
	StoppedBy *string    `json:"stopped_by" format:"uuid"`
	StoppedAt *time.Time `json:"stopped_at"`
	CreatedAt time.Time  `json:"created_at"`
	StartedAt *time.Time `json:"started_at"`
	EndedAt   *time.Time `json:"ended_at"`
}

func spokenTurnForm(t *store.Turn) spokenTurnOut {
	out := spokenTurnOut{ID: t.ID, State: t.State, Reason: nullable(t.Reason), Detail: nullable(t.Detail), Key: nullable(t.KeyKind),
		AskedBy: nullable(t.AskedBy), StoppedBy: nullable(t.StopBy), StoppedAt: since(t.StopAt), CreatedAt: instant(t.CreatedAt),
		StartedAt: since(t.StartedAt), EndedAt: since(t.EndedAt)}
	if t.ReadSeq > 0 {
		out.ReadSeq = &t.ReadSeq
	}
	return out
}

// candidateOut says what was decided about one agent.
type candidateOut struct {
	AgentID   string         `json:"agent_id" format:"uuid"`
	AgentName string         `json:"agent_name"`
	Speaks    bool           `json:"speaks"`
	InVain    bool           `json:"called_in_vain,omitempty" doc:"A message calls it and it may not speak: rule says why"`
	Rule      string         `json:"rule" doc:"What decided, for example mentioned, chance, message_count, schedule, guard, hears or inactive"`
	Detail    *string        `json:"detail" doc:"More about it"`
	Roll      *float64       `json:"roll" doc:"It speaks when its roll is below its chance"`
	Chance    *float64       `json:"chance"`
	Turn      *spokenTurnOut `json:"turn,omitempty" doc:"Of an agent that speaks"`
}

type decisionOut struct {
	ID         *string        `json:"id" format:"uuid" doc:"null for a message that none was made about: see cause. Messages that no agent could answer have one entry, made now, with an id for before"`
	RoomID     string         `json:"room_id" format:"uuid"`
	Cause      string         `json:"cause" doc:"post, agent_lines, go_on or what woke the agents; read: a turn that was under way has read the message; unheard: the room's AI was off"`
	FromSeq    int64          `json:"from_seq" doc:"It is about the messages after this one"`
	Seq        int64          `json:"seq" doc:"... up to this one"`
	Guard      *string        `json:"guard" doc:"What cut agents off: agent_row or agreement; POST /rooms/{room_id}/go-on lets them go on"`
	CreatedAt  *time.Time     `json:"created_at"`
	Candidates []candidateOut `json:"candidates" doc:"Every agent of the room, in the order in which they would speak"`
}

func decisionForm(d *app.SeenDecision) decisionOut {
	out := decisionOut{ID: nullable(d.ID), RoomID: d.RoomID, Cause: d.Cause, FromSeq: d.FromSeq, Seq: d.Seq, Guard: nullable(d.Guard),
		CreatedAt: since(d.CreatedAt), Candidates: make([]candidateOut, len(d.Agents))}
	for i, c := range d.Agents {
		out.Candidates[i] = candidateOut{AgentID: c.AgentID, AgentName: c.Name, Speaks: c.Speaks, InVain: c.Called && !c.Speaks, Rule: c.Rule, Detail: nullable(c.Detail),
			Roll: c.Roll, Chance: c.Chance}
		if c.Turn != nil {
			t := spokenTurnForm(c.Turn)
			out.Candidates[i].Turn = &t
		}
	}
	return out
}

type decisionsIn struct {
	RoomID    id    `path:"room_id"`
	Before    id    `query:"before" doc:"Only those before the one with this id"`
	Limit     int   `query:"limit" minimum:"1" maximum:"1000" doc:"100 when left out"`
	Seq       int64 `query:"seq" minimum:"1" doc:"Only what was decided about the message with this seq"`
	MessageID id    `query:"message_id" doc:"... or with this id"`
}

func (s *Server) decisions(ctx context.Context, actor *app.Actor, in *decisionsIn) (*pageOut[decisionOut], error) {
	rows, err := s.app.Decisions(ctx, actor, in.RoomID.String(), app.DecisionFilter{Before: in.Before.String(), Limit: in.Limit, Seq: in.Seq,
		MessageID: in.MessageID.String()})
	if err != nil {
		return nil, err
	}
	if in.Seq > 0 || in.MessageID != "" {
		in.Limit = store.MaxLimit // all decisions about one message come in one answer
	}
	return paged(ctx, s, rows, decisionForm, before(app.WithinPage(in.Limit, store.MaxLimit), func(d *app.SeenDecision) string { return d.ID }))
}

type wentOnOut struct {
	Body struct {
		Continued bool `json:"continued" doc:"false when no guard had cut the agents off"`
	}
}

func (s *Server) goOn(ctx context.Context, actor *app.Actor, in *oneID) (*wentOnOut, error) {
	wentOn, err := s.app.GoOn(ctx, actor, in.ID.String())
	if err != nil {
		return nil, err
	}
	out := &wentOnOut{}
	out.Body.Continued = wentOn
	return out, nil
}

type stoppedTurnOut struct {
	Body struct {
		TurnID string `json:"turn_id" format:"uuid"`
		State  string `json:"state" enum:"running,finished,failed,stopped" doc:"running: it ends in a moment"`
	}
}

func (s *Server) stopTurn(ctx context.Context, actor *app.Actor, in *twoIDs) (*stoppedTurnOut, error) {
	return stopped(s.app.StopTurn(ctx, actor, in.First.String(), in.Second.String()))
}
