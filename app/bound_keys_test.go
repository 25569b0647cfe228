package app_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// TestBoundKeys: a stored key is sent to the provider and the host that it was
// given for, whoever changes what.
func TestBoundKeys(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		c := r.Class(t)
		wantNoKey := func(t *testing.T, detail ...string) {
			t.Helper()
			seen, err := r.RoomAgentSettings(t.Context(), c.Teacher, c.Room.ID, c.TeacherAgent.ID)
			must(t, err)
			if seen.Rule != "no_key" {
				t.Fatalf("got the rule %q (%s), want no_key", seen.Rule, seen.Detail)
			}
			for _, want := range detail {
				if !strings.Contains(seen.Detail, want) {
					t.Errorf("staff read %q, want %q in it", seen.Detail, want)
				}
			}
		}
		provider := func(t *testing.T, s app.AgentSettings) {
			t.Helper()
			_, err := r.UpdateAgent(t.Context(), c.Teacher, c.TeacherAgent.ID, s)
			must(t, err)
		}
		room := secret.Text("key-room")
		_, err := r.SetAgentKeys(t.Context(), c.Teacher, c.TeacherAgent.ID, map[string]*secret.Text{"room_key": &room})
		must(t, err)

		t.Run("another provider", func(t *testing.T) {
			masked := r.MaskedKey(c.TeacherAgent)
			for _, s := range []app.AgentSettings{{ModelProvider: app.Some("gemini")}, // the member alone, or a form that sends all that it read
				{ModelProvider: app.Some("gemini"), APIKey: app.Some(secret.Text(*masked))}} {
				provider(t, s)
				wantNoKey(t, "no usable API key for gemini", "was given for openai at ", "enter it again")
				provider(t, app.AgentSettings{ModelProvider: app.Some("openai")})
			}
			post(t, r, c.Student, c.Room.ID, "hello")
			r.Messages(t, c.Room.ID, 2)
			if got := keysUsed(r); !slices.Equal(got, []string{apptest.CanaryKey}) {
				t.Errorf("back at the provider: got %q, want the stored key", got)
			}
		})
		t.Run("from before keys were bound", func(t *testing.T) {
			keys, err := secret.NewKeyring(r.Config.Auth.EncryptionKeys...)
			must(t, err)
			token, err := keys.Encrypt("key-old")
			must(t, err)
			must(t, r.DB.InTx(t.Context(), func(tx *store.Tx) error {
				ag, err := tx.AgentForUpdate(t.Context(), c.TeacherAgent.ID)
				if err != nil {
					return err
				}
				ag.EncryptedAPIKey = token
				return tx.UpdateAgent(t.Context(), ag)
			}))
			provider(t, app.AgentSettings{ModelProvider: app.Some("gemini")})
			wantNoKey(t, "was given for openai at ")
			provider(t, app.AgentSettings{ModelProvider: app.Some("openai")})
			post(t, r, c.Student, c.Room.ID, "again")
			r.Messages(t, c.Room.ID, 4)
			if got := keysUsed(r); got[len(got)-1] != "key-old" {
				t.Errorf("got %q, want the old key, which still serves its provider", got)
			}
		})
		t.Run("a key of the wallet", func(t *testing.T) {
			k, err := r.CreateUserKey(t.Context(), c.Teacher, app.NewUserKey{Provider: "openai", Alias: "mine", Key: "key-mine"})
			must(t, err)
			provider(t, app.AgentSettings{ModelProvider: app.Some("gemini"), UserKeyIDs: app.Some([]string{k.ID})})
			wantNoKey(t)
		})
	})
}

// TestWallet: who has stored a key for a provider need not put it on each
// agent: one's own agents use it last. Others' do where its owner allows it,
// who then sees what used it.
func TestWallet(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		c := r.Class(t)
		ctx := context.Background()
		must(t, r.ClearAgentKey(ctx, c.Teacher, c.TeacherAgent.ID))
		mine, err := r.CreateUserKey(ctx, c.Teacher, app.NewUserKey{Provider: "openai", Alias: "mine", Key: "key-mine"})
		must(t, err)
		post(t, r, c.Student, c.Room.ID, "hello")
		r.Messages(t, c.Room.ID, 2)
		if got := keysUsed(r); !slices.Equal(got, []string{"key-mine"}) {
			t.Fatalf("got %q, want the maker's key", got)
		}
		wantUses := func(owner *app.Actor, id string, calls int64) {
			t.Helper()
			var uses []store.KeyUse
			apptest.Await(t, "the count of uses", func() bool {
				uses, err = r.UserKeyUses(ctx, owner, id, store.Page{})
				return err == nil && (calls == 0 || len(uses) == 1 && uses[0].Calls == calls)
			})
			if calls > 0 && (uses[0].AgentID != c.TeacherAgent.ID || uses[0].AgentName != c.TeacherAgent.Name || uses[0].ProjectName == "") || calls == 0 && len(uses) > 0 {
				t.Errorf("got %+v, want %d calls of the agent", uses, calls)
			}
		}
		wantUses(c.Teacher, mine.ID, 1)

		must(t, r.DeleteUserKey(ctx, c.Teacher, mine.ID))
		theirs, err := r.CreateUserKey(ctx, c.Admin, app.NewUserKey{Provider: "openai", Alias: "theirs", Key: "key-theirs"})
		must(t, err)
		share := func(shared bool) {
			t.Helper()
			k, err := r.ShareUserKey(ctx, c.Admin, theirs.ID, shared)
			if err != nil || k.Shared != shared {
				t.Fatalf("got %+v (%v), want shared %v", k, err, shared)
			}
		}
		silent := func(turns int) {
			t.Helper()
			post(t, r, c.Student, c.Room.ID, "is anybody there?")
			apptest.Await(t, "the turn without a key", func() bool {
				all, err := r.DB.Turns(ctx, c.Room.ID, store.Page{})
				failed := 0
				for _, turn := range all {
					if turn.State == store.TurnFailed && turn.Reason == "no_key" {
						failed++
					}
				}
				return err == nil && failed == turns
			})
		}
		silent(1) // not shared
		share(true)
		silent(2) // shared, by somebody who is no member of the project
		must(t, r.DB.InTx(ctx, func(tx *store.Tx) error {
			return tx.AddProjectMember(ctx, &store.ProjectMember{ProjectID: c.TeacherAgent.ProjectID, UserID: c.Admin.User.ID, Role: "viewer", CreatedAt: r.Now()})
		}))
		wantUses(c.Admin, theirs.ID, 0)
		post(t, r, c.Student, c.Room.ID, "and now?")
		r.Messages(t, c.Room.ID, 6)
		if got := keysUsed(r); got[len(got)-1] != "key-theirs" {
			t.Errorf("got %q, want the shared key last", got)
		}
		wantUses(c.Admin, theirs.ID, 1)
		share(false)
		silent(3)
		_, err = r.UserKeyUses(ctx, c.Teacher, theirs.ID, store.Page{})
		refused(t, err, app.KindNotFound, "not_found", "Key not found")
		_, err = r.ShareUserKey(ctx, c.Teacher, theirs.ID, true)
		refused(t, err, app.KindNotFound, "not_found", "Key not found")
	})
}

// TestUnknownType: no agent is made of a type that nobody has described.
func TestUnknownType(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		c := r.Class(t)
		for _, kind := range []string{"techer", "Teacher", "x", "老師"} {
			s := app.AgentSettings{Type: app.Some(kind), Name: app.Some("New")}
			for what, make := range map[string]func() error{
				"create":   func() error { _, err := r.CreateAgent(t.Context(), c.Teacher, c.TeacherAgent.ProjectID, s); return err },
				"update":   func() error { _, err := r.UpdateAgent(t.Context(), c.Teacher, c.TeacherAgent.ID, s); return err },
				"template": func() error { _, err := r.CreateTemplate(t.Context(), c.Teacher, s); return err },
			} {
				err := make()
				if app.KindOf(err) != app.KindInvalid || !strings.Contains(err.Error(), "must be one of") || !strings.Contains(err.Error(), "teacher") {
					t.Errorf("%s %q: got %v, want a refusal that names the types", what, kind, err)
				}
			}
		}
	})
}
