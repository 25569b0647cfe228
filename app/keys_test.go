package app_test

import (
	"net/http"
	"slices"
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

// byKey answers each key as the map says, and every other one with "fine".
func byKey(faults map[string]llmtest.Response) llmtest.Script {
	return func(r llmtest.Request) llmtest.Response {
		if f, ok := faults[r.Key]; ok {
			return f
		}
		return llmtest.Response{Text: "fine"}
	}
}

func keysUsed(r *apptest.Rig) []string {
	var keys []string
	for _, req := range r.Model.Requests() {
		keys = append(keys, req.Key)
	}
	return keys
}

// keychain gives a class's teacher agent its own key, two of its creator's and
// all three further ones.
func keychain(t *testing.T, r *apptest.Rig, c *apptest.Class) {
	t.Helper()
	var ids []string
	for _, k := range []app.NewUserKey{{Provider: "openai", Alias: "second", Key: "key-user-2"}, {Provider: "openai", Alias: "first", Key: "key-user-1"},
		{Provider: "gemini", Alias: "other provider", Key: "key-gemini"}} {
		stored, err := r.CreateUserKey(t.Context(), c.Teacher, k)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, stored.ID)
	}
	// A stranger's key is named too, and never used.
	strange, err := r.CreateUserKey(t.Context(), c.Outsider, app.NewUserKey{Provider: "openai", Alias: "x", Key: "key-stranger"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.UpdateAgent(t.Context(), c.Teacher, c.TeacherAgent.ID, app.AgentSettings{
		UserKeyIDs: app.Some([]string{strange.ID, ids[1], ids[2], ids[0]})}); err != nil {
		t.Fatal(err)
	}
	keys := map[string]*secret.Text{}
	for _, kind := range []string{"backup_key", "global_key", "room_key"} {
		k := secret.Text("key-" + kind)
		keys[kind] = &k
	}
	if _, err := r.SetAgentKeys(t.Context(), c.Teacher, c.TeacherAgent.ID, keys); err != nil {
		t.Fatal(err)
	}
}

func TestKeyChain(t *testing.T) {
	t.Parallel()
	dead := llmtest.Response{Status: http.StatusUnauthorized, Message: "bad key"}
	busy := llmtest.Response{Status: http.StatusTooManyRequests, Message: "slow down"}
	storetest.EachURL(t, func(t *testing.T, url string) {
		t.Run("hands over in order, then cools down", func(t *testing.T) {
			r := apptest.New(t, url)
			c := r.Class(t)
			keychain(t, r, c)
			r.Model.Script(byKey(map[string]llmtest.Response{apptest.CanaryKey: dead, "key-user-1": busy, "key-user-2": dead, "key-room_key": dead, "key-global_key": busy}))
			post(t, r, c.Student, c.Room.ID, "hello")
			r.Messages(t, c.Room.ID, 2)
			r.Idle(t, c.Room.ID)
			want := []string{apptest.CanaryKey, "key-user-1", "key-user-2", "key-room_key", "key-global_key", "key-backup_key"}
			if got := keysUsed(r); !slices.Equal(got, want) {
				t.Errorf("keys: got %q, want %q", got, want)
			}
			post(t, r, c.Student, c.Room.ID, "and again")
			r.Messages(t, c.Room.ID, 4)
			if got := keysUsed(r)[len(want):]; !slices.Equal(got, []string{"key-backup_key"}) {
				t.Errorf("while the others cool down: got %q, want the key that worked", got)
			}
		})
		t.Run("the first of three dead", func(t *testing.T) {
			r := apptest.New(t, storeOf(t, url))
			c := r.Class(t)
			room, backup := secret.Text("key-room"), secret.Text("key-backup")
			if _, err := r.SetAgentKeys(t.Context(), c.Teacher, c.TeacherAgent.ID, map[string]*secret.Text{"room_key": &room, "backup_key": &backup}); err != nil {
				t.Fatal(err)
			}
			r.Model.Script(byKey(map[string]llmtest.Response{apptest.CanaryKey: dead}))
			post(t, r, c.Student, c.Room.ID, "hello")
			if messages := r.Messages(t, c.Room.ID, 2); messages[1].Content != "fine" {
				t.Errorf("got %q, want the answer of the second key", messages[1].Content)
			}
			turns, err := r.DB.Turns(t.Context(), c.Room.ID, store.Page{})
			if err != nil || len(turns) != 1 || turns[0].Attempt != 1 {
				t.Errorf("turns: got %+v (%v), want one at its first attempt", turns, err)
			}
		})
		t.Run("nobody else's", func(t *testing.T) {
			r := apptest.New(t, storeOf(t, url))
			c := r.Class(t)
			other, err := r.CreateUserKey(t.Context(), c.Teacher, app.NewUserKey{Provider: "gemini", Alias: "other", Key: "key-other"})
			must(t, err)
			theirs, err := r.CreateUserKey(t.Context(), c.Admin, app.NewUserKey{Provider: "openai", Alias: "theirs", Key: "key-theirs"})
			must(t, err)
			name := func(by *app.Actor, ids ...string) error {
				_, err := r.UpdateAgent(t.Context(), by, c.TeacherAgent.ID, app.AgentSettings{UserKeyIDs: app.Some(ids)})
				return err
			}
			for _, ids := range [][]string{{other.ID}, {theirs.ID}} { // who else may edit the agent lends it neither
				refused(t, name(c.Admin, ids...), app.KindForbidden, "forbidden", "user_key_ids: only the agent's creator, whose keys they are, can change them")
			}
			must(t, name(c.Teacher, theirs.ID))
			must(t, name(c.Admin, theirs.ID)) // a form that sends all that it has read
			must(t, r.ClearAgentKey(t.Context(), c.Teacher, c.TeacherAgent.ID))
			post(t, r, c.Student, c.Room.ID, "hello")
			apptest.Await(t, "the turn without a key", func() bool {
				turns, err := r.DB.Turns(t.Context(), c.Room.ID, store.Page{})
				return err == nil && len(turns) == 1 && turns[0].State == store.TurnFailed && turns[0].Reason == "no_key"
			})
			mine, err := r.CreateUserKey(t.Context(), c.Teacher, app.NewUserKey{Provider: "openai", Alias: "mine", Key: "key-mine"})
			must(t, err)
			must(t, name(c.Teacher, theirs.ID, mine.ID))
			post(t, r, c.Student, c.Room.ID, "and again")
			r.Messages(t, c.Room.ID, 3)
			if got := keysUsed(r); !slices.Equal(got, []string{"key-mine"}) {
				t.Errorf("got %q, want the creator's key alone", got)
			}
		})
		t.Run("all dead", func(t *testing.T) {
			r := apptest.New(t, storeOf(t, url))
			c := r.Class(t)
			r.Model.Script(llmtest.Always(dead))
			post(t, r, c.Student, c.Room.ID, "hello")
			apptest.Await(t, "the failed turn", func() bool {
				turns, err := r.DB.Turns(t.Context(), c.Room.ID, store.Page{})
				return err == nil && len(turns) == 1 && turns[0].State == store.TurnFailed && turns[0].Reason == "bad_key"
			})
		})
	})
}

// storeOf is another fresh database of the same kind.
func storeOf(t *testing.T, url string) string {
	t.Helper()
	if strings.HasPrefix(url, "sqlite:") {
		return storetest.SQLite(t)
	}
	return storetest.Postgres(t)
}

func TestUserKeys(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		me, other := r.User(t, app.RoleTeacher, "Me"), r.User(t, app.RoleTeacher, "Other")
		k, err := r.CreateUserKey(t.Context(), me, app.NewUserKey{Provider: "openai", Alias: " mine ", Key: "sk-abcdefgh"})
		if err != nil || k.Alias != "mine" || r.MaskToken(k.EncryptedKey) != "sk******gh" || strings.Contains(k.EncryptedKey, "abcdefgh") {
			t.Errorf("created: got %+v, %v", k, err)
		}
		_, err = r.CreateUserKey(t.Context(), me, app.NewUserKey{Provider: "openai", Alias: "mine", Key: "sk-2"})
		refused(t, err, app.KindRejected, "alias_exists", "Key with this alias already exists.")
		_, err = r.CreateUserKey(t.Context(), other, app.NewUserKey{Provider: "openai", Alias: "mine", Key: "sk-2"})
		if err != nil {
			t.Errorf("the same alias of somebody else: %v", err)
		}
		_, err = r.CreateUserKey(t.Context(), me, app.NewUserKey{Provider: "openai", Alias: "empty"})
		refused(t, err, app.KindInvalid, "invalid", "api_key: must not be empty")
		refused(t, r.DeleteUserKey(t.Context(), other, k.ID), app.KindNotFound, "", "Key not found")
		if err := r.DeleteUserKey(t.Context(), me, k.ID); err != nil {
			t.Error(err)
		}
		if keys, err := storetest.All(r.UserKeys(t.Context(), me)); err != nil || len(keys) != 0 {
			t.Errorf("after the delete: got %v, %v", keys, err)
		}
	})
}

func TestAgentKeys(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		id := c.TeacherAgent.ID
		set := func(kind string, key *secret.Text) error {
			_, err := r.SetAgentKeys(t.Context(), c.Teacher, id, map[string]*secret.Text{kind: key})
			return err
		}
		want := func(text string) {
			t.Helper()
			keys, err := r.AgentKeys(t.Context(), c.Teacher, id)
			if err != nil || keys["room_key"] != text {
				t.Errorf("got %q (%v), want %q", keys["room_key"], err, text)
			}
		}
		key, mask, empty := secret.Text("sk-0123456789"), secret.Text("sk******89"), secret.Text("")
		if err := set("room_key", &key); err != nil {
			t.Fatal(err)
		}
		want("sk******89")
		if err := set("room_key", &mask); err != nil {
			t.Fatal(err)
		}
		want("sk******89")
		for _, clear := range []*secret.Text{nil, &empty} {
			if err := set("room_key", clear); err != nil {
				t.Fatal(err)
			}
			want("")
		}
		refused(t, set("my_key", &key), app.KindInvalid, "invalid", "")
		_, err := r.AgentKeys(t.Context(), c.Student, id)
		refused(t, err, app.KindForbidden, "", "Not enough permissions")
		if err := r.ClearAgentKey(t.Context(), c.Teacher, id); err != nil {
			t.Fatal(err)
		}
		if ag, err := r.DB.Agent(t.Context(), id); err != nil || ag.EncryptedAPIKey != "" {
			t.Errorf("the cleared key: got %q, %v", ag.EncryptedAPIKey, err)
		}
	})
}

func TestSigninThrottle(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url, func(c *config.Config) {
			c.Auth.SigninFailuresPerAccount, c.Auth.SigninFailuresPerAddress = 3, 8
		})
		u := account(t, r, app.RoleTeacher)
		try := func(login, pw, address string) error {
			_, err := r.SignIn(t.Context(), login, pw, app.Client{Address: address})
			return err
		}
		for name, login := range map[string]string{"192.0.2.1": u.Email, "192.0.2.2": "nobody@example.org"} {
			for range 3 {
				wrongPassword(t, try(login, "wrong password", name))
			}
			refused(t, try(login, "wrong password", name), app.KindLimited, "rate_limited", "")
			refused(t, try(strings.ToUpper(login), password, "192.0.2.9"), app.KindLimited, "rate_limited", "")
		}
		r.Advance(16 * time.Minute)
		if err := try(u.Email, password, "192.0.2.1"); err != nil {
			t.Errorf("after the window: %v", err)
		}
		wrongPassword(t, try(u.Email, "wrong password", "192.0.2.1"))
		if err := try(u.Email, password, "192.0.2.1"); err != nil {
			t.Errorf("a success forgives: %v", err)
		}
		for i := range 7 { // with the one above, eight of this address
			wrongPassword(t, try("guess"+string(rune('a'+i))+"@example.org", "wrong password", "192.0.2.1"))
		}
		for _, address := range []string{"192.0.2.1", "192.0.2.3"} {
			if err := try(u.Email, password, address); err != nil {
				t.Errorf("from %s: %v", address, err)
			}
		}
	})
}

func TestImpersonate(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		super, target := account(t, r, app.RoleSuperAdmin), account(t, r, app.RoleStudent)
		own := signIn(t, r, super)
		actor, err := r.Authenticate(t.Context(), own.Access)
		if err != nil {
			t.Fatal(err)
		}
		as, err := r.Impersonate(t.Context(), actor, target.ID, app.Client{})
		if err != nil {
			t.Fatal(err)
		}
		if left := as.SessionExpires.Sub(r.Now()); left > time.Hour || left < 59*time.Minute {
			t.Errorf("it lasts %s, want an hour", left)
		}
		who, err := r.Authenticate(t.Context(), as.Access)
		if err != nil || who.User.ID != target.ID || who.ImpersonatorID != super.ID {
			t.Fatalf("got %+v, %v", who, err)
		}
		next, err := r.Refresh(t.Context(), as.Refresh)
		if err != nil || !next.SessionExpires.Equal(as.SessionExpires) {
			t.Errorf("a refresh keeps the hour: got %v, %v", next, err)
		}
		if who, err := r.Authenticate(t.Context(), next.Access); err != nil || who.ImpersonatorID != super.ID {
			t.Errorf("after a refresh: got %+v, %v", who, err)
		}
		_, err = r.Impersonate(t.Context(), who, target.ID, app.Client{})
		refused(t, err, app.KindForbidden, "", "")
		for _, bad := range []*store.User{account(t, r, app.RoleSuperAdmin), super} {
			_, err = r.Impersonate(t.Context(), actor, bad.ID, app.Client{})
			refused(t, err, app.KindForbidden, "", "")
		}
		_, err = r.Impersonate(t.Context(), r.User(t, app.RoleAdmin, "Adm"), target.ID, app.Client{})
		refused(t, err, app.KindForbidden, "", "The user doesn't have enough privileges")

		_, err = r.StopImpersonating(t.Context(), next.Access, "")
		refused(t, err, app.KindRejected, "", "Not impersonating")
		_, err = r.StopImpersonating(t.Context(), next.Access, signIn(t, r, target).Access)
		refused(t, err, app.KindRejected, "", "Not impersonating")
		back, err := r.StopImpersonating(t.Context(), next.Access, own.Access)
		if err != nil {
			t.Fatal(err)
		}
		if who, err := r.Authenticate(t.Context(), back.Access); err != nil || who.User.ID != super.ID || who.ImpersonatorID != "" {
			t.Errorf("after the stop: got %+v, %v", who, err)
		}
		if _, err := r.Authenticate(t.Context(), next.Access); err == nil {
			t.Error("the impersonated session lives on")
		}
		if _, err := r.Refresh(t.Context(), back.Refresh); err != nil {
			t.Errorf("the super admin's own refresh: %v", err)
		}
	})
}
