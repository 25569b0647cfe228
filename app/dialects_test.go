package app_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// dialectClass is a class whose agents speak with a server of one dialect.
func dialectClass(t *testing.T, url string, d llmtest.Dialect) (*apptest.Rig, *apptest.Class) {
	t.Helper()
	r := apptest.New(t, url, func(c *config.Config) {
		c.LLM.Gemini.BaseURL, c.LLM.Claude.BaseURL = c.LLM.OpenAI.BaseURL, c.LLM.OpenAI.BaseURL
	})
	r.Model.Speak(d)
	r.SetRoll(999) // nobody speaks unless called
	c := r.Class(t, func(s *app.RoomSettings) { s.AIFrequency = app.Some(0.5) })
	for _, ag := range []*store.Agent{c.TeacherAgent, c.StudentAgent} {
		_, err := r.UpdateAgent(t.Context(), c.Teacher, ag.ID, app.AgentSettings{ModelProvider: app.Some(d.Kind()), Model: app.Some("our/o3-deployment"),
			APIKey: app.Some(secret.Text("sk-dialect-0123456789")), Settings: app.Opt[json.RawMessage]{Sent: true, Value: json.RawMessage(`{"temperature": 0.3}`)}})
		must(t, err)
	}
	return r, c
}

// TestDialectsInARoom: what happens in a room goes well with a server of every
// dialect, each as strict as the real one.
func TestDialectsInARoom(t *testing.T) {
	t.Parallel()
	const hidden = "Let me think about it."
	for _, d := range llmtest.Dialects() {
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			storetest.EachURL(t, func(t *testing.T, url string) {
				r, c := dialectClass(t, url, d)
				said := 0
				answered := func(t *testing.T, who *app.Actor, text string) store.Message {
					t.Helper()
					post(t, r, who, c.Room.ID, text)
					said += 2
					messages := r.Messages(t, c.Room.ID, said)
					r.Idle(t, c.Room.ID)
					for _, message := range messages {
						if strings.Contains(message.Content, hidden) {
							t.Errorf("the room was shown what the model thought: %q", message.Content)
						}
					}
					return messages[said-1]
				}
				failed := func(t *testing.T, reason string) {
					t.Helper()
					post(t, r, c.Student, c.Room.ID, "@teacher, and this?")
					said++
					apptest.Await(t, "the failed turn", func() bool {
						all := turns(t, r, c.Room.ID)
						return all[len(all)-1].State == store.TurnFailed
					})
					r.Idle(t, c.Room.ID)
					if all := turns(t, r, c.Room.ID); all[len(all)-1].Reason != reason {
						t.Errorf("got the reason %q (%s), want %s", all[len(all)-1].Reason, all[len(all)-1].Detail, reason)
					}
				}
				// One after the other: each goes on with the talk that the ones before have left.
				t.Run("three people talk", func(t *testing.T) {
					for _, who := range []*app.Actor{c.Student, c.TA, c.Teacher} {
						post(t, r, who, c.Room.ID, "I am "+who.User.Email)
						said++
					}
					if got := answered(t, c.Student, "@teacher, who are we?"); !strings.Contains(got.Content, "who are we?") {
						t.Errorf("got %q", got.Content)
					}
				})
				t.Run("reasoning", func(t *testing.T) {
					r.Model.Script(llmtest.Always(llmtest.Response{Reasoning: hidden, Text: "Because."}))
					if got := answered(t, c.TA, "@teacher, why?"); got.Content != "Because." {
						t.Errorf("got %q", got.Content)
					}
				})
				t.Run("tools", func(t *testing.T) {
					r.Model.Script(llmtest.InTurn(llmtest.Response{Reasoning: hidden, ToolCalls: []llmtest.ToolCall{{ID: "call_1", Name: "list_members", Arguments: `{}`}}},
						llmtest.Response{Text: "Sue and Tom."}))
					if got := answered(t, c.Student, "@teacher, who is here?"); got.Content != "Sue and Tom." {
						t.Errorf("got %q", got.Content)
					}
				})
				t.Run("cut", func(t *testing.T) {
					r.Model.Script(llmtest.Always(llmtest.Response{Text: "Half of", Finish: "length"}))
					if got := answered(t, c.Student, "@teacher, tell me all"); got.Content != "Half of" || !got.Truncated {
						t.Errorf("got %q, truncated %v", got.Content, got.Truncated)
					}
				})
				t.Run("a parameter is refused", func(t *testing.T) {
					r.Model.Script(llmtest.Say("Fine."))
					r.Model.Refuse("temperature")
					before := len(r.Model.Refusals())
					answered(t, c.Student, "@teacher, once")
					once := len(r.Model.Refusals())
					answered(t, c.Student, "@teacher, twice")
					if twice := len(r.Model.Refusals()); once > before+1 || twice != once {
						t.Errorf("got %d, %d, %d refusals, want one that is remembered", before, once, twice)
					}
				})
				t.Run("errors", func(t *testing.T) {
					r.Model.Script(llmtest.Always(llmtest.Response{Blocked: true}))
					failed(t, "filtered")
					r.Model.Script(llmtest.Always(llmtest.Response{Reasoning: hidden, Finish: "length"}))
					failed(t, "only_thought")
				})
				t.Run("review", func(t *testing.T) {
					r.UseWorkflow(t, c, "")
					reviewing(r, yes)
					if got := answered(t, c.Student, "@student?"); got.Content != "draft 1" {
						t.Errorf("got %q, want the approved draft", got.Content)
					}
					r.UseWorkflow(t, c, "direct")
				})
				t.Run("too long", func(t *testing.T) {
					r.Model.Script(llmtest.Say("Short."))
					r.Model.Window(1500)
					if got := answered(t, c.Student, "@teacher, read this: "+strings.Repeat("word ", 3000)); got.Content != "Short." {
						t.Errorf("got %q", got.Content)
					}
				})
			})
		})
	}
}
