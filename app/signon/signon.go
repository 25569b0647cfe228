// Package signon speaks OpenID Connect with a provider of identities: discovery, the code
// flow with PKCE, and the checks of an ID token. It knows no accounts; what a person may
// do is decided by its caller. It is a leaf: it imports nothing of this program.
//
// # Invariants
//
//   - Nothing is asked of a provider before somebody signs in there.
//   - Each answer of a provider is bounded in time and in bytes, and none redirects.
//   - An ID token counts only with a signature of the provider's present keys, for this
//     client, in time, and with the nonce of the browser that began.
package signon

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	answerWithin = 10 * time.Second
	answerBytes  = 1 << 20
	// knownFor is how long what a provider says of itself is believed.
	knownFor = time.Hour
	// downFor is how long a provider that did not answer is not asked again.
	downFor = 3 * time.Second
	// maxName is how many bytes a provider's name for a person may have (OpenID Connect
	// Core, section 2), and ours for its other names.
	maxName = 255
)

// ErrToken is the cause of the error for a code or a token that does not hold.
var ErrToken = errors.New("the answer of the provider does not hold")

// Config says how to reach a provider.
type Config struct {
	Issuer, ClientID, ClientSecret string
	Scopes                         []string // besides openid
	Transport                      http.RoundTripper
	Now                            func() time.Time
}

// Provider is one provider of identities. Make it with New.
type Provider struct {
	cfg    Config
	client *http.Client
	turn   chan struct{} // holds a token while nobody asks the provider what it is
	known  *described
	failed error
	until  time.Time // when known or failed is too old
}

// described is what a provider says of itself.
type described struct {
	*oidc.Provider
	EndSession string `json:"end_session_endpoint"`
	UserInfoAt string `json:"userinfo_endpoint"`
}

// New makes a provider. It asks nothing of it.
func New(cfg Config) *Provider {
	p := &Provider{cfg: cfg, turn: make(chan struct{}, 1)}
	p.client = &http.Client{Transport: bounded{cfg.Transport}, Timeout: answerWithin,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	p.turn <- struct{}{}
	return p
}

// bounded cuts off an answer that is too long, with an error.
type bounded struct{ next http.RoundTripper }

// RoundTrip sends a request.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	a, err := b.next.RoundTrip(r)
	if err == nil {
		a.Body = &boundedBody{ReadCloser: a.Body, left: answerBytes}
	}
	return a, err
}

type boundedBody struct {
	io.ReadCloser
	left int
}

// Read reads what is left.
func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("the answer has more than %d bytes", answerBytes)
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// describe returns what the provider says of itself, which is asked once an hour.
func (p *Provider) describe(ctx context.Context) (*described, error) {
	select {
	case <-p.turn:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { p.turn <- struct{}{} }()
	if now := p.cfg.Now(); now.Before(p.until) {
		return p.known, p.failed
	}
	ask, cancel := context.WithTimeout(oidc.ClientContext(context.WithoutCancel(ctx), p.client), answerWithin)
	defer cancel()
	found, err := oidc.NewProvider(ask, p.cfg.Issuer)
	fresh := &described{Provider: found}
	if err == nil {
		err = found.Claims(fresh)
	}
	switch {
	case err == nil:
		p.known, p.failed, p.until = fresh, nil, p.cfg.Now().Add(knownFor)
	case p.known != nil: // what it said last still holds
		p.until = p.cfg.Now().Add(downFor)
	default:
		p.failed, p.until = fmt.Errorf("ask %s what it is: %w", p.cfg.Issuer, err), p.cfg.Now().Add(downFor)
	}
	return p.known, p.failed
}

func (p *Provider) oauth(d *described, redirect string) *oauth2.Config {
	return &oauth2.Config{ClientID: p.cfg.ClientID, ClientSecret: p.cfg.ClientSecret, Endpoint: d.Endpoint(), RedirectURL: redirect,
		Scopes: slices.Concat([]string{oidc.ScopeOpenID}, p.cfg.Scopes)}
}

// Begin returns the address at the provider to which a browser goes to sign in.
func (p *Provider) Begin(ctx context.Context, f Flow) (string, error) {
	d, err := p.describe(ctx)
	if err != nil {
		return "", err
	}
	return p.oauth(d, f.Redirect).AuthCodeURL(f.State, oidc.Nonce(f.Nonce), oauth2.S256ChallengeOption(f.Verifier)), nil
}

// Flow is one way to a provider and back. Verifier is that of PKCE (RFC 7636).
type Flow struct{ State, Nonce, Verifier, Redirect string }

// NewVerifier makes the secret of PKCE.
func NewVerifier() string { return oauth2.GenerateVerifier() }

// Person is who has signed in at a provider. SID is the provider's name for its session, ""
// when it says none.
type Person struct {
	Issuer, Subject, SID string
	Claims               map[string]any
	IDToken              string
}

// Finish exchanges a code for the person. An error with ErrToken means that the code or
// the token does not hold; any other, that the provider does not answer.
func (p *Provider) Finish(ctx context.Context, f Flow, code string) (*Person, error) {
	d, err := p.describe(ctx)
	if err != nil {
		return nil, err
	}
	ctx = oidc.ClientContext(ctx, p.client)
	tokens, err := p.oauth(d, f.Redirect).Exchange(ctx, code, oauth2.VerifierOption(f.Verifier))
	if err != nil {
		var refused *oauth2.RetrieveError
		if errors.As(err, &refused) && refused.Response != nil && refused.Response.StatusCode < http.StatusInternalServerError {
			return nil, fmt.Errorf("%w: the code is refused: %s", ErrToken, refused.ErrorCode)
		}
		return nil, fmt.Errorf("exchange the code: %w", err)
	}
	raw, _ := tokens.Extra("id_token").(string)
	if raw == "" {
		return nil, fmt.Errorf("%w: there is no id_token", ErrToken)
	}
	token, err := p.verify(ctx, d, raw, tokens.AccessToken, f.Nonce)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrToken, err)
	}
	who := &Person{Issuer: token.Issuer, Subject: token.Subject, IDToken: raw, Claims: map[string]any{}}
	if err := token.Claims(&who.Claims); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrToken, err)
	}
	if sid, _ := who.Claims["sid"].(string); storable(sid) {
		who.SID = sid
	}
	return who, p.more(ctx, d, tokens, who)
}

// storable reports whether a provider's name for something can be kept: Postgres takes no
// zero bytes.
func storable(name string) bool { return len(name) <= maxName && !strings.ContainsRune(name, 0) }

// verify checks an ID token (OpenID Connect Core, section 3.1.3.7).
func (p *Provider) verify(ctx context.Context, d *described, raw, access, nonce string) (*oidc.IDToken, error) {
	token, err := d.VerifierContext(ctx, &oidc.Config{ClientID: p.cfg.ClientID, Now: p.cfg.Now}).Verify(ctx, raw)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(nonce)) != 1 {
		return nil, errors.New("the nonce is of another sign-in")
	}
	var party struct {
		Authorized string `json:"azp"`
	}
	if err := token.Claims(&party); err != nil {
		return nil, err
	}
	if len(token.Audience) > 1 && party.Authorized != p.cfg.ClientID || party.Authorized != "" && party.Authorized != p.cfg.ClientID {
		return nil, errors.New("the token is for another client (azp)")
	}
	if token.Subject == "" || !storable(token.Subject) {
		return nil, errors.New("the token has no usable sub")
	}
	if token.AccessTokenHash != "" {
		return token, token.VerifyAccessToken(access)
	}
	return token, nil
}

// more adds what only the user info says: some providers put no name or address into the
// token. What the token says counts.
func (p *Provider) more(ctx context.Context, d *described, tokens *oauth2.Token, who *Person) error {
	_, named := who.Claims["name"]
	_, reached := who.Claims["email"]
	if d.UserInfoAt == "" || named && reached {
		return nil
	}
	info, err := d.UserInfo(ctx, oauth2.StaticTokenSource(tokens))
	if err != nil {
		return fmt.Errorf("ask for the user info: %w", err)
	}
	if info.Subject != who.Subject {
		return fmt.Errorf("%w: the user info is of somebody else", ErrToken)
	}
	further := map[string]any{}
	if err := info.Claims(&further); err != nil {
		return fmt.Errorf("%w: %w", ErrToken, err)
	}
	for name, value := range further {
		if _, said := who.Claims[name]; !said {
			who.Claims[name] = value
		}
	}
	return nil
}

// End returns the address at which a browser signs out at the provider, "" when it has
// none. It then comes back to back.
func (p *Provider) End(ctx context.Context, idToken, back string) string {
	d, err := p.describe(ctx)
	if err != nil || d.EndSession == "" {
		return ""
	}
	at, err := url.Parse(d.EndSession)
	if err != nil || at.Scheme != "https" && at.Scheme != "http" {
		return ""
	}
	q := at.Query()
	q.Set("client_id", p.cfg.ClientID)
	if idToken != "" {
		q.Set("id_token_hint", idToken)
	}
	if back != "" {
		q.Set("post_logout_redirect_uri", back)
	}
	at.RawQuery = q.Encode()
	return at.String()
}
