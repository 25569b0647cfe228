package app_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// Who calls an agent that may not speak is told, in both protocols; nobody else
// is, and why is for staff.
func TestSilenceIsTold(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		r.SetRoll(999)
		r.Model.Script(counted)
		agent := func(s app.AgentSettings) func(*testing.T, *apptest.Class) {
			return func(t *testing.T, c *apptest.Class) {
				if _, err := r.UpdateAgent(t.Context(), c.Teacher, c.StudentAgent.ID, s); err != nil {
					t.Fatal(err)
				}
			}
		}
		room := func(s app.RoomSettings) func(*testing.T, *apptest.Class) {
			return func(t *testing.T, c *apptest.Class) {
				if _, err := r.UpdateRoom(t.Context(), c.Teacher, c.Room.ID, s); err != nil {
					t.Fatal(err)
				}
			}
		}
		for name, hinder := range map[string]func(*testing.T, *apptest.Class){
			"off":          agent(app.AgentSettings{IsActive: app.Some(false)}),
			"not the time": agent(app.AgentSettings{ScheduleConfig: raw(`{"mode":"whitelist","rules":[]}`)}),
			"mode":         room(app.RoomSettings{AIMode: app.Some(store.ModeTeacherOnly)}),
			"AI is":        room(app.RoomSettings{IsAIActive: app.Some(false)}),
			"in this room": func(t *testing.T, c *apptest.Class) {
				_, err := r.SetRoomAgent(t.Context(), c.Teacher, c.Room.ID, c.StudentAgent.ID, app.RoomAgentSettings{IsActive: app.Some(false)})
				must(t, err)
			},
			"no usable API key": func(t *testing.T, c *apptest.Class) {
				must(t, r.ClearAgentKey(t.Context(), c.Teacher, c.StudentAgent.ID))
			},
			"was given for openai": func(t *testing.T, c *apptest.Class) {
				_, err := r.UpdateAgent(t.Context(), c.Teacher, c.StudentAgent.ID, app.AgentSettings{ModelProvider: app.Some("gemini")})
				must(t, err)
			},
			"muted": func(t *testing.T, c *apptest.Class) {
				if _, err := r.MuteAgent(t.Context(), c.Teacher, c.Room.ID, c.StudentAgent.ID, app.Opt[time.Time]{}, app.Some(5)); err != nil {
					t.Fatal(err)
				}
			},
		} {
			t.Run(name, func(t *testing.T) {
				c := r.Class(t, func(s *app.RoomSettings) { s.AIFrequency = app.Some(0.5) })
				hinder(t, c)
				plain, v2 := r.Join(t, c.Student, c.Room.ID, false, -1), r.Join(t, c.Student, c.Room.ID, true, -1)
				staff := r.Join(t, c.Teacher, c.Room.ID, true, -1)
				system := func(f apptest.Frame) bool { return f.Is("system") }
				for range 2 { // once in a minute
					post(t, r, c.Student, c.Room.ID, "@student what do you think?")
				}
				for _, s := range []*apptest.Socket{plain, v2} {
					if f := s.Await(t, "the word", system); f.Fields["content"] != "Student cannot answer now." || f.Fields["sender"] != "System" {
						t.Errorf("the student got %s", f.Text)
					}
				}
				post(t, r, c.Teacher, c.Room.ID, "@student and you?")
				f := staff.Await(t, "the word", system)
				if text, _ := f.Fields["content"].(string); !strings.HasPrefix(text, "Student cannot answer now: ") || !strings.Contains(text, name) {
					t.Errorf("the teacher got %s, want why: %s", f.Text, name)
				}
				r.Idle(t, c.Room.ID)
				post(t, r, c.Student, c.Room.ID, "no call")
				r.Idle(t, c.Room.ID)
				for who, s := range map[string]*apptest.Socket{"plain": plain, "v2": v2, "staff": staff} {
					if got := s.Frames("system"); len(got) != 1 {
						t.Errorf("%s: got %d system frames, want one: %s", who, len(got), s.Text())
					}
				}
				r.Advance(2 * time.Minute)
				later := r.Join(t, c.Student, c.Room.ID, false, -1) // the others have been silent for so long
				post(t, r, c.Student, c.Room.ID, "@student still not?")
				later.Await(t, "the word again", system)
			})
		}
	})
}

// A turn that ends without a line leaves nobody waiting on a plain socket, and
// staff read why.
func TestAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		for reason, resp := range map[string]llmtest.Response{
			"said_nothing": {},
			"only_thought": {Finish: "length"},
			"filtered":     {Finish: "content_filter"},
		} {
			t.Run(reason, func(t *testing.T) {
				c := r.Class(t)
				r.Model.Script(llmtest.Always(resp))
				s, staff := r.Join(t, c.Student, c.Room.ID, false, -1), r.Join(t, c.TA, c.Room.ID, true, -1)
				post(t, r, c.Student, c.Room.ID, "@teacher well?")
				if f := s.Await(t, "the word", func(f apptest.Frame) bool { return f.Is("system") }); f.Fields["content"] != "Teacher could not answer." {
					t.Errorf("got %s", f.Text)
				}
				if f := staff.Await(t, "the end", func(f apptest.Frame) bool { return f.Is("turn") && f.Fields["reason"] != nil }); f.Fields["reason"] != reason {
					t.Errorf("staff got %s, want %s", f.Text, reason)
				}
			})
		}
		for name, resp := range map[string]llmtest.Response{
			"ByTheLimit":  {Text: "as far as it", Finish: "length"},
			"ByTheFilter": {Text: "as far as it", Finish: "content_filter"},
			"ByItsSize":   {Text: strings.Repeat("long words ", 10_000), ChunkRunes: 20_000},
			"Not":         {Text: "whole"},
		} {
			t.Run("Cut"+name, func(t *testing.T) {
				for _, flow := range []string{"direct", "student_teacher_review"} {
					c := r.Class(t)
					r.UseWorkflow(t, c, flow)
					r.Model.Script(func(q llmtest.Request) llmtest.Response {
						if strings.Contains(q.Body, "Judge the draft") {
							return llmtest.Response{Text: `{"approved": true}`}
						}
						return resp
					})
					if flow != "direct" && name == "ByItsSize" {
						continue // an A2A message takes less
					}
					s := r.Join(t, c.Student, c.Room.ID, true, -1)
					post(t, r, c.Student, c.Room.ID, "@student well?")
					message := r.Messages(t, c.Room.ID, 2)[1]
					if message.Truncated != (name != "Not") {
						t.Errorf("%s: truncated is %t", flow, message.Truncated)
					}
					f := s.Await(t, "the line", func(f apptest.Frame) bool { return f.Is("message") && f.Fields["agent_id"] != nil })
					if got, want := f.Fields["truncated"] == true, name != "Not"; got != want {
						t.Errorf("%s: the frame says %t", flow, got)
					}
				}
			})
		}
	})
}

// The ready-made agents of a project give way to one that a person makes.
func TestReadyMadeAgentsGiveWay(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		org, err := r.CreateOrganization(t.Context(), c.Teacher, "Other", nil)
		if err != nil {
			t.Fatal(err)
		}
		p, err := r.CreateProject(t.Context(), c.Teacher, org.ID, "Fresh", nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []string{"Mine", "Mine"} {
			made, err := r.CreateAgent(t.Context(), c.Teacher, p.ID, app.AgentSettings{Type: app.Some(store.AgentTeacher), Name: app.Some([]string{"Mine", "Next"}[i])})
			if err != nil || made.IsActive != (i == 0) {
				t.Fatalf("got %+v, %v", made, err)
			}
			agents, err := storetest.All(r.Agents(t.Context(), c.Teacher, p.ID, store.Page{}))
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(activeOf(agents, store.AgentTeacher), activeOf(agents, store.AgentStudent)); got != "["+want+"] [Student]" {
				t.Errorf("active: got %s", got)
			}
		}
	})
}

// ... whichever way their own comes to be active: switched on, given their type,
// or made as the project's.
func TestReadyMadeGiveWayToChanges(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		made := func(t *testing.T, project string, s app.AgentSettings) *store.Agent {
			ag, err := r.CreateAgent(t.Context(), c.Teacher, project, s)
			must(t, err)
			return ag
		}
		for name, change := range map[string]func(t *testing.T, project string) *store.Agent{
			"a clone is switched on": func(t *testing.T, project string) *store.Agent {
				tpl, err := r.CreateTemplate(t.Context(), c.Teacher, app.AgentSettings{Type: app.Some(store.AgentTeacher), Name: app.Some("Mine")})
				must(t, err)
				clone, err := r.CloneTemplate(t.Context(), c.Teacher, tpl.ID, project)
				if must(t, err); clone.IsActive {
					t.Error("a clone is active at once")
				}
				ag, err := r.UpdateAgent(t.Context(), c.Teacher, clone.ID, app.AgentSettings{IsActive: app.Some(true)})
				must(t, err)
				return ag
			},
			"one is switched on": func(t *testing.T, project string) *store.Agent {
				ag := made(t, project, app.AgentSettings{Type: app.Some(store.AgentTeacher), Name: app.Some("Mine"), IsActive: app.Some(false)})
				ag, err := r.UpdateAgent(t.Context(), c.Teacher, ag.ID, app.AgentSettings{IsActive: app.Some(true)})
				must(t, err)
				return ag
			},
			"one gets the type": func(t *testing.T, project string) *store.Agent {
				ag := made(t, project, app.AgentSettings{Type: app.Some("analytics"), Name: app.Some("Mine"), IsActive: app.Some(true)})
				ag, err := r.UpdateAgent(t.Context(), c.Teacher, ag.ID, app.AgentSettings{Type: app.Some(store.AgentTeacher)})
				must(t, err)
				return ag
			},
			"the ready-made one is made one's own": func(t *testing.T, project string) *store.Agent {
				ag, err := r.SetProjectAgent(t.Context(), c.Teacher, project, store.AgentTeacher, app.AgentSettings{Name: app.Some("Mine")})
				must(t, err)
				return ag
			},
		} {
			t.Run(name, func(t *testing.T) {
				org, err := r.CreateOrganization(t.Context(), c.Teacher, name, nil)
				must(t, err)
				p, err := r.CreateProject(t.Context(), c.Teacher, org.ID, "Fresh", nil)
				must(t, err)
				if ag := change(t, p.ID); !ag.IsActive {
					t.Errorf("got %+v, want an active one", ag)
				}
				agents, err := storetest.All(r.Agents(t.Context(), c.Teacher, p.ID, store.Page{}))
				must(t, err)
				if got := fmt.Sprint(activeOf(agents, store.AgentTeacher), activeOf(agents, store.AgentStudent)); got != "[Mine] [Student]" {
					t.Errorf("active: got %s", got)
				}
			})
		}
	})
}

// A prompt that is too long is asked once more with less, and a budget keeps it
// short from the beginning; a conversation begins with somebody else's line.
func TestPromptsFit(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url, func(cfg *config.Config) { cfg.Turns.PromptTokens = 20_000 })
		r.SetRoll(999)
		start := func(t *testing.T) *apptest.Class {
			c := r.Class(t, func(s *app.RoomSettings) { s.AIFrequency = app.Some(0.5) })
			if _, err := r.UpdateAgent(t.Context(), c.Teacher, c.TeacherAgent.ID, app.AgentSettings{ContextWindow: app.Some(8)}); err != nil {
				t.Fatal(err)
			}
			return c
		}
		t.Run("RefusedForItsLength", func(t *testing.T) {
			c := start(t)
			r.Model.Script(func(q llmtest.Request) llmtest.Response {
				if len(q.Body) > 12_000 {
					return llmtest.Response{Status: 400, Message: "This model's maximum context length is 4096 tokens."}
				}
				return llmtest.Response{Text: "short enough"}
			})
			for i := range 6 {
				post(t, r, c.Student, c.Room.ID, fmt.Sprintf("%d %s", i, strings.Repeat("blah ", 800)))
			}
			post(t, r, c.Student, c.Room.ID, "@teacher so?")
			if got := contents(t, r, c.Room.ID); got[len(got)-1] != "short enough" {
				t.Errorf("got %.80q last", got[len(got)-1])
			}
			if last := r.Model.Requests()[r.Model.Count()-1]; !strings.Contains(last.Body, "so?") || !strings.Contains(last.Body, "left out]") {
				t.Error("the second prompt has not the newest line, or no mark of a cut")
			}
		})
		t.Run("Budget", func(t *testing.T) {
			c := start(t)
			r.Model.Script(counted)
			for range 7 {
				post(t, r, c.Student, c.Room.ID, strings.Repeat("word ", 4000))
			}
			post(t, r, c.Student, c.Room.ID, "@teacher so?")
			r.Idle(t, c.Room.ID)
			if last := r.Model.Requests()[r.Model.Count()-1]; len(last.Body) > 65_000 || !strings.Contains(last.Body, "so?") {
				t.Errorf("the prompt has %d bytes", len(last.Body))
			}
		})
		t.Run("BeginsWithAnother", func(t *testing.T) {
			c := start(t)
			r.Model.Script(counted)
			for range 6 {
				post(t, r, c.Student, c.Room.ID, "@teacher more")
				r.Idle(t, c.Room.ID)
			}
			for _, q := range r.Model.Requests() {
				if len(q.Messages) > 0 && q.Messages[0].Role != "user" {
					t.Errorf("a prompt begins with %+v", q.Messages[0])
				}
			}
		})
	})
}
