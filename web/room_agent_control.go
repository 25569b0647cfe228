package web

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
)

type stateLineOut struct {
	ID        string    `json:"id" format:"uuid"`
	Seq       int64     `json:"seq"`
	CreatedAt time.Time `json:"created_at"`
	Content   string    `json:"content"`
}

func stateMessageForm(m *store.Message) (out orNull[stateLineOut]) {
	if m != nil {
		out.of = &stateLineOut{m.ID, m.Seq, instant(m.CreatedAt), m.Content}
	}
	return out
}

type lastDecisionOut struct {
	ID        string    `json:"id" format:"uuid"`
	Cause     string    `json:"cause"`
	Seq       int64     `json:"seq" doc:"The newest event that it is about"`
	CreatedAt time.Time `json:"created_at"`
	Speaks    bool      `json:"speaks"`
	Rule      string    `json:"rule"`
	Detail    string    `json:"detail"`
}

type agentStateOut struct {
	Body struct {
		RoomID      string                  `json:"room_id" format:"uuid"`
		AgentID     string                  `json:"agent_id" format:"uuid"`
		AgentLine   orNull[stateLineOut]    `json:"last_agent_message"`
		PersonLine  orNull[stateLineOut]    `json:"last_user_message"`
		Asleep      bool                    `json:"asleep" doc:"Passed over until a person speaks"`
		AsleepWhy   *string                 `json:"asleep_because"`
		MutedUntil  *time.Time              `json:"muted_until"`
		InARow      int                     `json:"messages_in_a_row" doc:"Since a person spoke"`
		Unread      int                     `json:"unread_user_messages" doc:"Since its last turn; 10000 at most"`
		SinceReset  int                     `json:"user_messages_since_reset" doc:"10000 at most"`
		ResetAt     *time.Time              `json:"reset_at" doc:"By state_reset"`
		Override    orNull[overrideOut]     `json:"override" doc:"What the agent itself changed of its trigger"`
		NextDueAt   *time.Time              `json:"next_due_at" doc:"When time alone makes it speak"`
		LastDecided orNull[lastDecisionOut] `json:"last_decision"`
		Unreachable *unreachableOut         `json:"unreachable,omitempty" doc:"Of an external agent that failed the last time"`
	}
}

func (s *Server) agentState(ctx context.Context, actor *app.Actor, in *twoIDs) (*agentStateOut, error) {
	st, err := s.app.AgentState(ctx, actor, in.First.String(), in.Second.String())
	if err != nil {
		return nil, err
	}
	out, place := &agentStateOut{}, roomAgentForm(st.AgentInRoom)
	b := &out.Body
	b.RoomID, b.AgentID, b.MutedUntil, b.Override = place.RoomID, place.AgentID, place.MutedUntil, place.Override
	b.AgentLine, b.PersonLine = stateMessageForm(st.AgentMessage), stateMessageForm(st.PersonMessage)
	if b.Asleep = st.Asleep != ""; b.Asleep {
		b.AsleepWhy = new(worded(ctx, st.Asleep))
	}
	b.InARow, b.Unread, b.SinceReset = st.Streak, st.Unread, st.SinceReset
	b.ResetAt, b.NextDueAt = optionalInstant(st.ResetAt), optionalInstant(st.NextDueAt)
	if d := st.Decided; d != nil {
		b.LastDecided.of = &lastDecisionOut{d.ID, d.Cause, d.Seq, instant(d.At), d.Speaks, d.Rule, worded(ctx, d.Detail)}
	}
	b.Unreachable = unreachableForm(st.Unreachable)
	return out, nil
}

type wokenOut struct {
	Body struct {
		TurnID string `json:"turn_id" format:"uuid"`
		State  string `json:"state" enum:"queued,waiting" doc:"waiting: another turn comes first"`
	}
}

func (s *Server) wakeAgent(ctx context.Context, actor *app.Actor, in *twoIDs) (*wokenOut, error) {
	turn, err := s.app.WakeAgent(ctx, actor, in.First.String(), in.Second.String())
	if err != nil {
		return nil, err
	}
	out := &wokenOut{}
	out.Body.TurnID, out.Body.State = turn.ID, turn.State
	return out, nil
}

type muteAgentIn struct {
	RoomID  id `path:"room_id"`
	AgentID id `path:"agent_id"`
	Body    struct {
		Until   opt[time.Time] `json:"until,omitempty" doc:"Within a year; or minutes"`
		Minutes opt[int]       `json:"minutes,omitempty"`
	}
}

func (s *Server) muteAgent(ctx context.Context, actor *app.Actor, in *muteAgentIn) (*oneOut[roomAgentOut], error) {
	return roomAgentAnswer(ctx)(s.app.MuteAgent(ctx, actor, in.RoomID.String(), in.AgentID.String(), in.Body.Until.Opt, in.Body.Minutes.Opt))
}

func (s *Server) unmuteAgent(ctx context.Context, actor *app.Actor, in *twoIDs) (*oneOut[roomAgentOut], error) {
	return roomAgentAnswer(ctx)(s.app.UnmuteAgent(ctx, actor, in.First.String(), in.Second.String()))
}

func (s *Server) putAgentToSleep(ctx context.Context, actor *app.Actor, in *twoIDs) (*oneOut[roomAgentOut], error) {
	return roomAgentAnswer(ctx)(s.app.PutToSleep(ctx, actor, in.First.String(), in.Second.String()))
}

func (s *Server) clearAgentSleep(ctx context.Context, actor *app.Actor, in *twoIDs) (*oneOut[roomAgentOut], error) {
	return roomAgentAnswer(ctx)(s.app.ClearSleep(ctx, actor, in.First.String(), in.Second.String()))
}
