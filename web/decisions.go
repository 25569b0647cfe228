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
	Reason    *string    `json:"reason" doc:"Why no whole answer, or tried again"`
	Detail    *string    `json:"detail"`
	Key       *string    `json:"key" doc:"own, lent (its maker's), room_key, global_key, backup_key, or none where none is needed"`
	ReadSeq   *int64     `json:"read_seq" doc:"The newest message that it covers"`
	AskedBy   *string    `json:"asked_by" format:"uuid" doc:"Whose message it is about"`
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
	InVain    bool           `json:"called_in_vain,omitempty" doc:"Called, but it may not speak: see rule"`
	Rule      string         `json:"rule" doc:"Such as mentioned, chance, message_count, schedule, guard, hears, inactive"`
	Detail    *string        `json:"detail"`
	Roll      *float64       `json:"roll" doc:"It speaks when its roll is below its chance"`
	Chance    *float64       `json:"chance"`
	Turn      *spokenTurnOut `json:"turn,omitempty"`
}

type decisionOut struct {
	ID         *string        `json:"id" format:"uuid" doc:"null where none was made: see cause"`
	RoomID     string         `json:"room_id" format:"uuid"`
	Cause      string         `json:"cause" doc:"post, agent_lines, go_on or what woke the agents; read: a turn under way has read it; unheard: AI was off"`
	FromSeq    int64          `json:"from_seq" doc:"It is about the messages after this"`
	Seq        int64          `json:"seq" doc:"... up to this one"`
	Guard      *string        `json:"guard" doc:"What cut agents off until go-on: agent_row or agreement"`
	CreatedAt  *time.Time     `json:"created_at"`
	Candidates []candidateOut `json:"candidates" doc:"In the order in which they would speak"`
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
	Seq       int64 `query:"seq" minimum:"1" doc:"Of the message that it is about"`
	MessageID id    `query:"message_id" doc:"Of that message"`
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
	return paged(ctx, s, rows, func(d *app.SeenDecision) decisionOut {
		out := decisionForm(d)
		for i := range out.Candidates {
			c := &out.Candidates[i]
			if c.Detail = wordedOrNil(ctx, c.Detail); c.Turn != nil {
				c.Turn.Detail = wordedOrNil(ctx, c.Turn.Detail)
			}
		}
		return out
	}, before(app.WithinPage(in.Limit, store.MaxLimit), func(d *app.SeenDecision) string { return d.ID }))
}

type wentOnOut struct {
	Body struct {
		Continued bool `json:"continued" doc:"false: nothing had cut them off"`
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
