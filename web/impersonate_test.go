package web

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// browser keeps its cookies as a real one does, by path and age.
type browser struct {
	r   *rig
	jar *cookiejar.Jar
}

func (r *rig) browser(t testing.TB) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{r, jar}
}

func (b *browser) at(path string) *url.URL {
	return &url.URL{Scheme: "http", Host: b.r.Addr.String(), Path: path}
}

// do sends a request with the cookies that belong to it and keeps the new ones.
func (b *browser) do(t testing.TB, method, path string, body ...any) answer {
	t.Helper()
	return b.send(t, b.r.anon(), method, path, body...)
}

// send is do with the headers of a caller.
func (b *browser) send(t testing.TB, with *caller, method, path string, body ...any) answer {
	t.Helper()
	var pairs []string
	for _, c := range b.jar.Cookies(b.at(path)) {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	a := with.with("Cookie", strings.Join(pairs, "; ")).do(t, method, path, body...)
	var set []*http.Cookie
	for _, line := range a.header.Values("Set-Cookie") {
		c, err := http.ParseSetCookie(line)
		if err != nil {
			t.Fatal(err)
		}
		set = append(set, c)
	}
	b.jar.SetCookies(b.at(path), set)
	return a
}

// cookie is the value of a cookie that the browser has, "" without one.
func (b *browser) cookie(name string) string {
	for _, c := range b.jar.Cookies(b.at(pathRefresh)) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// is is the e-mail of whom the server takes the browser for, "" for nobody.
func (b *browser) is(t testing.TB) string {
	t.Helper()
	a := b.do(t, post, v1+"/login/test-token")
	if a.status != 200 {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	u, _ := a.json(t).(map[string]any)
	mail, _ := u["email"].(string)
	return mail
}

func TestImpersonation(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, dbURL string) {
		r := start(t, dbURL)
		// begin is a super admin at a browser, who acts as a pupil.
		begin := func(t *testing.T) (b *browser, super, pupil store.User) {
			t.Helper()
			super, pupil = r.addUser(t, app.RoleSuperAdmin, "root", true), r.addUser(t, app.RoleStudent, "sue", true)
			b = r.browser(t)
			if a := b.do(t, post, signInPath, form(super.Email, testPassword)); a.status != 200 {
				t.Fatalf("sign-in: got %d %s", a.status, a.body)
			}
			if a := b.do(t, post, v1+"/login/impersonate/"+pupil.ID); a.status != 200 || a.body != "" {
				t.Fatalf("impersonate: got %d %s", a.status, a.body)
			}
			return b, super, pupil
		}
		const stopPath = v1 + "/login/stop-impersonate"
		t.Run("is marked, lasts an hour, survives refreshes and ends cleanly", func(t *testing.T) {
			b, super, pupil := begin(t)
			if b.is(t) != pupil.Email || b.cookie(cookieImpersonating) != "true" || b.cookie(cookieOriginal) == "" {
				t.Fatalf("the browser is %s with cookies %v", b.is(t), b.jar.Cookies(b.at("/")))
			}
			first := b.cookie(cookieAccess)
			s, err := r.opened.DB.Session(t.Context(), claim(t, first, "sid"))
			if err != nil || s.ImpersonatorID != super.ID || s.ParentID == "" || s.ExpiresAt.Sub(s.CreatedAt) != time.Hour {
				t.Fatalf("got session %+v, %v", s, err)
			}
			for range 3 {
				was := b.cookie(cookieRefresh)
				a := b.do(t, post, pathRefresh)
				if a.status != 200 || b.cookie(cookieRefresh) == was {
					t.Fatalf("refresh: got %d %s", a.status, a.body)
				}
				if age := a.header.Get("Set-Cookie"); !strings.Contains(age, "Max-Age=3") {
					t.Errorf("the refreshed cookie lives on: %s", age)
				}
				if now := claim(t, b.cookie(cookieAccess), "sid"); now != s.ID || b.is(t) != pupil.Email || b.cookie(cookieImpersonating) != "true" {
					t.Fatalf("after a refresh the browser is %s in session %s", b.is(t), now)
				}
			}
			if after, err := r.opened.DB.Session(t.Context(), s.ID); err != nil || !after.ExpiresAt.Equal(s.ExpiresAt) {
				t.Errorf("a refresh moved the end from %s to %s", s.ExpiresAt, after.ExpiresAt)
			}
			acting := b.cookie(cookieAccess)
			if a := b.do(t, post, stopPath); a.status != 200 || a.text(t, "message") != "Impersonation stopped" {
				t.Fatalf("stop: got %d %s", a.status, a.body)
			}
			if b.is(t) != super.Email || b.cookie(cookieImpersonating) != "" || b.cookie(cookieOriginal) != "" {
				t.Errorf("afterwards the browser is %s with cookies %v", b.is(t), b.jar.Cookies(b.at("/")))
			}
			if a := b.do(t, post, pathRefresh); a.status != 200 || b.is(t) != super.Email {
				t.Errorf("the super admin's own session does not refresh: %d %s", a.status, a.body)
			}
			wantProblem(t, (&caller{r: r, token: acting}).do(t, get, v1+"/users/me"), 401, "Could not validate credentials")
			wantProblem(t, b.do(t, post, stopPath), 400, "Not impersonating")
		})
		t.Run("an old token of a super admin buys no new one", func(t *testing.T) {
			b, super, _ := begin(t)
			own := b.cookie(cookieOriginal)
			for name, token := range map[string]string{"none": "", "its own": own, "another super admin's": r.session(t, super.ID).token} {
				jar := cookieOriginal + "=" + own + "; " + cookieAccess + "=" + token
				if a := r.anon().with("Cookie", jar).do(t, post, stopPath); a.status != 400 {
					t.Errorf("%s: got %d %s, want 400", name, a.status, a.body)
				}
			}
		})
		t.Run("signing out ends both", func(t *testing.T) {
			b, _, _ := begin(t)
			own, acting := b.cookie(cookieOriginal), b.cookie(cookieAccess)
			if a := b.do(t, post, signOutPath); a.status != 200 {
				t.Fatalf("got %d %s", a.status, a.body)
			}
			if left := b.jar.Cookies(b.at(pathRefresh)); len(left) != 0 || b.is(t) != "" {
				t.Errorf("the browser is %q with %v", b.is(t), left)
			}
			for _, token := range []string{own, acting} {
				wantProblem(t, (&caller{r: r, token: token}).do(t, get, v1+"/users/me"), 401, "Could not validate credentials")
			}
		})
		t.Run("the hour is over", func(t *testing.T) {
			b, super, _ := begin(t)
			own := b.cookie(cookieOriginal)
			w := &world{rig: r}
			w.exec(t, "UPDATE sessions SET expires_at = ? WHERE id = ?", time.Now().UTC().Add(-time.Second).Truncate(time.Microsecond), claim(t, b.cookie(cookieAccess), "sid"))
			if a := b.do(t, post, pathRefresh); a.status != 401 {
				t.Errorf("a refresh after the end: got %d %s", a.status, a.body)
			}
			if left := b.jar.Cookies(b.at(pathRefresh)); len(left) != 0 || b.is(t) != "" {
				t.Errorf("the browser is %q with %v, want nobody without cookies", b.is(t), left)
			}
			if me := (&caller{r: r, token: own}).must(t, 200, get, v1+"/users/me").object(t); me["email"] != super.Email {
				t.Errorf("the super admin's own session: got %v", me)
			}
		})
		t.Run("ends when the super admin is none any more, or the person inactive", func(t *testing.T) {
			w := &world{rig: r}
			b, super, _ := begin(t)
			w.exec(t, "UPDATE users SET role = ? WHERE id = ?", "admin", super.ID)
			wantProblem(t, (&caller{r: r, token: b.cookie(cookieAccess)}).do(t, get, v1+"/users/me"), 401, "Could not validate credentials")
			b, _, pupil := begin(t)
			w.exec(t, "UPDATE users SET is_active = ? WHERE id = ?", false, pupil.ID)
			wantProblem(t, (&caller{r: r, token: b.cookie(cookieAccess)}).do(t, get, v1+"/users/me"), 400, "Inactive user")
		})
		t.Run("passwords, tokens and keys stay the person's own", func(t *testing.T) {
			b, _, _ := begin(t)
			for _, ask := range [][2]string{{get, v1 + "/users/keys"}, {get, tokensPath}, {post, tokensPath}, {get, v1 + "/users/me/sessions"}} {
				wantProblem(t, b.do(t, ask[0], ask[1], body{"name": "x", "scopes": []string{"read"}, "expires_in_days": 1}), 403, "Stop acting as somebody else first")
			}
		})
		t.Run("not of super admins, the inactive, or nobody", func(t *testing.T) {
			super, other := r.addUser(t, app.RoleSuperAdmin, "root", true), r.addUser(t, app.RoleSuperAdmin, "also", true)
			c := r.session(t, super.ID)
			const detail = "Only active users who are no Super Admins can be impersonated"
			wantProblem(t, c.do(t, post, v1+"/login/impersonate/"+other.ID), 403, detail)
			wantProblem(t, c.do(t, post, v1+"/login/impersonate/"+r.addUser(t, app.RoleStudent, "gone", false).ID), 403, detail)
			wantProblem(t, c.do(t, post, v1+"/login/impersonate/"+store.NewID()), 404, "User not found")
		})
	})
}
