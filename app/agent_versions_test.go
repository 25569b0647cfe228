package app_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/secret"
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
