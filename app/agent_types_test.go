package app_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/store/storetest"
)

func TestAgentTypes(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c, ctx := r.Class(t), t.Context()
		t.Run("FourAreTheSystems", func(t *testing.T) {
			list, err := storetest.All(r.AgentTypes(ctx, c.Teacher, "", true))
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, at := range list {
				if at.IsSystem {
					got[at.TypeName] = at.Category
				}
				if at.DefaultSystemPrompt == nil || *at.DefaultSystemPrompt == "" {
					t.Errorf("%s has no prompt", at.TypeName)
				}
			}
			for name, category := range map[string]string{"teacher": "instructor", "student": "participant", "design": "utility", "analytics": "utility"} {
				if got[name] != category {
					t.Errorf("%s: got %q, want %q", name, got[name], category)
				}
			}
		})
		t.Run("NewAgentsStartAsTheirType", func(t *testing.T) {
			if _, err := r.CreateAgentType(ctx, c.Admin, "coach", app.AgentTypeSettings{DisplayName: app.Some("Coach"), Category: app.Some("participant"),
				DefaultModelProvider: app.Some("openai"), DefaultModel: app.Some("gpt-4o"), DefaultSystemPrompt: app.Some("Cheer."),
				DefaultSettings: app.Some(json.RawMessage(`{"temperature":0.1}`)), DefaultCapabilities: app.Some([]string{"cheer"})}); err != nil {
				t.Fatal(err)
			}
			ag, err := r.CreateAgent(ctx, c.Teacher, c.Project.ID, app.AgentSettings{Type: app.Some("coach"), Name: app.Some("Coach")})
			if err != nil || ag.Category != "participant" || ag.ModelProvider != "openai" || *ag.Model != "gpt-4o" || ag.SystemPrompt != "Cheer." ||
				ag.Settings != `{"temperature":0.1}` || ag.Capabilities != `["cheer"]` {
				t.Errorf("got %+v, %v, want the defaults of the type", ag, err)
			}
			ag, err = r.CreateAgent(ctx, c.Teacher, c.Project.ID, app.AgentSettings{Type: app.Some("coach"), Name: app.Some("Other"), Category: app.Some("utility"), ModelProvider: app.Some("gemini")})
			if err != nil || ag.Category != "utility" || ag.ModelProvider != "gemini" {
				t.Errorf("got %+v, %v, want what was sent", ag, err)
			}
		})
		t.Run("InUse", func(t *testing.T) {
			refused(t, r.DeleteAgentType(ctx, c.Admin, "coach"), app.KindConflict, "", "Agents of type 'coach': 2. Delete them or give them another type first.")
		})
		t.Run("SystemTypesStay", func(t *testing.T) {
			refused(t, r.DeleteAgentType(ctx, c.Admin, "teacher"), app.KindRejected, "", "Cannot delete system type 'teacher'")
			_, err := r.UpdateAgentType(ctx, c.Admin, "teacher", app.AgentTypeSettings{Category: app.Some("utility")})
			refused(t, err, app.KindRejected, "", "Cannot change the category of system type 'teacher'")
			at, err := r.UpdateAgentType(ctx, c.Admin, "teacher", app.AgentTypeSettings{Color: app.Some("#000000")})
			if err != nil || *at.Color != "#000000" || at.DisplayName != "Teacher" {
				t.Errorf("got %+v, %v, want the colour alone changed", at, err)
			}
		})
		t.Run("Names", func(t *testing.T) {
			for _, bad := range []string{"", "Teacher", "1st", "a b", "a\x00", "\xff", strings.Repeat("a", 65), "老師"} {
				if _, err := r.CreateAgentType(ctx, c.Admin, bad, app.AgentTypeSettings{}); app.KindOf(err) != app.KindInvalid {
					t.Errorf("%.10q: got %v, want invalid", bad, err)
				}
				if _, err := r.AgentType(ctx, c.Admin, bad); app.KindOf(err) != app.KindNotFound {
					t.Errorf("%.10q: got %v, want not found", bad, err)
				}
			}
			_, err := r.CreateAgentType(ctx, c.Admin, "coach", app.AgentTypeSettings{})
			refused(t, err, app.KindRejected, "", "Agent type 'coach' already exists")
		})
		t.Run("Refuses", func(t *testing.T) {
			for name, s := range map[string]app.AgentTypeSettings{
				"Category": {Category: app.Some("king")}, "Null": {Category: null[string]()}, "Provider": {DefaultModelProvider: app.Some("nobody")},
				"Settings": {DefaultSettings: raw("[]")}, "NUL": {Icon: app.Some("\x00")}, "Blank": {DisplayName: app.Some("  ")},
				"Prompt": {DefaultSystemPrompt: app.Some(strings.Repeat("x", 100_001))},
			} {
				if _, err := r.CreateAgentType(ctx, c.Admin, "refused", s); app.KindOf(err) != app.KindInvalid {
					t.Errorf("%s: got %v, want invalid", name, err)
				}
			}
		})
	})
}
