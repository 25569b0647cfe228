package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/golang-jwt/jwt/v5"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/signon/signontest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// newIdentity is an account of one of the world's callers at a provider.
func (w *world) newIdentity(t testing.TB, who string) string {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Microsecond)
	i := &store.Identity{ID: store.NewID(), UserID: w.users[who].ID, Provider: "school", Issuer: "https://id.example", Subject: store.NewID(), CreatedAt: now, LastUsedAt: now}
	if err := w.opened.DB.InTx(t.Context(), func(tx *store.Tx) error { return tx.CreateIdentity(t.Context(), i) }); err != nil {
		t.Fatal(err)
	}
	return i.ID
}

func TestSignOnByBrowser(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, dbURL string) {
		fake := signontest.New(t)
		r := start(t, dbURL, func(c *config.Config) {
			c.Auth.SignOn = []config.SignOn{{ID: "school", Name: "School", Issuer: fake.URL, ClientID: signontest.ClientID, ClientSecret: signontest.ClientSecret,
				MakeAccounts: true, TrustedEmail: true, DefaultRole: app.RoleStudent, SecondFactor: config.SecondFactorTrusted, EndSession: true,
				Claims: config.SignOnClaims{Name: "name", Email: "email", EmailVerified: "email_verified"}}}
		})
		if got := r.anon().do(t, get, pathProviders); got.body != `[{"id":"school","name":"School"}]`+"\n" {
			t.Errorf("got %s", got.body)
		}
		b := r.browser(t)
		begun := b.do(t, get, pathProviders+"/school/begin?to=/rooms/1")
		note := begun.cookies()[cookieSignOn]
		if begun.status != http.StatusFound || !strings.Contains(note, "; Path="+pathProviders+"; Max-Age=600; HttpOnly; SameSite=Lax") {
			t.Fatalf("got %d %s, cookie %q", begun.status, begun.body, note)
		}
		q := fake.Visit(t, begun.header.Get("Location"))
		back := pathProviders + "/school/callback?" + q.Encode()
		if got := r.anon().do(t, get, back); got.status != http.StatusBadRequest || got.text(t, "code") != "sign_on_over" || len(got.cookies()) != 1 {
			t.Errorf("another browser: got %d %s", got.status, got.body)
		}
		done := b.do(t, get, back)
		if done.status != http.StatusFound || done.header.Get("Location") != "/rooms/1" || done.cookies()[cookieAccess] == "" || done.cookies()[cookieRefresh] == "" {
			t.Fatalf("got %d %s", done.status, done.body)
		}
		if got := b.do(t, get, v1+"/users/me").text(t, "email"); got != "ada@school.example" {
			t.Errorf("got %q", got)
		}
		out := b.do(t, post, signOutPath).text(t, "sign_out_url")
		if at, err := url.Parse(out); err != nil || at.Query().Get("post_logout_redirect_uri") != "http://"+r.Addr.String()+"/" || at.Query().Get("id_token_hint") == "" {
			t.Errorf("got %q, %v", out, err)
		}
		again := r.browser(t)
		begun = again.do(t, get, pathProviders+"/school/begin?to=/rooms/1")
		again.do(t, get, pathProviders+"/school/callback?"+fake.Visit(t, begun.header.Get("Location")).Encode())
		here := func(want int) {
			t.Helper()
			if got := again.do(t, get, v1+"/users/me"); got.status != want {
				t.Errorf("got %d %s, want %d", got.status, got.body, want)
			}
		}
		token := fake.Signed(jwt.MapClaims{"iss": fake.URL, "aud": signontest.ClientID, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(), "jti": store.NewID(),
			"sub": "ada-1", "events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}})
		logout := func(body string) answer {
			return r.anon().with("Content-Type", fiber.MIMEApplicationForm).do(t, post, pathProviders+"/school/logout", body)
		}
		here(http.StatusOK)
		if got := logout(url.Values{"logout_token": {token}}.Encode()); got.status != http.StatusNoContent || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("got %d %s, Cache-Control %q", got.status, got.body, got.header.Get("Cache-Control"))
		}
		here(http.StatusUnauthorized)
		for body, want := range map[string]int{url.Values{"logout_token": {token}}.Encode(): http.StatusBadRequest, "token=x": http.StatusUnprocessableEntity} {
			if got := logout(body); got.status != want {
				t.Errorf("got %d %s, want %d", got.status, got.body, want)
			}
		}
		if got := r.anon().do(t, get, pathProviders+"/nobody/begin"); got.status != http.StatusNotFound {
			t.Errorf("got %d %s", got.status, got.body)
		}
	})
}
