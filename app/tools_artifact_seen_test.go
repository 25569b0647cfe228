package app_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// An agent replaces only what it has seen, and what others do meanwhile stays.
func TestAgentsMerge(t *testing.T) {
	t.Parallel()
	read := func(f *store.Artifact) llmtest.Response { return use("read_artifact", `{"artifact_id":"`+f.ID+`"}`) }
	update := func(f *store.Artifact, texts ...string) llmtest.Response {
		return manage(obj{"action": "update", "artifact_id": f.ID, "content": json.RawMessage(paragraphs(texts...))})
	}
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		s := set(t, r)
		c := s.c
		// doc makes a document of the agent.
		doc := func(t *testing.T, texts ...string) *store.Artifact {
			t.Helper()
			s.play(t, manage(obj{"action": "create", "artifact_type": "doc", "title": "Notes", "content": json.RawMessage(paragraphs(texts...))}), say("Done."))
			return artifactIn(t, r, c)
		}
		// between lets a person change a document after the agent has read it.
		between := func(f *store.Artifact, texts ...string) func() {
			return func() {
				if _, err := r.UpdateArtifact(t.Context(), c.Student, f.ID, app.ArtifactChange{Content: content(paragraphs(texts...))}); err != nil {
					t.Error(err)
				}
			}
		}
		now := func(f *store.Artifact) *store.Artifact {
			f, err := r.Artifact(t.Context(), c.Teacher, f.ID)
			must(t, err)
			return f
		}
		last := func() string { return result(t, r, r.Model.Count()) }
		t.Run("Unread", func(t *testing.T) {
			f := doc(t, "one")
			s.play(t, update(f, "two"), say("Well."))
			if got := last(); !strings.Contains(got, "read it with read_artifact first") || now(f).Version != 1 {
				t.Errorf("got %s, version %d", got, now(f).Version)
			}
		})
		t.Run("Read", func(t *testing.T) {
			f := doc(t, "one")
			s.play(t, read(f), update(f, "one", "two"), update(f, "one", "two", "three"), say("Done."))
			wantContent(t, now(f), paragraphs("one", "two", "three"))
		})
		t.Run("OwnFromTheBeginning", func(t *testing.T) {
			s.play(t, manage(obj{"action": "create", "artifact_type": "doc", "title": "Empty"}), say("Done."))
			f := artifactIn(t, r, c)
			s.play(t, update(f, "one"), say("Done."))
			wantContent(t, now(f), paragraphs("one"))
		})
		t.Run("InPart", func(t *testing.T) {
			f := doc(t, strings.Repeat("long ", 8000), "end")
			s.play(t, read(f), update(f, "short"), say("Well."))
			if got := last(); !strings.Contains(got, "only a part of its content") || now(f).Version != 1 {
				t.Errorf("got %s, version %d", got, now(f).Version)
			}
			s.play(t, read(f), manage(obj{"action": "append", "artifact_id": f.ID, "content": "more"}), say("Done."))
			if got := string(now(f).Content); !strings.Contains(got, `"more"`) || !strings.Contains(got, `"end"`) {
				t.Error("append after reading a part: it did not append")
			}
		})
		t.Run("Merged", func(t *testing.T) {
			f := doc(t, "one", "two")
			s.playBetween(t, between(f, "one", "theirs"), read(f), update(f, "mine", "two"), update(f, "again", "two"), say("Done."))
			// A person has worked on it now, so that the call waits for staff.
			approveAll(t, r, c)
			wantContent(t, now(f), paragraphs("mine", "theirs"))
			if got := last(); !strings.Contains(got, "read it again with read_artifact") {
				t.Errorf("a second update: got %s", got)
			}
		})
		t.Run("Conflict", func(t *testing.T) {
			f := doc(t, "one", "two")
			s.playBetween(t, between(f, "one", "theirs"), read(f), update(f, "one", "mine"), say("Well."))
			approveAll(t, r, c)
			if got := last(); !strings.Contains(got, `content.content/1 is now \"theirs\", yours \"mine\"`) && !strings.Contains(got, `content.content/1 is now "theirs", yours "mine"`) {
				t.Errorf("got %s", got)
			}
			wantContent(t, now(f), paragraphs("one", "theirs"))
		})
	})
}

// artifactIn is the newest artifact of the class's room.
func artifactIn(t *testing.T, r *apptest.Rig, c *apptest.Class) *store.Artifact {
	t.Helper()
	all := artifacts(t, r, c)
	return &all[len(all)-1]
}

// playBetween is play, and does something before the second answer.
func (s *scene) playBetween(t *testing.T, between func(), answers ...llmtest.Response) {
	t.Helper()
	before := s.r.Model.Count()
	ask(t, s.r, s.c, func(req llmtest.Request) llmtest.Response {
		n := req.Number - before
		if n == 2 {
			between()
		}
		return answers[min(n, len(answers))-1]
	})
}

// approveAll lets what waits go on.
func approveAll(t *testing.T, r *apptest.Rig, c *apptest.Class) {
	t.Helper()
	_, err := r.DecideApproval(t.Context(), c.Teacher, c.Room.ID, waiting(t, r, c).Step.ID, app.DecisionApprove, "")
	must(t, err)
	r.Idle(t, c.Room.ID)
}
