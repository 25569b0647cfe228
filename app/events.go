package app

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/store"
)

// This file defines what the members of a room see, and in which form. A durable event
// is an entry in the room's log. Its body is one of the structs below, whose meaning
// never changes. A signal is not stored: a socket gets it now or never.

// The types of durable events. They are stored, so they are never renamed.
const (
	EventMessage        = "message"         // a message was posted: MessageEvent
	EventMessageEdited  = "message_edited"  // the author has edited a message: MessageStateEvent
	EventMessageDeleted = "message_deleted" // the author has deleted it
	EventMessageHidden  = "message_hidden"  // staff have hidden a message
	EventMessageShown   = "message_shown"   // a deleted or hidden message is shown again
	EventTurn           = "turn"            // a turn ended without a message: TurnEvent
	EventGuard          = "guard"           // a guard stopped agents, or staff let them go on; for staff only: GuardEvent

	EventArtifactUpdate = "artifact_update" // an artifact was made, changed or restored: ArtifactEvent
	EventArtifactDelete = "artifact_delete" // an artifact was deleted: ArtifactEvent
)

// The types of signals.
const (
	signalTurn   = "turn"
	signalTyping = "typing"
	signalLeft   = "left"
)

// MessageEvent is the body of EventMessage. The id of the event is the message's id.
type MessageEvent struct {
	Sender    string `json:"sender"` // the name when the message was posted
	SenderID  string `json:"sender_id,omitempty"`
	AgentID   string `json:"agent_id,omitempty"`
	AgentName string `json:"agent_name,omitempty"`
	AgentType string `json:"agent_type,omitempty"`
	TurnID    string `json:"turn_id,omitempty"`
	ClientID  string `json:"client_id,omitempty"`
	Content   string `json:"content"`         // "" when State is deleted
	State     string `json:"state,omitempty"` // deleted or hidden
	EditedAt  string `json:"edited_at,omitempty"`
	Stopped   bool   `json:"stopped,omitempty"`   // somebody stopped the agent while it answered
	Truncated bool   `json:"truncated,omitempty"` // the agent's answer was cut before its end
}

// TurnEvent is the body of EventTurn and of the turn signal. Only the room's staff see
// Detail.
type TurnEvent struct {
	TurnID    string `json:"turn_id"`
	AgentID   string `json:"agent_id"`
	AgentName string `json:"agent_name"`
	State     string `json:"state"` // started, retrying, parked, finished, failed or stopped
	Attempt   int    `json:"attempt"`
	Reason    string `json:"reason,omitempty"`
	Detail    string `json:"detail,omitempty"`
}

// The states of a GuardEvent.
const (
	guardStopped   = "stopped"
	guardContinued = "continued"
)

// GuardEvent is the body of EventGuard.
type GuardEvent struct {
	State      string   `json:"state"` // stopped or continued
	Guard      string   `json:"guard"`
	DecisionID string   `json:"decision_id,omitempty"`
	Agents     []string `json:"agents,omitempty"` // the names of the agents that the guard stopped
	ByID       string   `json:"by_id,omitempty"`  // who let them go on
}

// messageEvent is the durable event of a message. The message must have its seq.
func messageEvent(m *store.Message) *store.Event {
	body := MessageEvent{SenderID: m.SenderID, AgentID: m.AgentID, AgentName: m.AgentName, AgentType: m.AgentType,
		TurnID: m.TurnID, ClientID: m.ClientID, Content: kept(m), EditedAt: editedAt(m), Sender: SenderName(m), Stopped: !m.StoppedAt.IsZero(), Truncated: m.Truncated}
	if state := m.State(); state != store.MessageShown {
		body.State = state
	}
	return &store.Event{RoomID: m.RoomID, Seq: m.Seq, ID: m.ID, Type: EventMessage, Body: toJSON(body), CreatedAt: m.CreatedAt}
}

// toJSON encodes a value without escaping HTML. The value must be one that can always be
// encoded.
func toJSON(v any) store.JSON {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("app: a struct of strings and numbers does not encode: " + err.Error())
	}
	return store.JSON(bytes.TrimSpace(b.Bytes()))
}

// The bits of a frame's encoding: one for the protocol, one for the reader.
const (
	variantV2    realtime.Variant = 1 << iota // coagent.v2; otherwise the plain protocol
	variantStaff                              // the reader is staff of the room
)

// VariantFor is the encoding of the frames for one socket.
func VariantFor(v2, staff bool) realtime.Variant {
	var v realtime.Variant
	if v2 {
		v |= variantV2
	}
	if staff {
		v |= variantStaff
	}
	return v
}

// newHub makes the hub that sends the events of the log to the sockets.
func (a *App) newHub() *realtime.Hub {
	r := a.cfg.Rooms
	cfg := realtime.Config{
		Node: a.db.Node(),
		Read: func(ctx context.Context, room string, after int64, limit int) ([]realtime.Event, error) {
			rows, err := a.db.Events(ctx, room, after, limit)
			events := make([]realtime.Event, len(rows))
			for i := range rows {
				events[i] = liveEvent(&rows[i])
			}
			return events, err
		},
		Heads: a.db.EventHeads,
		Heard: a.heardSignal,
		Encode: realtime.Encoders{Event: encodeEvent, Signal: encodeSignal, Delta: encodeDelta,
			Presence: encodePresence, Resync: encodeResync, Hold: holdArtifact},
		QueueFrames: r.SocketQueueFrames, QueueBytes: int(r.SocketQueueBytes), Ping: r.Ping, DeadAfter: r.DeadAfter,
		HistoryBytes: int64(a.cfg.Limits.AnswersAtOnce), HistoryOf: int64(a.cfg.Limits.AnswersPerPerson),
		PresenceExpiry: r.PresenceExpiry, Poll: r.EventPoll, Log: a.log.With("part", "realtime"), Now: a.now,
	}
	if a.db.Postgres() {
		cfg.Send = a.db.SendSignal
	}
	return realtime.NewHub(cfg)
}

// publish hands the events of a committed transaction to the sockets of this process.
func (a *App) publish(events []store.Event) {
	for i := range events {
		a.hub.Publish(liveEvent(&events[i]))
		a.streams.wake(events[i].RoomID)
	}
}

func liveEvent(e *store.Event) realtime.Event {
	return realtime.Event{Room: e.RoomID, Seq: e.Seq, ID: e.ID, Type: e.Type, Actor: e.ActorID, Body: []byte(e.Body), At: e.CreatedAt,
		Rewrites: isMessageEvent(e.Type)}
}

// metadata is the member of the plain protocol's frames to which new members may be
// added.
type metadata struct {
	IsAI      bool   `json:"is_ai"`
	SenderID  string `json:"sender_id,omitempty"`
	AgentType string `json:"agent_type,omitempty"`
	ID        string `json:"id,omitempty"`
	Seq       int64  `json:"seq,omitempty"`
	State     string `json:"state,omitempty"`
	EditedAt  string `json:"edited_at,omitempty"`
	Stopped   bool   `json:"stopped,omitempty"`
	Truncated bool   `json:"truncated,omitempty"`
}

// frame has the members of a message frame. Both protocols have those up to metadata;
// only coagent.v2 has those after it.
type frame struct {
	Type      string    `json:"type"`
	Sender    string    `json:"sender,omitempty"`
	Content   string    `json:"content,omitempty"`
	Timestamp string    `json:"timestamp"`
	RoomID    string    `json:"room_id"`
	Metadata  *metadata `json:"metadata"`

	ID        string `json:"id,omitempty"`
	Seq       int64  `json:"seq,omitempty"`
	ClientID  string `json:"client_id,omitempty"`
	AgentID   string `json:"agent_id,omitempty"`
	AgentName string `json:"agent_name,omitempty"`
	TurnID    string `json:"turn_id,omitempty"`
	State     string `json:"state,omitempty"`
	EditedAt  string `json:"edited_at,omitempty"`
	Stopped   bool   `json:"stopped,omitempty"`
	Truncated bool   `json:"truncated,omitempty"`
}

// Timestamp formats an instant as every answer and frame shows it: RFC 3339 in UTC, with
// microseconds and a Z.
func Timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z07:00") }

// durable has the members at the end of each coagent.v2 frame of a durable event.
type durable struct {
	ID        string `json:"id"`
	Seq       int64  `json:"seq"`
	Timestamp string `json:"timestamp"`
}

func durableOf(e realtime.Event) durable { return durable{e.ID, e.Seq, Timestamp(e.At)} }

// encodeEvent makes the frame of a durable event for one variant. It is nil if the
// variant does not get this event.
func encodeEvent(e realtime.Event, v realtime.Variant) []byte {
	switch e.Type {
	case EventMessage:
		return encodeMessage(e, v)
	case EventMessageEdited, EventMessageDeleted, EventMessageHidden, EventMessageShown:
		return encodeMessageState(e, v)
	case EventArtifactUpdate, EventArtifactDelete:
		return encodeArtifact(e, v)
	case EventApproval:
		return encodeApproval(e, v)
	case EventGuard:
		return encodeGuard(e, v)
	case EventTrace:
		return encodeTrace(e, v)
	case EventTurn:
		var t TurnEvent
		if json.Unmarshal(e.Body, &t) != nil {
			return nil
		}
		if v&variantV2 == 0 {
			return encodePlainFailure(e, t, v)
		}
		if v&variantStaff == 0 {
			t.Reason, t.Detail = "", ""
		}
		return []byte(toJSON(struct {
			Type string `json:"type"`
			TurnEvent
			durable
		}{e.Type, t, durableOf(e)}))
	}
	return nil
}

// encodeGuard makes the frame of a GuardEvent. Only staff get it.
func encodeGuard(e realtime.Event, v realtime.Variant) []byte {
	var g GuardEvent
	if v != variantV2|variantStaff || json.Unmarshal(e.Body, &g) != nil {
		return nil
	}
	return []byte(toJSON(struct {
		Type string `json:"type"`
		GuardEvent
		durable
	}{e.Type, g, durableOf(e)}))
}

func encodeMessage(e realtime.Event, v realtime.Variant) []byte {
	var m MessageEvent
	if json.Unmarshal(e.Body, &m) != nil {
		return nil
	}
	f := frame{Type: e.Type, Sender: m.Sender, Content: readable(m.State, m.Content, v&variantStaff != 0), Timestamp: Timestamp(e.At),
		RoomID: e.Room, Metadata: &metadata{SenderID: m.SenderID, ID: e.ID, Seq: e.Seq, State: m.State, EditedAt: m.EditedAt, Stopped: m.Stopped, Truncated: m.Truncated}}
	if v&variantV2 == 0 {
		f.Sender = plainSender(m.Sender)
	}
	if m.AgentType != "" {
		f.Sender = "[" + agentLabel(m.AgentType) + "]"
		f.Metadata.IsAI, f.Metadata.SenderID, f.Metadata.AgentType = true, "", m.AgentType
	}
	if v&variantV2 != 0 {
		f.ID, f.Seq, f.ClientID, f.AgentID, f.AgentName, f.TurnID = e.ID, e.Seq, m.ClientID, m.AgentID, m.AgentName, m.TurnID
		f.State, f.EditedAt, f.Stopped, f.Truncated = m.State, m.EditedAt, m.Stopped, m.Truncated
	}
	return []byte(toJSON(f))
}

// toldOtherwise has the reasons of stopped turns for which a plain socket needs no
// system message. Nobody waits for an answer then: a person has stopped the turn or
// posted since, the messages were deleted or hidden, or the room has seen that the draft
// was not approved.
var toldOtherwise = map[string]bool{reasonAsked: true, reasonGaveWay: true, reasonGone: true, reasonDenied: true}

// encodePlainFailure makes a system message for plain sockets when a turn ended without
// a message.
func encodePlainFailure(e realtime.Event, t TurnEvent, v realtime.Variant) []byte {
	if t.State != store.TurnFailed && (t.State != store.TurnStopped || toldOtherwise[t.Reason]) {
		return nil
	}
	content := t.AgentName + " could not answer."
	if v&variantStaff != 0 && t.Detail != "" {
		content = t.AgentName + " could not answer: " + t.Detail
	}
	return SystemFrame(e.Room, content)
}

// SystemFrame is the plain protocol's frame of a message from the program itself.
func SystemFrame(roomID, content string) []byte {
	return []byte(toJSON(frame{Type: "system", Sender: "System", Content: content, RoomID: roomID}))
}

func encodeSignal(room string, s realtime.Signal, v realtime.Variant) []byte {
	if v&variantV2 == 0 {
		return encodePlainSignal(room, s)
	}
	switch s.Type {
	case signalTurn:
		var t TurnEvent
		if json.Unmarshal(s.Body, &t) != nil {
			return nil
		}
		if v&variantStaff == 0 {
			t.Reason, t.Detail = "", ""
		}
		return []byte(toJSON(struct {
			Type string `json:"type"`
			TurnEvent
		}{s.Type, t}))
	case signalWorkflow:
		return encodeWorkflow(s, v)
	case signalTyping:
		var who realtime.Member
		if json.Unmarshal(s.Body, &who) != nil {
			return nil
		}
		return []byte(toJSON(struct {
			Type   string `json:"type"`
			UserID string `json:"user_id"`
			Name   string `json:"name"`
		}{s.Type, who.UserID, who.Name}))
	}
	return nil
}

// encodePlainSignal encodes the only signal of the plain protocol: somebody left. It
// shows the person's name, never the e-mail address.
func encodePlainSignal(room string, s realtime.Signal) []byte {
	var who realtime.Member
	if s.Type != signalLeft || json.Unmarshal(s.Body, &who) != nil {
		return nil
	}
	return SystemFrame(room, "Client #"+shownName(who.Name)+" left")
}

// shownName is a person's name for those who must not see the e-mail address: the people
// in a room, and models. A person without a name has the e-mail address in place of it.
func shownName(name string) string {
	if strings.Contains(name, "@") {
		return "Someone"
	}
	return name
}

func encodeDelta(_ string, d realtime.Delta, v realtime.Variant) []byte {
	if v&variantV2 == 0 {
		return nil
	}
	return []byte(toJSON(struct {
		Type    string `json:"type"`
		TurnID  string `json:"turn_id"`
		Attempt int    `json:"attempt"`
		Offset  int    `json:"offset"`
		Text    string `json:"text"`
	}{"delta", d.TurnID, d.Attempt, d.Offset, d.Text}))
}

func encodePresence(_ string, members []realtime.Member, v realtime.Variant) []byte {
	if v&variantV2 == 0 {
		return nil
	}
	if members == nil {
		members = []realtime.Member{}
	}
	return []byte(toJSON(struct {
		Type    string            `json:"type"`
		Members []realtime.Member `json:"members"`
	}{"presence", members}))
}

func encodeResync(_ string, head int64, v realtime.Variant) []byte {
	if v&variantV2 == 0 {
		return nil
	}
	return []byte(toJSON(struct {
		Type  string `json:"type"`
		After int64  `json:"after"`
	}{"resync", head}))
}
