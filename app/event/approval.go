package event

import (
	"encoding/json"
	"fmt"

	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/store"
)

// Approval is the body of TypeApproval.
type Approval struct {
	StepID    string `json:"step_id" format:"uuid"`
	TurnID    string `json:"turn_id" format:"uuid"`
	AgentID   string `json:"agent_id" format:"uuid"`
	AgentName string `json:"agent_name"`
	Kind      string `json:"kind" enum:"tool,human"`
	Name      string `json:"name" doc:"Of the tool, or the node"`
	Summary   string `json:"summary,omitempty" doc:"What it wants to do"`
	State     string `json:"state" enum:"pending,approved,rejected,expired"`
	DueAt     string `json:"due_at,omitempty" format:"date-time"`
	DecidedBy string `json:"decided_by,omitempty" doc:"Their name"`
}

// encodeApproval makes the frame of an approval, for those who may decide.
func encodeApproval(e realtime.Event, v realtime.Variant) []byte {
	var body Approval
	if v&(Staff|Own) == 0 || json.Unmarshal(e.Body, &body) != nil {
		return nil
	}
	if v&V2 == 0 {
		return SystemFrame(e.Room, approvalLine(body))
	}
	return []byte(store.ToJSON(struct {
		Type string `json:"type"`
		Approval
		Durable
	}{e.Type, body, durableOf(e)}))
}

func approvalLine(e Approval) string {
	switch e.State {
	case store.StepPending:
		return fmt.Sprintf("%s waits for the staff: it wants to %s.", e.AgentName, e.Summary)
	case store.StepExpired:
		return fmt.Sprintf("Nobody decided in time whether %s may %s.", e.AgentName, e.Summary)
	}
	decided := map[string]string{store.StepApproved: "allowed", store.StepRejected: "refused"}[e.State]
	return fmt.Sprintf("%s has %s that %s may %s.", e.DecidedBy, decided, e.AgentName, e.Summary)
}
