// Package signontest is a provider of identities for tests: a real HTTP server that speaks
// OpenID Connect as strictly as real ones do, and that can be told to lie.
package signontest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// The one client of a Provider.
const (
	ClientID     = "coagent"
	ClientSecret = "client-secret-7f3a"
)

// Provider is a running provider. Its members may be set while nobody signs in.
type Provider struct {
	URL    string
	Person map[string]any // the claims of whoever signs in; sub is among them
	// Lie changes the claims of a token, and Sign the whole token, before it is sent.
	Lie  func(jwt.MapClaims)
	Sign func(jwt.MapClaims) string
	// Answer, if set, answers a request to a path instead.
	Answer   map[string]http.HandlerFunc
	UserInfo map[string]any
	Now      func() time.Time

	mu    sync.Mutex
	key   *rsa.PrivateKey
	kid   int
	codes map[string]asked
	calls map[string]int
}

type asked struct{ redirect, nonce, challenge string }

// New starts a provider.
func New(t testing.TB) *Provider {
	t.Helper()
	p := &Provider{Person: map[string]any{"sub": "ada-1", "name": "Ada Lovelace", "email": "ada@school.example", "email_verified": true},
		Answer: map[string]http.HandlerFunc{}, codes: map[string]asked{}, calls: map[string]int{}, Now: time.Now}
	p.Rotate(t)
	s := httptest.NewServer(p)
	t.Cleanup(s.Close)
	p.URL = s.URL
	return p
}

// Rotate replaces the key that signs tokens.
func (p *Provider) Rotate(t testing.TB) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.key, p.kid = key, p.kid+1
}

// Calls is how often a path was asked for.
func (p *Provider) Calls(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[path]
}

// Visit is what a browser does at the address to which the program sends it: it signs in
// there and is sent back. It returns the query of the callback.
func (p *Provider) Visit(t testing.TB, address string) url.Values {
	t.Helper()
	c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	a, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	to, err := a.Location()
	if err != nil {
		t.Fatalf("%s: %d, %v", address, a.StatusCode, err)
	}
	return to.Query()
}

// ServeHTTP answers as a provider.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.calls[r.URL.Path]++
	p.mu.Unlock()
	if answer := p.Answer[r.URL.Path]; answer != nil {
		answer(w, r)
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		send(w, map[string]any{"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token",
			"jwks_uri": p.URL + "/keys", "userinfo_endpoint": p.URL + "/userinfo", "end_session_endpoint": p.URL + "/logout",
			"id_token_signing_alg_values_supported": []string{"RS256"}, "code_challenge_methods_supported": []string{"S256"}})
	case "/keys":
		p.mu.Lock()
		defer p.mu.Unlock()
		send(w, map[string]any{"keys": []any{map[string]any{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": string(rune('a' + p.kid)),
			"n": base64.RawURLEncoding.EncodeToString(p.key.N.Bytes()), "e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(p.key.E)).Bytes())}}})
	case "/authorize":
		p.authorize(w, r)
	case "/token":
		p.token(w, r)
	case "/userinfo":
		if r.Header.Get("Authorization") != "Bearer access" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if p.UserInfo != nil {
			send(w, p.UserInfo)
			return
		}
		send(w, p.Person)
	default:
		http.NotFound(w, r)
	}
}

func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("client_id") != ClientID || q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || q.Get("nonce") == "" || q.Get("state") == "" {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	code := rand.Text()
	p.mu.Lock()
	p.codes[code] = asked{q.Get("redirect_uri"), q.Get("nonce"), q.Get("code_challenge")}
	p.mu.Unlock()
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {p.URL}}.Encode(), http.StatusFound)
}

func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	id, secret, ok := r.BasicAuth()
	p.mu.Lock()
	a, known := p.codes[r.PostFormValue("code")]
	delete(p.codes, r.PostFormValue("code"))
	p.mu.Unlock()
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if !ok || id != ClientID || secret != ClientSecret || !known || r.PostFormValue("redirect_uri") != a.redirect ||
		base64.RawURLEncoding.EncodeToString(sum[:]) != a.challenge {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"invalid_grant"}`))
		return
	}
	claims := jwt.MapClaims{"iss": p.URL, "aud": ClientID, "iat": p.Now().Unix(), "exp": p.Now().Add(time.Hour).Unix(), "nonce": a.nonce}
	for name, value := range p.Person {
		claims[name] = value
	}
	if p.Lie != nil {
		p.Lie(claims)
	}
	sign := p.Sign
	if sign == nil {
		sign = p.Signed
	}
	send(w, map[string]any{"access_token": "access", "token_type": "Bearer", "expires_in": 60, "id_token": sign(claims)})
}

// Signed is a token with the provider's own signature.
func (p *Provider) Signed(claims jwt.MapClaims) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	token.Header["kid"] = string(rune('a' + p.kid))
	text, err := token.SignedString(p.key)
	if err != nil {
		panic(err)
	}
	return text
}

func send(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}
