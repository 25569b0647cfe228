package web

import (
	"reflect"
	"time"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/realtime"
)

// This file describes the frames of both socket protocols for /asyncapi.json. Package
// app/event makes and reads the frames, and the descriptions embed its structs. Messages,
// traces and artifacts are written out: for each of them app/event has one struct, whose
// members depend on the protocol and stand in the order in which they are sent, which is
// not that of the document. Tests compare every frame of every socket with these
// descriptions, and the descriptions with the events of app/event.

// The names of a room's socket protocols in the document.
const (
	chanPlain = "plain"
	chanV2    = "coagentV2"
	chanMe    = "coagentMe" // the socket of a person
)

// isOf tells whether a protocol has the frame. The socket of a person gets the frames of the
// rooms that it subscribes to, too.
func (f *frameOf) isOf(protocol string) bool {
	return f.protocol == protocol || protocol == chanMe && f.protocol == chanV2 && !f.fromClient
}

// OfRoom is the room of a frame on the socket of a person, which follows several rooms.
type OfRoom struct {
	RoomID string `json:"room_id,omitempty" format:"uuid"`
}

// frameOf describes one kind of frame.
type frameOf struct {
	name, protocol string
	kind           string // its type member; "" for a text message of the plain protocol
	fromClient     bool
	summary        string
	shape          reflect.Type
	example        any
}

type (
	plainMetadata event.Metadata
	plainMessage  struct {
		Type      string        `json:"type" enum:"message"`
		Sender    string        `json:"sender" doc:"Name of the person, or the agent's type in brackets"`
		Content   string        `json:"content,omitempty"`
		Timestamp time.Time     `json:"timestamp"`
		RoomID    string        `json:"room_id" format:"uuid"`
		Metadata  plainMetadata `json:"metadata"`
	}
	plainSystem struct {
		Type      string `json:"type" enum:"system"`
		Sender    string `json:"sender" enum:"System"`
		Content   string `json:"content" doc:"Who left, why no answer comes, why a message was refused"`
		Timestamp string `json:"timestamp" maxLength:"0" doc:"Always empty"`
		RoomID    string `json:"room_id" format:"uuid"`
		Metadata  any    `json:"metadata" doc:"Always null"`
	}
	plainTrace struct {
		Type      string              `json:"type" enum:"a2a_trace"`
		Sender    string              `json:"sender" doc:"[A2A PROPOSAL] and so on"`
		Content   string              `json:"content" doc:"[A2A], the event and what happens, between bars; never what was drafted"`
		Timestamp string              `json:"timestamp" maxLength:"0" doc:"Always empty"`
		RoomID    string              `json:"room_id" format:"uuid"`
		Metadata  event.TraceMetadata `json:"metadata"`
	}
	artifactShown struct {
		ArtifactMembers
		event.ArtifactAgents
		IsDeleted bool `json:"is_deleted"`
	}
	plainArtifactUpdate struct {
		Type      string        `json:"type" enum:"artifact_update"`
		Artifact  artifactShown `json:"artifact"`
		Timestamp time.Time     `json:"timestamp"`
	}
	plainArtifactDelete struct {
		Type       string    `json:"type" enum:"artifact_delete"`
		ArtifactID string    `json:"artifact_id" format:"uuid"`
		Timestamp  time.Time `json:"timestamp"`
	}
)

type (
	v2Message struct {
		Type string `json:"type" enum:"message"`
		event.Durable
		Sender   string        `json:"sender"`
		Content  string        `json:"content,omitempty"`
		RoomID   string        `json:"room_id" format:"uuid"`
		Metadata plainMetadata `json:"metadata"`
		event.MessageDetails
	}
	v2LineEdited struct {
		Type string `json:"type" enum:"message_edited"`
		OfRoom
		event.MessageState
		event.Durable
	}
	v2LineDeleted struct {
		Type string `json:"type" enum:"message_deleted"`
		OfRoom
		event.MessageState
		event.Durable
	}
	v2LineHidden struct {
		Type string `json:"type" enum:"message_hidden"`
		OfRoom
		event.MessageState
		event.Durable
	}
	v2LineShown struct {
		Type string `json:"type" enum:"message_shown"`
		OfRoom
		event.MessageState
		event.Durable
	}
	v2TurnEnded struct {
		Type string `json:"type" enum:"turn"`
		OfRoom
		event.Turn
		Text      string    `json:"text,omitempty" doc:"After you join: what the turn has said so far; deltas go on from there"`
		Offset    int       `json:"offset,omitempty" minimum:"0" doc:"Where text begins, as in a delta"`
		ID        string    `json:"id,omitempty" format:"uuid" doc:"Where it ended without a message"`
		Seq       int64     `json:"seq,omitempty" minimum:"1"`
		Timestamp time.Time `json:"timestamp,omitempty"`
	}
	v2Budget struct {
		Type string `json:"type" enum:"budget"`
		OfRoom
		event.Budget
		event.Durable
	}
	v2Guard struct {
		Type string `json:"type" enum:"guard"`
		OfRoom
		event.Guard
		event.Durable
	}
	v2Trace struct {
		Type string `json:"type" enum:"a2a_trace"`
		event.Durable
		Sender   string              `json:"sender"`
		Content  string              `json:"content" doc:"What agents do with each other; never what was drafted"`
		RoomID   string              `json:"room_id" format:"uuid"`
		Metadata event.TraceMetadata `json:"metadata"`
		TurnID   string              `json:"turn_id" format:"uuid"`
	}
	v2Workflow struct {
		Type string `json:"type" enum:"workflow"`
		OfRoom
		event.Workflow
	}
	v2ArtifactUpdate struct {
		Type string `json:"type" enum:"artifact_update"`
		OfRoom
		event.Durable
		Artifact artifactShown `json:"artifact"`
	}
	v2ArtifactDelete struct {
		Type string `json:"type" enum:"artifact_delete"`
		OfRoom
		event.Durable
		ArtifactID string `json:"artifact_id" format:"uuid"`
	}
	v2Approval struct {
		Type string `json:"type" enum:"approval"`
		OfRoom
		event.Approval
		event.Durable
	}
	v2Delta struct {
		Type string `json:"type" enum:"delta"`
		OfRoom
		event.Delta
	}
	v2Ack struct {
		Type string `json:"type" enum:"ack"`
		OfRoom
		event.Ack
	}
	v2Member   realtime.Member
	v2Presence struct {
		Type string `json:"type" enum:"presence"`
		OfRoom
		Members []v2Member `json:"members"`
	}
	v2Typing struct {
		Type string `json:"type" enum:"typing"`
		OfRoom
		realtime.Member
	}
	v2Editing struct {
		Type string `json:"type" enum:"editing"`
		OfRoom
		event.Editing
	}
	v2Resync struct {
		Type string `json:"type" enum:"resync"`
		OfRoom
		event.Resync
	}
	v2Stop struct {
		Type string `json:"type" enum:"stop"`
		OfRoom
		event.Stop
	}
	v2Error struct {
		Type string `json:"type" enum:"error"`
		OfRoom
		Code     problemCode `json:"code"`
		Detail   string      `json:"detail"`
		Message  string      `json:"message" doc:"detail in the handshake's language"`
		Params   textParams  `json:"params,omitempty"`
		ClientID string      `json:"client_id,omitempty"`

		RetryAfter int `json:"retry_after,omitempty" minimum:"1" doc:"Seconds; absent where waiting does not help"`
	}

	v2Joined struct {
		Type string `json:"type" enum:"joined"`
		event.Joined
	}

	meRooms struct {
		Type string `json:"type" enum:"rooms"`
		event.Rooms
	}
	meMention struct {
		Type string `json:"type" enum:"mention"`
		event.MentionNews
	}
	meGone struct {
		Type string `json:"type" enum:"unsubscribed"`
		event.Gone
	}
	meCourseCopy struct {
		Type string `json:"type" enum:"course_copy"`
		event.CourseCopy
	}
	meRoomGone struct {
		Type string `json:"type" enum:"room_gone"`
		event.RoomGone
	}
	meAccount struct {
		Type string `json:"type" enum:"account"`
	}

	// MeInRoom names the room that a frame of a person's socket is about.
	MeInRoom struct {
		RoomID string `json:"room_id" format:"uuid"`
	}
	meSubscribe struct {
		Type string `json:"type" enum:"subscribe"`
		event.Subscribe
	}
	meUnsubscribe struct {
		Type string `json:"type" enum:"unsubscribe"`
		event.Unsubscribe
	}
	mePost struct {
		Type string `json:"type" enum:"post"`
		MeInRoom
		event.Post
	}
	meIsTyping struct {
		Type string `json:"type" enum:"typing"`
		MeInRoom
	}
	meIsEditing struct {
		Type string `json:"type" enum:"editing"`
		MeInRoom
		event.Edit
	}
	meWantStop struct {
		Type string `json:"type" enum:"stop"`
		MeInRoom
		event.StopTurn
	}
	meReact struct {
		Type string `json:"type" enum:"react"`
		MeInRoom
		event.React
	}

	v2Post struct {
		Type string `json:"type" enum:"post"`
		event.Post
	}
	v2IsTyping struct {
		Type string `json:"type" enum:"typing"`
	}
	v2IsEditing struct {
		Type string `json:"type" enum:"editing"`
		event.Edit
	}
	v2Reaction struct {
		Type string `json:"type" enum:"reaction"`
		OfRoom
		event.Reactions
		event.Durable
	}
	v2Pin struct {
		Type string `json:"type" enum:"pin"`
		OfRoom
		event.Pin
		event.Durable
	}
	v2Archived struct {
		Type string `json:"type" enum:"archived"`
		OfRoom
		event.Archived
		event.Durable
	}
	v2WantStop struct {
		Type string `json:"type" enum:"stop"`
		event.StopTurn
	}
	v2React struct {
		Type string `json:"type" enum:"react"`
		event.React
	}
	v2Reacted struct {
		Type string `json:"type" enum:"react"`
		OfRoom
		event.Reacted
	}
	v2Resume struct {
		Type string `json:"type" enum:"resume"`
		event.Resume
	}
)

// The ids in the examples.
const (
	anID      = "0199c0de-7a4b-7c1e-9c55-3d2f6a1b8e90"
	anotherID = "0199c0de-8b5c-7d2f-8d66-4e3a7b2c9fa1"
	aThirdID  = "0199c0de-9c6d-7e30-9e77-5f4b8c3da0b2"
	anInstant = "2026-03-02T08:15:30.123456Z"
)

func anArtifact() map[string]any {
	return map[string]any{"id": anID, "room_id": anotherID, "type": "task", "title": "Write the report", "content": map[string]any{"status": "todo"},
		"parent_artifact_id": nil, "version": 2, "created_by": aThirdID, "last_modified_by": aThirdID, "created_at": anInstant, "updated_at": anInstant, "is_deleted": false}
}

func aPerson() map[string]any {
	return map[string]any{"is_ai": false, "sender_id": aThirdID, "id": anID, "seq": 7}
}
