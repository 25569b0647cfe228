package app_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// manage is a call of manage_artifact.
func manage(args map[string]any) llmtest.Response {
	raw, err := json.Marshal(args)
	if err != nil {
		panic(err)
	}
	return use("manage_artifact", string(raw))
}

type obj = map[string]any

// What each action does, and what it refuses.
func TestManageArtifact(t *testing.T) {
	t.Parallel()
	const doc = `{"type":"doc","version":7,"content":[{"type":"paragraph","content":[{"type":"text","text":"one"}]}],"z":1,"a":2}`
	const process = `{"zoom":2,"nodes":[{"id":"1","position":{"y":1,"x":2}},{"id":"2"}],"edges":[{"id":"e","source":"1","target":"2"}],"b":3}`
	const paragraph = `{"type":"paragraph","content":[{"type":"text","text":"two"}]}`
	two := json.RawMessage(paragraph)
	for name, rule := range map[string]struct {
		kind, content string // of the artifact that the teacher has made
		args          obj    // beside its id
		told          string
		want          string // its content afterwards; as before when empty
	}{
		"append a document":     {"doc", doc, obj{"action": "append", "content": obj{"type": "doc", "content": []any{two}}}, `"version":2`, `{"type":"doc","version":7,"content":[{"type":"paragraph","content":[{"type":"text","text":"one"}]},` + paragraph + `],"z":1,"a":2}`},
		"append a node":         {"doc", doc, obj{"action": "append", "content": two}, `"version":2`, `{"type":"doc","version":7,"content":[{"type":"paragraph","content":[{"type":"text","text":"one"}]},` + paragraph + `],"z":1,"a":2}`},
		"append a list":         {"doc", `{"type":"doc","content":[]}`, obj{"action": "append", "content": []any{two, two}}, `"version":2`, `{"type":"doc","content":[` + paragraph + `,` + paragraph + `]}`},
		"append text":           {"doc", `{}`, obj{"action": "append", "content": "two\n\n"}, `"version":2`, `{"type":"doc","content":[` + paragraph + `]}`},
		"append nothing":        {"doc", doc, obj{"action": "append", "content": "  "}, "nothing to append", ""},
		"append no node":        {"doc", doc, obj{"action": "append", "content": obj{"text": "x"}}, "is no node", ""},
		"append no nodes":       {"doc", doc, obj{"action": "append", "content": []any{1}}, "list of nodes", ""},
		"append without":        {"doc", doc, obj{"action": "append"}, "is needed to append", ""},
		"append to a task":      {"task", `{"status":"todo"}`, obj{"action": "append", "content": two}, "append is for documents", ""},
		"append to another doc": {"doc", `{"content":"text"}`, obj{"action": "append", "content": two}, "no list of nodes", ""},

		"add a step": {"process", process, obj{"action": "add_step", "content": json.RawMessage(`{"nodes":[{"id":"3"}],"edges":[{"source":"2","target":"3"}]}`)}, `"version":2`,
			`{"zoom":2,"nodes":[{"id":"1","position":{"y":1,"x":2}},{"id":"2"},{"id":"3"}],"edges":[{"id":"e","source":"1","target":"2"},{"source":"2","target":"3"}],"b":3}`},
		"add an edge":              {"process", process, obj{"action": "add_step", "content": json.RawMessage(`{"edges":[{"id":"f","source":"2","target":"1"}]}`)}, `"version":2`, strings.Replace(process, `"target":"2"}]`, `"target":"2"},{"id":"f","source":"2","target":"1"}]`, 1)},
		"a node twice":             {"process", process, obj{"action": "add_step", "content": obj{"nodes": []obj{{"id": "2"}}}}, "the id 2 of nodes is there already", ""},
		"a new node twice":         {"process", process, obj{"action": "add_step", "content": obj{"nodes": []obj{{"id": "4"}, {"id": "4"}}}}, "the id 4 of nodes is there already", ""},
		"an edge twice":            {"process", process, obj{"action": "add_step", "content": obj{"edges": []obj{{"id": "e", "source": "1", "target": "2"}}}}, "the id e of edges is there already", ""},
		"a node without an id":     {"process", process, obj{"action": "add_step", "content": obj{"nodes": []obj{{"x": 1}}}}, "each node needs an id", ""},
		"an edge to nowhere":       {"process", process, obj{"action": "add_step", "content": obj{"edges": []obj{{"source": "1", "target": "9"}}}}, `names the node \"9\", which is not there`, ""},
		"an edge from nowhere":     {"process", process, obj{"action": "add_step", "content": obj{"edges": []obj{{"target": "1"}}}}, "which is not there", ""},
		"an edge that is a number": {"process", process, obj{"action": "add_step", "content": obj{"edges": []any{1}}}, "an edge must be an object", ""},
		"no step":                  {"process", process, obj{"action": "add_step", "content": obj{}}, "no nodes and no edges", ""},
		"nodes that are no list":   {"process", process, obj{"action": "add_step", "content": obj{"nodes": "x"}}, "nodes must be a list", ""},
		"a step as a list":         {"process", process, obj{"action": "add_step", "content": []any{1}}, "must be an object with nodes and edges", ""},
		"a step for a doc":         {"doc", doc, obj{"action": "add_step", "content": obj{"nodes": []obj{{"id": "4"}}}}, "add_step is for processes", ""},
		"an old version":           {"doc", doc, obj{"action": "append", "content": two, "expected_version": 3}, "it is version 1 now", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.EachURL(t, func(t *testing.T, url string) {
				r := apptest.New(t, url)
				c := silentClass(t, r)
				equip(t, r, c, allCaps...)
				f := put(t, r, c, rule.kind, "Thing", rule.content)
				args := maps.Clone(rule.args) // both databases run at once
				args["artifact_id"] = strings.ToUpper(f.ID)
				ask(t, r, c, llmtest.InTurn(manage(args), say("Well.")))
				if got := result(t, r, 2); !strings.Contains(got, rule.told) && !strings.Contains(strings.ReplaceAll(got, `"`, `\"`), rule.told) {
					t.Errorf("the model was told %s, want %s", got, rule.told)
				}
				after := artifacts(t, r, c)[0]
				wanted, version, by := rule.want, 2, c.TeacherAgent.ID
				if wanted == "" {
					wanted, version, by = rule.content, 1, ""
				}
				if string(after.Content) != wanted || after.Version != version || after.ModifiedByAgent != by {
					t.Errorf("got version %d by %q:\n%s\nwant %d by %q:\n%s", after.Version, after.ModifiedByAgent, after.Content, version, by, wanted)
				}
				// It can be undone.
				if version == 2 {
					back, err := r.RestoreArtifactVersion(t.Context(), c.Teacher, f.ID, 1)
					if err != nil || string(back.Content) != rule.content {
						t.Errorf("restored: got %v (%v)", back, err)
					}
				}
			})
		})
	}
}

// An agent changes what agents have made by itself, and of another room knows
// nothing.
func TestOwnAndForeignArtifacts(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		s := set(t, r)
		c := s.c
		other := put(t, r, silentClass(t, r), "task", "Secret", `{"status":"todo"}`)
		gone := put(t, r, c, "task", "Gone", `{}`)
		if err := r.DeleteArtifact(t.Context(), c.Teacher, gone.ID, false); err != nil {
			t.Fatal(err)
		}
		t.Run("ItsOwn", func(t *testing.T) {
			s.play(t, manage(obj{"action": "update", "artifact_id": s.task, "title": "Better", "content": obj{"status": "done"}}), say("Done."))
			f, err := r.Artifact(t.Context(), c.Teacher, s.task)
			if err != nil || f.Title != "Better" || string(f.Content) != `{"status":"done"}` || f.Version != 2 {
				t.Errorf("got %+v (%v)", f, err)
			}
		})
		t.Run("AfterAPerson", func(t *testing.T) {
			if _, err := r.UpdateArtifact(t.Context(), c.Student, s.doc, app.ArtifactChange{Title: app.Some("Sue's")}); err != nil {
				t.Fatal(err)
			}
			end, _ := s.play(t, s.append("a"), manage(obj{"action": "update", "artifact_id": s.doc, "title": "Mine"}), say("Done."))
			if a := waiting(t, r, c); end.State != store.TurnParked || !strings.Contains(a.Summary, "Sue's") {
				t.Errorf("got %+v, %+v", end, a)
			}
		})
		for name, id := range map[string]string{"OfAnotherRoom": other.ID, "Deleted": gone.ID, "Unknown": store.NewID(), "NotEvenAnID": "'; DROP TABLE artifacts"} {
			t.Run(name, func(t *testing.T) {
				before := r.Model.Count()
				for _, action := range []string{"update", "delete", "append"} {
					s.play(t, manage(obj{"action": action, "artifact_id": id, "title": "x", "content": obj{"type": "x"}}), use("read_artifact", fmt.Sprintf(`{"artifact_id":%q}`, id)),
						manage(obj{"action": "create", "artifact_type": "task", "title": "Child", "parent_artifact_id": id}), say("Well."))
				}
				for _, req := range r.Model.Requests()[before:] {
					for _, m := range req.Messages {
						if m.Role == "tool" && strings.Contains(m.Text, "Secret") {
							t.Errorf("the model was told %s", m.Text)
						}
					}
				}
				for _, f := range artifacts(t, r, c) {
					if f.Title == "Child" {
						t.Error("a child was made")
					}
				}
			})
		}
		if f, err := r.DB.Artifact(t.Context(), other.ID); err != nil || f.Version != 1 {
			t.Errorf("the other room's: got %+v (%v)", f, err)
		}
	})
}

func TestReadingTools(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		c := silentClass(t, r)
		equip(t, r, c, allCaps...)
		for _, text := range []string{"Mitosis is a kind of cell division", "hidden MITOSIS", "taken back mitosis", "nothing"} {
			post(t, r, c.Student, c.Room.ID, text)
		}
		r.Idle(t, c.Room.ID)
		messages := r.Messages(t, c.Room.ID, 4)
		if _, err := r.HideMessage(t.Context(), c.Teacher, c.Room.ID, messages[1].ID); err != nil {
			t.Fatal(err)
		}
		if err := r.DeleteMessage(t.Context(), c.Student, c.Room.ID, messages[2].ID); err != nil {
			t.Fatal(err)
		}
		big := put(t, r, c, "doc", "Big", `{"type":"doc","text":"`+strings.Repeat("x", 40<<10)+`"}`)
		small := put(t, r, c, "task", "Small", `{"status":"todo"}`)
		ask(t, r, c, llmtest.InTurn(use("search_messages", `{"text":"MITOSIS"}`), use("list_members", `{}`),
			use("read_artifact", `{"artifact_id":"`+big.ID+`"}`), use("read_artifact", `{"artifact_id":"`+small.ID+`"}`),
			use("list_artifacts", `{"artifact_type":"task"}`), say("I see.")))
		found := result(t, r, 2)
		if !strings.Contains(found, "Mitosis is a kind") || !strings.Contains(found, `"from":"Sue (student)"`) || strings.Contains(found, "hidden") || strings.Contains(found, "taken") {
			t.Errorf("search_messages told %s", found)
		}
		members := result(t, r, 3)
		for _, name := range []string{`{"name":"Tess","part":"teacher"}`, `{"name":"Tom","part":"ta"}`, `{"name":"Sue","part":"student"}`, `{"name":"Teacher","part":"instructor"}`} {
			if !strings.Contains(members, name) {
				t.Errorf("list_members told %s, want %s in it", members, name)
			}
		}
		if strings.Contains(members, "@") || strings.Contains(members, "Otto") {
			t.Errorf("list_members told %s", members)
		}
		if got := result(t, r, 4); !strings.Contains(got, `"content_begins"`) || len(got) > 40<<10 {
			t.Errorf("a large artifact: got %d bytes, beginning %.100s", len(got), got)
		}
		if got := result(t, r, 5); !strings.Contains(got, `"content":{"status":"todo"}`) || !strings.Contains(got, `"last_changed_by":"a person"`) {
			t.Errorf("read_artifact told %s", got)
		}
		if got := result(t, r, 6); !strings.Contains(got, small.ID) || strings.Contains(got, big.ID) {
			t.Errorf("list_artifacts told %s", got)
		}
		// What was found is kept by reference: hidden later, it is in no stored step.
		for _, s := range steps(t, r, c.Room.ID) {
			if strings.Contains(string(s.Output), "Mitosis is") {
				t.Errorf("the step keeps the line: %s", s.Output)
			}
		}
	})
}

func TestAskAgent(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		c := silentClass(t, r)
		equip(t, r, c, allCaps...)
		ask(t, r, c, llmtest.InTurn(use("ask_agent", `{"agent":"student","question":"What is unclear?"}`), say("Everything."), say("So I hear.")))
		want(t, "lines", contents(t, r, c.Room.ID), []string{"@teacher please", "So I hear."})
		other := r.Model.Requests()[1]
		if !strings.HasPrefix(other.System, c.StudentAgent.SystemPrompt) || len(other.Tools) != 0 {
			t.Errorf("the other was asked with %q and the tools %q", other.System, other.Tools)
		}
		texts := other.Messages
		if got := texts[len(texts)-1].Text; got != "Teacher (AI teacher, to you alone): What is unclear?" {
			t.Errorf("the question: got %q", got)
		}
		if got := result(t, r, 3); got != `{"agent":"Student","answer":"Everything."}` {
			t.Errorf("the answer: got %s", got)
		}
		if got := fmt.Sprint(kinds(steps(t, r, c.Room.ID))); got != "[model/done tool/done model/done model/done]" {
			t.Errorf("steps: got %s", got)
		}
		for name, rule := range map[string]struct {
			agent string
			tune  func()
			told  string
		}{
			"Itself":  {"Teacher", func() {}, "no other agent of that name"},
			"Nobody":  {"Aristotle", func() {}, "there are: Student"},
			"Failing": {"Student", func() {}, "Student could not answer"},
			"Off": {"Student", func() {
				if _, err := r.UpdateAgent(t.Context(), c.Teacher, c.StudentAgent.ID, app.AgentSettings{IsActive: app.Some(false)}); err != nil {
					t.Fatal(err)
				}
			}, "no other agent of that name"},
		} {
			if name == "Off" {
				defer func() {
					rule.tune()
					before := r.Model.Count()
					ask(t, r, c, func(req llmtest.Request) llmtest.Response {
						return []llmtest.Response{use("ask_agent", `{"agent":"Student","question":"?"}`), say("Well.")}[min(req.Number-before, 2)-1]
					})
					if got := result(t, r, r.Model.Count()); !strings.Contains(got, rule.told) {
						t.Errorf("%s: the model was told %s", name, got)
					}
				}()
				continue
			}
			before := r.Model.Count()
			ask(t, r, c, func(req llmtest.Request) llmtest.Response {
				switch {
				case req.Number == before+1:
					return use("ask_agent", `{"agent":"`+rule.agent+`","question":"?"}`)
				case strings.HasPrefix(req.System, c.StudentAgent.SystemPrompt):
					return llmtest.Response{Status: 400, Message: "no"}
				}
				return say("Well.")
			})
			if got := result(t, r, r.Model.Count()); !strings.Contains(got, rule.told) {
				t.Errorf("%s: the model was told %s, want %s", name, got, rule.told)
			}
		}
	})
}
