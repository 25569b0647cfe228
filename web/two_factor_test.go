package web

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

const twoFactorPath = v1 + "/users/me/two-factor"

// enrolled is a session of somebody with two-factor sign-in.
func (r *rig) enrolled(t testing.TB) *caller {
	t.Helper()
	u := r.addUser(t, app.RoleTeacher, "enrolled", true)
	apptest.SetTwoFactor(t, r.opened.DB, r.cfg, u.ID)
	return r.session(t, u.ID)
}

// enrol gives one of the world's callers two-factor sign-in while ask runs.
func (w *world) enrol(t testing.TB, who string, ask func(c *caller) answer) answer {
	t.Helper()
	id := w.users[who].ID
	apptest.SetTwoFactor(t, w.opened.DB, w.cfg, id)
	a := ask(w.as(who))
	if err := w.opened.DB.InTx(t.Context(), func(tx *store.Tx) error { return tx.DeleteTwoFactor(t.Context(), id) }); err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	return a
}

func TestTwoFactor(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := start(t, url)
		u := r.addUser(t, app.RoleTeacher, "ada", true)
		apptest.SetTwoFactor(t, r.opened.DB, r.cfg, u.ID)
		code := apptest.Code(t, apptest.AppKey, time.Now())
		t.Run("in two steps", func(t *testing.T) {
			b := r.browser(t)
			a := b.do(t, post, signInPath, form(u.Email, testPassword))
			wantProblem(t, a, http.StatusBadRequest, "Enter the code of your authenticator app. Where there is no field for it, sign in with the code right behind your password.")
			if got := a.text(t, "code"); got != "two_factor_needed" {
				t.Errorf("got code %q", got)
			}
			note := a.cookies()[cookiePending]
			if !strings.HasSuffix(note, "; Path=/api/v1/login/access-token/code; Max-Age=300; HttpOnly; SameSite=Strict") || len(a.cookies()) != 1 {
				t.Errorf("got cookies %q", a.header["Set-Cookie"])
			}
			if got := b.do(t, post, pathCode, body{"code": "000000"}); got.status != 400 || got.text(t, "code") != "wrong_code" {
				t.Errorf("got %d %s", got.status, got.body)
			}
			a = b.do(t, post, pathCode, body{"code": code})
			wantSession(t, a)
			if got := b.do(t, get, v1+"/users/me").text(t, "two_factor"); got != "on" {
				t.Errorf("got two_factor %q", got)
			}
			if got := b.do(t, post, pathCode, body{"code": code}); got.text(t, "code") != "two_factor_over" {
				t.Errorf("the note is still there: got %d %s", got.status, got.body)
			}
		})
		t.Run("in one field", func(t *testing.T) {
			wantProblem(t, r.anon().do(t, post, signInPath, form(u.Email, testPassword+code)), 400, "Incorrect username/email or password")
			wantSession(t, r.anon().do(t, post, signInPath, form(u.Email, testPassword+apptest.RecoveryCode)))
		})
		t.Run("without the first step", func(t *testing.T) {
			if got := r.anon().do(t, post, pathCode, body{"code": code}); got.status != 400 || got.text(t, "code") != "two_factor_over" {
				t.Errorf("got %d %s", got.status, got.body)
			}
		})
	})
}

// Whoever must set it up can do that, and nothing else.
func TestTwoFactorComesFirst(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := start(t, url, func(c *config.Config) { c.Auth.TwoFactor = config.TwoFactorStaff })
		u := r.addUser(t, app.RoleAdmin, "ada", true)
		b := r.browser(t)
		wantSession(t, b.do(t, post, signInPath, form(u.Email, testPassword)))
		open := map[string]bool{v1 + "/users/me": true, twoFactorPath: true, v1 + "/users/me/preferences": true, v1 + "/meta": true, v1 + "/login/providers": true, v1 + "/a2a/health": true,
			"/healthz": true, "/readyz": true}
		asked := 0
		for _, at := range r.server.table {
			if at.method != get || !strings.HasPrefix(at.path, v1) || strings.Contains(at.path, "{") {
				continue
			}
			a := b.do(t, get, at.path)
			if may := a.status == http.StatusOK; may != open[at.path] && !strings.HasSuffix(at.path, ".json") {
				t.Errorf("%s: got %d %s", at.path, a.status, a.body)
			}
			if a.status == http.StatusForbidden && a.text(t, "code") == "two_factor_required" {
				asked++
			}
		}
		if asked < 15 {
			t.Errorf("%d routes were refused, want many", asked)
		}
		if got := b.do(t, post, v1+"/login/test-token").text(t, "two_factor"); got != "required" {
			t.Errorf("got %q, want required", got)
		}
		key := b.do(t, post, twoFactorPath, body{"password": testPassword}).text(t, "secret")
		if a := b.do(t, post, twoFactorPath+"/confirm", body{"code": apptest.Code(t, key, time.Now())}); a.status != http.StatusOK {
			t.Fatalf("got %d %s", a.status, a.body)
		}
		if a := b.do(t, get, v1+"/admin/audit"); a.status != http.StatusOK {
			t.Errorf("got %d %s", a.status, a.body)
		}
	})
}
