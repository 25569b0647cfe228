package a2a

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coagent-studio/coagent/app/outbound"
)

const canary = "canary-5b0c1d"

func TestProbe(t *testing.T) {
	t.Parallel()
	var called atomic.Int32
	peer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		called.Add(1)
		switch r.URL.Path {
		case "/open":
			if r.Header.Get("Authorization") != "" {
				w.WriteHeader(http.StatusBadRequest)
			}
		case "/bearer":
			if r.Header.Get("Authorization") != "Bearer "+canary {
				w.WriteHeader(http.StatusUnauthorized)
			}
		case "/away":
			http.Redirect(w, r, "http://169.254.169.254/latest", http.StatusFound)
		case "/token":
			if _ = r.ParseForm(); r.Form.Get("grant_type") != "client_credentials" || r.Form.Get("client_secret") != canary || r.Form.Get("scope") != "talk" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			fmt.Fprintf(w, `{"access_token":%q,"expires_in":60}`, canary)
		case "/token-odd":
			fmt.Fprint(w, strings.Repeat(" ", 1<<20)+`{"access_token":"late"}`)
		case "/long":
			fmt.Fprint(w, strings.Repeat("x", 10<<20))
		default:
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	t.Cleanup(peer.Close)
	oauth := func(path, secret string) Endpoint {
		return Endpoint{WebhookURL: peer.URL + "/bearer", AuthType: AuthOAuth2,
			OAuth: OAuth{TokenURL: peer.URL + path, ClientID: "us", ClientSecret: secret, Scope: "talk"}}
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for name, c := range map[string]struct {
		to      Endpoint
		status  int
		problem string
	}{
		"None":          {Endpoint{WebhookURL: peer.URL + "/open", AuthType: AuthNone}, 200, ""},
		"Bearer":        {Endpoint{WebhookURL: peer.URL + "/bearer", AuthType: AuthBearer, AuthToken: canary}, 200, ""},
		"WrongToken":    {Endpoint{WebhookURL: peer.URL + "/bearer", AuthType: AuthBearer, AuthToken: "x"}, 401, "The address answers with status 401"},
		"NoToken":       {Endpoint{WebhookURL: peer.URL + "/bearer", AuthType: AuthBearer}, 0, "No auth_token is set; set one, or choose auth_type none"},
		"OAuth":         {oauth("/token", canary), 200, ""},
		"OAuthRefused":  {oauth("/token", "x"), 0, "The token address answers with status 401"},
		"OAuthUnread":   {oauth("/token-odd", canary), 0, "The token address does not answer with an access_token"},
		"OAuthPartial":  {oauth("/token", ""), 0, "OAuth needs token_url, client_id and client_secret"},
		"NotFollowed":   {Endpoint{WebhookURL: peer.URL + "/away"}, 302, ""},
		"Bounded":       {Endpoint{WebhookURL: peer.URL + "/long"}, 200, ""},
		"Teapot":        {Endpoint{WebhookURL: peer.URL}, 418, "The address answers with status 418"},
		"NobodyThere":   {Endpoint{WebhookURL: gone.URL}, 0, "The address does not answer"},
		"NoCertificate": {Endpoint{WebhookURL: strings.Replace(peer.URL, "http:", "https:", 1)}, 0, "The address does not answer"},
		"Metadata":      {Endpoint{WebhookURL: "http://169.254.169.254/latest"}, 0, "The address is not public; an operator can allow its network with external.allow"},
		"BadHeader":     {Endpoint{WebhookURL: peer.URL, AuthType: AuthBearer, AuthToken: "a\r\nX: y"}, 0, "The address does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			got := NewClient(outbound.NewGuard(outbound.Private()...)).Probe(t.Context(), c.to)
			if got.StatusCode != c.status || got.Problem != c.problem || got.Success != (c.problem == "") || strings.Contains(got.Problem, canary) {
				t.Errorf("got %+v, want %d %q", got, c.status, c.problem)
			}
		})
	}
	t.Run("PublicAddressesAlone", func(t *testing.T) {
		before := called.Load()
		for _, to := range []string{peer.URL, strings.Replace(peer.URL, "127.0.0.1", "localhost", 1), strings.Replace(peer.URL, "127.0.0.1", "[::ffff:7f00:1]", 1)} {
			if got := NewClient(outbound.NewGuard()).Probe(t.Context(), Endpoint{WebhookURL: to}); got.Success || !strings.HasPrefix(got.Problem, "The address is not public") {
				t.Errorf("%s: got %+v", to, got)
			}
		}
		if got := called.Load() - before; got != 0 {
			t.Errorf("the peer was called %d times", got)
		}
	})
	t.Run("CertificateOfNobody", func(t *testing.T) {
		secure := httptest.NewTLSServer(http.NotFoundHandler())
		defer secure.Close()
		if got := NewClient(outbound.NewGuard(outbound.Private()...)).Probe(t.Context(), Endpoint{WebhookURL: secure.URL}); got.Problem != "The certificate of the address is not valid" {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("PrintsNoSecret", func(t *testing.T) {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			if got := fmt.Sprintf(verb, oauth("/token", canary)); strings.Contains(got, canary) {
				t.Errorf("%s: got %s", verb, got)
			}
		}
	})
}
