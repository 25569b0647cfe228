package web

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store/storetest"
)

const (
	signInPath  = v1 + "/login/access-token"
	whoamiPath  = v1 + "/login/test-token"
	signOutPath = v1 + "/login/logout"
)

func form(username, password string) url.Values {
	return url.Values{"username": {username}, "password": {password}}
}

// cookieValue is the value of a Set-Cookie header.
func cookieValue(t testing.TB, a answer, name string) string {
	t.Helper()
	c, err := http.ParseSetCookie(a.cookies()[name])
	if err != nil {
		t.Fatalf("%s: %v in %q", name, err, a.header["Set-Cookie"])
	}
	return c.Value
}

// wantCleared fails unless the answer makes the browser forget the session.
func wantCleared(t testing.TB, a answer) {
	t.Helper()
	for name, want := range map[string]string{
		"access_token":  "access_token=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax",
		"refresh_token": "refresh_token=; Path=/api/v1/login/refresh; Max-Age=0; HttpOnly; SameSite=Lax",
	} {
		if got := a.cookies()[name]; got != want {
			t.Errorf("got cookie %q, want %q", got, want)
		}
	}
}

// wantSession fails unless the answer is an empty 200 with both cookies.
func wantSession(t testing.TB, a answer) {
	t.Helper()
	if a.status != http.StatusOK || a.body != "" || a.header.Get("Content-Type") != "" {
		t.Fatalf("got %d %q of type %q, want an empty 200", a.status, a.body, a.header.Get("Content-Type"))
	}
	for name, attributes := range map[string]string{
		"access_token":  "; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax",
		"refresh_token": "; Path=/api/v1/login/refresh; Max-Age=604800; HttpOnly; SameSite=Lax",
	} {
		got := a.cookies()[name]
		if !strings.HasSuffix(got, attributes) || len(got) < 100 {
			t.Errorf("got cookie %q, want a token with %q", got, attributes)
		}
	}
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, dbURL string) {
		r := start(t, dbURL)
		u := r.addUser(t, app.RoleStudent, "ada", true)
		sleeper := r.addUser(t, app.RoleStudent, "sleeper", false)
		signIn := func(t *testing.T, f url.Values) answer { return r.anon().do(t, post, signInPath, f) }

		t.Run("by e-mail, in any case", func(t *testing.T) {
			wantSession(t, signIn(t, form(strings.ToUpper(u.Email), testPassword)))
		})
		t.Run("by user name", func(t *testing.T) {
			a := signIn(t, form(*u.Username, testPassword))
			wantSession(t, a)
			me := (&caller{r: r, token: cookieValue(t, a, "access_token")}).must(t, http.StatusOK, get, v1+"/users/me").object(t)
			if me["id"] != u.ID {
				t.Errorf("got %v, want %s", me["id"], u.ID)
			}
		})
		t.Run("multipart", func(t *testing.T) {
			var b bytes.Buffer
			m := multipart.NewWriter(&b)
			_ = m.WriteField("username", u.Email)
			_ = m.WriteField("password", testPassword)
			_ = m.Close()
			wantSession(t, r.anon().with("Content-Type", m.FormDataContentType()).do(t, post, signInPath, b.String()))
		})
		t.Run("wrong password and unknown account look the same", func(t *testing.T) {
			for _, f := range []url.Values{form(u.Email, "wrong"), form("nobody@example.org", "wrong"), form("", ""), form("a\x00b", "c\x00d")} {
				wantProblem(t, signIn(t, f), http.StatusBadRequest, "Incorrect username/email or password")
			}
		})
		t.Run("inactive", func(t *testing.T) {
			wantProblem(t, signIn(t, form(sleeper.Email, testPassword)), http.StatusBadRequest, "Inactive user")
		})
		t.Run("bad forms are 422", func(t *testing.T) {
			wantProblem(t, signIn(t, url.Values{"username": {"x"}}), 422, "password: is missing")
			wantProblem(t, r.anon().do(t, post, signInPath, body{"username": "x", "password": "y"}), 422,
				"body: must be a form, application/x-www-form-urlencoded or multipart/form-data")
			wantProblem(t, r.anon().with("Content-Type", "multipart/form-data").do(t, post, signInPath, "x"), 422, "body: is not a readable form")
			wantProblem(t, r.anon().do(t, post, signInPath), 422, "body: is missing: send one")
			f := form(u.Email, testPassword)
			f.Set("grant_type", "client_credentials")
			wantProblem(t, signIn(t, f), 422, "grant_type: must be password, or left out")
		})
	})
}

func TestSessionLife(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, dbURL string) {
		r := start(t, dbURL)
		u := r.addUser(t, app.RoleStudent, "ada", true)
		session := func(t *testing.T) *caller { return r.session(t, u.ID) }

		t.Run("the cookie goes before the header", func(t *testing.T) {
			session(t).with("Authorization", "Bearer rubbish").must(t, http.StatusOK, get, v1+"/users/me")
		})
		t.Run("the header works with and without Bearer", func(t *testing.T) {
			token := session(t).token
			for _, h := range []string{"Bearer " + token, "bearer " + token, token} {
				r.anon().with("Authorization", h).must(t, http.StatusOK, get, v1+"/users/me")
			}
		})
		t.Run("other credentials are 401", func(t *testing.T) {
			for _, h := range []string{"Basic YTpi", "Bearer rubbish", "Bearer " + session(t).token + "x"} {
				wantProblem(t, r.anon().with("Authorization", h).do(t, get, v1+"/users/me"), 401, "Could not validate credentials")
			}
		})
		t.Run("a token of nobody's session is 401", func(t *testing.T) {
			c := &caller{r: r, token: r.token(t, u.ID, u.ID, time.Now().Add(time.Hour))}
			wantProblem(t, c.do(t, get, v1+"/users/me"), 401, "Could not validate credentials")
		})
		t.Run("whoami", func(t *testing.T) {
			got := session(t).must(t, http.StatusOK, post, whoamiPath).object(t)
			wantMembers(t, got, "id", "email", "username", "full_name", "role", "avatar_url", "is_active", "created_at", "two_factor")
			if got["id"] != u.ID || got["role"] != "student" {
				t.Errorf("got %v", got)
			}
		})
		t.Run("whoami of nobody is null and clears the cookies", func(t *testing.T) {
			ended := session(t)
			ended.must(t, http.StatusOK, post, signOutPath)
			for name, c := range map[string]*caller{"nobody": r.anon(), "rubbish": {r: r, token: "rubbish"}, "ended": ended, "ended and expired": ended.expired(t)} {
				a := c.must(t, http.StatusOK, post, whoamiPath)
				if strings.TrimSpace(a.body) != "null" {
					t.Errorf("%s: got %q, want null", name, a.body)
				}
				wantCleared(t, a)
			}
		})
		t.Run("whoami of an expired token is 401, so that the client refreshes", func(t *testing.T) {
			a := session(t).expired(t).do(t, post, whoamiPath)
			wantProblem(t, a, 401, "Could not validate credentials")
			if len(a.cookies()) != 0 {
				t.Errorf("got cookies %v, want none", a.cookies())
			}
		})
		t.Run("sign-out ends the session, by an expired token too", func(t *testing.T) {
			c := session(t)
			a := c.expired(t).must(t, http.StatusOK, post, signOutPath)
			wantCleared(t, a)
			if a.text(t, "message") != "Logged out successfully" {
				t.Errorf("got %s", a.body)
			}
			wantProblem(t, c.do(t, get, v1+"/users/me"), 401, "Could not validate credentials")
		})
		t.Run("sign-out of nobody is no error", func(t *testing.T) {
			wantCleared(t, r.anon().must(t, http.StatusOK, post, signOutPath))
		})
	})
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, dbURL string) {
		r := start(t, dbURL, func(c *config.Config) { c.HTTP.TrustedProxies = []string{"127.0.0.1"} })
		u := r.addUser(t, app.RoleStudent, "ada", true)
		signIn := func(t *testing.T) (access, refresh string) {
			a := r.anon().must(t, http.StatusOK, post, signInPath, form(u.Email, testPassword))
			return cookieValue(t, a, "access_token"), cookieValue(t, a, "refresh_token")
		}
		refresh := func(t *testing.T, token string) answer {
			return r.anon().with("Cookie", "refresh_token="+token).do(t, post, pathRefresh)
		}
		t.Run("gives the next pair, the same one for the same token", func(t *testing.T) {
			_, first := signIn(t)
			a := refresh(t, first)
			wantSession(t, a)
			second := cookieValue(t, a, "refresh_token")
			if second == first {
				t.Error("the refresh token did not rotate")
			}
			if again := cookieValue(t, refresh(t, first), "refresh_token"); again != second {
				t.Error("a second tab got another successor")
			}
			(&caller{r: r, token: cookieValue(t, a, "access_token")}).must(t, http.StatusOK, get, v1+"/users/me")
		})
		t.Run("an access token refreshes nothing, a refresh token opens nothing", func(t *testing.T) {
			access, token := signIn(t)
			a := refresh(t, access)
			wantProblem(t, a, 401, "Invalid token type")
			wantCleared(t, a)
			wantProblem(t, (&caller{r: r, token: token}).do(t, get, v1+"/users/me"), 401, "Could not validate credentials")
		})
		t.Run("failure clears the cookies", func(t *testing.T) {
			a := r.anon().do(t, post, pathRefresh)
			wantProblem(t, a, 401, "Refresh token missing")
			wantCleared(t, a)
			a = refresh(t, "rubbish")
			wantProblem(t, a, 401, "Invalid refresh token")
			wantCleared(t, a)
		})
		t.Run("a session knows its device", func(t *testing.T) {
			a := r.anon().with("User-Agent", "Abacus/1").with("X-Forwarded-For", "6.6.6.6, 203.0.113.7").
				must(t, http.StatusOK, post, signInPath, form(u.Email, testPassword))
			s, err := r.opened.DB.Session(t.Context(), claim(t, cookieValue(t, a, "access_token"), "sid"))
			if err != nil {
				t.Fatal(err)
			}
			if s.UserAgent != "Abacus/1" || s.Address != "203.0.113.7" {
				t.Errorf("got %q from %q, want Abacus/1 from 203.0.113.7, the address the trusted proxy saw", s.UserAgent, s.Address)
			}
		})
	})
}

func TestSecureCookies(t *testing.T) {
	t.Parallel()
	r := start(t, storetest.SQLite(t), func(c *config.Config) { c.HTTP.SecureCookies = true })
	u := r.addUser(t, app.RoleStudent, "ada", true)
	for name, line := range r.anon().must(t, http.StatusOK, post, signInPath, form(u.Email, testPassword)).cookies() {
		if !strings.Contains(line, "; Secure") {
			t.Errorf("%s is sent without Secure: %q", name, line)
		}
	}
}

func TestSetUpWithoutEmail(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, dbURL string) {
		r := start(t, dbURL)
		a := r.anon().do(t, post, v1+"/setup", body{"token": r.SetupToken, "username": "陳老師", "password": testPassword})
		wantSession(t, a)
		me := (&caller{r: r, token: cookieValue(t, a, "access_token")}).must(t, http.StatusOK, get, v1+"/users/me").object(t)
		if me["role"] != "super_admin" || me["username"] != "陳老師" || me["no_email"] != true {
			t.Errorf("got %v", me)
		}
	})
}

func TestSetUp(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, dbURL string) {
		r := start(t, dbURL)
		if r.SetupToken == "" {
			t.Fatal("an empty database has no set-up token")
		}
		const path = v1 + "/setup"
		const spent = "This set-up link is not valid any more. Restart coagent for a new one, or sign in."
		wantProblem(t, r.anon().do(t, post, path, body{"token": "x", "email": "root@example.org", "password": testPassword}), 403, spent)
		wantProblem(t, r.anon().do(t, post, path, body{"token": r.SetupToken, "email": "root", "password": testPassword}), 422,
			"email: is not an e-mail address, send one like ada@example.org")
		wantProblem(t, r.anon().do(t, post, path, body{"token": r.SetupToken, "email": "root@example.org", "password": "short"}), 422,
			"password: use at least 8 characters")
		wantProblem(t, r.anon().do(t, post, path, body{}), 422, "password: is missing; token: is missing")
		wantProblem(t, r.anon().do(t, post, path, body{"token": r.SetupToken, "password": testPassword}), 422, "email: must not be empty")
		wantProblem(t, r.anon().do(t, post, path, body{"token": r.SetupToken, "username": "ada@school", "password": testPassword}), 422,
			"username: must not contain @ or line breaks")

		a := r.anon().do(t, post, path, body{"token": r.SetupToken, "email": "root@example.org", "full_name": "Root", "password": testPassword})
		wantSession(t, a)
		me := (&caller{r: r, token: cookieValue(t, a, "access_token")}).must(t, http.StatusOK, get, v1+"/users/me").object(t)
		if me["role"] != "super_admin" || me["full_name"] != "Root" {
			t.Errorf("got %v", me)
		}
		wantProblem(t, r.anon().do(t, post, path, body{"token": r.SetupToken, "email": "b@example.org", "password": testPassword}), 403, spent)
	})
}
