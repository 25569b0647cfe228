package app_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// token makes a token of a person with scopes, and the actor who comes with it.
func token(t *testing.T, r *apptest.Rig, of *app.Actor, scopes ...app.Scope) (id string, secret secret.Text, with *app.Actor) {
	t.Helper()
	made, secret, err := r.CreateAccessToken(t.Context(), of, app.NewAccessToken{Name: "test", Scopes: scopes, Days: 1})
	must(t, err)
	with, err = r.Authenticate(t.Context(), secret.Reveal())
	must(t, err)
	return made.ID, secret, with
}

func TestAccessTokens(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		ctx := t.Context()
		t.Run("OK", func(t *testing.T) {
			made, secret, err := r.CreateAccessToken(ctx, c.Teacher, app.NewAccessToken{Name: " Export ", Scopes: []app.Scope{"write", "read", "read"}, Days: 30})
			must(t, err)
			if !strings.HasPrefix(secret.Reveal(), "coa_") || len(secret.Reveal()) != 56 || made.Name != "Export" || made.Scopes != `["read","write"]` ||
				made.ExpiresAt.Sub(made.CreatedAt) != 30*24*time.Hour {
				t.Errorf("got %+v", made)
			}
			if strings.Contains(r.Dump(t), secret.Reveal()) {
				t.Error("the database holds the token itself")
			}
			who, err := r.Authenticate(ctx, secret.Reveal())
			must(t, err)
			if who.User.ID != c.Teacher.User.ID || who.TokenID != made.ID || who.SessionID != "" {
				t.Errorf("got %+v", who)
			}
			list, err := storetest.All(r.AccessTokens(ctx, c.Teacher))
			if err != nil || len(list) != 1 || list[0].ID != made.ID {
				t.Errorf("got %+v, %v", list, err)
			}
		})
		t.Run("NoSessionComesOfOne", func(t *testing.T) {
			super, admin2, key := r.User(t, app.RoleSuperAdmin, "Root"), r.User(t, app.RoleAdmin, "Abe"), secret.Text(apptest.CanaryKey)
			_, _, boss := token(t, r, super, app.ScopeRead, app.ScopeWrite, app.ScopeAdmin)
			_, _, tess := token(t, r, c.Teacher, app.ScopeRead, app.ScopeWrite, app.ScopeAdmin)
			password, keyed := "correct horse battery", app.AgentSettings{Type: app.Some("teacher"), Name: app.Some("Keyed"), APIKey: app.Some(key), SystemPrompt: app.Some("x")}
			template, err := r.CreateTemplate(ctx, c.Teacher, keyed)
			must(t, err)
			for name, try := range map[string]func() error{
				"MakeSuper": func() error {
					_, err := r.CreateUser(ctx, boss, app.NewUser{Email: store.NewID() + "@x.org", Role: app.RoleSuperAdmin})
					return err
				},
				"MakeWithPassword": func() error {
					_, err := r.CreateUser(ctx, boss, app.NewUser{Email: store.NewID() + "@x.org", Password: &password})
					return err
				},
				"Promote": func() error {
					_, err := r.UpdateUser(ctx, boss, c.Student.User.ID, app.UserChanges{Role: app.Some(app.RoleAdmin)})
					return err
				},
				"Demote": func() error {
					_, err := r.UpdateUser(ctx, boss, admin2.User.ID, app.UserChanges{Role: app.Some(app.RoleTeacher)})
					return err
				},
				"DeleteAdmin": func() error { _, _, err := r.DeleteUser(ctx, boss, admin2.User.ID, false); return err },
				"Link":        func() error { _, err := r.MakePasswordLink(ctx, boss, c.Student.User.ID); return err },
				"Tokens":      func() error { return r.RevokeAccessTokensOf(ctx, boss, c.Student.User.ID) },
				"Keys": func() error {
					_, err := r.SetAgentKeys(ctx, tess, c.TeacherAgent.ID, map[string]*secret.Text{"room_key": &key})
					return err
				},
				"ClearKey": func() error { return r.ClearAgentKey(ctx, tess, c.TeacherAgent.ID) },
				"OwnKey": func() error {
					_, err := r.UpdateAgent(ctx, tess, c.TeacherAgent.ID, app.AgentSettings{APIKey: app.Some(secret.Text("sk-another-key"))})
					return err
				},
				"Lend": func() error {
					_, err := r.UpdateAgent(ctx, tess, c.TeacherAgent.ID, app.AgentSettings{UserKeyIDs: app.Some([]string{store.NewID()})})
					return err
				},
				"KeyedAgent":    func() error { _, err := r.CreateAgent(ctx, tess, c.Project.ID, keyed); return err },
				"KeyedTemplate": func() error { _, err := r.CreateTemplate(ctx, tess, keyed); return err },
				"KeyedClone":    func() error { _, err := r.CloneTemplate(ctx, tess, template.ID, c.Project.ID); return err },
				"KeyedOfType":   func() error { _, err := r.SetProjectAgent(ctx, tess, c.Project.ID, "fresh", keyed); return err },
				"System":        func() error { _, err := r.SetSystemAgent(ctx, boss, "design", keyed); return err },
				"External": func() error {
					_, _, err := r.CreateExternalAgent(ctx, boss, app.NewExternalAgent{Name: "x", WebhookURL: "https://x.org/hook"})
					return err
				},
			} {
				t.Run(name, func(t *testing.T) {
					refused(t, try(), app.KindForbidden, "scope", "A token cannot do this; sign in instead")
				})
			}
			// What keeps the key is an edit like any other: clients send back what they read.
			mask := secret.Text(*r.MaskedKey(c.TeacherAgent))
			_, err = r.UpdateAgent(ctx, tess, c.TeacherAgent.ID, app.AgentSettings{APIKey: app.Some(mask), Name: app.Some("By a token")})
			must(t, err)
			_, err = r.CreateUser(ctx, boss, app.NewUser{Email: store.NewID() + "@x.org", Role: app.RoleTeacher})
			must(t, err)
		})
		t.Run("Scopes", func(t *testing.T) {
			_, _, reader := token(t, r, c.Admin, app.ScopeRead)
			_, err := r.Course(ctx, reader, c.Course.ID)
			must(t, err)
			_, err = r.CreateCourse(ctx, reader, "Art", nil)
			refused(t, err, app.KindForbidden, "scope", `This token lacks the scope "write"`)
			_, err = r.AuditLog(ctx, reader, app.AuditFilter{}, "", 1)
			refused(t, err, app.KindForbidden, "scope", `This token lacks the scope "admin"`)
			_, _, writer := token(t, r, c.Admin, app.ScopeWrite)
			_, err = r.CreateCourse(ctx, writer, "Art", nil)
			must(t, err)
			_, err = r.Course(ctx, writer, c.Course.ID)
			refused(t, err, app.KindForbidden, "scope", `This token lacks the scope "read"`)
			_, _, boss := token(t, r, c.Admin, app.ScopeAdmin)
			_, err = r.AuditLog(ctx, boss, app.AuditFilter{}, "", 1)
			must(t, err)
		})
		t.Run("NoScopeGivesMoreThanThePersonHas", func(t *testing.T) {
			_, _, pupil := token(t, r, c.Student, app.ScopeRead, app.ScopeWrite, app.ScopeAdmin)
			_, err := r.AuditLog(ctx, pupil, app.AuditFilter{}, "", 1)
			refused(t, err, app.KindForbidden, "forbidden", "Not enough permissions")
			_, err = r.UpdateRoom(ctx, pupil, c.Room.ID, app.RoomSettings{})
			refused(t, err, app.KindForbidden, "forbidden", "Not enough permissions")
		})
		t.Run("WhatTakesASession", func(t *testing.T) {
			super := r.User(t, app.RoleSuperAdmin, "Root")
			id, _, full := token(t, r, super, app.ScopeRead, app.ScopeWrite, app.ScopeAdmin)
			as, err := r.Impersonate(ctx, super, c.Teacher.User.ID, app.Client{})
			must(t, err)
			other, err := r.Authenticate(ctx, as.Access)
			must(t, err)
			for name, act := range map[string]func(*app.Actor) error{
				"make a token":  func(a *app.Actor) error { _, _, err := r.CreateAccessToken(ctx, a, app.NewAccessToken{}); return err },
				"list tokens":   func(a *app.Actor) error { _, err := r.AccessTokens(ctx, a); return err },
				"revoke":        func(a *app.Actor) error { return r.RevokeAccessToken(ctx, a, id) },
				"list sessions": func(a *app.Actor) error { _, err := r.Sessions(ctx, a, store.Page{}); return err },
				"end a session": func(a *app.Actor) error { return r.EndSession(ctx, a, super.SessionID) },
				"end sessions":  func(a *app.Actor) error { return r.EndOtherSessions(ctx, a) },
				"list keys":     func(a *app.Actor) error { _, err := r.UserKeys(ctx, a); return err },
				"store a key":   func(a *app.Actor) error { _, err := r.CreateUserKey(ctx, a, app.NewUserKey{}); return err },
			} {
				t.Run(name, func(t *testing.T) {
					refused(t, act(full), app.KindForbidden, "scope", "A token cannot do this; sign in instead")
					refused(t, act(other), app.KindForbidden, "impersonating", "Stop acting as somebody else first")
				})
			}
			_, err = r.Impersonate(ctx, full, c.Teacher.User.ID, app.Client{})
			refused(t, err, app.KindForbidden, "scope", "A token cannot do this; sign in instead")
		})
		t.Run("Invalid", func(t *testing.T) {
			for want, in := range map[string]app.NewAccessToken{
				"name: must not be empty":                                 {Name: " ", Scopes: []app.Scope{"read"}, Days: 1},
				"expires_in_days: must be between 1 and 365":              {Name: "x", Scopes: []app.Scope{"read"}, Days: 366},
				"scopes: must name at least one of read, write, admin":    {Name: "x", Days: 1},
				"scopes: must be one of read, write, admin":               {Name: "x", Scopes: []app.Scope{"session"}, Days: 1},
				"name: remove the NUL character":                          {Name: "a\x00", Scopes: []app.Scope{"read"}, Days: 365},
				"expires_in_days: must be between 1 and 365 (and no -1s)": {Name: "x", Scopes: []app.Scope{"read"}, Days: -1},
			} {
				_, _, err := r.CreateAccessToken(ctx, c.Teacher, in)
				text, _, _ := strings.Cut(want, " (")
				refused(t, err, app.KindInvalid, "invalid", text)
			}
		})
		t.Run("AdminsRevoke", func(t *testing.T) {
			super := r.User(t, app.RoleSuperAdmin, "Root")
			_, secret, _ := token(t, r, c.TA, app.ScopeRead)
			_, adminSecret, _ := token(t, r, c.Admin, app.ScopeRead)
			list, err := storetest.All(r.AccessTokensOf(ctx, c.Admin, c.TA.User.ID))
			if err != nil || len(list) != 1 {
				t.Errorf("got %v, %v", list, err)
			}
			must(t, r.RevokeAccessTokensOf(ctx, c.Admin, c.TA.User.ID))
			_, err = r.Authenticate(ctx, secret.Reveal())
			refused(t, err, app.KindUnauthenticated, "bad_token", "Could not validate credentials")
			const hands = "Only Super Admins can modify other Admins"
			other := r.User(t, app.RoleAdmin, "Alan")
			refused(t, r.RevokeAccessTokensOf(ctx, other, c.Admin.User.ID), app.KindForbidden, "", hands)
			_, err = r.AccessTokensOf(ctx, other, super.User.ID)
			refused(t, err, app.KindForbidden, "", hands)
			must(t, r.RevokeAccessTokensOf(ctx, super, c.Admin.User.ID))
			_, err = r.Authenticate(ctx, adminSecret.Reveal())
			refused(t, err, app.KindUnauthenticated, "bad_token", "")
			refused(t, r.RevokeAccessTokensOf(ctx, c.Admin, store.NewID()), app.KindNotFound, "", "User not found")
			refused(t, r.RevokeAccessTokensOf(ctx, c.Teacher, c.Student.User.ID), app.KindForbidden, "", "Not enough permissions")
		})
		t.Run("RevokedAndOfOthers", func(t *testing.T) {
			id, secret, _ := token(t, r, c.Student, app.ScopeRead)
			refused(t, r.RevokeAccessToken(ctx, c.Teacher, id), app.KindNotFound, "", "Token not found")
			must(t, r.RevokeAccessToken(ctx, c.Student, id))
			refused(t, r.RevokeAccessToken(ctx, c.Student, id), app.KindNotFound, "", "Token not found")
			_, err := r.Authenticate(ctx, secret.Reveal())
			refused(t, err, app.KindUnauthenticated, "bad_token", "Could not validate credentials")
			if got := logged(t, r, id); len(got) != 2 || !strings.HasPrefix(got[0], "token.create") || !strings.HasPrefix(got[1], "token.revoke") || strings.Contains(got[0], "hash") {
				t.Errorf("the audit log has %v", got)
			}
		})
		t.Run("InactiveAndExpired", func(t *testing.T) {
			who := r.User(t, app.RoleTeacher, "Gone")
			_, secret, _ := token(t, r, who, app.ScopeRead)
			r.Exec(t, "UPDATE users SET is_active = ? WHERE id = ?", false, who.User.ID)
			_, err := r.Authenticate(ctx, secret.Reveal())
			refused(t, err, app.KindRejected, "inactive", "Inactive user")
			r.Exec(t, "UPDATE users SET is_active = ? WHERE id = ?", true, who.User.ID)
			r.Advance(24*time.Hour - time.Minute)
			_, err = r.Authenticate(ctx, secret.Reveal())
			must(t, err)
			r.Advance(2 * time.Minute)
			_, err = r.Authenticate(ctx, secret.Reveal())
			refused(t, err, app.KindUnauthenticated, "bad_token", "Could not validate credentials")
		})
		t.Run("NoSessionsTicket", func(t *testing.T) {
			_, secret, _ := token(t, r, r.User(t, app.RoleSuperAdmin, "Root"), app.ScopeRead)
			_, err := r.StopImpersonating(ctx, "", secret.Reveal())
			refused(t, err, app.KindRejected, "", "Not impersonating")
			_, err = r.Refresh(ctx, secret.Reveal())
			refused(t, err, app.KindUnauthenticated, "", "Invalid refresh token")
			must(t, r.SignOut(ctx, secret.Reveal()))
			_, err = r.Authenticate(ctx, secret.Reveal())
			must(t, err)
		})
	})
}

func TestAccessTokenSockets(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url, quick)
		c := silentClass(t, r)
		ctx := t.Context()
		t.Run("LastUse", func(t *testing.T) {
			id, _, _ := token(t, r, c.TA, app.ScopeRead)
			used := func() time.Time {
				got, err := r.DB.AccessToken(ctx, id)
				must(t, err)
				return got.LastUsedAt
			}
			apptest.Await(t, "the use to be stored", func() bool { return !used().IsZero() })
		})
		t.Run("ReadersListen", func(t *testing.T) {
			_, _, reader := token(t, r, c.Student, app.ScopeRead)
			for _, v2 := range []bool{false, true} {
				s := r.Join(t, reader, c.Room.ID, v2, -1)
				s.Seat.Post(ctx, "not mine to say", "1")
				s.Seat.Typing(ctx)
				var refusals []apptest.Frame
				apptest.Await(t, "two refusals", func() bool {
					refusals = slices.DeleteFunc(s.Frames(""), func(f apptest.Frame) bool { return !strings.Contains(f.Text, "lacks the scope") })
					return len(refusals) == 2
				})
				for _, f := range refusals {
					if v2 && (f.Fields["code"] != "scope" || !f.Is("error")) || !v2 && !f.Is("system") {
						t.Errorf("got %s", f.Text)
					}
				}
				post(t, r, c.Teacher, c.Room.ID, "still here?")
				s.Await(t, "the line", func(f apptest.Frame) bool { return strings.Contains(f.Text, "still here?") })
			}
		})
		t.Run("RevokedHere", func(t *testing.T) {
			id, _, who := token(t, r, c.Student, app.ScopeRead, app.ScopeWrite)
			s := r.Join(t, who, c.Room.ID, true, -1)
			s.Seat.Post(ctx, "mine to say", "1")
			s.Await(t, "the ack", func(f apptest.Frame) bool { return f.Is("ack") })
			must(t, r.RevokeAccessToken(ctx, c.Student, id))
			if code := s.AwaitClose(t); code != realtime.CloseSessionEnded {
				t.Errorf("closed with %d, want %d", code, realtime.CloseSessionEnded)
			}
		})
		t.Run("GoneElsewhere", func(t *testing.T) {
			id, _, who := token(t, r, c.Student, app.ScopeRead)
			s := r.Join(t, who, c.Room.ID, true, -1)
			r.Exec(t, "DELETE FROM access_tokens WHERE id = ?", id)
			begin := time.Now()
			if code := s.AwaitClose(t); code != realtime.CloseSessionEnded || time.Since(begin) > 10*time.Second {
				t.Errorf("closed with %d after %s, want %d within a look", code, time.Since(begin), realtime.CloseSessionEnded)
			}
		})
	})
}
