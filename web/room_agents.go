package web

import (
	"context"
	"encoding/json"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
)

// agentConfigsOut are the settings that say when an agent speaks.
type agentConfigsOut struct {
	TriggerConfig  jsonObject `json:"trigger_config"`
	ScheduleConfig jsonObject `json:"schedule_config"`
	ContextWindow  *int       `json:"context_window"`
}

func configsForm(trigger, schedule store.JSON, window int) agentConfigsOut {
	out := agentConfigsOut{TriggerConfig: jsonObject(trigger), ScheduleConfig: jsonObject(schedule)}
	if window > 0 {
		out.ContextWindow = &window
	}
	return out
}

type overrideOut struct {
	TriggerConfig jsonObject `json:"trigger_config"`
	Until         *time.Time `json:"until" doc:"null: for good"`
}

type roomAgentOut struct {
	RoomID     string              `json:"room_id" format:"uuid"`
	AgentID    string              `json:"agent_id" format:"uuid"`
	Version    int                 `json:"version" doc:"Send it with a change: 409 when it is old"`
	IsActive   bool                `json:"is_active"`
	MutedUntil *time.Time          `json:"muted_until"`
	Own        agentConfigsOut     `json:"own" doc:"Set here; null: inherited"`
	Inherited  agentConfigsOut     `json:"inherited"`
	Override   orNull[overrideOut] `json:"override" doc:"What the agent itself changed of its trigger"`
	Effective  agentConfigsOut     `json:"effective" doc:"What holds: inherited, under own, under override"`
	Available  bool                `json:"available"`
	Reason     *string             `json:"reason" doc:"As in decisions, or no_key"`
	Detail     *string             `json:"detail"`
	Problems   []string            `json:"problems" doc:"What cannot be read, and has no effect"`
}

func roomAgentForm(p *app.AgentInRoom) roomAgentOut {
	out := roomAgentOut{RoomID: p.RoomID, AgentID: p.AgentID, Version: p.Version, IsActive: p.IsActive, MutedUntil: optionalInstant(p.Muted),
		Own:       configsForm(p.TriggerConfig, p.ScheduleConfig, p.ContextWindow),
		Inherited: configsForm(p.Agent.TriggerConfig, p.Agent.ScheduleConfig, p.Agent.ContextWindow),
		Effective: configsForm(p.Trigger, p.Schedule, p.ContextMessages),
		Available: p.Rule == "", Problems: append([]string{}, p.Problems...)}
	if p.Overridden {
		out.Override.of = &overrideOut{jsonObject(p.Override), optionalInstant(p.OverrideUntil)}
	}
	if p.Rule != "" {
		out.Reason, out.Detail = &p.Rule, &p.Detail
	}
	return out
}

// wordedRoomAgent is roomAgentForm in the language of the request.
func wordedRoomAgent(ctx context.Context, p *app.AgentInRoom) roomAgentOut {
	out := roomAgentForm(p)
	out.Detail = wordedOrNil(ctx, out.Detail)
	for i, problem := range out.Problems {
		out.Problems[i] = worded(ctx, problem)
	}
	return out
}

func roomAgentAnswer(ctx context.Context) func(p *app.AgentInRoom, err error) (*oneOut[roomAgentOut], error) {
	return func(p *app.AgentInRoom, err error) (*oneOut[roomAgentOut], error) {
		return formed(p, err, func(p *app.AgentInRoom) roomAgentOut { return wordedRoomAgent(ctx, p) })
	}
}

func (s *Server) roomAgent(ctx context.Context, actor *app.Actor, in *twoIDs) (*oneOut[roomAgentOut], error) {
	return roomAgentAnswer(ctx)(s.app.RoomAgentSettings(ctx, actor, in.First.String(), in.Second.String()))
}

type setRoomAgentIn struct {
	RoomID  id `path:"room_id"`
	AgentID id `path:"agent_id"`
	Body    struct {
		IsActive       opt[bool]            `json:"is_active,omitempty"`
		TriggerConfig  opt[json.RawMessage] `json:"trigger_config,omitempty" doc:"Laid over the agent's own, by members"`
		ScheduleConfig opt[json.RawMessage] `json:"schedule_config,omitempty"`
		ContextWindow  opt[int]             `json:"context_window,omitempty"`
		Version        opt[int]             `json:"version,omitempty"`
	}
}

func (s *Server) setRoomAgent(ctx context.Context, actor *app.Actor, in *setRoomAgentIn) (*oneOut[roomAgentOut], error) {
	b := in.Body
	return roomAgentAnswer(ctx)(s.app.SetRoomAgent(ctx, actor, in.RoomID.String(), in.AgentID.String(), app.RoomAgentSettings{IsActive: b.IsActive.Opt,
		TriggerConfig: b.TriggerConfig.Opt, ScheduleConfig: b.ScheduleConfig.Opt, ContextWindow: b.ContextWindow.Opt, Version: b.Version.Opt}))
}

type copyRoomAgentIn struct {
	RoomID  id `path:"room_id"`
	AgentID id `path:"agent_id"`
	Body    struct {
		RoomIDs []id `json:"room_ids,omitempty" nullable:"true" maxItems:"1000" doc:"Of the same course; without it all that the agent is in"`
	}
}

type copiedOut struct {
	Body struct {
		Copied  []string `json:"copied"`
		Without []string `json:"without" doc:"Rooms in which the agent is not"`
	}
}

func (s *Server) copyRoomAgent(ctx context.Context, actor *app.Actor, in *copyRoomAgentIn) (*copiedOut, error) {
	var to []string
	for _, room := range in.Body.RoomIDs {
		to = append(to, room.String())
	}
	copied, without, err := s.app.CopyRoomAgentSettings(ctx, actor, in.RoomID.String(), in.AgentID.String(), to)
	if err != nil {
		return nil, err
	}
	out := &copiedOut{}
	out.Body.Copied, out.Body.Without = append([]string{}, copied...), append([]string{}, without...)
	return out, nil
}

type createRoomAgentIn struct {
	ID   id `path:"room_id"`
	Body struct {
		AgentSettingsIn
		Type         opt[string]     `json:"type"`
		SystemPrompt opt[string]     `json:"system_prompt"`
		ProjectID    opt[id]         `json:"project_id,omitempty" doc:"Without it one of the caller's with agents in the course, or a new one"`
		Room         newRoomSettings `json:"room,omitempty" doc:"Laid over the agent's settings in this room"`
	}
}

type newRoomSettings struct {
	IsActive       opt[bool]            `json:"is_active,omitempty"`
	TriggerConfig  opt[json.RawMessage] `json:"trigger_config,omitempty"`
	ScheduleConfig opt[json.RawMessage] `json:"schedule_config,omitempty"`
	ContextWindow  opt[int]             `json:"context_window,omitempty"`
}

// createdRoomAgentOut is an agent that was made for a room, and how it is set there.
type createdRoomAgentOut struct {
	Agent agentOut     `json:"agent"`
	Room  roomAgentOut `json:"room"`
}

func (s *Server) createRoomAgent(ctx context.Context, actor *app.Actor, in *createRoomAgentIn) (*oneOut[createdRoomAgentOut], error) {
	b := in.Body
	actor.Lang = requestOf(ctx).language()
	ag, set, err := s.app.CreateAgentInRoom(ctx, actor, in.ID.String(), app.NewRoomAgent{ProjectID: b.ProjectID.Value.String(),
		Agent: b.settings(b.Type, b.SystemPrompt), Room: app.RoomAgentSettings{IsActive: b.Room.IsActive.Opt,
			TriggerConfig: b.Room.TriggerConfig.Opt, ScheduleConfig: b.Room.ScheduleConfig.Opt, ContextWindow: b.Room.ContextWindow.Opt}})
	if err != nil {
		return nil, err
	}
	return &oneOut[createdRoomAgentOut]{createdRoomAgentOut{s.agentForm(ag), wordedRoomAgent(ctx, set)}}, nil
}
