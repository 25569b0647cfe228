package turn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strings"
	"time"
	"unicode/utf8"

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

// readArgs are the arguments of list_artifacts and read_artifact.
type readArgs struct {
	Type string `json:"artifact_type"`
	ID   string `json:"artifact_id"`
	From int    `json:"from"`
}

// RoomArtifact loads an artifact of a room, without its content. An artifact of any other
// room is not found.
func RoomArtifact(ctx context.Context, q store.Queries, roomID, id string) (*store.Artifact, error) {
	if id == "" {
		return nil, toolErrorf("invalid", "artifact_id: is needed")
	}
	f, err := q.ArtifactHead(ctx, strings.ToLower(store.Cut(id, 100)))
	if errors.Is(err, store.ErrNotFound) || err == nil && (f.RoomID != roomID || f.Deleted()) {
		return nil, toolErrorf("not_found", "there is no artifact with this artifact_id in the room; list_artifacts tells which there are")
	}
	return f, err
}

func listArtifacts() *Tool {
	return &Tool{Name: "list_artifacts", Alone: true, Needs: []string{CapArtifactRead},
		Description: "List the artifacts of this room (tasks, documents, processes), newest first, without their contents.",
		Schema:      `{"type":"object","properties":{"artifact_type":{"type":"string","enum":["task","doc","process"]}},"additionalProperties":false}`,
		Run: func(ctx context.Context, tx *store.Tx, c *Call) (Result, error) {
			args, err := Arguments[readArgs](c)
			if err != nil {
				return Result{}, err
			}
			rows, err := tx.ArtifactHeads(ctx, c.run.turn.RoomID, args.Type, store.Page{Limit: listedArtifacts})
			refs := make([]ArtifactRef, len(rows))
			for i, f := range rows {
				refs[i] = ArtifactRef{f.ID, f.Version}
			}
			return Result{Artifacts: refs}, err
		}}
}

// artifactsText is a list of artifacts for a model. It has only those that are not
// deleted now.
func (e *Engine) artifactsText(ctx context.Context, roomID string, refs []ArtifactRef) (string, error) {
	ids := make([]string, len(refs))
	for i, ref := range refs {
		ids[i] = ref.ID
	}
	rows, err := e.db.ArtifactHeadsByID(ctx, roomID, ids)
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
	Part      string          `json:"content_part,omitempty"`
	From      int             `json:"from,omitempty"`
	Next      int             `json:"next_from,omitempty"`
	Note      string          `json:"note,omitempty"`
}

// show puts the content into what a model reads, or a part of it that begins at a byte.
func (l *listedArtifact) show(content string, from int) error {
	if from == 0 && len(content) <= readBytes {
		l.Content = json.RawMessage(content)
		return nil
	}
	if from >= len(content) {
		return toolErrorf("invalid", "from: the content has %d bytes, so there is nothing from there on", len(content))
	}
	for !utf8.RuneStart(content[from]) { // a model may have counted
		from--
	}
	part := store.Cut(content[from:], readBytes)
	if l.From = from; from == 0 {
		l.Beginning = part
	} else {
		l.Part = part
	}
	if left := len(content) - from - len(part); left > 0 {
		l.Next = from + len(part)
		l.Note = fmt.Sprintf("%d of %d bytes are left: read on with from %d", left, len(content), l.Next)
	} else {
		l.Note = "this is the last part"
	}
	return nil
}

func listed(f *store.Artifact) listedArtifact {
	by := "a person"
	if f.ModifiedByAgent != "" {
		by = "an agent"
	}
	return listedArtifact{ID: f.ID, Type: f.Type, Title: f.Title, ParentID: f.ParentID, Version: f.Version, UpdatedAt: event.Timestamp(f.UpdatedAt), ChangedBy: by}
}

func readArtifact() *Tool {
	return &Tool{Name: "read_artifact", Alone: true, Needs: []string{CapArtifactRead},
		Description: "Read one artifact of this room with its content. A long content comes in parts, and each says from where to read on.",
		Schema: `{"type":"object","properties":{"artifact_id":{"type":"string"},
			"from":{"type":"integer","minimum":0,"description":"the next_from of the part before"}},"required":["artifact_id"],"additionalProperties":false}`,
		Run: func(ctx context.Context, tx *store.Tx, c *Call) (Result, error) {
			args, err := Arguments[readArgs](c)
			if err != nil {
				return Result{}, err
			}
			head, err := RoomArtifact(ctx, tx.Queries, c.RoomID(), args.ID)
			if err != nil {
				return Result{}, err
			}
			f, err := tx.Artifact(ctx, head.ID)
			if err != nil {
				return Result{}, err
			}
			out := listed(f)
			if err := out.show(string(f.Content), args.From); err != nil {
				return Result{}, err
			}
			r := Reply(out)
			r.ArtifactID = f.ID
			return r, nil
		}}
}

func searchMessages() *Tool {
	return &Tool{Name: "search_messages", Alone: true, Needs: []string{CapChatRead},
		Description: "Find messages of this room that contain a text, newest first: what was said before the messages that you see.",
		Schema:      `{"type":"object","properties":{"text":{"type":"string","minLength":1,"maxLength":200}},"required":["text"],"additionalProperties":false}`,
		Run: func(ctx context.Context, tx *store.Tx, c *Call) (Result, error) {
			args, err := Arguments[struct {
				Text string `json:"text"`
			}](c)
			if err != nil {
				return Result{}, err
			}
			seqs, err := tx.SearchMessages(ctx, c.run.turn.RoomID, args.Text, searchedMessages, foundMessages)
			return Result{Messages: append([]int64{}, seqs...)}, err
		}}
}

// messagesText is messages for a model, with the text that may be read now.
func (e *Engine) messagesText(ctx context.Context, roomID string, seqs []int64) (string, error) {
	rows, err := e.db.MessagesBySeq(ctx, roomID, seqs)
	return e.foundText(rows, false), err
}

// foundText shows the messages that a search has found, newest first. With all it also
// shows those that are deleted or hidden now.
func (e *Engine) foundText(rows []store.Message, all bool) string {
	type line struct {
		From string `json:"from"`
		At   string `json:"at"`
		Text string `json:"text"`
	}
	sort.Slice(rows, func(i, j int) bool { return rows[i].Seq > rows[j].Seq })
	out := []line{}
	for _, m := range rows {
		if all || m.State() == store.MessageShown {
			out = append(out, line{speakerOf(&m, false), m.CreatedAt.In(e.cfg.Location()).Format(time.DateTime), m.Content})
		}
	}
	return string(store.ToJSON(out))
}

func listMembers() *Tool {
	return &Tool{Name: "list_members", Needs: []string{CapMembersRead},
		Description: "List the people who may be in this room and the agents in it: their names and their parts.",
		Schema:      `{"type":"object","properties":{},"additionalProperties":false}`,
		Run: func(ctx context.Context, tx *store.Tx, c *Call) (Result, error) {
			type member struct {
				Name string `json:"name"`
				Part string `json:"part"`
			}
			people, err := tx.RoomPeople(ctx, c.run.turn.RoomID, listedMembers)
			if err != nil {
				return Result{}, err
			}
			agents, err := tx.AgentsInRoom(ctx, c.run.turn.RoomID)
			var out struct {
				People []member `json:"people"`
				Agents []member `json:"agents"`
			}
			for _, p := range people {
				if p.IsBot() {
					p.Part = store.KindBot
				}
				out.People = append(out.People, member{event.ShownName(p.Name()), p.Part})
			}
			for _, ag := range agents {
				out.Agents = append(out.Agents, member{ag.Name, PartOf(&ag)})
			}
			return Reply(out), err
		}}
}
