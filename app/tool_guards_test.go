package app_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// scene is a room with a task, a document and a process of the agent's own.
type scene struct {
	r                  *apptest.Rig
	c                  *apptest.Class
	task, doc, process string
}

// set makes a scene, in which the agent has made what is there.
func set(t *testing.T, r *apptest.Rig) *scene {
	t.Helper()
	c := silentClass(t, r)
	equip(t, r, c, allCaps...)
	ask(t, r, c, llmtest.InTurn(llmtest.Response{ToolCalls: []llmtest.ToolCall{
		{ID: "a", Name: "manage_artifact", Arguments: `{"action":"create","artifact_type":"task","title":"Task"}`},
		{ID: "b", Name: "manage_artifact", Arguments: `{"action":"create","artifact_type":"doc","title":"Doc"}`},
		{ID: "c", Name: "manage_artifact", Arguments: `{"action":"create","artifact_type":"process","title":"Process","content":{"nodes":[{"id":"1"}],"edges":[]}}`}}}, say("Made.")))
	s := &scene{r: r, c: c}
	for _, f := range artifacts(t, r, c) {
		*map[string]*string{"task": &s.task, "doc": &s.doc, "process": &s.process}[f.Type] = f.ID
	}
	if s.task == "" || s.doc == "" || s.process == "" {
		t.Fatalf("got %+v, want one of each", s)
	}
	return s
}

// play has the agent make a turn in which its model gives these answers, the
// last of them again and again, and returns how that turn ended and how often
// the model was asked.
func (s *scene) play(t *testing.T, answers ...llmtest.Response) (end store.Turn, asked int) {
	t.Helper()
	before := s.r.Model.Count()
	ask(t, s.r, s.c, func(req llmtest.Request) llmtest.Response { return answers[min(req.Number-before, len(answers))-1] })
	all := turns(t, s.r, s.c.Room.ID)
	return all[len(all)-1], s.r.Model.Count() - before
}

// around repeats answers without end.
func around(answers ...llmtest.Response) []llmtest.Response {
	var all []llmtest.Response
	for range 30 {
		all = append(all, answers...)
	}
	return all
}

func (s *scene) append(text string) llmtest.Response {
	return use("manage_artifact", fmt.Sprintf(`{"action":"append","artifact_id":%q,"content":%q}`, s.doc, text))
}

func (s *scene) read(id string) llmtest.Response {
	return use("read_artifact", fmt.Sprintf(`{"artifact_id":%q}`, id))
}

func (s *scene) status(to string) llmtest.Response {
	return use("manage_artifact", fmt.Sprintf(`{"action":"update","artifact_id":%q,"content":{"status":%q}}`, s.task, to))
}

func (s *scene) node(id, from string) llmtest.Response {
	return use("manage_artifact", fmt.Sprintf(`{"action":"add_step","artifact_id":%q,"content":{"nodes":[{"id":%q}],"edges":[{"source":%q,"target":%q}]}}`, s.process, id, from, id))
}

// Who goes round in circles is stopped at the third time.
func TestLoopsAreStopped(t *testing.T) {
	t.Parallel()
	list, create := use("list_artifacts", `{}`), use("manage_artifact", `{"action":"create","artifact_type":"task","title":"Again"}`)
	for name, rule := range map[string]struct {
		answers func(s *scene) []llmtest.Response
		most    int // answers of the model
	}{
		"the same question":             {func(*scene) []llmtest.Response { return around(list) }, 3},
		"the same creation":             {func(*scene) []llmtest.Response { return around(create) }, 3},
		"the same reading":              {func(s *scene) []llmtest.Response { return around(s.read(s.doc)) }, 3},
		"the same text again and again": {func(s *scene) []llmtest.Response { return around(s.append("yes")) }, 3},
		"two questions in turn":         {func(s *scene) []llmtest.Response { return around(list, s.read(s.task)) }, 6},
		"three questions in turn":       {func(s *scene) []llmtest.Response { return around(list, s.read(s.task), use("list_members", `{}`)) }, 8},
		"members in another order": {func(s *scene) []llmtest.Response {
			return around(use("manage_artifact", `{"action":"create","title":"A","artifact_type":"doc"}`), use("manage_artifact", `{ "artifact_type":"doc","title":"A", "action":"create"}`))
		}, 3},
		"an unknown tool":           {func(*scene) []llmtest.Response { return around(use("browse_web", `{"url":"x"}`)) }, 3},
		"arguments that never fit":  {func(*scene) []llmtest.Response { return around(use("read_artifact", `{"id":1}`)) }, 3},
		"calls that cannot be read": {func(*scene) []llmtest.Response { return around(llmtest.Response{Fault: llmtest.BadArguments}) }, 3},
		"what is not there":         {func(*scene) []llmtest.Response { return around(use("read_artifact", `{"artifact_id":"x"}`)) }, 3},
		"a node that is there":      {func(s *scene) []llmtest.Response { return around(s.node("1", "1")) }, 3},
		"three times in one answer": {func(*scene) []llmtest.Response { return around(thrice(list)) }, 1},
		"a search for what is not":  {func(*scene) []llmtest.Response { return around(use("search_messages", `{"text":"zzz"}`)) }, 3},
		"to and fro":                {func(s *scene) []llmtest.Response { return around(s.status("done"), s.status("todo")) }, 6},
		"words with the same call":  {func(*scene) []llmtest.Response { return around(with("One moment.", list)) }, 3},
		"the same question to another": {func(*scene) []llmtest.Response {
			return around(use("ask_agent", `{"agent":"Student","question":"Well?"}`), say("Well."))
		}, 7},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := set(t, apptest.New(t, storetest.SQLite(t)))
			before := len(artifacts(t, s.r, s.c))
			end, asked := s.play(t, rule.answers(s)...)
			if end.State != store.TurnStopped || end.Reason != "repeats_itself" && end.Reason != "too_many_steps" || end.Detail == "" {
				t.Errorf("turn: got %s (%s: %s), want it stopped", end.State, end.Reason, end.Detail)
			}
			if rule.most < 8 && end.Reason != "repeats_itself" {
				t.Errorf("reason: got %s", end.Reason)
			}
			if asked > rule.most {
				t.Errorf("the model was asked %d times, want %d at most", asked, rule.most)
			}
			// A call is done twice at most.
			if made := len(artifacts(t, s.r, s.c)) - before; made > 2 {
				t.Errorf("%d artifacts were made", made)
			}
		})
	}
}

func thrice(one llmtest.Response) llmtest.Response {
	call := one.ToolCalls[0]
	return llmtest.Response{ToolCalls: []llmtest.ToolCall{call, call, call}}
}

func with(text string, one llmtest.Response) llmtest.Response { one.Text = text; return one }

// Long work that comes forward is not stopped.
func TestLongTurnsAreNot(t *testing.T) {
	t.Parallel()
	list := use("list_artifacts", `{}`)
	search := func(text string) llmtest.Response { return use("search_messages", fmt.Sprintf(`{"text":%q}`, text)) }
	create := func(title string) llmtest.Response {
		return use("manage_artifact", fmt.Sprintf(`{"action":"create","artifact_type":"task","title":%q}`, title))
	}
	many := func(n int) llmtest.Response {
		var all llmtest.Response
		for i := range n {
			all.ToolCalls = append(all.ToolCalls, llmtest.ToolCall{ID: fmt.Sprint("c", i), Name: "manage_artifact",
				Arguments: fmt.Sprintf(`{"action":"create","artifact_type":"task","title":"T%d"}`, i)})
		}
		return all
	}
	for name, answers := range map[string]func(s *scene) []llmtest.Response{
		"seven things, then words": func(s *scene) []llmtest.Response {
			return []llmtest.Response{list, s.read(s.task), s.read(s.doc), s.read(s.process), search("please"), use("list_members", `{}`), s.append("a")}
		},
		"seven new tasks": func(*scene) []llmtest.Response {
			return []llmtest.Response{create("A"), create("B"), create("C"), create("D"), create("E"), create("F"), create("G")}
		},
		"reading what changes": func(s *scene) []llmtest.Response {
			return []llmtest.Response{s.read(s.doc), s.append("a"), s.read(s.doc), s.append("b"), s.read(s.doc), s.append("c"), s.read(s.doc)}
		},
		"listing what grows": func(*scene) []llmtest.Response {
			return []llmtest.Response{list, create("A"), list, create("B"), list, create("C"), list}
		},
		"the same question twice": func(s *scene) []llmtest.Response { return []llmtest.Response{list, list, s.read(s.doc), s.read(s.doc)} },
		"a process step by step": func(s *scene) []llmtest.Response {
			return []llmtest.Response{s.node("2", "1"), s.node("3", "2"), s.node("4", "3"), s.node("5", "4"), s.node("6", "5"), s.node("7", "6"), s.node("8", "7")}
		},
		"seven searches": func(*scene) []llmtest.Response {
			return []llmtest.Response{search("a"), search("b"), search("c"), search("d"), search("e"), search("f"), search("g")}
		},
		"a mistake, then right": func(s *scene) []llmtest.Response {
			return []llmtest.Response{use("read_artifact", `{}`), use("read_artifact", `{"artifact_id":"x"}`), s.read(s.doc), s.append("a"), use("manage_artifact", `{"action":"append"}`), s.append("b")}
		},
		"the task moves on": func(s *scene) []llmtest.Response {
			return []llmtest.Response{s.status("in_progress"), s.read(s.task), s.status("review"), s.read(s.task), s.status("done"), s.read(s.task)}
		},
		"sixteen at once": func(*scene) []llmtest.Response { return []llmtest.Response{many(16)} },
		"twice sixteen":   func(*scene) []llmtest.Response { return []llmtest.Response{many(16), with("And more.", many(16))} },
		"words between calls": func(s *scene) []llmtest.Response {
			return []llmtest.Response{with("First.", list), with("Second.", s.read(s.doc)), with("Third.", create("A"))}
		},
		"questions to the other": func(*scene) []llmtest.Response {
			q := func(text string) llmtest.Response {
				return use("ask_agent", fmt.Sprintf(`{"agent":"@student","question":%q}`, text))
			}
			return []llmtest.Response{q("One?"), say("1"), q("Two?"), say("2"), q("Three?"), say("3")}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := set(t, apptest.New(t, storetest.SQLite(t)))
			end, _ := s.play(t, append(answers(s), say("That is all."))...)
			if end.State != store.TurnFinished {
				t.Errorf("turn: got %s (%s: %s), want it finished", end.State, end.Reason, end.Detail)
			}
			lines := contents(t, s.r, s.c.Room.ID)
			if last := lines[len(lines)-1]; !strings.HasSuffix(last, "That is all.") {
				t.Errorf("the last line is %q", last)
			}
		})
	}
}

// Steps and tokens of a turn have their ends; staff read which it was.
func TestTurnLimits(t *testing.T) {
	t.Parallel()
	count := func(req llmtest.Request) llmtest.Response {
		return use("search_messages", fmt.Sprintf(`{"text":"word %d"}`, req.Number))
	}
	for name, rule := range map[string]struct {
		tune   func(*config.Config)
		script llmtest.Script
		reason string
		asked  int
	}{
		"Steps": {func(*config.Config) {}, count, "too_many_steps", 8},
		"Fewer": {func(c *config.Config) { c.Turns.MaxSteps = 2 }, count, "too_many_steps", 2},
		"Tokens": {func(c *config.Config) { c.Turns.MaxTurnTokens = 1000 }, func(req llmtest.Request) llmtest.Response {
			return with(strings.Repeat("word ", 600), count(req))
		}, "too_many_tokens", 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.EachURL(t, func(t *testing.T, url string) {
				r := apptest.New(t, url, rule.tune)
				c := silentClass(t, r)
				equip(t, r, c, allCaps...)
				staff, pupil := r.Join(t, c.Teacher, c.Room.ID, true, -1), r.Join(t, c.Student, c.Room.ID, true, -1)
				ask(t, r, c, rule.script)
				end := turns(t, r, c.Room.ID)[0]
				if end.State != store.TurnStopped || end.Reason != rule.reason || r.Model.Count() != rule.asked {
					t.Errorf("got %s (%s) after %d answers, want stopped (%s) after %d", end.State, end.Reason, r.Model.Count(), rule.reason, rule.asked)
				}
				if end.CompletionTokens == 0 && rule.reason == "too_many_tokens" {
					t.Error("what it has cost is not kept")
				}
				stopped := func(f apptest.Frame) bool { return f.Is("turn") && f.Fields["state"] == "stopped" }
				if f := staff.Await(t, "the end", stopped); f.Fields["reason"] != rule.reason || f.Fields["detail"] == "" {
					t.Errorf("staff were told %s", f.Text)
				}
				if f := pupil.Await(t, "the end", stopped); f.Fields["reason"] != nil || f.Fields["detail"] != nil {
					t.Errorf("a student was told why: %s", f.Text)
				}
			})
		})
	}
}
