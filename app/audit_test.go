package app_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// logged are the lines of the audit log about a thing, oldest first, as
// "action before -> after".
func logged(t *testing.T, r *apptest.Rig, targetID string) []string {
	t.Helper()
	rows, err := storetest.All(r.DB.AuditEntries(t.Context(), store.AuditFilter{TargetID: targetID}, "", 200))
	if err != nil {
		t.Fatal(err)
	}
	lines := make([]string, len(rows))
	for i, e := range rows {
		lines[len(rows)-1-i] = strings.TrimSpace(fmt.Sprintf("%s %s -> %s", e.Action, e.Before, e.After))
	}
	return lines
}

func TestAuditLines(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		r.Types(t, c.Admin, "critic")
		ctx := t.Context()
		super := r.User(t, app.RoleSuperAdmin, "Root")
		t.Run("OnlyWhatChanged", func(t *testing.T) {
			room, err := r.CreateRoom(ctx, c.Teacher, c.Course.ID, app.RoomSettings{Name: app.Some("Old")})
			must(t, err)
			_, err = r.UpdateRoom(ctx, c.Teacher, room.ID, app.RoomSettings{Name: app.Some("New"), AIMode: app.Some(store.ModeTeacherOnly)})
			must(t, err)
			if got, want := logged(t, r, room.ID)[1], `room.update {"name":"Old"} -> {"name":"New"}`; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
		t.Run("NothingChanged", func(t *testing.T) {
			before := len(logged(t, r, c.Room.ID))
			_, err := r.UpdateRoom(ctx, c.Teacher, c.Room.ID, app.RoomSettings{})
			must(t, err)
			_, err = r.Enrol(ctx, c.Teacher, c.Course.ID, app.Person{ID: c.Student.User.ID}, "ta")
			must(t, err)
			if got := len(logged(t, r, c.Room.ID)); got != before {
				t.Errorf("got %d lines, want the %d from before", got, before)
			}
		})
		t.Run("Memberships", func(t *testing.T) {
			_, err := r.Enrol(ctx, c.Teacher, c.Course.ID, app.Person{ID: c.Outsider.User.ID}, "ta")
			must(t, err)
			_, err = r.AssignToRoom(ctx, c.TA, c.Room.ID, app.Person{ID: c.Outsider.User.ID})
			must(t, err)
			all := strings.Join(append(logged(t, r, c.Course.ID), logged(t, r, c.Room.ID)...), "\n")
			for _, line := range []string{`course.enrol_student  -> {"role":"ta","user_id":"` + c.Outsider.User.ID + `"}`,
				`room.assign  -> {"user_id":"` + c.Outsider.User.ID + `"}`} {
				if !strings.Contains(all, line) {
					t.Errorf("no line %s in\n%s", line, all)
				}
			}
		})
		t.Run("ADenialLeavesNone", func(t *testing.T) {
			before := len(logged(t, r, c.Room.ID))
			_, err := r.UpdateRoom(ctx, c.Student, c.Room.ID, app.RoomSettings{Name: app.Some("Mine")})
			refused(t, err, app.KindForbidden, "", "")
			if got := len(logged(t, r, c.Room.ID)); got != before {
				t.Errorf("got %d lines, want %d", got, before)
			}
		})
		t.Run("AnAgentsLife", func(t *testing.T) {
			ag, err := r.CreateAgent(ctx, c.Teacher, c.Project.ID, app.AgentSettings{Type: app.Some("critic"), Name: app.Some("Cato"),
				SystemPrompt: app.Some(strings.Repeat("a", 5000)), ModelProvider: app.Some("offline"), APIKey: app.Some(secret.Text(apptest.CanaryKey))})
			must(t, err)
			_, err = r.UpdateAgent(ctx, c.Teacher, ag.ID, app.AgentSettings{SystemPrompt: app.Some(strings.Repeat("a", 5000) + "b")})
			must(t, err)
			key := secret.Text(apptest.CanaryKey)
			_, err = r.SetAgentKeys(ctx, c.Teacher, ag.ID, map[string]*secret.Text{"room_key": &key, "backup_key": nil})
			must(t, err)
			must(t, r.ClearAgentKey(ctx, c.Teacher, ag.ID))
			_, err = r.AttachAgent(ctx, c.Teacher, c.Room.ID, ag.ID)
			must(t, err)
			must(t, r.DetachAgent(ctx, c.Teacher, c.Room.ID, ag.ID))
			must(t, r.DeleteAgent(ctx, c.Teacher, ag.ID))
			got := logged(t, r, ag.ID)
			for i, want := range []string{`agent.create  -> {"api_key":"set",`, `agent.update {"system_prompt":"aaaa`,
				`agent.write_keys  -> {"backup_key":"cleared","room_key":"set"}`, `agent.write_keys  -> {"api_key":"cleared"}`, `agent.delete {"capabilities":`} {
				if i >= len(got) || !strings.HasPrefix(got[i], want) {
					t.Fatalf("line %d: got\n%s\nwant %s...", i, strings.Join(got, "\n"), want)
				}
			}
			if len(got[1]) > 1500 || !strings.Contains(got[1], "5000 bytes, sha256 ") || !strings.Contains(got[1], "5001 bytes, sha256 ") {
				t.Errorf("a long text is not told by its sum: %s", got[1])
			}
		})
		t.Run("TheOperator", func(t *testing.T) {
			u, err := r.Operator().CreateSuperAdmin(ctx, "boss-"+store.NewID()[24:], "", password)
			must(t, err)
			must(t, r.Operator().SetPassword(ctx, u.Email, password))
			rows, err := storetest.All(r.AuditLog(ctx, super, app.AuditFilter{TargetID: u.ID}, "", 10))
			must(t, err)
			if len(rows) != 2 || rows[0].Action != "user.set_password" || rows[1].Action != "user.create" || rows[0].ActorID != "operator" {
				t.Errorf("got %+v", rows)
			}
			refused(t, app.Check(&app.Actor{User: store.User{ID: "operator", Email: "operator"}}, app.ActReadSelf, app.Resource{}), app.KindForbidden, "", "")
		})
		t.Run("Sessions", func(t *testing.T) {
			u := account(t, r, app.RoleStudent)
			first, second := signIn(t, r, u), signIn(t, r, u)
			must(t, r.SignOut(ctx, first.Access))
			must(t, r.SignOut(ctx, first.Access))
			_, err := r.Refresh(ctx, second.Refresh)
			must(t, err)
			r.Advance(10 * time.Minute)
			_, err = r.Refresh(ctx, second.Refresh)
			refused(t, err, app.KindUnauthenticated, "", "Invalid refresh token")
			rows, err := storetest.All(r.AuditLog(ctx, super, app.AuditFilter{ActorID: u.ID}, "", 10))
			must(t, err)
			var got []string
			for _, e := range rows {
				got = append(got, e.Action)
			}
			want(t, "actions", got, []string{"session.end", "session.sign_out", "session.sign_in", "session.sign_in"})
		})
		t.Run("Impersonation", func(t *testing.T) {
			tokens, err := r.Impersonate(ctx, super, c.Teacher.User.ID, app.Client{})
			must(t, err)
			as, err := r.Authenticate(ctx, tokens.Access)
			must(t, err)
			course, err := r.CreateCourse(ctx, as, "On behalf", nil)
			must(t, err)
			must(t, r.SignOut(ctx, tokens.Access))
			rows, err := storetest.All(r.AuditLog(ctx, c.Admin, app.AuditFilter{ActorID: super.User.ID, OnBehalfOf: c.Teacher.User.ID}, "", 10))
			must(t, err)
			var got []string
			for _, e := range rows {
				got = append(got, e.Action)
			}
			want(t, "actions", got, []string{"user.stop_impersonating", "course.create", "user.impersonate"})
			if rows[1].TargetID != course.ID || rows[1].ActorName != super.User.Email {
				t.Errorf("got %+v", rows[1])
			}
			if again, err := storetest.All(r.AuditLog(ctx, c.Admin, app.AuditFilter{ActorID: super.User.ID, Action: "session.sign_out"}, "", 10)); err != nil || len(again) != 1 {
				t.Errorf("the super admin's own sign-out: got %v, %v", again, err)
			}
		})
		t.Run("NoSecret", func(t *testing.T) {
			for before := ""; ; {
				rows, err := storetest.All(r.DB.AuditEntries(ctx, store.AuditFilter{}, before, 200))
				must(t, err)
				for _, e := range rows {
					if text := string(e.Before + e.After); strings.Contains(text, apptest.CanaryKey) || strings.Contains(text, "$argon2id$") {
						t.Errorf("a secret in %+v", e)
					}
					before = e.ID
				}
				if len(rows) == 0 {
					break
				}
			}
		})
	})
}

func TestAuditLog(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		ctx := t.Context()
		admin, teacher := r.User(t, app.RoleAdmin, "Ada"), r.User(t, app.RoleTeacher, "Tess")
		begin := r.Now()
		var ids []string
		for range 5 {
			course, err := r.CreateCourse(ctx, teacher, "Course", nil)
			must(t, err)
			ids = append([]string{course.ID}, ids...)
		}
		list := func(f app.AuditFilter, before string, limit int) (targets []string, last string) {
			t.Helper()
			rows, err := storetest.All(r.AuditLog(ctx, admin, f, before, limit))
			must(t, err)
			for _, e := range rows {
				targets, last = append(targets, e.TargetID), e.ID
			}
			return targets, last
		}
		t.Run("NewestFirstInPages", func(t *testing.T) {
			page, last := list(app.AuditFilter{ActorID: teacher.User.ID}, "", 2)
			want(t, "first page", page, ids[:2])
			page, last = list(app.AuditFilter{ActorID: teacher.User.ID}, last, 2)
			want(t, "second page", page, ids[2:4])
			page, _ = list(app.AuditFilter{ActorID: teacher.User.ID}, last, 2)
			want(t, "last page", page, ids[4:])
		})
		t.Run("Filters", func(t *testing.T) {
			for name, f := range map[string]app.AuditFilter{
				"action":   {Action: "course.create"},
				"type":     {TargetType: "course"},
				"since":    {Since: begin.Add(-time.Second), ActorID: strings.ToUpper(teacher.User.ID)},
				"until":    {Until: begin.Add(time.Hour), ActorID: teacher.User.ID},
				"far away": {Since: time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC), Until: time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -14*3600)), TargetType: "course"},
			} {
				got, _ := list(f, "", 200)
				want(t, name, got, ids)
			}
			for name, f := range map[string]app.AuditFilter{
				"action": {Action: "course.burn"}, "type": {TargetType: "user", ActorID: teacher.User.ID}, "target": {TargetID: store.NewID()},
				"behalf": {OnBehalfOf: teacher.User.ID}, "since": {Since: begin.Add(time.Hour)}, "until": {Until: begin.Add(-time.Hour)},
			} {
				got, _ := list(f, "", 200)
				want(t, name, got, nil)
			}
			got, _ := list(app.AuditFilter{TargetID: ids[3]}, "", 1000)
			want(t, "target", got, ids[3:4])
		})
		t.Run("ForAdminsAlone", func(t *testing.T) {
			_, err := r.AuditLog(ctx, teacher, app.AuditFilter{}, "", 10)
			refused(t, err, app.KindForbidden, "", "Not enough permissions")
			_, err = r.AuditLog(ctx, admin, app.AuditFilter{Action: "a\x00"}, "", 10)
			refused(t, err, app.KindInvalid, "", "action: remove the NUL character")
		})
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
