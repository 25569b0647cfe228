package event

import (
	"encoding/json"

	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/store"
)

// Turn is the body of TypeTurn and of the turn signal. Only the room's staff see
// Detail.
type Turn struct {
	TurnID    string `json:"turn_id"`
	AgentID   string `json:"agent_id"`
	AgentName string `json:"agent_name"`
	State     string `json:"state"` // started, retrying, parked, finished, failed or stopped
	Attempt   int    `json:"attempt"`
	Reason    string `json:"reason,omitempty"`
	Detail    string `json:"detail,omitempty"`
}

// The reasons of stopped turns that the room has heard of otherwise. The engine of turns
// has many more reasons; those have no consequence here.
const (
	ReasonAsked   = "stopped"    // a person has stopped the turn
	ReasonGaveWay = "gave_way"   // a person has posted since
	ReasonGone    = "lines_gone" // the messages that it was about were deleted or hidden
	ReasonDenied  = "denied"     // the reviewer did not approve the draft
)

// toldOtherwise has the reasons of stopped turns for which a plain socket needs no
// system message, because nobody waits for an answer then.
var toldOtherwise = map[string]bool{ReasonAsked: true, ReasonGaveWay: true, ReasonGone: true, ReasonDenied: true}

// encodeTurn makes the frame of a turn that ended without a message. Only staff get the
// reason and the detail.
func encodeTurn(e realtime.Event, v realtime.Variant) []byte {
	var t Turn
	if json.Unmarshal(e.Body, &t) != nil {
		return nil
	}
	if v&V2 == 0 {
		return encodePlainFailure(e, t, v)
	}
	if v&Staff == 0 {
		t.Reason, t.Detail = "", ""
	}
	return []byte(store.ToJSON(struct {
		Type string `json:"type"`
		Turn
		durable
	}{e.Type, t, durableOf(e)}))
}

// encodePlainFailure makes a system message for plain sockets when a turn ended without
// a message.
func encodePlainFailure(e realtime.Event, t Turn, v realtime.Variant) []byte {
	if t.State != store.TurnFailed && (t.State != store.TurnStopped || toldOtherwise[t.Reason]) {
		return nil
	}
	content := t.AgentName + " could not answer."
	if v&Staff != 0 && t.Detail != "" {
		content = t.AgentName + " could not answer: " + t.Detail
	}
	return SystemFrame(e.Room, content)
}

// encodeTurnSignal makes the frame of a turn that began, goes on or ended.
func encodeTurnSignal(s realtime.Signal, v realtime.Variant) []byte {
	var t Turn
	if json.Unmarshal(s.Body, &t) != nil {
		return nil
	}
	if v&Staff == 0 {
		t.Reason, t.Detail = "", ""
	}
	return []byte(store.ToJSON(struct {
		Type string `json:"type"`
		Turn
	}{s.Type, t}))
}

// StartOf is the state in a turn's frame when an attempt begins.
func StartOf(attempt int) string {
	if attempt > 1 {
		return "retrying"
	}
	return "started"
}

// Started says that an attempt of a turn has begun.
func Started(t *store.NamedTurn) Turn {
	return Turn{TurnID: t.ID, AgentID: t.AgentID, AgentName: t.AgentName, State: StartOf(t.Attempt), Attempt: t.Attempt}
}

// RunningTurn is the coagent.v2 frame of a turn that runs, for a person who joins the
// room. It has the text so far, from the offset on.
func RunningTurn(t Turn, offset int, text string) []byte {
	return []byte(store.ToJSON(struct {
		Type string `json:"type"`
		Turn
		Offset int    `json:"offset,omitempty"`
		Text   string `json:"text"`
	}{SignalTurn, t, offset, text}))
}

func encodeDelta(_ string, d realtime.Delta, v realtime.Variant) []byte {
	if v&V2 == 0 {
		return nil
	}
	return []byte(store.ToJSON(struct {
		Type    string `json:"type"`
		TurnID  string `json:"turn_id"`
		Attempt int    `json:"attempt"`
		Offset  int    `json:"offset"`
		Text    string `json:"text"`
	}{"delta", d.TurnID, d.Attempt, d.Offset, d.Text}))
}

// Workflow is the body of SignalWorkflow. Label is the label that the node gave; only
// staff get it.
type Workflow struct {
	TurnID   string `json:"turn_id"`
	Workflow string `json:"workflow"`
	Node     string `json:"node"`
	NodeType string `json:"node_type"`
	State    string `json:"state"` // started or finished
	Label    string `json:"label,omitempty"`
}

func encodeWorkflow(s realtime.Signal, v realtime.Variant) []byte {
	var w Workflow
	if json.Unmarshal(s.Body, &w) != nil {
		return nil
	}
	if v&Staff == 0 {
		w.Label = ""
	}
	return []byte(store.ToJSON(struct {
		Type string `json:"type"`
		Workflow
	}{s.Type, w}))
}
