package app_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func TestSystemAgents(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c, ctx := r.Class(t), t.Context()
		set := func(kind string, s app.AgentSettings) *store.Agent {
			t.Helper()
			ag, err := r.SetSystemAgent(ctx, c.Admin, kind, s)
			if err != nil {
				t.Fatal(err)
			}
			return ag
		}
		t.Run("StartsAsItsType", func(t *testing.T) {
			ag := set("analytics", app.AgentSettings{})
			if !ag.System() || ag.Type != "analytics" || ag.Category != "utility" || !ag.IsActive || !strings.Contains(ag.SystemPrompt, "transcript") {
				t.Errorf("got %+v, want the defaults of its type", ag)
			}
		})
		t.Run("KeepsWhatIsNotSent", func(t *testing.T) {
			first := set("design", app.AgentSettings{SystemPrompt: app.Some("Mine."), ModelProvider: app.Some("openai"), APIKey: app.Some(secret.Text(apptest.CanaryKey))})
			again := set("design", app.AgentSettings{Model: app.Some("gpt-4o"), APIKey: app.Some(secret.Text(""))})
			if again.ID != first.ID || again.SystemPrompt != "Mine." || again.ModelProvider != "openai" || *again.Model != "gpt-4o" || again.EncryptedAPIKey != first.EncryptedAPIKey {
				t.Errorf("got %+v, want the rest of %+v kept", again, first)
			}
		})
		t.Run("ThePlaceholderIsNoPrompt", func(t *testing.T) {
			if ag := set("design", app.AgentSettings{SystemPrompt: app.Some("System Design Agent")}); ag.SystemPrompt != "Mine." {
				t.Errorf("got %q, want the prompt kept", ag.SystemPrompt)
			}
			if ag := set("analytics", app.AgentSettings{SystemPrompt: app.Some("System Design Agent")}); ag.SystemPrompt != "System Design Agent" {
				t.Errorf("got %q, want it stored: it is the design agent's placeholder alone", ag.SystemPrompt)
			}
		})
		t.Run("ManyAtOnceMakeOne", func(t *testing.T) {
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					if _, err := r.SetSystemAgent(ctx, c.Admin, "racer", app.AgentSettings{SystemPrompt: app.Some("x")}); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			list, err := storetest.All(r.SystemAgents(ctx, c.Admin))
			n := 0
			for _, ag := range list {
				if ag.Type == "racer" {
					n++
				}
			}
			if err != nil || n != 1 {
				t.Errorf("got %d, %v, want one", n, err)
			}
		})
		t.Run("ItsMakerIsNotItsOwner", func(t *testing.T) {
			once := r.User(t, app.RoleAdmin, "Once")
			ag, err := r.SetSystemAgent(ctx, once, "once", app.AgentSettings{SystemPrompt: app.Some("x")})
			if err != nil {
				t.Fatal(err)
			}
			once.User.Role = app.RoleTeacher
			_, err = r.UpdateAgent(ctx, once, ag.ID, app.AgentSettings{Name: app.Some("Taken")})
			refused(t, err, app.KindForbidden, "", "Not enough permissions")
			_, err = r.AttachAgent(ctx, c.Teacher, c.Room.ID, ag.ID)
			refused(t, err, app.KindNotFound, "", "Agent not found")
		})
		t.Run("Refuses", func(t *testing.T) {
			for _, kind := range []string{"", "a\x00b", strings.Repeat("x", 65), "\xff"} {
				if _, err := r.SetSystemAgent(ctx, c.Admin, kind, app.AgentSettings{}); app.KindOf(err) != app.KindInvalid {
					t.Errorf("%.10q: got %v, want invalid", kind, err)
				}
			}
			_, err := r.SetSystemAgent(ctx, c.Teacher, "design", app.AgentSettings{})
			refused(t, err, app.KindForbidden, "", "Not enough permissions")
		})
		t.Run("IsAudited", func(t *testing.T) {
			entries, err := storetest.All(r.DB.AuditEntries(ctx, store.AuditFilter{Action: "agent.write_system"}, "", 100))
			if err != nil || len(entries) == 0 {
				t.Fatalf("got %d lines, %v", len(entries), err)
			}
			for _, e := range entries {
				if strings.Contains(string(e.Before)+string(e.After), apptest.CanaryKey) {
					t.Errorf("the audit log holds a key: %+v", e)
				}
			}
		})
	})
}

func TestRenamedAgent(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c, ctx := r.Class(t), t.Context()
		r.Types(t, c.Admin, "critic")
		other, err := r.CreateAgent(ctx, c.Teacher, c.Project.ID, app.AgentSettings{Type: app.Some("teacher"), Name: app.Some("Other")})
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.UpdateAgent(ctx, c.Teacher, other.ID, app.AgentSettings{Name: app.Some(c.TeacherAgent.Name)})
		refused(t, err, app.KindRejected, "", "A brain with this name already exists for this agent type.")
		if _, err := r.UpdateAgent(ctx, c.Teacher, other.ID, app.AgentSettings{Name: app.Some(c.TeacherAgent.Name), Type: app.Some("critic")}); err != nil {
			t.Errorf("of another type: %v", err)
		}
	})
}
