package web

import (
	"context"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
)

type myAgentsIn struct {
	AgentID id `query:"agent_id" doc:"Any that the caller may read"`
}

// AgentOut is exported because huma leaves the members of other embedded structs out of
// the document.
type AgentOut = agentOut

// myAgentOut is an agent as the caller has it.
type myAgentOut struct {
	AgentOut
	ProjectName *string         `json:"project_name"`
	ReadyMade   bool            `json:"ready_made" doc:"Off when another of its type in the project is on"`
	Rooms       []agentPlaceOut `json:"rooms" doc:"Those of the caller"`
	Can         agentCanOut     `json:"can"`
}

type agentPlaceOut struct {
	RoomID   string `json:"room_id" format:"uuid"`
	RoomName string `json:"room_name"`
	CourseID string `json:"course_id" format:"uuid"`
	State    string `json:"state" enum:"running,queued,waiting,parked,ready,muted,off,out_of_budget" doc:"Of its turn, else how it is set there"`
}

type agentCanOut struct {
	Use    bool `json:"use"`
	Edit   bool `json:"edit"`
	Delete bool `json:"delete"`
	Keys   bool `json:"keys" doc:"Set user_key_ids"`
}

func (s *Server) myAgents(ctx context.Context, actor *app.Actor, in *myAgentsIn) (*listOut[myAgentOut], error) {
	rows, err := s.app.MyAgents(ctx, actor, in.AgentID.String())
	if err != nil {
		return nil, err
	}
	return whole(ctx, s, rows, func(a *app.MyAgent) myAgentOut {
		out := myAgentOut{AgentOut: s.agentForm(&a.Agent), ProjectName: nullable(a.ProjectName), ReadyMade: a.ReadyMade,
			Rooms: listOf(a.Places, agentPlaceForm), Can: agentCanOut(a.Can)}
		out.Unreachable = unreachableForm(a.Unreachable)
		return out
	})
}

func agentPlaceForm(p *store.AgentPlace) agentPlaceOut {
	out := agentPlaceOut{RoomID: p.RoomID, RoomName: p.RoomName, CourseID: p.CourseID, State: "ready"}
	switch {
	case p.State != "" && (p.State != store.TurnParked || !p.OutOfBudget):
		out.State = p.State
	case !p.IsActive:
		out.State = "off"
	case !p.MutedUntil.IsZero():
		out.State = "muted"
	case p.OutOfBudget:
		out.State = "out_of_budget"
	}
	return out
}
