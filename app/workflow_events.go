package app

import (
	"encoding/json"

	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/app/workflow"
)

// EventTrace is the type of the event that shows a room how agents work together. Its
// body is a TraceEvent.
const EventTrace = "a2a_trace"

// The values of TraceEvent.Event. Clients know all of them except REVISION and
// UNREADABLE.
const (
	TraceProposal    = "PROPOSAL"     // a draft is written
	TraceEvalRequest = "EVAL_REQUEST" // the draft is being evaluated
	TraceRevision    = "REVISION"     // the draft came back with feedback and is written anew
	TraceApproved    = "APPROVED"     // the draft will be posted
	TraceDenied      = "DENIED"       // the draft will not be posted
	TraceUnread      = "UNREADABLE"   // the verdict could not be read, so the draft will not be posted
)

// TraceEvent is the body of EventTrace. Details says what happens, and never what was
// written.
type TraceEvent struct {
	Event   string `json:"event"`
	Details string `json:"details"`
	TurnID  string `json:"turn_id"`
}

func (r *graphRun) trace(event, details string) TraceEvent {
	return TraceEvent{Event: event, Details: details, TurnID: r.turn.ID}
}

// traceMetadata is the member metadata of a trace's frame.
type traceMetadata struct {
	IsA2A     bool   `json:"is_a2a"`
	EventType string `json:"event_type"`
}

// encodeTrace makes the frame of a trace, for both versions of the protocol.
func encodeTrace(e realtime.Event, v realtime.Variant) []byte {
	var t TraceEvent
	if json.Unmarshal(e.Body, &t) != nil {
		return nil
	}
	f := struct {
		Type      string        `json:"type"`
		Sender    string        `json:"sender"`
		Content   string        `json:"content"`
		Timestamp string        `json:"timestamp"`
		RoomID    string        `json:"room_id"`
		Metadata  traceMetadata `json:"metadata"`
		ID        string        `json:"id,omitempty"`
		Seq       int64         `json:"seq,omitempty"`
		TurnID    string        `json:"turn_id,omitempty"`
	}{Type: e.Type, Sender: "[A2A " + t.Event + "]", Content: tracePrefix + "|" + t.Event + "|" + t.Details, RoomID: e.Room,
		Metadata: traceMetadata{IsA2A: true, EventType: t.Event}}
	if v&variantV2 != 0 {
		f.ID, f.Seq, f.TurnID, f.Timestamp = e.ID, e.Seq, t.TurnID, Timestamp(e.At)
	}
	return []byte(toJSON(f))
}

// signalWorkflow is the type of the signal that shows a room where a turn is in its
// graph. Its body is a WorkflowEvent.
const signalWorkflow = "workflow"

// WorkflowEvent is the body of signalWorkflow. Label is the label that the node gave;
// only staff get it.
type WorkflowEvent struct {
	TurnID   string `json:"turn_id"`
	Workflow string `json:"workflow"`
	Node     string `json:"node"`
	NodeType string `json:"node_type"`
	State    string `json:"state"` // started or finished
	Label    string `json:"label,omitempty"`
}

// signalNode shows the room that a node begins or is done.
func (r *graphRun) signalNode(id string, node workflow.Node, state, label string) {
	r.app.hub.Signal(r.room.ID, realtime.Signal{Type: signalWorkflow, Body: json.RawMessage(toJSON(WorkflowEvent{
		TurnID: r.turn.ID, Workflow: r.graph.Name, Node: id, NodeType: string(node.Type), State: state, Label: label}))})
}

func encodeWorkflow(s realtime.Signal, v realtime.Variant) []byte {
	var w WorkflowEvent
	if json.Unmarshal(s.Body, &w) != nil {
		return nil
	}
	if v&variantStaff == 0 {
		w.Label = ""
	}
	return []byte(toJSON(struct {
		Type string `json:"type"`
		WorkflowEvent
	}{s.Type, w}))
}
