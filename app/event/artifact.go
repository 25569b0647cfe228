package event

import (
	"encoding/json"
	"time"

	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/store"
)

// Artifact is the body of TypeArtifactUpdate and TypeArtifactDelete. Only the newest
// event of an artifact keeps the artifact's state. Documents are saved with every
// keystroke, and a client that resumes needs the present state, not each step to it. An
// update without a state has no frame.
type Artifact struct {
	ArtifactID string          `json:"artifact_id"`
	Artifact   json.RawMessage `json:"artifact,omitempty"` // ArtifactState
}

// ArtifactState is an artifact as the frames show it.
type ArtifactState struct {
	ID               string          `json:"id"`
	RoomID           string          `json:"room_id"`
	Type             string          `json:"type"`
	Title            string          `json:"title"`
	Content          json.RawMessage `json:"content"`
	ParentArtifactID *string         `json:"parent_artifact_id"`
	Version          int             `json:"version"`
	CreatedBy        *string         `json:"created_by"`
	LastModifiedBy   *string         `json:"last_modified_by"`
	CreatedAt        string          `json:"created_at"`
	UpdatedAt        string          `json:"updated_at"`
	IsDeleted        bool            `json:"is_deleted"`
	ArtifactAgents
}

// ArtifactAgents are the agents that have made and changed an artifact. What people did
// has none of them.
type ArtifactAgents struct {
	CreatedByAgentID      string `json:"created_by_agent_id,omitempty" format:"uuid"`
	LastModifiedAgentID   string `json:"last_modified_agent_id,omitempty" format:"uuid"`
	LastModifiedAgentName string `json:"last_modified_agent_name,omitempty"`
	LastModifiedTurnID    string `json:"last_modified_turn_id,omitempty" format:"uuid"`
}

// OfArtifact is the durable event of an artifact whose EventSeq is set. It has the
// artifact's present state, or says that it is deleted.
func OfArtifact(f *store.Artifact, actorID string, at time.Time, kind string) *store.Event {
	body := Artifact{ArtifactID: f.ID}
	if kind == TypeArtifactUpdate {
		body.Artifact = json.RawMessage(store.ToJSON(ArtifactState{ID: f.ID, RoomID: f.RoomID, Type: f.Type, Title: f.Title,
			Content: json.RawMessage(f.Content), ParentArtifactID: orNull(f.ParentID), Version: f.Version,
			CreatedBy: orNull(f.CreatedBy), LastModifiedBy: orNull(f.ModifiedBy),
			CreatedAt: Timestamp(f.CreatedAt), UpdatedAt: Timestamp(f.UpdatedAt), IsDeleted: f.Deleted(),
			ArtifactAgents: ArtifactAgents{CreatedByAgentID: f.CreatedByAgent, LastModifiedAgentID: f.ModifiedByAgent,
				LastModifiedAgentName: f.ModifiedAgentName, LastModifiedTurnID: f.ModifiedTurnID}}))
	}
	e := New(f.RoomID, f.EventSeq, kind, body, at)
	e.ActorID = actorID
	return e
}

// SpentArtifact is the body of an artifact's event after there is a newer one.
func SpentArtifact(artifactID string) store.JSON {
	return store.ToJSON(Artifact{ArtifactID: artifactID})
}

func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// encodeArtifact makes the frame of an artifact's event. The plain protocol's frame has
// only the members that its clients know.
func encodeArtifact(e realtime.Event, v realtime.Variant) []byte {
	var body Artifact
	if json.Unmarshal(e.Body, &body) != nil || body.ArtifactID == "" {
		return nil
	}
	f := struct {
		Type       string          `json:"type"`
		ArtifactID string          `json:"artifact_id,omitempty"`
		Artifact   json.RawMessage `json:"artifact,omitempty"`
		Timestamp  string          `json:"timestamp"`
		ID         string          `json:"id,omitempty"`
		Seq        int64           `json:"seq,omitempty"`
	}{Type: e.Type, Timestamp: Timestamp(e.At)}
	switch {
	case e.Type == TypeArtifactDelete:
		f.ArtifactID = body.ArtifactID
	case body.Artifact == nil:
		return nil
	default:
		f.Artifact = body.Artifact
	}
	if v&V2 != 0 {
		f.ID, f.Seq = e.ID, e.Seq
	}
	return []byte(store.ToJSON(f))
}

// artifactHold is how long an artifact's frame is held back from the plain sockets of
// the person who changed it. Their client adds the artifact from the response to its
// request, and would show it twice if the frame came first.
const artifactHold = 250 * time.Millisecond

func holdArtifact(e realtime.Event, v realtime.Variant) time.Duration {
	if v&V2 == 0 && (e.Type == TypeArtifactUpdate || e.Type == TypeArtifactDelete) {
		return artifactHold
	}
	return 0
}
