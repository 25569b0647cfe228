package app_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func TestTemplates(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c, ctx := r.Class(t), t.Context()
		tpl, err := r.CreateTemplate(ctx, c.Teacher, app.AgentSettings{Type: app.Some("student"), SystemPrompt: app.Some("Wonder."), ModelProvider: app.Some("openai"),
			APIKey: app.Some(secret.Text(apptest.CanaryKey)), TriggerConfig: raw(`{"type":"manual","value":1}`)})
		if err != nil {
			t.Fatal(err)
		}
		clone := func() *store.Agent {
			t.Helper()
			ag, err := r.CloneTemplate(ctx, c.Teacher, tpl.ID, c.Project.ID)
			if err != nil {
				t.Fatal(err)
			}
			return ag
		}
		t.Run("OfOnesOwn", func(t *testing.T) {
			if !tpl.IsTemplate || tpl.ProjectID != "" || tpl.CreatedBy != c.Teacher.User.ID || tpl.Name != "My Agent" || tpl.Category != "participant" {
				t.Errorf("got %+v", tpl)
			}
			for actor, want := range map[*app.Actor]int{c.Teacher: 1, c.Admin: 0, c.Student: 0} {
				if list, err := storetest.All(r.Templates(ctx, actor, store.Page{})); err != nil || len(list) != want {
					t.Errorf("%s: got %d, %v, want %d", actor.User.Name(), len(list), err, want)
				}
			}
			_, err := r.UpdateAgent(ctx, c.Student, tpl.ID, app.AgentSettings{Name: app.Some("Mine")})
			refused(t, err, app.KindForbidden, "", "Not enough permissions")
			if list, err := storetest.All(r.SystemAgents(ctx, c.Admin)); err != nil || len(list) != 0 {
				t.Errorf("got %d system agents, %v: a template is none", len(list), err)
			}
		})
		t.Run("Clone", func(t *testing.T) {
			ag := clone()
			if ag.ParentID != tpl.ID || ag.ProjectID != c.Project.ID || ag.IsActive || ag.IsTemplate || ag.SystemPrompt != "Wonder." || ag.Name != "My Agent" ||
				ag.EncryptedAPIKey != tpl.EncryptedAPIKey || ag.TriggerConfig != tpl.TriggerConfig {
				t.Errorf("got %+v", ag)
			}
			if again := clone(); again.Name != "My Agent (2)" {
				t.Errorf("got the name %q, want a free one", again.Name)
			}
		})
		t.Run("CloneIsForItsCreator", func(t *testing.T) {
			_, err := r.CloneTemplate(ctx, c.Admin, tpl.ID, c.Project.ID)
			refused(t, err, app.KindForbidden, "", "Not enough permissions")
			_, err = r.CloneTemplate(ctx, c.Teacher, c.TeacherAgent.ID, c.Project.ID)
			refused(t, err, app.KindRejected, "", "Source agent is not a template")
			_, err = r.CloneTemplate(ctx, c.Outsider, c.TeacherAgent.ID, c.Project.ID)
			refused(t, err, app.KindForbidden, "", "Not enough permissions")
			_, err = r.CloneTemplate(ctx, c.Teacher, store.NewID(), c.Project.ID)
			refused(t, err, app.KindNotFound, "", "Global agent not found")
			_, err = r.CloneTemplate(ctx, c.Teacher, tpl.ID, store.NewID())
			refused(t, err, app.KindNotFound, "", "Project not found")
		})
		t.Run("CloneIntoAForeignProject", func(t *testing.T) {
			own, err := r.CreateTemplate(ctx, c.Student, app.AgentSettings{Type: app.Some("teacher"), SystemPrompt: app.Some("x")})
			if err != nil {
				t.Fatal(err)
			}
			_, err = r.CloneTemplate(ctx, c.Student, own.ID, c.Project.ID)
			refused(t, err, app.KindForbidden, "", "Not enough permissions")
		})
		t.Run("Sync", func(t *testing.T) {
			ag := clone()
			if _, err := r.UpdateAgent(ctx, c.Teacher, tpl.ID, app.AgentSettings{SystemPrompt: app.Some("Wonder more."), ContextWindow: app.Some(3)}); err != nil {
				t.Fatal(err)
			}
			got, err := r.SyncAgent(ctx, c.Teacher, ag.ID)
			if err != nil || got.SystemPrompt != "Wonder more." || got.ContextWindow != 3 || got.Name != ag.Name || got.EncryptedAPIKey != ag.EncryptedAPIKey || got.IsActive {
				t.Errorf("got %+v, %v", got, err)
			}
			if list, err := storetest.All(r.Versions(ctx, c.Teacher, ag.ID, store.Page{})); err != nil || len(list) != 1 || list[0].SystemPrompt != "Wonder." {
				t.Errorf("got %+v, %v, want what it was", list, err)
			}
		})
		t.Run("SyncTakesAllThatMakesAnAgent", func(t *testing.T) {
			ag := clone()
			if _, err := r.UpdateAgent(ctx, c.Teacher, tpl.ID, app.AgentSettings{Type: app.Some("teacher"), Category: app.Some("instructor"), Name: app.Some("Renamed"),
				SystemPrompt: app.Some("Listen."), ModelProvider: app.Some("gemini"), Model: app.Some("gemini-2.0-flash"), Capabilities: app.Some([]string{"create_task"}),
				Settings: raw(`{"temperature":1}`), TriggerConfig: raw(`{"type":"manual"}`), ScheduleConfig: raw(`{"mode":"whitelist","rules":[{"type":"everyday","time_range":["08:00","09:00"]}]}`), ExternalConfig: raw(`{"note":"new"}`),
				ContextWindow: app.Some(9)}); err != nil {
				t.Fatal(err)
			}
			got, err := r.SyncAgent(ctx, c.Teacher, ag.ID)
			must(t, err)
			// Every member of an agent is here: one that is added is copied, or stays.
			stays := []string{"BaseModel", "ID", "ProjectID", "ParentID", "Name", "EncryptedAPIKey", "EncryptedSecrets", "UserKeyIDs", "IsActive", "IsTemplate", "IsExternal",
				"CreatedBy", "CreatedAt", "UpdatedAt", "Version"}
			was, is, of := reflect.ValueOf(*ag), reflect.ValueOf(*stored(t, r, got.ID)), reflect.ValueOf(*stored(t, r, tpl.ID))
			for i := range is.NumField() {
				name := is.Type().Field(i).Name
				is, of, was := fmt.Sprint(reflect.Indirect(is.Field(i))), fmt.Sprint(reflect.Indirect(of.Field(i))), fmt.Sprint(reflect.Indirect(was.Field(i)))
				switch {
				case !slices.Contains(stays, name) && is != of:
					t.Errorf("%s: got %s, want %s", name, is, of)
				case !slices.Contains(stays, name) && is == was:
					t.Errorf("%s: the test does not change it in the template", name)
				case slices.Contains(stays, name) && is != was && name != "UpdatedAt" && name != "Version":
					t.Errorf("%s: got %s, want %s as before", name, is, was)
				}
			}
		})
		t.Run("SyncNeedsTheTemplateToo", func(t *testing.T) {
			ag, editor := clone(), r.User(t, app.RoleTeacher, "Edith")
			if err := r.DB.InTx(ctx, func(tx *store.Tx) error {
				return tx.AddProjectMember(ctx, &store.ProjectMember{ProjectID: c.Project.ID, UserID: editor.User.ID, Role: "editor", CreatedAt: ag.CreatedAt})
			}); err != nil {
				t.Fatal(err)
			}
			_, err := r.SyncAgent(ctx, editor, ag.ID)
			refused(t, err, app.KindNotFound, "", "Parent template not found")
			_, err = r.SyncAgent(ctx, c.Teacher, c.TeacherAgent.ID)
			refused(t, err, app.KindRejected, "", "Agent has no parent template to sync from")
		})
		t.Run("GoWithTheirCreator", func(t *testing.T) {
			leaver := r.User(t, app.RoleTeacher, "Lea")
			own, err := r.CreateTemplate(ctx, leaver, app.AgentSettings{Type: app.Some("teacher"), SystemPrompt: app.Some("x")})
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := r.DeleteUser(ctx, c.Admin, leaver.User.ID, false); err != nil {
				t.Fatal(err)
			}
			if _, err := r.DB.Agent(ctx, own.ID); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("got %v, want it gone", err)
			}
		})
		t.Run("ClonesOutliveTheirTemplate", func(t *testing.T) {
			ag := clone()
			if err := r.DeleteAgent(ctx, c.Teacher, tpl.ID); err != nil {
				t.Fatal(err)
			}
			if got := stored(t, r, ag.ID); got.ParentID != "" {
				t.Errorf("got the parent %q, want none", got.ParentID)
			}
			_, err := r.SyncAgent(ctx, c.Teacher, ag.ID)
			refused(t, err, app.KindRejected, "", "Agent has no parent template to sync from")
		})
	})
}

func TestSetProjectAgent(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c, ctx := r.Class(t), t.Context()
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				if _, err := r.SetProjectAgent(ctx, c.Teacher, c.Project.ID, "critic", app.AgentSettings{SystemPrompt: app.Some("Criticise.")}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		agents, err := storetest.All(r.Agents(ctx, c.Teacher, c.Project.ID, store.Page{}))
		if err != nil || len(activeOf(agents, "critic")) != 1 || len(agents) != 3 {
			t.Errorf("got %d agents, %v, want one more", len(agents), err)
		}
		ag, err := r.SetProjectAgent(ctx, c.Admin, c.Project.ID, "teacher", app.AgentSettings{SystemPrompt: app.Some("Teach better.")})
		if err != nil || ag.ID != c.TeacherAgent.ID || ag.SystemPrompt != "Teach better." || *ag.Model != "gpt-4o" {
			t.Errorf("got %+v, %v, want the rest kept", ag, err)
		}
	})
}
