package app_test

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func raw(s string) app.Opt[json.RawMessage] { return app.Some(json.RawMessage(s)) }

func null[T any]() app.Opt[T] { return app.Opt[T]{Sent: true, Null: true} }

// stored is an agent as the database has it.
func stored(t *testing.T, r *apptest.Rig, id string) *store.Agent {
	t.Helper()
	ag, err := r.DB.Agent(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return ag
}

func TestAgentKey(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		id := c.TeacherAgent.ID
		const mask = "sk******9c"
		if got := r.MaskedKey(c.TeacherAgent); got == nil || *got != mask {
			t.Fatalf("mask: got %v, want %s", got, mask)
		}
		token := stored(t, r, id).EncryptedAPIKey
		if token == "" || strings.Contains(token, apptest.CanaryKey) {
			t.Fatalf("stored: %q", token)
		}
		for name, sent := range map[string]app.Opt[secret.Text]{"Absent": {}, "Null": null[secret.Text](), "Empty": app.Some(secret.Text("")), "Mask": app.Some(secret.Text(mask))} {
			t.Run("Keeps"+name, func(t *testing.T) {
				ag, err := r.UpdateAgent(t.Context(), c.Teacher, id, app.AgentSettings{APIKey: sent, Name: app.Some("Renamed")})
				if err != nil || ag.Name != "Renamed" || ag.EncryptedAPIKey != token || stored(t, r, id).EncryptedAPIKey != token {
					t.Errorf("got %+v, %v, want the key kept", ag, err)
				}
			})
		}
		t.Run("Replaces", func(t *testing.T) {
			ag, err := r.UpdateAgent(t.Context(), c.Teacher, id, app.AgentSettings{APIKey: app.Some(secret.Text("new-key-1234"))})
			if err != nil || *r.MaskedKey(ag) != "ne******34" || stored(t, r, id).EncryptedAPIKey == token {
				t.Errorf("got %+v, %v, want the new key", ag, err)
			}
		})
		t.Run("Refuses", func(t *testing.T) {
			for _, bad := range []string{strings.Repeat("x", 4097), "a\x00b", "\xff"} {
				_, err := r.UpdateAgent(t.Context(), c.Teacher, id, app.AgentSettings{APIKey: app.Some(secret.Text(bad))})
				if app.KindOf(err) != app.KindInvalid || strings.Contains(err.Error(), bad) {
					t.Errorf("got %.100v, want an invalid error that does not repeat it", err)
				}
			}
		})
		t.Run("NoneHasNoMask", func(t *testing.T) {
			if got := r.MaskedKey(&store.Agent{}); got != nil {
				t.Errorf("got %q, want none", *got)
			}
			if got := r.MaskedKey(&store.Agent{EncryptedAPIKey: "damaged"}); got == nil || *got != "****" {
				t.Errorf("got %v, want ****", got)
			}
		})
	})
}

func TestCreateAgent(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		r.Types(t, c.Admin, "helper", "critic", "racer", "another", "old", "json", "lists", "x")
		ctx := t.Context()
		add := func(s app.AgentSettings) (*store.Agent, error) { return r.CreateAgent(ctx, c.Teacher, c.Project.ID, s) }
		t.Run("OK", func(t *testing.T) {
			ag, err := add(app.AgentSettings{Type: app.Some("helper"), SystemPrompt: app.Some("Help.")})
			if err != nil || ag.Name != "Default Profile" || ag.ModelProvider != "gemini" || ag.ContextWindow != 10 || ag.Category != "instructor" ||
				ag.CreatedBy != c.Teacher.User.ID || ag.Settings != "{}" || ag.TriggerConfig != "" || !ag.IsActive || ag.IsTemplate || ag.IsExternal {
				t.Errorf("got %+v, %v, want the defaults", ag, err)
			}
		})
		t.Run("TheFirstOfItsTypeIsActive", func(t *testing.T) {
			for i, name := range []string{"A", "B"} {
				ag, err := add(app.AgentSettings{Type: app.Some("critic"), Name: app.Some(name)})
				if err != nil || ag.IsActive != (i == 0) {
					t.Errorf("%s: got %+v, %v", name, ag, err)
				}
			}
			if ag, err := add(app.AgentSettings{Type: app.Some("critic"), Name: app.Some("C"), IsActive: app.Some(true)}); err != nil || !ag.IsActive {
				t.Errorf("got %+v, %v, want it as it was sent", ag, err)
			}
		})
		t.Run("TenFirstsAtOnce", func(t *testing.T) {
			var all sync.WaitGroup
			for i := range 10 {
				all.Go(func() {
					if _, err := add(app.AgentSettings{Type: app.Some("racer"), Name: app.Some(string(rune('a' + i)))}); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			agents, err := storetest.All(r.Agents(ctx, c.Teacher, c.Project.ID, store.Page{}))
			if err != nil {
				t.Fatal(err)
			}
			if got := activeOf(agents, "racer"); len(got) != 1 {
				t.Errorf("active: got %q, want one", got)
			}
		})
		t.Run("SameName", func(t *testing.T) {
			_, err := add(app.AgentSettings{Type: app.Some("helper")})
			refused(t, err, app.KindRejected, "", "A brain with this name already exists for this agent type.")
			if _, err := add(app.AgentSettings{Type: app.Some("another")}); err != nil {
				t.Errorf("of another type: %v", err)
			}
		})
		t.Run("CategoryOfTheType", func(t *testing.T) {
			for kind, category := range map[string]string{"student": "participant", "design": "utility", "analytics": "utility", "teacher": "instructor"} {
				if ag, err := add(app.AgentSettings{Type: app.Some(kind), Name: app.Some("One more")}); err != nil || ag.Category != category {
					t.Errorf("%s: got %+v, %v, want %s", kind, ag, err, category)
				}
			}
		})
		t.Run("AnOldTriggerComesBackUnchanged", func(t *testing.T) {
			const unknown = `{"type":"time_based","value":1}`
			ag, err := add(app.AgentSettings{Type: app.Some("old")})
			if err != nil {
				t.Fatal(err)
			}
			ag.TriggerConfig = unknown
			if err := r.DB.InTx(t.Context(), func(tx *store.Tx) error { return tx.UpdateAgent(t.Context(), ag) }); err != nil {
				t.Fatal(err)
			}
			if _, err := r.UpdateAgent(t.Context(), c.Teacher, ag.ID, app.AgentSettings{Name: app.Some("Old"), TriggerConfig: raw(unknown)}); err != nil {
				t.Errorf("what is stored, sent back: %v", err)
			}
			_, err = r.UpdateAgent(t.Context(), c.Teacher, ag.ID, app.AgentSettings{TriggerConfig: raw(`{"type":"time_based","value":2}`)})
			refused(t, err, app.KindInvalid, "", "trigger_config.type: must be one of chance, message_count, time_interval, silence, manual")
		})
		t.Run("JSONStaysAsItWas", func(t *testing.T) {
			const settings, trigger = `{"zeta":1.50,"alpha":{"y":[],"b":null}}`, `{"value":3,"type":"message_count"}`
			ag, err := add(app.AgentSettings{Type: app.Some("json"), Settings: raw(settings), TriggerConfig: raw(trigger), ScheduleConfig: raw(" null "),
				Capabilities: app.Some([]string{"b", "a"}), UserKeyIDs: app.Some([]string(nil))})
			if err != nil {
				t.Fatal(err)
			}
			got := stored(t, r, ag.ID)
			if got.Settings != settings || got.TriggerConfig != trigger || got.ScheduleConfig != "" || got.Capabilities != `["b","a"]` || got.UserKeyIDs != "[]" {
				t.Errorf("got %+v", got)
			}
		})
		t.Run("EmptyListsAreNotNull", func(t *testing.T) {
			ag, err := add(app.AgentSettings{Type: app.Some("lists"), Capabilities: app.Some([]string{}), UserKeyIDs: app.Some([]string{})})
			if err != nil || ag.Capabilities != "[]" || ag.UserKeyIDs != "[]" {
				t.Errorf("got %+v, %v, want []", ag, err)
			}
		})
		t.Run("Invalid", func(t *testing.T) {
			deep := strings.Repeat(`{"a":`, 33) + "1" + strings.Repeat("}", 33)
			for name, s := range map[string]app.AgentSettings{
				"NoType": {}, "NullType": {Type: null[string]()}, "LongType": {Type: app.Some(strings.Repeat("x", 65))},
				"BlankName": {Type: app.Some("x"), Name: app.Some(" ")}, "Category": {Type: app.Some("x"), Category: app.Some("external")},
				"Provider": {Type: app.Some("x"), ModelProvider: app.Some("skynet")}, "NullPrompt": {Type: app.Some("x"), SystemPrompt: null[string]()},
				"LongPrompt": {Type: app.Some("x"), SystemPrompt: app.Some(strings.Repeat("x", 100_001))},
				"Window":     {Type: app.Some("x"), ContextWindow: app.Some(0)}, "BigWindow": {Type: app.Some("x"), ContextWindow: app.Some(1001)},
				"SettingsNull": {Type: app.Some("x"), Settings: raw("null")}, "SettingsArray": {Type: app.Some("x"), Settings: raw("[]")},
				"Deep": {Type: app.Some("x"), Settings: raw(deep)}, "NUL": {Type: app.Some("x"), Settings: raw(`{"a":"\u0000"}`)},
				"BadUTF8": {Type: app.Some("x"), TriggerConfig: raw("{\"a\":\"\xff\"}")}, "Big": {Type: app.Some("x"), Settings: raw(`{"a":"` + strings.Repeat("x", 300<<10) + `"}`)},
				"ManyCapabilities": {Type: app.Some("x"), Capabilities: app.Some(make([]string, 101))}, "EmptyCapability": {Type: app.Some("x"), Capabilities: app.Some([]string{""})},
			} {
				if _, err := add(s); app.KindOf(err) != app.KindInvalid {
					t.Errorf("%s: got %v, want an invalid error", name, err)
				}
			}
		})
		t.Run("WhoMay", func(t *testing.T) {
			for _, who := range []*app.Actor{c.TA, c.Student, c.Outsider} {
				_, err := r.CreateAgent(ctx, who, c.Project.ID, app.AgentSettings{Type: app.Some("x")})
				refused(t, err, app.KindForbidden, "", "Not enough permissions")
			}
			_, err := r.CreateAgent(ctx, c.Admin, store.NewID(), app.AgentSettings{Type: app.Some("x")})
			refused(t, err, app.KindNotFound, "", "Project not found")
		})
	})
}

// activeOf are the names of the active agents of a type.
func activeOf(agents []store.Agent, kind string) []string {
	var names []string
	for _, ag := range agents {
		if ag.Type == kind && ag.IsActive {
			names = append(names, ag.Name)
		}
	}
	slices.Sort(names)
	return names
}

func TestUpdateAgent(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		ctx, id := t.Context(), c.TeacherAgent.ID
		update := func(s app.AgentSettings) (*store.Agent, error) { return r.UpdateAgent(ctx, c.Teacher, id, s) }
		t.Run("UnsentStays", func(t *testing.T) {
			if _, err := update(app.AgentSettings{Settings: raw(`{"b":1,"a":2}`), TriggerConfig: raw(`{"type":"manual"}`), ContextWindow: app.Some(5), Capabilities: app.Some([]string{"x"})}); err != nil {
				t.Fatal(err)
			}
			before := stored(t, r, id)
			r.Advance(1e9)
			ag, err := update(app.AgentSettings{})
			if err != nil || ag.Settings != `{"b":1,"a":2}` || ag.TriggerConfig != `{"type":"manual"}` || ag.ContextWindow != 5 || ag.Capabilities != `["x"]` ||
				ag.ModelProvider != "openai" || *ag.Model != "gpt-4o" || ag.SystemPrompt != before.SystemPrompt || ag.Name != before.Name {
				t.Errorf("got %+v, %v", ag, err)
			}
			if !ag.UpdatedAt.After(before.UpdatedAt) {
				t.Error("updated_at did not move")
			}
		})
		t.Run("NullClears", func(t *testing.T) {
			ag, err := update(app.AgentSettings{Model: null[string](), TriggerConfig: null[json.RawMessage](), Capabilities: null[[]string]()})
			if err != nil || ag.Model != nil || ag.TriggerConfig != "" || ag.Capabilities != `["x"]` {
				t.Errorf("got %+v, %v", ag, err)
			}
		})
		t.Run("NullIsRefused", func(t *testing.T) {
			for name, s := range map[string]app.AgentSettings{"Name": {Name: null[string]()}, "Prompt": {SystemPrompt: null[string]()},
				"Provider": {ModelProvider: null[string]()}, "Active": {IsActive: null[bool]()}, "Window": {ContextWindow: null[int]()}, "Settings": {Settings: null[json.RawMessage]()}} {
				if _, err := update(s); app.KindOf(err) != app.KindInvalid {
					t.Errorf("%s: got %v, want an invalid error", name, err)
				}
			}
		})
		t.Run("WhoMay", func(t *testing.T) {
			for _, who := range []*app.Actor{c.TA, c.Student, c.Outsider} {
				_, err := r.UpdateAgent(ctx, who, id, app.AgentSettings{})
				refused(t, err, app.KindForbidden, "", "Not enough permissions")
				_, err = r.ActivateAgent(ctx, who, id)
				refused(t, err, app.KindForbidden, "", "Not enough permissions")
				refused(t, r.DeleteAgent(ctx, who, id), app.KindForbidden, "", "Not enough permissions")
			}
			_, err := r.UpdateAgent(ctx, c.Admin, store.NewID(), app.AgentSettings{})
			refused(t, err, app.KindNotFound, "", "Agent config not found")
			_, err = r.UpdateAgent(ctx, nil, id, app.AgentSettings{})
			refused(t, err, app.KindUnauthenticated, "", "Not authenticated")
		})
		t.Run("SystemAgentsAreForAdmins", func(t *testing.T) {
			r.Exec(t, "UPDATE agents SET project_id = NULL, created_by = NULL WHERE id = ?", c.StudentAgent.ID)
			_, err := r.ActivateAgent(ctx, c.Teacher, c.StudentAgent.ID)
			refused(t, err, app.KindForbidden, "", "Not enough permissions")
			if _, err := r.ActivateAgent(ctx, c.Admin, c.StudentAgent.ID); err != nil {
				t.Error(err)
			}
		})
	})
}

func TestActivateAgent(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		ctx := t.Context()
		second, err := r.CreateAgent(ctx, c.Teacher, c.Project.ID, app.AgentSettings{Type: app.Some(store.AgentTeacher), Name: app.Some("Second")})
		if err != nil || second.IsActive {
			t.Fatalf("got %+v, %v", second, err)
		}
		list := func() []store.Agent {
			agents, err := storetest.All(r.Agents(ctx, c.Teacher, c.Project.ID, store.Page{}))
			if err != nil {
				t.Fatal(err)
			}
			return agents
		}
		t.Run("OK", func(t *testing.T) {
			for range 2 {
				if ag, err := r.ActivateAgent(ctx, c.Teacher, second.ID); err != nil || !ag.IsActive || ag.ID != second.ID {
					t.Fatalf("got %+v, %v", ag, err)
				}
				want(t, "active teachers", activeOf(list(), store.AgentTeacher), []string{"Second"})
				want(t, "active students", activeOf(list(), store.AgentStudent), []string{"Student"})
			}
			if got, off := logged(t, r, c.TeacherAgent.ID), `agent.activate {"is_active":true} -> {"is_active":false}`; !slices.Contains(got, off) {
				t.Errorf("who was switched off has lines %q, want %s", got, off)
			}
		})
		t.Run("ManyAtOnceLeaveOne", func(t *testing.T) {
			var all sync.WaitGroup
			for i := range 20 {
				all.Go(func() {
					if _, err := r.ActivateAgent(ctx, c.Teacher, []string{second.ID, c.TeacherAgent.ID}[i%2]); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if got := activeOf(list(), store.AgentTeacher); len(got) != 1 {
				t.Errorf("active: got %q, want one", got)
			}
		})
	})
}

func TestDeleteAgent(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		c := r.Class(t)
		post(t, r, c.Student, c.Room.ID, "@teacher")
		r.Idle(t, c.Room.ID)
		if err := r.DeleteAgent(t.Context(), c.Teacher, c.TeacherAgent.ID); err != nil {
			t.Fatal(err)
		}
		refused(t, r.DeleteAgent(t.Context(), c.Teacher, c.TeacherAgent.ID), app.KindNotFound, "", "Agent config not found")
		lines, err := storetest.All(r.History(t.Context(), c.Student, c.Room.ID, 0, 0))
		if err != nil || len(lines) != 2 || event.SenderName(&lines[1]) != "Teacher AI" {
			t.Errorf("got %+v, %v, want what it said", lines, err)
		}
		if agents, _, err := r.RoomAgents(t.Context(), c.Student, c.Room.ID); err != nil || len(agents.IDs()) != 1 {
			t.Errorf("got %+v, %v, want the other agent alone", agents, err)
		}
	})
}
