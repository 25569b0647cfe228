package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

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
		if got := r.anon().do(t, get, pathProviders+"/nobody/begin"); got.status != http.StatusNotFound {
			t.Errorf("got %d %s", got.status, got.body)
		}
	})
}
