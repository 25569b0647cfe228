package app_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// asking is one of the ways to ask a model outside of rooms. It gives the
// answer, whether that says that it was cut, and why there is none.
type asking func(t *testing.T, text string) (answer string, cut bool, why string)

// whyNot is the code of a failed call.
func whyNot(t *testing.T, err error) string {
	t.Helper()
	var e *app.Error
	if err != nil && !errors.As(err, &e) {
		t.Fatal(err)
	}
	if e == nil {
		return ""
	}
	return string(e.Code)
}

// askings are all of them, in a class of a dialect.
func askings(t *testing.T, r *apptest.Rig, c *apptest.Class, d llmtest.Dialect) map[string]asking {
	t.Helper()
	for _, kind := range []string{store.AgentAnalytics, store.AgentDesign} {
		_, err := r.SetSystemAgent(t.Context(), c.Admin, kind, app.AgentSettings{SystemPrompt: app.Some("Do well."), ModelProvider: app.Some(d.Kind()),
			Model: app.Some("our/o3-deployment"), APIKey: app.Some(secret.Text("sk-dialect-0123456789")),
			Settings: app.Opt[json.RawMessage]{Sent: true, Value: json.RawMessage(`{"temperature": 0.3}`)}})
		must(t, err)
	}
	th := newThread(t, r, c, c.TeacherAgent.ID)
	return map[string]asking{
		"thread": func(t *testing.T, text string) (string, bool, string) {
			m, err := r.TalkInThread(t.Context(), c.Teacher, th.ID, app.ThreadMessage{Message: text})
			if err != nil {
				return "", false, whyNot(t, err)
			}
			return m.Content, m.MetadataJSON != nil && strings.Contains(*m.MetadataJSON, "truncated"), ""
		},
		"sandbox": func(t *testing.T, text string) (string, bool, string) {
			answer, cut, err := r.Simulate(t.Context(), c.Teacher, c.TeacherAgent.ID, app.ThreadMessage{Message: text})
			return answer, cut, whyNot(t, err)
		},
		"design": func(t *testing.T, text string) (string, bool, string) {
			answer, cut, err := r.GenerateInstructions(t.Context(), c.Teacher, app.Design{Requirement: text, TargetAgentType: "teacher"})
			return answer, cut, whyNot(t, err)
		},
		"report": func(t *testing.T, text string) (string, bool, string) {
			post(t, r, c.Student, c.Room.ID, text)
			rp := generate(t, r, c)
			apptest.Await(t, "the report", func() bool {
				all := reports(t, r, c)
				rp = &all[0]
				return rp.Ended()
			})
			_, section, _ := strings.Cut(rp.Content, "## "+c.Room.Name+"\n\n")
			for words, code := range map[string]string{"filter": "filtered", "blocked": "filtered", "flagged": "filtered", "token limit": "only_thought", "with nothing": "said_nothing"} {
				if rp.State == store.ReportFailed && strings.Contains(rp.Reason, words) {
					return "", false, code
				}
			}
			section, cut := strings.CutSuffix(strings.TrimSpace(section), "*This section was cut before its end.*")
			return strings.TrimSpace(section), cut, rp.Reason
		},
	}
}

// TestDialectsAlone: who asks a model outside of a room fares as well as a room
// does, with a server of every dialect.
func TestDialectsAlone(t *testing.T) {
	t.Parallel()
	const hidden = "Let me think about it."
	for _, d := range llmtest.Dialects() {
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			storetest.EachURL(t, func(t *testing.T, url string) {
				r, c := dialectClass(t, url, d)
				for mode, ask := range askings(t, r, c, d) {
					say := func(t *testing.T, resp llmtest.Response, text, want string, wantCut bool) {
						t.Helper()
						r.Model.Script(llmtest.Always(resp))
						if answer, cut, why := ask(t, text); answer != want || cut != wantCut || why != "" {
							t.Errorf("got %q, cut %t, %s; want %q, cut %t", answer, cut, why, want, wantCut)
						}
					}
					t.Run(mode, func(t *testing.T) {
						say(t, llmtest.Response{Reasoning: hidden, Text: "Because."}, "Why?", "Because.", false)
						say(t, llmtest.Response{Text: "<think>" + hidden + "</think>So."}, "And?", "So.", false)
						say(t, llmtest.Response{Text: "Half of", Finish: "length"}, "All?", "Half of", true)
						for why, resp := range map[string]llmtest.Response{"filtered": {Blocked: true}, "only_thought": {Reasoning: hidden, Finish: "length"},
							"said_nothing": {}} {
							r.Model.Script(llmtest.Always(resp))
							if answer, _, got := ask(t, "And this?"); answer != "" || got != why {
								t.Errorf("got %q, %s, want %s", answer, got, why)
							}
						}
						r.Model.Window(1500)
						say(t, llmtest.Response{Text: "Short."}, "Read this: "+strings.Repeat("word ", 1900), "Short.", false)
						say(t, llmtest.Response{Text: "Again."}, "And this: "+strings.Repeat("word ", 1900), "Again.", false)
						r.Model.Window(0)
					})
				}
				r.Model.Refuse("temperature")
				before := len(r.Model.Refusals())
				for mode, ask := range askings(t, r, c, d) {
					r.Model.Script(llmtest.Say("Fine."))
					if answer, _, why := ask(t, "Once more"); answer != "Fine." {
						t.Errorf("%s: got %q, %s", mode, answer, why)
					}
				}
				if n := len(r.Model.Refusals()); n > before+1 {
					t.Errorf("got %d refusals, want one that is remembered", n-before)
				}
			})
		})
	}
}

// What a model imitates of the transcript comes off outside of rooms too.
func TestImitationAlone(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r, c := dialectClass(t, url, llmtest.OpenAI)
		for mode, ask := range askings(t, r, c, llmtest.OpenAI) {
			want := "Hello <b>all</b> & a < b"
			r.Model.Script(func(q llmtest.Request) llmtest.Response {
				text := c.TeacherAgent.Name + " (AI teacher): " + want
				if mode == "report" {
					_, tag, _ := strings.Cut(q.System, "between <")
					tag, _, _ = strings.Cut(tag, " ")
					text = "<" + tag + " from=\"Analyst\">\n" + want + "\n</" + tag + ">"
				}
				if mode == "design" {
					text = want
				}
				return llmtest.Response{Text: text, ChunkRunes: 3}
			})
			if got, _, why := ask(t, "Say hello"); got != want {
				t.Errorf("%s: got %q (%s), want %q", mode, got, why, want)
			}
		}
	})
}
