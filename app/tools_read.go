package app

import (
	"context"
	"encoding/json"
	"sort"
	"time"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/store"
)

const (
	listedArtifacts  = 100      // the newest
	readBytes        = 32 << 10 // of one artifact's content
	foundMessages    = 20
	searchedMessages = 20_000 // how many messages a search reads
	listedMembers    = 200
)

func listArtifacts() *tool {
	return &tool{name: "list_artifacts", needs: []string{CapArtifactRead},
		description: "List the artifacts of this room (tasks, documents, processes), newest first, without their contents.",
		schema:      `{"type":"object","properties":{"artifact_type":{"type":"string","enum":["task","doc","process"]}},"additionalProperties":false}`,
		run: func(ctx context.Context, tx *store.Tx, c *toolCall) (toolResult, error) {
			args, err := arguments[artifactArgs](c)
			if err != nil {
				return toolResult{}, err
			}
			rows, err := tx.ArtifactHeads(ctx, c.run.turn.RoomID, args.Type, store.Page{Limit: listedArtifacts})
			refs := make([]artifactRef, len(rows))
			for i, f := range rows {
				refs[i] = artifactRef{f.ID, f.Version}
			}
			return toolResult{Artifacts: refs}, err
		}}
}

// artifactsText is a list of artifacts for a model. It has only those that are not
// deleted now.
func (a *App) artifactsText(ctx context.Context, roomID string, refs []artifactRef) (string, error) {
	ids := make([]string, len(refs))
	for i, ref := range refs {
		ids[i] = ref.ID
	}
	rows, err := a.db.ArtifactHeadsByID(ctx, roomID, ids)
	out := make([]listedArtifact, len(rows))
	for i := range rows {
		out[i] = listed(&rows[i])
	}
	return string(store.ToJSON(out)), err
}

// listedArtifact is an artifact as models see it.
type listedArtifact struct {
	ID        string          `json:"artifact_id"`
	Type      string          `json:"type"`
	Title     string          `json:"title"`
	ParentID  string          `json:"parent_artifact_id,omitempty"`
	Version   int             `json:"version"`
	UpdatedAt string          `json:"updated_at"`
	ChangedBy string          `json:"last_changed_by"` // person or agent
	Content   json.RawMessage `json:"content,omitempty"`
	Beginning string          `json:"content_begins,omitempty"`
}

func listed(f *store.Artifact) listedArtifact {
	by := "a person"
	if f.ModifiedByAgent != "" {
		by = "an agent"
	}
	return listedArtifact{ID: f.ID, Type: f.Type, Title: f.Title, ParentID: f.ParentID, Version: f.Version, UpdatedAt: event.Timestamp(f.UpdatedAt), ChangedBy: by}
}

func readArtifact() *tool {
	return &tool{name: "read_artifact", needs: []string{CapArtifactRead},
		description: "Read one artifact of this room with its content.",
		schema:      `{"type":"object","properties":{"artifact_id":{"type":"string"}},"required":["artifact_id"],"additionalProperties":false}`,
		run: func(ctx context.Context, tx *store.Tx, c *toolCall) (toolResult, error) {
			args, err := arguments[artifactArgs](c)
			if err != nil {
				return toolResult{}, err
			}
			head, err := c.run.app.roomArtifact(ctx, tx.Queries, c.run.turn.RoomID, args.ID)
			if err != nil {
				return toolResult{}, err
			}
			f, err := tx.Artifact(ctx, head.ID)
			if err != nil {
				return toolResult{}, fromStore(err, "Artifact")
			}
			out := listed(f)
			if len(f.Content) <= readBytes {
				out.Content = json.RawMessage(f.Content)
			} else {
				out.Beginning = store.Cut(string(f.Content), readBytes)
			}
			r := reply(out)
			r.artifactID = f.ID
			return r, nil
		}}
}

func searchMessages() *tool {
	return &tool{name: "search_messages", needs: []string{CapChatRead},
		description: "Find lines of this room that contain a text, newest first: what was said before the lines that you see.",
		schema:      `{"type":"object","properties":{"text":{"type":"string","minLength":1,"maxLength":200}},"required":["text"],"additionalProperties":false}`,
		run: func(ctx context.Context, tx *store.Tx, c *toolCall) (toolResult, error) {
			args, err := arguments[struct {
				Text string `json:"text"`
			}](c)
			if err != nil {
				return toolResult{}, err
			}
			seqs, err := tx.SearchMessages(ctx, c.run.turn.RoomID, args.Text, searchedMessages, foundMessages)
			return toolResult{Messages: append([]int64{}, seqs...)}, err
		}}
}

// messagesText is messages for a model, with the text that may be read now.
func (a *App) messagesText(ctx context.Context, roomID string, seqs []int64) (string, error) {
	rows, err := a.db.MessagesBySeq(ctx, roomID, seqs)
	return a.foundText(rows, false), err
}

// foundText shows the messages that a search has found, newest first. With all it also
// shows those that are deleted or hidden now.
func (a *App) foundText(rows []store.Message, all bool) string {
	type line struct {
		From string `json:"from"`
		At   string `json:"at"`
		Text string `json:"text"`
	}
	sort.Slice(rows, func(i, j int) bool { return rows[i].Seq > rows[j].Seq })
	out := []line{}
	for _, m := range rows {
		if all || m.State() == store.MessageShown {
			out = append(out, line{speakerOf(&m), m.CreatedAt.In(a.cfg.Location()).Format(time.DateTime), m.Content})
		}
	}
	return string(store.ToJSON(out))
}

func listMembers() *tool {
	return &tool{name: "list_members", needs: []string{CapMembersRead},
		description: "List the people who may be in this room and the agents in it: their names and their parts.",
		schema:      `{"type":"object","properties":{},"additionalProperties":false}`,
		run: func(ctx context.Context, tx *store.Tx, c *toolCall) (toolResult, error) {
			type member struct {
				Name string `json:"name"`
				Part string `json:"part"`
			}
			people, err := tx.RoomPeople(ctx, c.run.turn.RoomID, listedMembers)
			if err != nil {
				return toolResult{}, err
			}
			agents, err := tx.AgentsInRoom(ctx, c.run.turn.RoomID)
			var out struct {
				People []member `json:"people"`
				Agents []member `json:"agents"`
			}
			for _, p := range people {
				out.People = append(out.People, member{event.ShownName(p.Name()), p.Part})
			}
			for _, ag := range agents {
				out.Agents = append(out.Agents, member{ag.Name, partOf(&ag)})
			}
			return reply(out), err
		}}
}
