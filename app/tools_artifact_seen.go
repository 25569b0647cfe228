package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// artifactDone is what manage_artifact tells the model.
type artifactDone struct {
	Done    string `json:"done"`
	ID      string `json:"artifact_id"`
	Type    string `json:"type"`
	Title   string `json:"title"`
	Version int    `json:"version"`
	Merged  bool   `json:"merged,omitempty"`
	Note    string `json:"note,omitempty"`
}

// lookedAt is how many of an agent's calls about an artifact are looked through for what the
// agent has seen of it.
const lookedAt = 20

// artifactTold is what a call about an artifact told the model: read_artifact or manage_artifact.
type artifactTold struct {
	artifactDone
	Beginning string `json:"content_begins"`
	Part      string `json:"content_part"`
	From      int    `json:"from"`
	Next      int    `json:"next_from"`
}

// seen is the version of an artifact that an agent knows in its turn: the one that it read,
// and after it those that it made itself with nobody between. It is 0 if the agent knows
// none. An update that would replace a content which the agent has not seen as a whole is
// refused.
func (s *artifacts) seen(ctx context.Context, q store.Queries, c *turn.Call, f *store.Artifact, args artifactArgs) (version int, err error) {
	steps, err := q.ArtifactSteps(ctx, c.TurnID(), c.AgentID(), f.ID, lookedAt)
	if err != nil {
		return 0, err
	}
	cut, merged, next := false, false, 0
	for i := len(steps) - 1; i >= 0; i-- {
		var result turn.Result
		var t artifactTold
		if json.Unmarshal([]byte(steps[i].Output), &result) != nil || json.Unmarshal([]byte(result.Text), &t) != nil || t.Version == 0 {
			continue
		}
		switch {
		case t.Part != "":
			// It has seen all when the parts of one version follow on each other up to the last.
			if cut && t.Version == version && t.From == next {
				next, cut = t.Next, t.Next != 0
			}
		case t.Done == "" || t.Done == "create":
			version, cut, merged, next = t.Version, t.Beginning != "", false, t.Next
		case version == t.Version-1:
			version = t.Version
		}
		merged = merged || t.Merged
	}
	if len(args.Content) == 0 || f.Type == ArtifactTask {
		return version, nil // of a task only what is sent is replaced
	}
	other, err := s.readsFirst(ctx, q, f)
	switch {
	case err != nil:
		return 0, err
	case version == 0 && other:
		return 0, &turn.ToolError{Code: "read_first", Message: "you have not read this artifact in this turn, and update replaces its whole content: " +
			"read it with read_artifact first, or add to it with append or add_step"}
	case cut:
		return 0, &turn.ToolError{Code: "read_in_part", Message: "you have seen only a part of its content as it is now, and update replaces all of it: " +
			"read the rest with read_artifact and from, or add to it with append or add_step, or make a new artifact"}
	case merged:
		return 0, &turn.ToolError{Code: "read_first", Message: "others have changed this artifact too, and you have not seen what came of it: read it again with read_artifact"}
	case args.Version != 0 && args.Version != f.Version && args.Version != version:
		return 0, errorf(KindConflict, wording.Stale, "the artifact was changed meanwhile, it is version %d now; read it again", f.Version)
	}
	return version, nil
}

// readsFirst tells whether an artifact has a content that must have been read before it is
// replaced: any but the empty one that a client begins with.
func (s *artifacts) readsFirst(ctx context.Context, q store.Queries, f *store.Artifact) (bool, error) {
	if f.ContentBytes > 100 {
		return true, nil
	}
	whole, err := q.Artifact(ctx, f.ID)
	if err != nil {
		return false, err
	}
	for _, m := range membersOf(whole.Content) {
		if text := string(m.Value); m.Name != "type" && text != "[]" && text != "{}" && text != "null" && text != `{"type":"doc","content":[]}` {
			return true, nil
		}
	}
	return false, nil
}

const (
	conflictsForModel = 3   // that a model is shown
	conflictForModelN = 300 // bytes of each of their texts
)

// conflictForModel puts the texts of a conflict into the error, because a model reads
// nothing else.
func conflictForModel(err error) error {
	var e *Error
	if !errors.As(err, &e) || e.Code != wording.MergeConflict && e.Code != wording.BaseGone {
		return err
	}
	text := func(s *string) string {
		if s == nil {
			return "deleted"
		}
		return fmt.Sprintf("%q", store.Cut(*s, conflictForModelN))
	}
	var b strings.Builder
	b.WriteString("others have changed this artifact since you read it")
	for i, c := range e.Conflicts[:min(len(e.Conflicts), conflictsForModel)] {
		b.WriteString([]string{", the same blocks as you: ", "; ", "; "}[i])
		fmt.Fprintf(&b, "%s is now %s, yours %s", c.Block, text(c.Theirs), text(c.Yours))
	}
	if more := len(e.Conflicts) - conflictsForModel; more > 0 {
		fmt.Fprintf(&b, "; and %d more", more)
	}
	b.WriteString(". Nothing was changed. Read it again with read_artifact, then decide.")
	return &turn.ToolError{Code: string(e.Code), Message: b.String()}
}
