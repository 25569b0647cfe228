package web

import (
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/coagent-studio/coagent/app/event"
)

// This file describes the frames of both socket protocols for /asyncapi.json.
// app/event and app/sockets.go make the frames. Tests compare every frame of every
// socket with these descriptions, and the descriptions with app's events.

// The names of a room's socket protocols in the document.
const (
	chanPlain = "plain"
	chanV2    = "coagentV2"
)

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
	plainMetadata struct {
		IsAI      bool   `json:"is_ai"`
		SenderID  string `json:"sender_id,omitempty" format:"uuid"`
		AgentType string `json:"agent_type,omitempty"`
		ID        string `json:"id,omitempty" format:"uuid"`
		Seq       int64  `json:"seq,omitempty"`
		State     string `json:"state,omitempty" enum:"deleted,hidden" doc:"Absent while the line is as it was said"`
		EditedAt  string `json:"edited_at,omitempty" format:"date-time"`
		Stopped   bool   `json:"stopped,omitempty" doc:"An agent was stopped in the middle of it"`
		Truncated bool   `json:"truncated,omitempty" doc:"An agent's answer was cut before its end"`
	}
	plainMessage struct {
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
		Content   string `json:"content" doc:"Who left, why a turn ended without a line, why this socket's line was refused, or that an agent whom its person called cannot answer"`
		Timestamp string `json:"timestamp" maxLength:"0" doc:"Always empty"`
		RoomID    string `json:"room_id" format:"uuid"`
		Metadata  any    `json:"metadata" doc:"Always null"`
	}
	traceMetadata struct {
		IsA2A     bool   `json:"is_a2a"`
		EventType string `json:"event_type" enum:"PROPOSAL,EVAL_REQUEST,REVISION,APPROVED,DENIED,UNREADABLE"`
	}
	plainTrace struct {
		Type      string        `json:"type" enum:"a2a_trace"`
		Sender    string        `json:"sender" doc:"[A2A PROPOSAL] and so on"`
		Content   string        `json:"content" doc:"[A2A], the event and what happens, between bars; never what was drafted"`
		Timestamp string        `json:"timestamp" maxLength:"0" doc:"Always empty"`
		RoomID    string        `json:"room_id" format:"uuid"`
		Metadata  traceMetadata `json:"metadata"`
	}
	artifactShown struct {
		ArtifactMembers
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

// ArtifactMembers are the members of an artifact that the routes show too.
type ArtifactMembers = artifactOut

// Durable has the members of every durable frame of coagent.v2. It is exported because
// huma ignores embedded structs that are not.
type Durable struct {
	ID        string    `json:"id" format:"uuid"`
	Seq       int64     `json:"seq" minimum:"1" doc:"Number of the event in its room: 1, 2, 3 and so on without a gap"`
	Timestamp time.Time `json:"timestamp"`
}

// Turn has the members of frames about an agent's turn.
type Turn struct {
	TurnID    string `json:"turn_id" format:"uuid"`
	AgentID   string `json:"agent_id" format:"uuid"`
	AgentName string `json:"agent_name"`
	State     string `json:"state" enum:"started,retrying,parked,finished,failed,stopped" doc:"parked: it waits for staff; its text so far comes again when it goes on"`
	Attempt   int    `json:"attempt" minimum:"0"`
	Reason    string `json:"reason,omitempty" doc:"For staff of the room alone"`
	Detail    string `json:"detail,omitempty" doc:"For staff of the room alone"`
}

// Line has the members of frames about an earlier message. They show the present state of
// that message, also in the frame of an earlier change.
type Line struct {
	MessageID  string `json:"message_id" format:"uuid"`
	MessageSeq int64  `json:"message_seq" minimum:"1"`
	State      string `json:"state" enum:"shown,deleted,hidden"`
	Content    string `json:"content" doc:"A neutral text for who may not read the line"`
	EditedAt   string `json:"edited_at,omitempty" format:"date-time"`
}

type (
	v2Message struct {
		Type string `json:"type" enum:"message"`
		Durable
		Sender    string        `json:"sender"`
		Content   string        `json:"content,omitempty"`
		RoomID    string        `json:"room_id" format:"uuid"`
		Metadata  plainMetadata `json:"metadata"`
		ClientID  string        `json:"client_id,omitempty" doc:"What the sender's own post named it"`
		AgentID   string        `json:"agent_id,omitempty" format:"uuid"`
		AgentName string        `json:"agent_name,omitempty"`
		TurnID    string        `json:"turn_id,omitempty" format:"uuid" doc:"The turn whose deltas this replaces"`
		State     string        `json:"state,omitempty" enum:"deleted,hidden" doc:"What has become of the line by now; content is then a neutral text, of hidden lines for staff their own"`
		EditedAt  string        `json:"edited_at,omitempty" format:"date-time"`
		Stopped   bool          `json:"stopped,omitempty" doc:"An agent was stopped in the middle of it"`
		Truncated bool          `json:"truncated,omitempty" doc:"An agent's answer was cut before its end"`
	}
	v2LineEdited struct {
		Type string `json:"type" enum:"message_edited"`
		Line
		Durable
	}
	v2LineDeleted struct {
		Type string `json:"type" enum:"message_deleted"`
		Line
		Durable
	}
	v2LineHidden struct {
		Type string `json:"type" enum:"message_hidden"`
		Line
		Durable
	}
	v2LineShown struct {
		Type string `json:"type" enum:"message_shown"`
		Line
		Durable
	}
	v2TurnEnded struct {
		Type string `json:"type" enum:"turn"`
		Turn
		Text      string    `json:"text,omitempty" doc:"In the first frames after you join, of each turn that runs: what it has said so far; the deltas that follow go on from there"`
		Offset    int       `json:"offset,omitempty" minimum:"0" doc:"Where text begins, counted as in a delta; above 0 where the server has missed what comes before"`
		ID        string    `json:"id,omitempty" format:"uuid" doc:"Only where the turn ended without a message, which is durable"`
		Seq       int64     `json:"seq,omitempty" minimum:"1"`
		Timestamp time.Time `json:"timestamp,omitempty"`
	}
	v2Guard struct {
		Type string `json:"type" enum:"guard"`
		Durable
		State      string   `json:"state" enum:"stopped,continued"`
		Guard      string   `json:"guard" doc:"agent_row, agreement, or why a turn was stopped in the middle of its work"`
		DecisionID string   `json:"decision_id,omitempty" format:"uuid" doc:"See GET /rooms/{room_id}/decisions"`
		Agents     []string `json:"agents,omitempty" doc:"Those that were cut off"`
		ByID       string   `json:"by_id,omitempty" format:"uuid" doc:"Who let them go on"`
	}
	v2Trace struct {
		Type string `json:"type" enum:"a2a_trace"`
		Durable
		Sender   string        `json:"sender"`
		Content  string        `json:"content" doc:"What agents do with each other; never what was drafted"`
		RoomID   string        `json:"room_id" format:"uuid"`
		Metadata traceMetadata `json:"metadata"`
		TurnID   string        `json:"turn_id" format:"uuid"`
	}
	v2Workflow struct {
		Type     string `json:"type" enum:"workflow"`
		TurnID   string `json:"turn_id" format:"uuid"`
		Workflow string `json:"workflow" doc:"Name of the graph that the turn goes through"`
		Node     string `json:"node"`
		NodeType string `json:"node_type" enum:"agent,condition,action,tool,human"`
		State    string `json:"state" enum:"started,finished"`
		Label    string `json:"label,omitempty" doc:"The way that the node led on; for staff"`
	}
	v2ArtifactUpdate struct {
		Type string `json:"type" enum:"artifact_update"`
		Durable
		Artifact artifactShown `json:"artifact"`
	}
	v2ArtifactDelete struct {
		Type string `json:"type" enum:"artifact_delete"`
		Durable
		ArtifactID string `json:"artifact_id" format:"uuid"`
	}
	v2Approval struct {
		Type string `json:"type" enum:"approval"`
		Durable
		StepID    string `json:"step_id" format:"uuid"`
		TurnID    string `json:"turn_id" format:"uuid"`
		AgentID   string `json:"agent_id" format:"uuid"`
		AgentName string `json:"agent_name"`
		Kind      string `json:"kind" enum:"tool,human"`
		Name      string `json:"name" doc:"Of the tool, or of the node in the turn's graph"`
		Summary   string `json:"summary,omitempty" doc:"What the agent wants to do"`
		State     string `json:"state" enum:"pending,approved,rejected,expired"`
		DueAt     string `json:"due_at,omitempty" format:"date-time"`
		DecidedBy string `json:"decided_by,omitempty" doc:"The name of who decided"`
	}
	v2Delta struct {
		Type    string `json:"type" enum:"delta"`
		TurnID  string `json:"turn_id" format:"uuid"`
		Attempt int    `json:"attempt"`
		Offset  int    `json:"offset" minimum:"0" doc:"Where text goes in the turn's text so far, in UTF-16 code units: a character beyond U+FFFF, such as an emoji, counts 2, every other 1, as in the length of a string in JavaScript. Text of an older attempt is dropped"`
		Text    string `json:"text"`
	}
	v2Ack struct {
		Type     string `json:"type" enum:"ack"`
		ClientID string `json:"client_id"`
		ID       string `json:"id" format:"uuid"`
		Seq      int64  `json:"seq"`
		Dup      bool   `json:"dup" doc:"The post had been stored before"`
	}
	v2Member struct {
		UserID string `json:"user_id" format:"uuid"`
		Name   string `json:"name"`
	}
	v2Presence struct {
		Type    string     `json:"type" enum:"presence"`
		Members []v2Member `json:"members"`
	}
	v2Typing struct {
		Type   string `json:"type" enum:"typing"`
		UserID string `json:"user_id" format:"uuid"`
		Name   string `json:"name"`
	}
	v2Resync struct {
		Type  string `json:"type" enum:"resync"`
		After int64  `json:"after" doc:"The cursor to go on from, after the history was loaded"`
	}
	v2Stop struct {
		Type   string `json:"type" enum:"stop"`
		TurnID string `json:"turn_id" format:"uuid"`
		State  string `json:"state" enum:"running,finished,failed,stopped" doc:"running: it ends in a moment, as a turn frame or a message will say"`
	}
	v2Error struct {
		Type     string `json:"type" enum:"error"`
		Code     string `json:"code"`
		Detail   string `json:"detail"`
		ClientID string `json:"client_id,omitempty"`
	}

	v2Post struct {
		Type     string `json:"type" enum:"post"`
		ClientID string `json:"client_id" minLength:"1" maxLength:"64" doc:"Unique per room and person, so that a post is safe to send again"`
		Text     string `json:"text"`
	}
	v2IsTyping struct {
		Type string `json:"type" enum:"typing"`
	}
	v2WantStop struct {
		Type   string `json:"type" enum:"stop"`
		TurnID string `json:"turn_id" format:"uuid"`
	}
	v2Resume struct {
		Type  string `json:"type" enum:"resume"`
		After int64  `json:"after" minimum:"0"`
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

// socketFrames returns all frames of both protocols.
func socketFrames() []frameOf {
	type m = map[string]any
	person := m{"is_ai": false, "sender_id": aThirdID, "id": anID, "seq": 7}
	return []frameOf{
		{"PlainLine", chanPlain, "", true, "A line: the whole text frame is what the person says", reflect.TypeFor[string](), "Good morning!"},
		{"PlainMessage", chanPlain, event.TypeMessage, false, "Somebody said something; the sender gets it too", reflect.TypeFor[plainMessage](),
			m{"type": "message", "sender": "Ada", "content": "Good morning!", "timestamp": anInstant, "room_id": anotherID, "metadata": person}},
		{"PlainSystem", chanPlain, "system", false, "A notice of the program; a refusal goes to the refused socket alone", reflect.TypeFor[plainSystem](),
			m{"type": "system", "sender": "System", "content": "Client #Ada left", "timestamp": "", "room_id": anotherID, "metadata": nil}},
		{"PlainTrace", chanPlain, event.TypeTrace, false, "Agents are at work with each other", reflect.TypeFor[plainTrace](),
			m{"type": "a2a_trace", "sender": "[A2A PROPOSAL]", "content": "[A2A]|PROPOSAL|Student drafted a contribution", "timestamp": "", "room_id": anotherID,
				"metadata": m{"is_a2a": true, "event_type": "PROPOSAL"}}},
		{"PlainArtifactUpdate", chanPlain, event.TypeArtifactUpdate, false, "An artifact was made, changed or restored", reflect.TypeFor[plainArtifactUpdate](),
			m{"type": "artifact_update", "artifact": anArtifact(), "timestamp": anInstant}},
		{"PlainArtifactDelete", chanPlain, event.TypeArtifactDelete, false, "An artifact was deleted", reflect.TypeFor[plainArtifactDelete](),
			m{"type": "artifact_delete", "artifact_id": anID, "timestamp": anInstant}},

		{"Post", chanV2, "post", true, "Say something, once for each client_id", reflect.TypeFor[v2Post](), m{"type": "post", "client_id": "7f3a", "text": "Good morning!"}},
		{"IsTyping", chanV2, "typing", true, "Tell the others that the person types", reflect.TypeFor[v2IsTyping](), m{"type": "typing"}},
		{"Resume", chanV2, "resume", true, "Send the durable frames again that come after a seq", reflect.TypeFor[v2Resume](), m{"type": "resume", "after": 41}},

		{"WantStop", chanV2, "stop", true, "Stop an agent's turn: staff may, and who asked", reflect.TypeFor[v2WantStop](), m{"type": "stop", "turn_id": anID}},

		{"Message", chanV2, event.TypeMessage, false, "Durable: somebody said something", reflect.TypeFor[v2Message](),
			m{"type": "message", "id": anID, "seq": 7, "sender": "Ada", "content": "Good morning!", "timestamp": anInstant, "room_id": anotherID, "metadata": person, "client_id": "7f3a"}},
		{"System", chanV2, "system", false, "For this person alone: an agent that was called cannot answer now", reflect.TypeFor[plainSystem](),
			m{"type": "system", "sender": "System", "content": "Teacher cannot answer now.", "timestamp": "", "room_id": anotherID, "metadata": nil}},
		{"LineEdited", chanV2, event.TypeMessageEdited, false, "Durable: who said a line has changed it", reflect.TypeFor[v2LineEdited](),
			m{"type": "message_edited", "id": aThirdID, "seq": 8, "timestamp": anInstant, "message_id": anID, "message_seq": 7, "state": "shown", "content": "Good evening!", "edited_at": anInstant}},
		{"LineDeleted", chanV2, event.TypeMessageDeleted, false, "Durable: who said a line has taken it back", reflect.TypeFor[v2LineDeleted](),
			m{"type": "message_deleted", "id": aThirdID, "seq": 8, "timestamp": anInstant, "message_id": anID, "message_seq": 7, "state": "deleted", "content": "(deleted)"}},
		{"LineHidden", chanV2, event.TypeMessageHidden, false, "Durable: staff have hidden a line", reflect.TypeFor[v2LineHidden](),
			m{"type": "message_hidden", "id": aThirdID, "seq": 8, "timestamp": anInstant, "message_id": anID, "message_seq": 7, "state": "hidden", "content": "(hidden by staff)"}},
		{"LineShown", chanV2, event.TypeMessageShown, false, "Durable: a line that was taken back or hidden is there again", reflect.TypeFor[v2LineShown](),
			m{"type": "message_shown", "id": aThirdID, "seq": 9, "timestamp": anInstant, "message_id": anID, "message_seq": 7, "state": "shown", "content": "Good morning!"}},
		{"Turn", chanV2, event.TypeTurn, false, "An agent's turn began, goes on or ended; durable where it ended without a message. Whoever joins gets one first for each turn that runs, with its text so far", reflect.TypeFor[v2TurnEnded](),
			m{"type": "turn", "turn_id": anID, "agent_id": anotherID, "agent_name": "Teacher", "state": "started", "attempt": 1}},
		{"Guard", chanV2, event.TypeGuard, false, "Durable, for staff alone: a guard keeps agents from going on among themselves, or staff let them go on", reflect.TypeFor[v2Guard](),
			m{"type": "guard", "id": aThirdID, "seq": 8, "timestamp": anInstant, "state": "stopped", "guard": "agent_row", "decision_id": anotherID, "agents": []string{"Teacher"}}},
		{"Trace", chanV2, event.TypeTrace, false, "Durable: agents are at work with each other", reflect.TypeFor[v2Trace](),
			m{"type": "a2a_trace", "id": aThirdID, "seq": 8, "sender": "[A2A PROPOSAL]", "content": "[A2A]|PROPOSAL|Student drafted a contribution", "timestamp": anInstant,
				"room_id": anotherID, "metadata": m{"is_a2a": true, "event_type": "PROPOSAL"}, "turn_id": anID}},
		{"Workflow", chanV2, "workflow", false, "A node of a turn's graph begins or is done; best effort", reflect.TypeFor[v2Workflow](),
			m{"type": "workflow", "turn_id": anID, "workflow": "student_teacher_review", "node": "evaluate", "node_type": "agent", "state": "started"}},
		{"ArtifactUpdate", chanV2, event.TypeArtifactUpdate, false, "Durable: an artifact was made, changed or restored; whoever resumes gets the newest state alone, its earlier seqs have no frame", reflect.TypeFor[v2ArtifactUpdate](),
			m{"type": "artifact_update", "id": aThirdID, "seq": 8, "artifact": anArtifact(), "timestamp": anInstant}},
		{"ArtifactDelete", chanV2, event.TypeArtifactDelete, false, "Durable: an artifact was deleted", reflect.TypeFor[v2ArtifactDelete](),
			m{"type": "artifact_delete", "id": aThirdID, "seq": 9, "artifact_id": anID, "timestamp": anInstant}},
		{"Approval", chanV2, event.TypeApproval, false, "Durable, for staff alone: an agent wants to do what a person has to allow, or it was decided; earlier states keep their seq", reflect.TypeFor[v2Approval](),
			m{"type": "approval", "id": aThirdID, "seq": 9, "timestamp": anInstant, "step_id": anID, "turn_id": anotherID, "agent_id": anID, "agent_name": "Teacher", "kind": "tool",
				"name": "manage_artifact", "summary": "delete the task \"Write the report\"", "state": "pending", "due_at": anInstant}},
		{"Delta", chanV2, "delta", false, "A piece of an answer while the model speaks; best effort, the message is what counts", reflect.TypeFor[v2Delta](),
			m{"type": "delta", "turn_id": anID, "attempt": 1, "offset": 0, "text": "Look, 🌍👩‍🏫: "}},
		{"Ack", chanV2, "ack", false, "The post is stored", reflect.TypeFor[v2Ack](), m{"type": "ack", "client_id": "7f3a", "id": anID, "seq": 7, "dup": false}},
		{"Presence", chanV2, "presence", false, "Who is in the room now", reflect.TypeFor[v2Presence](),
			m{"type": "presence", "members": []m{{"user_id": aThirdID, "name": "Ada"}}}},
		{"Typing", chanV2, "typing", false, "Somebody types; the socket that says so does not get it back", reflect.TypeFor[v2Typing](), m{"type": "typing", "user_id": aThirdID, "name": "Ada"}},
		{"Resync", chanV2, "resync", false, "The cursor is older than what is kept: load the history", reflect.TypeFor[v2Resync](), m{"type": "resync", "after": 1200}},
		{"Stop", chanV2, "stop", false, "The stop is noted; what was said until then is kept", reflect.TypeFor[v2Stop](), m{"type": "stop", "turn_id": anID, "state": "running"}},
		{"Error", chanV2, "error", false, "A frame of this socket had no effect", reflect.TypeFor[v2Error](),
			m{"type": "error", "code": "rate_limited", "detail": "Too many messages. Wait 3 seconds.", "client_id": "7f3a"}},
	}
}

// thenOf returns the frames that follow the example of a frame. The text of the deltas
// has a different length in bytes, in characters and in UTF-16.
func thenOf(name string) []any {
	type m = map[string]any
	if name != "Delta" {
		return nil
	}
	return []any{
		m{"type": "delta", "turn_id": anID, "attempt": 1, "offset": 15, "text": "天空是"},
		m{"type": "delta", "turn_id": anID, "attempt": 1, "offset": 18, "text": "藍色的。"},
	}
}

// frameSchemas registers the schemas of all frames and returns each by the name of its
// frame.
func frameSchemas(r huma.Registry) map[string]*huma.Schema {
	all := map[string]*huma.Schema{}
	for _, f := range socketFrames() {
		all[f.name] = r.Schema(f.shape, true, f.name+"Payload")
	}
	return all
}
