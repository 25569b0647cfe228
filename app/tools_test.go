package app_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// allCaps are those that every tool in this file needs.
var allCaps = []string{turn.CapChatRead, turn.CapArtifactRead, turn.CapArtifactWrite, turn.CapArtifactDelete, turn.CapMembersRead, turn.CapAgentsAsk}

// equip gives the teacher agent capabilities.
func equip(t testing.TB, r *apptest.Rig, c *apptest.Class, caps ...string) {
	t.Helper()
	if _, err := r.UpdateAgent(t.Context(), c.Teacher, c.TeacherAgent.ID, app.AgentSettings{Capabilities: app.Some(caps)}); err != nil {
		t.Fatal(err)
	}
}

// use is an answer that calls a tool with arguments as JSON.
func use(name, args string) llmtest.Response {
	return llmtest.Response{ToolCalls: []llmtest.ToolCall{{ID: "call_" + store.NewID()[24:], Name: name, Arguments: args}}}
}

func say(text string) llmtest.Response { return llmtest.Response{Text: text} }

// result is what the model was told last by a tool, in a turn's n-th request.
func result(t testing.TB, r *apptest.Rig, n int) string {
	t.Helper()
	all := r.Model.Requests()
	if len(all) < n {
		t.Fatalf("the model was asked %d times, want %d", len(all), n)
	}
	m := all[n-1].Messages[len(all[n-1].Messages)-1]
	if m.Role != "tool" {
		t.Fatalf("the last message of request %d is %+v, want a tool's result", n, m)
	}
	_, text, _ := strings.Cut(unfenced(m.Text), ": ")
	return text
}

// artifacts are those of the class's room, oldest first.
func artifacts(t testing.TB, r *apptest.Rig, c *apptest.Class) []store.Artifact {
	t.Helper()
	all, err := storetest.All(r.Artifacts(t.Context(), c.Teacher, c.Room.ID, ""))
	if err != nil {
		t.Fatal(err)
	}
	for i, j := 0, len(all)-1; i < j; i, j = i+1, j-1 {
		all[i], all[j] = all[j], all[i]
	}
	return all
}

// make has the teacher put an artifact into the room.
func put(t testing.TB, r *apptest.Rig, c *apptest.Class, kind, title, content string) *store.Artifact {
	t.Helper()
	f, err := r.CreateArtifact(t.Context(), c.Teacher, c.Room.ID, app.NewArtifact{Type: kind, Title: title, Content: app.Some(json.RawMessage(content))})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// ask has the student say something that the teacher agent answers, and waits
// until the room is idle.
func ask(t testing.TB, r *apptest.Rig, c *apptest.Class, script llmtest.Script) {
	t.Helper()
	r.Model.Script(script)
	if _, err := r.PostMessage(t.Context(), c.Student, c.Room.ID, "@teacher please", store.NewID()); err != nil {
		t.Fatal(err)
	}
	r.Idle(t, c.Room.ID)
}

func TestToolLoop(t *testing.T) {
	t.Parallel()
	for _, provider := range []string{"openai", "gemini", "claude"} {
		t.Run(provider, func(t *testing.T) {
			t.Parallel()
			storetest.EachURL(t, func(t *testing.T, url string) {
				r := apptest.New(t, url, func(cfg *config.Config) {
					cfg.LLM.Gemini.BaseURL, cfg.LLM.Claude.BaseURL = cfg.LLM.OpenAI.BaseURL, cfg.LLM.OpenAI.BaseURL
				})
				c := silentClass(t, r)
				equip(t, r, c, allCaps...)
				if _, err := r.UpdateAgent(t.Context(), c.Teacher, c.TeacherAgent.ID, app.AgentSettings{ModelProvider: app.Some(provider),
					APIKey: app.Some(secret.Text(apptest.CanaryKey))}); err != nil {
					t.Fatal(err)
				}
				seat := r.Join(t, c.Student, c.Room.ID, true, -1)
				first := use("manage_artifact", `{"action":"create","artifact_type":"task","title":"Read chapter 2","content":{"status":"todo"}}`)
				first.Text = "Let me note that."
				ask(t, r, c, llmtest.InTurn(first, use("list_artifacts", `{}`), say("It is on the board.")))

				all := artifacts(t, r, c)
				if len(all) != 1 || all[0].Title != "Read chapter 2" || all[0].CreatedByAgent != c.TeacherAgent.ID || all[0].CreatedBy != "" {
					t.Fatalf("artifacts: got %+v, want one of the agent's", all)
				}
				want(t, "lines", contents(t, r, c.Room.ID), []string{"@teacher please", "Let me note that.\n\nIt is on the board."})
				seat.Await(t, "the artifact", func(f apptest.Frame) bool { return f.Is("artifact_update") })
				if got := result(t, r, 3); !strings.Contains(got, all[0].ID) || !strings.Contains(got, "Read chapter 2") {
					t.Errorf("list_artifacts told %s", got)
				}
				got := fmt.Sprint(kinds(steps(t, r, c.Room.ID)))
				if want := "[model/done tool/done model/done tool/done model/done]"; got != want {
					t.Errorf("steps: got %s, want %s", got, want)
				}
				if turn := turns(t, r, c.Room.ID)[0]; turn.CompletionTokens == 0 || turn.State != store.TurnFinished {
					t.Errorf("turn: got %+v", turn)
				}
			})
		})
	}
}

// kinds are the kinds and states of steps.
func kinds(all []store.TurnStep) []string {
	var out []string
	for _, s := range all {
		out = append(out, s.Kind+"/"+s.State)
	}
	return out
}

// Which tools an agent is offered, its capabilities say.
func TestToolsOffered(t *testing.T) {
	t.Parallel()
	r := apptest.New(t, storetest.SQLite(t))
	c := silentClass(t, r)
	for _, rule := range []struct{ caps, want []string }{
		{nil, nil},
		{[]string{turn.CapChatWrite, "a2a_messaging"}, nil},
		{[]string{turn.CapArtifactRead}, []string{"list_artifacts", "read_artifact"}},
		{[]string{turn.CapArtifactWrite}, []string{"manage_artifact", "list_artifacts", "read_artifact"}},
		{[]string{turn.CapArtifactDelete}, nil},
		{[]string{turn.CapChatRead, turn.CapMembersRead, turn.CapAgentsAsk}, []string{"search_messages", "list_members", "ask_agent"}},
		{allCaps, []string{"manage_artifact", "list_artifacts", "read_artifact", "search_messages", "list_members", "ask_agent"}},
	} {
		equip(t, r, c, rule.caps...)
		ask(t, r, c, llmtest.Say("well"))
		req := r.Model.Requests()[r.Model.Count()-1]
		want(t, fmt.Sprint(rule.caps), req.Tools, rule.want)
		if deletes := strings.Contains(req.Body, `\"delete\"`) || strings.Contains(req.Body, `"delete"`); deletes != (len(rule.caps) == len(allCaps)) {
			t.Errorf("%v: the schema offers deletion: %v", rule.caps, deletes)
		}
	}
}

// What a model gets wrong it is told; nothing of it fails the turn or counts
// against the provider.
func TestBadCalls(t *testing.T) {
	t.Parallel()
	for name, rule := range map[string]struct {
		resp llmtest.Response
		want string
	}{
		"arguments that are no JSON": {llmtest.Response{Fault: llmtest.BadArguments}, "could not be read"},
		"an unknown tool":            {use("launch_rocket", `{}`), `there is no tool "launch_rocket"`},
		"a missing member":           {use("read_artifact", `{}`), "missing property 'artifact_id'"},
		"a wrong type":               {use("read_artifact", `{"artifact_id":7}`), "got number, want string"},
		"one member too many":        {use("list_members", `{"course":"x"}`), "additional properties 'course' not allowed"},
		"an unknown action":          {use("manage_artifact", `{"action":"explode"}`), "value must be one of"},
		"no title":                   {use("manage_artifact", `{"action":"create","artifact_type":"doc"}`), "title: is needed"},
		"no such artifact":           {use("read_artifact", `{"artifact_id":"nonsense"}`), "there is no artifact"},
		"a call without a name":      {use("", `{}`), "could not be read"},
		"no call at all":             {llmtest.Response{Finish: "tool_calls"}, "could not be read"},
		"too deep":                   {use("manage_artifact", `{"action":"create","artifact_type":"doc","title":"x","content":`+strings.Repeat(`{"a":`, 200)+`1`+strings.Repeat(`}`, 200)+`}`), "nested"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.EachURL(t, func(t *testing.T, url string) {
				r := apptest.New(t, url)
				c := silentClass(t, r)
				equip(t, r, c, allCaps...)
				ask(t, r, c, llmtest.InTurn(rule.resp, say("Sorry.")))
				want(t, "lines", contents(t, r, c.Room.ID), []string{"@teacher please", "Sorry."})
				if got := result(t, r, 2); !strings.HasPrefix(got, "Error: ") || !strings.Contains(got, rule.want) {
					t.Errorf("the model was told %q, want %q", got, rule.want)
				}
				if got := steps(t, r, c.Room.ID); got[1].State != store.StepFailed {
					t.Errorf("steps: got %v", kinds(got))
				}
				if n := len(artifacts(t, r, c)); n != 0 {
					t.Errorf("got %d artifacts", n)
				}
			})
		})
	}
}

// Servers that know no tools are asked again without them.
func TestProviderWithoutTools(t *testing.T) {
	t.Parallel()
	r := apptest.New(t, storetest.SQLite(t))
	c := silentClass(t, r)
	equip(t, r, c, allCaps...)
	ask(t, r, c, func(req llmtest.Request) llmtest.Response {
		if len(req.Tools) > 0 {
			return llmtest.Response{Status: 400, Message: "llama2 does not support tools"}
		}
		return say("Without tools.")
	})
	want(t, "lines", contents(t, r, c.Room.ID), []string{"@teacher please", "Without tools."})
	if req := r.Model.Requests()[1]; strings.Contains(req.System, "You have tools") {
		t.Errorf("the model was told that it has tools: %s", req.System)
	}
}
