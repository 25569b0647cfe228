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
	State      string   `json:"state" enum:"stopped,continued"`
	Guard      string   `json:"guard" doc:"agent_row, agreement, or why a turn was stopped"`
	DecisionID string   `json:"decision_id,omitempty" format:"uuid" doc:"See listDecisions"`
	Agents     []string `json:"agents,omitempty"` // by name
	ByID       string   `json:"by_id,omitempty" format:"uuid"`
}

// encodeGuard makes the frame of a Guard. Only staff get it.
func encodeGuard(e realtime.Event, v realtime.Variant) []byte {
	var g Guard
	if v&(V2|Staff) != V2|Staff || json.Unmarshal(e.Body, &g) != nil {
		return nil
	}
	return []byte(store.ToJSON(struct {
		Type string `json:"type"`
		Guard
		Durable
	}{e.Type, g, durableOf(e)}))
}
