// Package event defines what the members of a room see, and in which form. App and its
// engine of turns make the events and signals; the hub of app/realtime asks this package
// for the frames.
//
// A durable event is an entry in the room's log. Its body is one of the structs of this
// package, for example Message or Turn. Bodies are stored, so the meaning of their
// members never changes. A signal is not stored: a socket gets it now or never.
//
// A frame is what one socket gets of an event or a signal. There are four variants: two
// protocols (coagent.v2, and the plain protocol of the existing client) for two kinds of
// readers (staff of the room, and others). A variant that does not get an event has no
// frame of it.
//
// The package knows the rows (store) and the hub (app/realtime). It knows nothing of
// people's rights: whoever makes a socket says which variant it gets.
//
// The tags doc, enum, format and minimum are what /asyncapi.json says about the members:
// package web embeds these structs in its descriptions of the frames.
package event

import (
	"encoding/json"
	"time"

	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/store"
)

// The types of durable events. They are stored, so they are never renamed.
const (
	TypeMessage        = "message"         // a message was posted: Message
	TypeMessageEdited  = "message_edited"  // the author has edited a message: MessageState
	TypeMessageDeleted = "message_deleted" // the author has deleted it: MessageState
	TypeMessageHidden  = "message_hidden"  // staff have hidden a message: MessageState
	TypeMessageShown   = "message_shown"   // a deleted or hidden message is shown again: MessageState
	TypeReaction       = "reaction"        // the reactions to a message have changed: Reactions
	TypePin            = "pin"             // staff have pinned a message, or taken the pin away: Pin
	TypeArchived       = "archived"        // the room's course was archived, or opened again: Archived
	TypeTurn           = "turn"            // a turn ended without a message: Turn
	TypeGuard          = "guard"           // a guard stopped agents, or staff let them go on; for staff only: Guard
	TypeApproval       = "approval"        // what waits for staff, and what was decided; for staff only: Approval
	TypeBudget         = "budget"          // a budget is empty, or for staff only: most of it is spent: Budget
	TypeTrace          = "a2a_trace"       // how agents work together: Trace

	TypeArtifactUpdate = "artifact_update" // an artifact was made, changed or restored: Artifact
	TypeArtifactDelete = "artifact_delete" // an artifact was deleted: Artifact
)

// The types of signals.
const (
	SignalTurn     = "turn"     // a turn began, goes on or ended: Turn
	SignalWorkflow = "workflow" // where a turn is in its graph: Workflow
	SignalTyping   = "typing"   // a person types: realtime.Member
	SignalEditing  = "editing"  // somebody changes an artifact: Editing
	SignalDelta    = "delta"    // a piece of an answer under way: Delta
	SignalLeft     = "left"     // a person has left: realtime.Member
)

// New makes a durable event of a room. The body is one of the structs of this package.
func New(roomID string, seq int64, kind string, body any, at time.Time) *store.Event {
	return &store.Event{RoomID: roomID, Seq: seq, ID: store.NewID(), Type: kind, Body: store.ToJSON(body), CreatedAt: at}
}

// Live is a stored event in the form that the hub takes.
func Live(e *store.Event) realtime.Event {
	return realtime.Event{Room: e.RoomID, Seq: e.Seq, ID: e.ID, Type: e.Type, Actor: e.ActorID, Body: []byte(e.Body), At: e.CreatedAt,
		Rewrites: isMessageEvent(e.Type)}
}

// AboutMessage tells whether an event of this type changes an earlier message.
func AboutMessage(kind string) bool { return isMessageEvent(kind) }

// The bits of a frame's variant: one for the protocol, two for the reader.
const (
	V2    realtime.Variant = 1 << iota // coagent.v2; otherwise the plain protocol
	Staff                              // the reader is staff of the room
	Own                                // the reader talks to the agent alone, in a thread
	Many                               // the socket follows several rooms, so each frame names its room
)

// VariantFor is the variant of the frames for one socket.
func VariantFor(v2, staff bool) realtime.Variant {
	var v realtime.Variant
	if v2 {
		v |= V2
	}
	if staff {
		v |= Staff
	}
	return v
}

// Timestamp formats an instant as every answer and frame shows it: RFC 3339 in UTC, with
// microseconds and a Z.
func Timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z07:00") }

// Durable has the members at the end of each coagent.v2 frame of a durable event.
type Durable struct {
	ID        string `json:"id" format:"uuid"`
	Seq       int64  `json:"seq" minimum:"1" doc:"1, 2, 3 and so on in its room, without a gap"`
	Timestamp string `json:"timestamp" format:"date-time"`
}

func durableOf(e realtime.Event) Durable { return Durable{e.ID, e.Seq, Timestamp(e.At)} }

// Encoders make the frames of all that happens in a room.
func Encoders() realtime.Encoders {
	return realtime.Encoders{Hold: holdArtifact,
		Event: func(e realtime.Event, v realtime.Variant) []byte { return named(e.Room, v, Frame(e, v&^Many)) },
		Signal: func(room string, s realtime.Signal, v realtime.Variant) []byte {
			return named(room, v, encodeSignal(room, s, v&^Many))
		},
		Delta: func(room string, d realtime.Delta, v realtime.Variant) []byte {
			return named(room, v, encodeDelta(room, d, v))
		},
		Presence: func(room string, members []realtime.Member, v realtime.Variant) []byte {
			return named(room, v, encodePresence(room, members, v))
		},
		Resync: func(room string, head int64, v realtime.Variant) []byte {
			return named(room, v, encodeResync(room, head, v))
		}}
}

// named puts the room's id into a frame for a socket that follows several rooms.
func named(room string, v realtime.Variant, frame []byte) []byte {
	if v&Many == 0 {
		return frame
	}
	return InRoom(room, frame)
}

// Frame makes the frame of a durable event for one variant. It is nil if the variant
// does not get this event.
func Frame(e realtime.Event, v realtime.Variant) []byte {
	switch e.Type {
	case TypeMessage:
		return encodeMessage(e, v)
	case TypeMessageEdited, TypeMessageDeleted, TypeMessageHidden, TypeMessageShown:
		return encodeMessageState(e, v)
	case TypeArtifactUpdate, TypeArtifactDelete:
		return encodeArtifact(e, v)
	case TypeApproval:
		return encodeApproval(e, v)
	case TypeBudget:
		return encodeBudget(e, v)
	case TypeGuard:
		return encodeGuard(e, v)
	case TypeTrace:
		return encodeTrace(e, v)
	case TypeTurn:
		return encodeTurn(e, v)
	case TypeReaction:
		return encodeForV2[Reactions](e, v)
	case TypePin:
		return encodeForV2[Pin](e, v)
	case TypeArchived:
		return encodeForV2[Archived](e, v)
	}
	return nil
}

func encodeSignal(room string, s realtime.Signal, v realtime.Variant) []byte {
	if v&V2 == 0 {
		return encodePlainSignal(room, s)
	}
	switch s.Type {
	case SignalTurn:
		return encodeTurnSignal(s, v)
	case SignalWorkflow:
		return encodeWorkflow(s, v)
	case SignalTyping:
		return encodeTyping(s)
	case SignalEditing:
		return encodeEditing(s)
	}
	return nil
}

// encodePlainSignal encodes the only signal of the plain protocol: somebody left. It
// shows the person's name, never the e-mail address.
func encodePlainSignal(room string, s realtime.Signal) []byte {
	var who realtime.Member
	if s.Type != SignalLeft || json.Unmarshal(s.Body, &who) != nil {
		return nil
	}
	return SystemFrame(room, "Client #"+ShownName(who.Name)+" left")
}

// Resync says that a socket cannot get what it missed.
type Resync struct {
	After int64 `json:"after" doc:"Load the history, then go on from this"`
}

func encodeResync(_ string, head int64, v realtime.Variant) []byte {
	if v&V2 == 0 {
		return nil
	}
	return typed("resync", Resync{head})
}

// typed is a frame that has no place in the log: its kind, and what it tells.
func typed(kind string, body any) []byte {
	text := store.ToJSON(body)
	frame := make([]byte, 0, len(text)+len(kind)+10)
	frame = append(append(frame, `{"type":"`...), kind...)
	if text == "{}" {
		return append(frame, `"}`...)
	}
	return append(append(frame, `",`...), text[1:]...)
}
