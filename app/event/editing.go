package event

import (
	"encoding/json"

	"github.com/coagent-studio/coagent/app/realtime"
)

// Editing says who changes an artifact just now: a person, a bot or an agent.
type Editing struct {
	ArtifactID string `json:"artifact_id" format:"uuid"`
	BlockID    string `json:"block_id,omitempty" doc:"Where in it, as the client says"`
	UserID     string `json:"user_id,omitempty" format:"uuid" doc:"Absent for an agent"`
	AgentID    string `json:"agent_id,omitempty" format:"uuid"`
	Name       string `json:"name"`
	Done       bool   `json:"done,omitempty" doc:"No more; otherwise it counts for 12 seconds"`
}

// encodeEditing makes the frame of somebody who changes an artifact.
func encodeEditing(s realtime.Signal) []byte {
	var e Editing
	if json.Unmarshal(s.Body, &e) != nil || e.ArtifactID == "" {
		return nil
	}
	return typed(s.Type, e)
}
