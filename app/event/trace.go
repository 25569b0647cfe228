package event

import (
	"encoding/json"

	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/store"
)

// The values of Trace.Event. Clients know all of them except REVISION and
// UNREADABLE.
const (
	TraceProposal    = "PROPOSAL"     // a draft is written
	TraceEvalRequest = "EVAL_REQUEST" // the draft is being evaluated
	TraceRevision    = "REVISION"     // the draft came back with feedback and is written anew
	TraceApproved    = "APPROVED"     // the draft will be posted
	TraceDenied      = "DENIED"       // the draft will not be posted
	TraceUnread      = "UNREADABLE"   // the verdict could not be read, so the draft will not be posted
)

// Trace is the body of TypeTrace. Details says what happens, and never what was
// written.
type Trace struct {
	Event   string `json:"event"`
	Details string `json:"details"`
	TurnID  string `json:"turn_id"`
}

// TraceMetadata is the member metadata of a trace's frame.
type TraceMetadata struct {
	IsA2A     bool   `json:"is_a2a"`
	EventType string `json:"event_type" enum:"PROPOSAL,EVAL_REQUEST,REVISION,APPROVED,DENIED,UNREADABLE"`
}

// encodeTrace makes the frame of a trace, for both versions of the protocol.
func encodeTrace(e realtime.Event, v realtime.Variant) []byte {
	var t Trace
	if json.Unmarshal(e.Body, &t) != nil {
		return nil
	}
	f := struct {
		Type      string        `json:"type"`
		Sender    string        `json:"sender"`
		Content   string        `json:"content"`
		Timestamp string        `json:"timestamp"`
		RoomID    string        `json:"room_id"`
		Metadata  TraceMetadata `json:"metadata"`
		ID        string        `json:"id,omitempty"`
		Seq       int64         `json:"seq,omitempty"`
		TurnID    string        `json:"turn_id,omitempty"`
	}{Type: e.Type, Sender: "[A2A " + t.Event + "]", Content: tracePrefix + "|" + t.Event + "|" + t.Details, RoomID: e.Room,
		Metadata: TraceMetadata{IsA2A: true, EventType: t.Event}}
	if v&V2 != 0 {
		f.ID, f.Seq, f.TurnID, f.Timestamp = e.ID, e.Seq, t.TurnID, Timestamp(e.At)
	}
	return []byte(store.ToJSON(f))
}
