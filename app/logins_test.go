package app_test

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// Whatever spelling of an address or a user name a person types, a class list
// holds or a teacher enrols by: it is the same person on both databases.
func TestOneAccountInAllSpellings(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		ctx := t.Context()
		c := r.Class(t)
		tag := store.NewID()[24:]
		address, name, pw := "Zoë."+tag+"@bücher.example", "Žofie Å "+tag, password
		u, err := r.CreateUser(ctx, c.Admin, app.NewUser{Email: address, Username: &name, Password: &pw})
		if err != nil {
			t.Fatal(err)
		}
		wide := strings.Map(func(r rune) rune {
			if r > ' ' && r < 0x7f {
				return r + 0xfee0
			}
			return r
		}, tag)
		addresses := []string{address, strings.ToUpper(address), "zoe\u0308." + tag + "@bu\u0308cher.example", "zoë." + tag + "@XN--bcher-kva.example",
			"\u3000zoë．" + wide + "＠bücher。example\u00a0", "zoë\u200b." + tag + "@bücher.example"}
		names := []string{name, strings.ToUpper(name), "Z\u030cofie  A\u030a " + tag, "žofie\u3000\u212b " + wide, "\ufeffžofie\u00a0å " + tag}
		for i, login := range append(addresses, names...) {
			got, err := r.DB.UserByLogin(ctx, strings.TrimSpace(login))
			if err != nil || got.ID != u.ID {
				t.Errorf("%+q: got %+v, %v", login, got, err)
			}
			if i%3 == 0 { // each costs a hash
				continue
			}
			if _, err := r.SignIn(ctx, login, password, app.Client{}); err != nil {
				t.Errorf("sign in as %+q: %v", login, err)
			}
		}
		t.Run("NoSecondAccount", func(t *testing.T) {
			for _, address := range addresses[:5] {
				_, err := r.CreateUser(ctx, c.Admin, app.NewUser{Email: address})
				refused(t, err, app.KindRejected, "user_exists", "User already exists")
			}
			for _, name := range names[:4] {
				_, err := r.CreateUser(ctx, c.Admin, app.NewUser{Email: store.NewID() + "@x.org", Username: &name})
				refused(t, err, app.KindRejected, "user_exists", "User already exists")
				_, err = r.UpdateSelf(ctx, c.Student, app.UserChanges{Username: app.Some(name)})
				refused(t, err, app.KindRejected, "username_taken", "Username already taken")
			}
		})
		t.Run("OwnNameInAnotherSpelling", func(t *testing.T) {
			if _, err := r.UpdateUser(ctx, c.Admin, u.ID, app.UserChanges{Username: app.Some(names[1])}); err != nil {
				t.Error(err)
			}
		})
		t.Run("ClassList", func(t *testing.T) {
			list := "email,username\n" + strings.Join(addresses[1:5], ",\n") + ",\nother-" + tag + "@x.org," + names[2] + "\n"
			rows, err := r.ImportMembers(ctx, c.Teacher, c.Course.ID, []byte(list), false)
			if err != nil || len(rows) != 5 {
				t.Fatalf("got %+v, %v", rows, err)
			}
			want := []string{"enrolled Enrolled as student", "already The same person as in line 2", "already The same person as in line 2",
				"already The same person as in line 2", "error username: is taken by somebody else"}
			for i, row := range rows {
				if got := row.Status + " " + row.Message; got != want[i] {
					t.Errorf("line %d: got %q, want %q", row.Line, got, want[i])
				}
			}
		})
		t.Run("Enrol", func(t *testing.T) {
			for _, address := range addresses {
				said, err := r.Enrol(ctx, c.Teacher, c.Course.ID, app.Person{Email: address}, app.RoleStudent)
				if err != nil || said != "User already enrolled" {
					t.Errorf("%+q: got %q, %v", address, said, err)
				}
			}
		})
		t.Run("GuessesCountTogether", func(t *testing.T) {
			nobody := "Nikos.Σας-" + tag + "@bücher.example"
			for i := range r.Config.Auth.SigninFailuresPerAccount {
				login := []string{nobody, strings.ToUpper(nobody), strings.Replace(nobody, "ü", "u\u0308", 1)}[i%3]
				wrongPassword(t, signInError(t, r, login))
			}
			for _, login := range []string{nobody, strings.ToLower(nobody)} {
				refused(t, signInError(t, r, login), app.KindLimited, "", "")
			}
		})
	})
}

// opened opens the rig's database as a command or a server does, closes it, and
// returns what was logged.
func opened(t *testing.T, r *apptest.Rig, url string, mode app.Mode, tune ...func(*config.Config)) string {
	t.Helper()
	cfg := *r.Config
	cfg.DataDir = t.TempDir()
	if path, lite := strings.CutPrefix(url, "sqlite:"); lite {
		cfg.DataDir, cfg.Database.URL = filepath.Dir(path), ""
	}
	for _, f := range tune {
		f(&cfg)
	}
	var log bytes.Buffer
	o, err := app.Open(t.Context(), &cfg, slog.New(slog.NewTextHandler(&log, nil)), mode)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	return log.String()
}

// Whoever never chose a time zone is told at the start which one holds.
func TestTimezoneIsTold(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		for _, c := range []struct {
			zone string
			mode app.Mode
			told bool
		}{{"", app.Mode{Serve: true}, true}, {"Asia/Taipei", app.Mode{Serve: true}, false}, {"UTC", app.Mode{Serve: true}, false}, {"", app.Mode{}, false}} {
			log := opened(t, r, url, c.mode, func(cfg *config.Config) { cfg.Timezone = c.zone })
			zone, _ := r.Now().In(time.Local).Zone()
			if got := strings.Contains(log, "timezone is not set"); got != c.told || c.told && !strings.Contains(log, "zone="+zone) {
				t.Errorf("%q, %+v: got %q", c.zone, c.mode, log)
			}
		}
	})
}

func signInError(t *testing.T, r *apptest.Rig, login string) error {
	t.Helper()
	_, err := r.SignIn(t.Context(), login, "wrong", app.Client{Address: "192.0.2.7"})
	return err
}

// Two old accounts that are the same by now are named when the database is
// migrated, told to admins once, and lose nothing.
func TestSameLoginsAreTold(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		ctx := t.Context()
		first, second := account(t, r, app.RoleStudent), account(t, r, app.RoleTeacher)
		tag := first.ID[24:]
		spellings := []string{"zoë-" + tag + "@bücher.example", "zoe\u0308-" + tag + "@xn--bcher-kva.example"}
		for i, u := range []*store.User{first, second} {
			r.Exec(t, "UPDATE users SET email = ?, email_key = NULL, username_key = NULL WHERE id = ?", spellings[i], u.ID)
		}
		var log bytes.Buffer
		if err := app.Migrate(ctx, r.DB, slog.New(slog.NewTextHandler(&log, nil))); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"two accounts have the same login", "field=email", first.ID, second.ID, spellings[0]} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the migration says %q, want %q in it", log.String(), want)
			}
		}
		for range 2 {
			if log := opened(t, r, url, app.Mode{Serve: true}); !strings.Contains(log, "two accounts have the same login") {
				t.Errorf("the start says %q", log)
			}
			if n := audited(t, r, "user.same_login", second.ID); n != 1 {
				t.Errorf("got %d lines in the audit log, want 1", n)
			}
		}
		for i, u := range []*store.User{first, second} {
			tokens, err := r.SignIn(ctx, spellings[i], password, app.Client{})
			if err != nil {
				t.Fatal(err)
			}
			if actor, err := r.Authenticate(ctx, tokens.Access); err != nil || actor.User.ID != u.ID {
				t.Errorf("%+q: got %+v, %v", spellings[i], actor, err)
			}
		}
		// Such an account can be changed like any other.
		full := "Zoë"
		if _, err := r.UpdateUser(ctx, r.User(t, app.RoleAdmin, "Root"), second.ID, app.UserChanges{FullName: app.Some(full)}); err != nil {
			t.Error(err)
		}
		// When the older one is deleted, the newer one signs in with every spelling at once.
		root := r.User(t, app.RoleSuperAdmin, "Super")
		if _, _, err := r.DeleteUser(ctx, root, first.ID, false); err != nil {
			t.Fatal(err)
		}
		if _, err := r.SignIn(ctx, strings.ToUpper(spellings[0]), password, app.Client{}); err != nil {
			t.Error(err)
		}
	})
}
