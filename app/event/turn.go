package event

import (
	"encoding/json"

	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/store"
)

// Turn is the body of TypeTurn and of the turn signal.
type Turn struct {
	TurnID    string `json:"turn_id" format:"uuid"`
	AgentID   string `json:"agent_id" format:"uuid"`
	AgentName string `json:"agent_name"`
	State     string `json:"state" enum:"started,retrying,parked,finished,failed,stopped" doc:"parked: it waits, see reason; its text comes again later"`
	Attempt   int    `json:"attempt" minimum:"0"`
	Reason    string `json:"reason,omitempty" doc:"For staff and a thread's person; for all when parked"`
	Detail    string `json:"detail,omitempty" doc:"For staff"`
	RootID    string `json:"root_id,omitempty" format:"uuid" doc:"What the answer hangs under"`
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
// detail. They and the person of a thread get the reason.
func encodeTurn(e realtime.Event, v realtime.Variant) []byte {
	var t Turn
	if json.Unmarshal(e.Body, &t) != nil {
		return nil
	}
	if v&V2 == 0 {
		return encodePlainFailure(e, t, v)
	}
	t.readBy(v)
	return []byte(store.ToJSON(struct {
		Type string `json:"type"`
		Turn
		Durable
	}{e.Type, t, durableOf(e)}))
}

// readBy takes out what a reader may not know. Everybody may know what a parked turn waits for.
func (t *Turn) readBy(v realtime.Variant) {
	if v&Staff != 0 {
		return
	}
	if t.Detail = ""; v&Own == 0 && t.State != store.TurnParked {
		t.Reason = ""
	}
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
	t.readBy(v)
	return typed(s.Type, t)
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
	return Turn{TurnID: t.ID, AgentID: t.AgentID, AgentName: t.AgentName, State: StartOf(t.Attempt), Attempt: t.Attempt, RootID: t.RootID}
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

// Delta is a piece of an answer while the model speaks.
type Delta struct {
	TurnID  string `json:"turn_id" format:"uuid"`
	Attempt int    `json:"attempt"`
	Offset  int    `json:"offset" minimum:"0" doc:"Where text goes in the turn's text, in UTF-16 code units, as JavaScript counts. Text of an older attempt is dropped"`
	Text    string `json:"text"`
}

func encodeDelta(_ string, d realtime.Delta, v realtime.Variant) []byte {
	if v&V2 == 0 {
		return nil
	}
	return DeltaFrame(d)
}

// DeltaFrame is the coagent.v2 frame of a piece of an answer.
func DeltaFrame(d realtime.Delta) []byte {
	return typed(SignalDelta, Delta{d.TurnID, d.Attempt, d.Offset, d.Text})
}

// Workflow is the body of SignalWorkflow.
type Workflow struct {
	TurnID   string `json:"turn_id" format:"uuid"`
	Workflow string `json:"workflow"`
	Node     string `json:"node"`
	NodeType string `json:"node_type" enum:"agent,condition,action,tool,human"`
	State    string `json:"state" enum:"started,finished"`
	Label    string `json:"label,omitempty" doc:"The edge taken; for staff"`
}

func encodeWorkflow(s realtime.Signal, v realtime.Variant) []byte {
	var w Workflow
	if json.Unmarshal(s.Body, &w) != nil {
		return nil
	}
	if v&Staff == 0 {
		w.Label = ""
	}
	return typed(s.Type, w)
}
