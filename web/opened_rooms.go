package web

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/coagent-studio/coagent/app"
)

// turnFrame is the frame of a turn under way, as a socket that joins gets it.
type turnFrame json.RawMessage

// MarshalJSON gives the frame.
func (f turnFrame) MarshalJSON() ([]byte, error) { return f, nil }

// Schema returns the schema of the frame.
func (turnFrame) Schema(r huma.Registry) *huma.Schema {
	all := socketFrames()
	i := slices.IndexFunc(all, func(f frameOf) bool { return f.name == "Turn" })
	return all[i].schema(r)
}

// RoomPartsOut are what is shown of a room when a client opens it.
type RoomPartsOut struct {
	Me      *MyMarksOut `json:"me,omitempty" doc:"This and what follows: with include"`
	Running []turnFrame `json:"running,omitzero" doc:"Turns that run or wait for a person, with their text so far"`
	Pins    []pinOut    `json:"pins,omitzero"`
	Agents  []agentOut  `json:"agents,omitzero"`
}

// openedRoom is a room whose last member is the list of its agents.
type openedRoom struct {
	roomOut
	Agents []agentOut `json:"agents"`
}

type openRoomIn struct {
	ID      id       `path:"room_id"`
	Include []string `query:"include" enum:"agents,me,running,pins"`
}

// openedRoomOut is the answer with a room. Its agents are sent as lists are.
type openedRoomOut struct{ Body around[roomOut] }

func (s *Server) room(ctx context.Context, actor *app.Actor, in *openRoomIn) (*openedRoomOut, error) {
	wants := func(part string) bool { return slices.Contains(in.Include, part) }
	parts := app.RoomParts{Agents: wants("agents"), Me: wants("me"), Running: wants("running"), Pins: wants("pins")}
	if parts.Running || parts.Pins {
		if err := s.reserve(ctx, requestOf(ctx), manyBytes); err != nil {
			return nil, err
		}
	}
	o, err := s.app.OpenRoom(ctx, actor, in.ID.String(), parts)
	if err != nil {
		return nil, err
	}
	out := roomFormOf(o.Room, o.Mine)
	if o.Me != nil {
		out.Me = new(marksForm(o.Me))
	}
	if parts.Running {
		out.Running = listOf(o.Running, func(frame *[]byte) turnFrame { return turnFrame(*frame) })
	}
	if parts.Pins {
		out.Pins = listOf(o.Pins, pinForm)
	}
	if !parts.Agents {
		all, err := alone(ctx, s, out)
		return &openedRoomOut{all}, err
	}
	form := agentFace
	if o.Full {
		form = s.agentForm
	}
	all, err := enclosed(ctx, s, openedRoom{out, []agentOut{}}, o.Agents, form)
	return &openedRoomOut{around[roomOut](all)}, err
}
