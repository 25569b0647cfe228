package event

import (
	"bytes"

	"github.com/coagent-studio/coagent/app/realtime"
)

// Joined is the first frame that a socket gets of a room: how the room is now, and what its
// person may do there. A turn frame follows for each turn that runs or is parked.
type Joined struct {
	RoomID   string            `json:"room_id" format:"uuid"`
	Head     int64             `json:"head" minimum:"0" doc:"The room's newest seq"`
	Role     string            `json:"my_role" enum:"owner,teacher,ta,student,guest,bot,admin"`
	Can      RoomCan           `json:"can"`
	Archived bool              `json:"archived"`
	ReadSeq  int64             `json:"read_seq" minimum:"0" doc:"How far you have read; what has a larger seq is new"`
	Members  []realtime.Member `json:"members" doc:"You too"`
	Typing   []realtime.Member `json:"typing"`
	Editing  []Editing         `json:"editing"`
}

// Archived is the body of TypeArchived.
type Archived struct {
	Archived bool `json:"archived"`
}

// RoomCan is what a person may do in a room now.
type RoomCan struct {
	Post           bool `json:"post"`
	React          bool `json:"react"`
	CallEveryone   bool `json:"call_everyone"`
	WriteArtifacts bool `json:"write_artifacts"`
	Export         bool `json:"export"`
	Hide           bool `json:"hide"`
	Pin            bool `json:"pin"`
	Stop           bool `json:"stop" doc:"Any turn; anybody may stop their own"`
	SeeDecisions   bool `json:"see_decisions"`
	Approve        bool `json:"approve"`
	Edit           bool `json:"edit"`
	Delete         bool `json:"delete"`
	ManagePeople   bool `json:"manage_people"`
	ManageAgents   bool `json:"manage_agents"`
	SetWorkflow    bool `json:"set_workflow"`
}

// Frame is the frame as it is sent.
func (j Joined) Frame() []byte {
	return typed("joined", j)
}

// InRoom puts the id of a frame's room into it, right behind its type, for sockets that
// follow several rooms. Frames of messages and traces have it already.
func InRoom(roomID string, frame []byte) []byte {
	if frame == nil || namesRoom(frame) {
		return frame
	}
	end := bytes.IndexByte(frame, ',')
	if end < 0 { // the type is all that it has
		end = len(frame) - 1
	}
	named := make([]byte, 0, len(frame)+56)
	named = append(named, frame[:end]...)
	named = append(named, `,"room_id":"`+roomID+`"`...)
	return append(named, frame[end:]...)
}

// namesRoom tells whether a frame has its room's id by its kind.
func namesRoom(frame []byte) bool {
	for _, kind := range []string{TypeMessage, TypeTrace, "system", "joined"} {
		if bytes.HasPrefix(frame, []byte(`{"type":"`+kind+`"`)) {
			return true
		}
	}
	return false
}
