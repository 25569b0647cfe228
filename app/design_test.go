package app_test

import (
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func TestGenerateInstructions(t *testing.T) {
	t.Parallel()
	const noKey = "API Key is required. Please set it in the Design Agent settings for this course."
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		c := r.Class(t)
		r.Model.Script(llmtest.Say("You are kind."))
		wish := func(tune ...func(*app.Design)) app.Design {
			d := app.Design{Requirement: "Be kind", TargetAgentType: "teacher", CourseContext: "Cells", Suggested: "gemini"}
			for _, f := range tune {
				f(&d)
			}
			return d
		}
		generate := func(t *testing.T, who *app.Actor, d app.Design) llmtest.Request {
			t.Helper()
			got, _, err := r.GenerateInstructions(t.Context(), who, d)
			if err != nil || got != "You are kind." {
				t.Fatalf("got %q, %v", got, err)
			}
			return asked(r)
		}
		t.Run("without a design agent", func(t *testing.T) {
			_, _, err := r.GenerateInstructions(t.Context(), c.Teacher, wish())
			wantKind(t, err, app.KindRejected, noKey)
			req := generate(t, c.Teacher, wish(func(d *app.Design) { d.Key, d.Suggested = "sk-own-123456789", "openai" }))
			if req.Key != "sk-own-123456789" || !strings.HasPrefix(req.System, "You write instructions") {
				t.Errorf("the model was asked %+v, want the instructions of the type", req)
			}
		})
		t.Run("a stored key of who asks", func(t *testing.T) {
			if _, err := r.CreateUserKey(t.Context(), c.Teacher, app.NewUserKey{Provider: "openai", Alias: "mine", Key: "sk-mine-0123456789"}); err != nil {
				t.Fatal(err)
			}
			if req := generate(t, c.Teacher, wish(func(d *app.Design) { d.Provider = "openai" })); req.Key != "sk-mine-0123456789" {
				t.Errorf("the model was asked with %q, want the teacher's key", req.Key)
			}
			_, _, err := r.GenerateInstructions(t.Context(), c.Admin, wish(func(d *app.Design) { d.Provider = "openai" }))
			wantKind(t, err, app.KindRejected, noKey)
		})
		if _, err := r.SetSystemAgent(t.Context(), c.Admin, store.AgentDesign, app.AgentSettings{SystemPrompt: app.Some("Write well."),
			ModelProvider: app.Some("openai"), Model: app.Some("gpt-design"), APIKey: app.Some(secret.Text(apptest.CanaryKey))}); err != nil {
			t.Fatal(err)
		}
		t.Run("the stored provider, model, key and prompt", func(t *testing.T) {
			req := generate(t, c.Teacher, wish())
			if req.Format != "openai" || req.Model != "gpt-design" || req.Key != apptest.CanaryKey || req.System != "Write well." {
				t.Errorf("the model was asked %+v", req)
			}
			if got := req.LastUser(); !strings.Contains(got, `"teacher"`) || !strings.Contains(got, "Be kind") || !strings.Contains(got, "Cells") {
				t.Errorf("got %q", got)
			}
		})
		t.Run("what the request brings", func(t *testing.T) {
			req := generate(t, c.Admin, wish(func(d *app.Design) {
				d.SystemPrompt, d.Model, d.Key, d.Provider = "Mine.", "gpt-mine", "sk-own-123456789", "openai"
			}))
			if req.Model != "gpt-mine" || req.Key != "sk-own-123456789" || req.System != "Mine." {
				t.Errorf("the model was asked %+v", req)
			}
			req = generate(t, c.Admin, wish(func(d *app.Design) {
				d.SystemPrompt, d.Key = "System Design Agent", secret.Text(secret.Mask(apptest.CanaryKey))
			}))
			if req.Key != apptest.CanaryKey || req.System != "Write well." {
				t.Errorf("a mask and the placeholder: the model was asked %+v", req)
			}
		})
		t.Run("providers", func(t *testing.T) {
			_, _, err := r.GenerateInstructions(t.Context(), c.Teacher, wish(func(d *app.Design) { d.Provider = "gemini" }))
			wantKind(t, err, app.KindRejected, noKey)
			_, _, err = r.GenerateInstructions(t.Context(), c.Teacher, wish(func(d *app.Design) { d.Provider = "nobody" }))
			wantKind(t, err, app.KindInvalid, "provider: must be one of claude, gemini, offline, openai")
			got, _, err := r.GenerateInstructions(t.Context(), c.Teacher, wish(func(d *app.Design) { d.Suggested = "offline" }))
			if err != nil || !strings.HasPrefix(got, "[offline provider]") {
				t.Errorf("a provider without a key: got %q, %v", got, err)
			}
		})
		t.Run("a project's own design agent", func(t *testing.T) {
			in := wish(func(d *app.Design) { d.ProjectID = c.Project.ID })
			if req := generate(t, c.Teacher, in); req.System != "Write well." {
				t.Errorf("a project without one: the model was asked %+v", req)
			}
			newAgentOf(t, r, c, store.AgentDesign)
			if req := generate(t, c.Teacher, in); req.System != "Be a design." {
				t.Errorf("the model was asked %+v", req)
			}
			_, _, err := r.GenerateInstructions(t.Context(), r.User(t, app.RoleTeacher, "Tim"), in)
			wantKind(t, err, app.KindNotFound, "Project not found")
			_, _, err = r.GenerateInstructions(t.Context(), c.Admin, wish(func(d *app.Design) { d.ProjectID = store.NewID() }))
			wantKind(t, err, app.KindNotFound, "Project not found")
		})
		t.Run("who", func(t *testing.T) {
			for _, actor := range []*app.Actor{c.Student, c.TA} {
				_, _, err := r.GenerateInstructions(t.Context(), actor, wish())
				wantKind(t, err, app.KindForbidden, "Not enough permissions")
			}
		})
		t.Run("bad wishes", func(t *testing.T) {
			for name, d := range map[string]app.Design{"requirement": {TargetAgentType: "teacher"}, "target_agent_type": {Requirement: "x"},
				"course_context": wish(func(d *app.Design) { d.CourseContext = "\x00" }), "custom_model": wish(func(d *app.Design) { d.Model = strings.Repeat("x", 300) }),
				"a model, without": wish(func(d *app.Design) { d.Model = "gpt 4" })} {
				if _, _, err := r.GenerateInstructions(t.Context(), c.Teacher, d); app.KindOf(err) != app.KindInvalid || !strings.Contains(err.Error(), name) {
					t.Errorf("%s: got %v", name, err)
				}
			}
		})
		t.Run("failures", func(t *testing.T) {
			own := wish(func(d *app.Design) { d.Key, d.Provider = "sk-bad-999999999", "openai" })
			r.Model.Script(llmtest.Always(llmtest.Response{Status: 401, Message: "no"}))
			_, _, err := r.GenerateInstructions(t.Context(), c.Teacher, own)
			wantKind(t, err, app.KindRejected, "Invalid API Key provided.")
			r.Model.Script(llmtest.Always(llmtest.Response{Status: 400, Message: "the model is odd"}))
			_, _, err = r.GenerateInstructions(t.Context(), c.Teacher, wish())
			wantKind(t, err, app.KindUpstream, "The agent could not answer")
			if _, _, err = r.GenerateInstructions(t.Context(), c.Admin, wish()); app.KindOf(err) != app.KindUpstream || !strings.Contains(err.Error(), "the model is odd") {
				t.Errorf("an admin: got %v, want what the provider says", err)
			}
		})
	})
}

// A process that goes away gives a waiting person an answer, and soon.
func TestGoingAwayEndsWaiting(t *testing.T) {
	t.Parallel()
	r := apptest.New(t, storetest.SQLite(t), func(cfg *config.Config) { cfg.Jobs.DrainTimeout = 10 * time.Millisecond })
	c := r.Class(t)
	r.Model.Script(llmtest.Always(llmtest.Response{Fault: llmtest.Hang}))
	got := make(chan error, 1)
	go func() {
		_, _, err := r.Simulate(t.Context(), c.Teacher, c.TeacherAgent.ID, app.ThreadMessage{Message: "hello"})
		got <- err
	}()
	if !r.Model.Await(1, time.Minute) {
		t.Fatal("the model was not asked")
	}
	if err := r.CloseSockets(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantKind(t, <-got, app.KindUnavailable, "The server is restarting; send it again")
}
