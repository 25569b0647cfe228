package app_test

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/textdiff"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func TestAgentVersions(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c, ctx := r.Class(t), t.Context()
		id := c.TeacherAgent.ID
		t.Run("RestoreCanBeUndone", func(t *testing.T) {
			v, err := r.KeepVersion(ctx, c.Teacher, id, "good")
			if err != nil || v.Label != "good" || v.AgentID != id || v.CreatedBy != c.Teacher.User.ID || v.SystemPrompt != c.TeacherAgent.SystemPrompt {
				t.Fatalf("got %+v, %v", v, err)
			}
			if _, err := r.UpdateAgent(ctx, c.Teacher, id, app.AgentSettings{Name: app.Some("Bad"), SystemPrompt: app.Some("Shout."), Model: null[string](),
				Settings: raw(`{"temperature":2}`), TriggerConfig: raw(`{"type":"manual"}`), ContextWindow: app.Some(1), APIKey: app.Some(secret.Text("another-key-99"))}); err != nil {
				t.Fatal(err)
			}
			changed := stored(t, r, id)
			got, err := r.RestoreVersion(ctx, c.Teacher, id, v.ID)
			want := c.TeacherAgent
			if err != nil || got.Name != want.Name || got.SystemPrompt != want.SystemPrompt || *got.Model != *want.Model || got.Settings != want.Settings ||
				got.TriggerConfig != want.TriggerConfig || got.ContextWindow != want.ContextWindow || got.EncryptedAPIKey != changed.EncryptedAPIKey {
				t.Errorf("got %+v, %v, want it as it was, with the key it has", got, err)
			}
			list, err := storetest.All(r.Versions(ctx, c.Teacher, id, store.Page{}))
			if err != nil || len(list) != 2 || list[0].Label != "before restore of good" || list[0].SystemPrompt != "Shout." {
				t.Fatalf("got %+v, %v, want what was replaced first", list, err)
			}
			if got, err := r.RestoreVersion(ctx, c.Teacher, id, list[0].ID); err != nil || got.Name != "Bad" || got.Settings != `{"temperature":2}` || got.Model != nil {
				t.Errorf("got %+v, %v, want the restore undone", got, err)
			}
		})
		t.Run("KeepsAllThatMakesAnAgent", func(t *testing.T) {
			key, err := r.CreateUserKey(ctx, c.Teacher, app.NewUserKey{Provider: "openai", Alias: "mine", Key: "sk-mine-0123456789"})
			if err != nil {
				t.Fatal(err)
			}
			made, err := r.CreateAgent(ctx, c.Teacher, c.Project.ID, app.AgentSettings{Type: app.Some("teacher"), Name: app.Some("Whole"),
				SystemPrompt: app.Some("Ask.\nListen.\nAnswer."), Capabilities: app.Some([]string{"create_task"}), UserKeyIDs: app.Some([]string{key.ID}),
				Settings: raw(`{"temperature":0.5,"max_tokens":100}`), ExternalConfig: raw(`{"note":"x"}`), ContextWindow: app.Some(7)})
			if err != nil {
				t.Fatal(err)
			}
			v, err := r.KeepVersion(ctx, c.Teacher, made.ID, "whole")
			if err != nil || !v.Whole() {
				t.Fatalf("got %+v, %v", v, err)
			}
			changed, err := r.UpdateAgent(ctx, c.Teacher, made.ID, app.AgentSettings{Type: app.Some("student"), Category: app.Some("participant"), Name: app.Some("Other"),
				SystemPrompt: app.Some("Ask.\nWait.\nAnswer."), Capabilities: app.Some([]string{"create_task", "update_task"}), UserKeyIDs: app.Some([]string{}),
				Settings: raw(`{"max_tokens":100,"temperature":1}`), ExternalConfig: raw(`{"note":"y"}`), Model: app.Some("gpt-4o")})
			if err != nil {
				t.Fatal(err)
			}
			d, err := r.VersionDiff(ctx, c.Teacher, made.ID, v.ID, "")
			if err != nil || len(d.NotKept) != 0 {
				t.Fatalf("got %+v, %v", d, err)
			}
			got := map[string]string{}
			for _, ch := range d.Changes {
				is := ""
				for _, l := range ch.Lines {
					if l.Op != textdiff.Same {
						is += string(l.Op) + " " + strings.TrimSpace(l.Text) + ";"
					}
				}
				if ch.After != nil {
					is = "to " + *ch.After
				}
				got[ch.Field] = is
			}
			want := map[string]string{"name": "to Other", "type": "to student", "category": "to participant", "model": "to gpt-4o",
				"system_prompt": "removed Listen.;added Wait.;", "settings": `removed "temperature": 0.5;added "temperature": 1;`,
				"capabilities": `removed "create_task";added "create_task",;added "update_task";`, "external_config": `removed "note": "x";added "note": "y";`,
				"user_key_ids": `removed [;removed "` + key.ID + `";removed ];added [];`}
			if !maps.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
			// Who may change the agent but not its creator's keys cannot restore them.
			_, err = r.RestoreVersion(ctx, c.Admin, made.ID, v.ID)
			refused(t, err, app.KindForbidden, "", "user_key_ids: only the agent's creator, whose keys they are, can change them")
			if now := stored(t, r, made.ID); now.Name != "Other" || now.Version != changed.Version {
				t.Errorf("got %+v, want nothing restored", now)
			}
			back, err := r.RestoreVersion(ctx, c.Teacher, made.ID, v.ID)
			if err != nil || back.Type != "teacher" || back.Category != made.Category || back.Capabilities != made.Capabilities ||
				back.UserKeyIDs != made.UserKeyIDs || back.ContextWindow != 7 || back.Model != nil {
				t.Errorf("got %+v, %v, want it as it was", back, err)
			}
			if d, err := r.VersionDiff(ctx, c.Teacher, made.ID, v.ID, ""); err != nil || len(d.Changes) != 0 {
				t.Errorf("got %+v, %v, want no difference after the restore", d, err)
			}
			other, err := r.KeepVersion(ctx, c.Teacher, c.StudentAgent.ID, "")
			if err != nil {
				t.Fatal(err)
			}
			_, err = r.VersionDiff(ctx, c.Teacher, made.ID, v.ID, other.ID)
			refused(t, err, app.KindNotFound, "", "Version not found")
		})
		t.Run("FromBeforeAllWasKept", func(t *testing.T) {
			old := &store.AgentVersion{ID: store.NewID(), AgentID: id, Name: "Old one", SystemPrompt: "Old.", ModelProvider: "openai", Settings: "{}", ContextWindow: 5, CreatedAt: r.Now()}
			if err := r.DB.InTx(ctx, func(tx *store.Tx) error { return tx.CreateAgentVersion(ctx, old, 100) }); err != nil {
				t.Fatal(err)
			}
			before := stored(t, r, id)
			v, err := r.Version(ctx, c.Teacher, id, old.ID)
			if err != nil || v.Whole() || v.Type != "" || v.SystemPrompt != "Old." {
				t.Fatalf("got %+v, %v", v, err)
			}
			d, err := r.VersionDiff(ctx, c.Teacher, id, old.ID, "")
			if err != nil || !slices.Equal(d.NotKept, []string{"type", "category", "capabilities", "external_config", "user_key_ids"}) || len(d.Changes) == 0 {
				t.Errorf("got %+v, %v", d, err)
			}
			got, err := r.RestoreVersion(ctx, c.Teacher, id, old.ID)
			if err != nil || got.Name != "Old one" || got.Type != before.Type || got.Category != before.Category || got.Capabilities != before.Capabilities {
				t.Errorf("got %+v, %v, want what was not kept left as it is", got, err)
			}
		})
		t.Run("AnotherAgentsVersion", func(t *testing.T) {
			v, err := r.KeepVersion(ctx, c.Teacher, c.StudentAgent.ID, "")
			if err != nil {
				t.Fatal(err)
			}
			_, err = r.RestoreVersion(ctx, c.Teacher, id, v.ID)
			refused(t, err, app.KindNotFound, "", "Version not found")
		})
		t.Run("ATemplatesOwner", func(t *testing.T) {
			tpl, err := r.CreateTemplate(ctx, c.Student, app.AgentSettings{Type: app.Some("teacher"), SystemPrompt: app.Some("x")})
			if err != nil {
				t.Fatal(err)
			}
			v, err := r.KeepVersion(ctx, c.Student, tpl.ID, "")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.RestoreVersion(ctx, c.Student, tpl.ID, v.ID); err != nil {
				t.Error(err)
			}
			_, err = r.Versions(ctx, c.Teacher, tpl.ID, store.Page{})
			refused(t, err, app.KindForbidden, "", "Not enough permissions")
		})
		t.Run("Refuses", func(t *testing.T) {
			for _, bad := range []string{"\x00", "\xff", strings.Repeat("x", 201)} {
				if _, err := r.KeepVersion(ctx, c.Teacher, id, bad); app.KindOf(err) != app.KindInvalid {
					t.Errorf("%.5q: got %v, want invalid", bad, err)
				}
			}
			_, err := r.KeepVersion(ctx, c.Teacher, store.NewID(), "x")
			refused(t, err, app.KindNotFound, "", "Agent config not found")
		})
		t.Run("WhatNoLongerWorks", func(t *testing.T) {
			ctx := t.Context()
			v := &store.AgentVersion{ID: store.NewID(), AgentID: id, Name: "Old", ModelProvider: "openai", Settings: "{}",
				TriggerConfig: `{"type":"time_based"}`, ContextWindow: 1, CreatedAt: r.Now()}
			if err := r.DB.InTx(ctx, func(tx *store.Tx) error { return tx.CreateAgentVersion(ctx, v, 10) }); err != nil {
				t.Fatal(err)
			}
			_, err := r.RestoreVersion(ctx, c.Teacher, id, v.ID)
			refused(t, err, app.KindInvalid, "", "trigger_config.type: must be one of chance, message_count, time_interval, silence, manual")
		})
		t.Run("TheOldestGo", func(t *testing.T) {
			for i := range 203 {
				if _, err := r.KeepVersion(ctx, c.Teacher, c.StudentAgent.ID, strconv.Itoa(i)); err != nil {
					t.Fatal(err)
				}
			}
			list, err := storetest.All(r.Versions(ctx, c.Teacher, c.StudentAgent.ID, store.Page{Limit: store.MaxLimit}))
			if err != nil || len(list) != 200 || list[0].Label != "202" || list[199].Label != "3" {
				t.Errorf("got %d, %v, want the newest 200", len(list), err)
			}
			if list, err := storetest.All(r.Versions(ctx, c.Teacher, id, store.Page{})); err != nil || len(list) == 0 {
				t.Errorf("got %d, %v: another agent's are gone too", len(list), err)
			}
		})
	})
}
