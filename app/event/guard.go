package event

import (
	"encoding/json"

	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/store"
)

// The states of a Guard.
const (
	GuardStopped   = "stopped"
	GuardContinued = "continued"
)

// Guard is the body of TypeGuard.
type Guard struct {
	State      string   `json:"state"` // stopped or continued
	Guard      string   `json:"guard"`
	DecisionID string   `json:"decision_id,omitempty"`
	Agents     []string `json:"agents,omitempty"` // the names of the agents that the guard stopped
	ByID       string   `json:"by_id,omitempty"`  // who let them go on
}

// encodeGuard makes the frame of a Guard. Only staff get it.
func encodeGuard(e realtime.Event, v realtime.Variant) []byte {
	var g Guard
	if v != V2|Staff || json.Unmarshal(e.Body, &g) != nil {
		return nil
	}
	return []byte(store.ToJSON(struct {
		Type string `json:"type"`
		Guard
		durable
	}{e.Type, g, durableOf(e)}))
}
