package app

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/limit"
	"github.com/coagent-studio/coagent/app/outbound"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/signon"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// Sign-on with providers of identities. The browser keeps a sealed note of its way to the
// provider, so that what comes back belongs to the browser that went; the database keeps
// which notes were used. Who somebody is here is in sign_on_people.go.

const (
	signOnLife    = 10 * time.Minute // for the way to a provider and back
	signOnAtOnce  = 32               // codes that this process has checked at once
	signOnConnect = 5 * time.Second
	maxReturn     = 2000
)

// signOns are the providers of the configuration.
type signOns struct {
	cfg       *config.Config
	db        *store.DB
	now       clock
	keys      *secret.Keyring
	log       *slog.Logger
	audit     auditLog
	sessions  *sessions
	passwords *passwords
	providers []signOnProvider
	busy      limit.Slots
}

type signOnProvider struct {
	config.SignOn
	at *signon.Provider
}

func newSignOns(a *App, keys *secret.Keyring) *signOns {
	s := &signOns{cfg: a.cfg, db: a.db, now: a.now, keys: keys, log: a.log, audit: a.audit, sessions: a.sessions, passwords: a.passwords}
	// The operator has named the providers, so they may be in private networks.
	transport := outbound.NewGuard(outbound.Private()...).Transport(signOnConnect)
	for _, p := range a.cfg.Auth.SignOn {
		s.providers = append(s.providers, signOnProvider{p, signon.New(signon.Config{Issuer: p.Issuer, ClientID: p.ClientID,
			ClientSecret: p.ClientSecret.Reveal(), Scopes: p.Scopes, Transport: transport, Now: a.now})})
	}
	return s
}

func (s *signOns) find(id string) (*signOnProvider, error) {
	i := slices.IndexFunc(s.providers, func(p signOnProvider) bool { return p.ID == id })
	if i < 0 {
		return nil, notFound("Provider")
	}
	return &s.providers[i], nil
}

// SignOnProvider is a provider as the sign-in page shows it.
type SignOnProvider struct{ ID, Name string }

// SignOnProviders lists the providers with which people sign in.
func (a *App) SignOnProviders() []SignOnProvider {
	list := []SignOnProvider{}
	for _, p := range a.signOns.providers {
		list = append(list, SignOnProvider{p.ID, p.Name})
	}
	return list
}

// signOnNote is the content of a browser's note of its way to a provider.
type signOnNote struct {
	jwt.RegisteredClaims        // ID is the state
	Provider             string `json:"p"`
	Nonce                string `json:"n"`
	Verifier             string `json:"v"`
	Redirect             string `json:"r"`
	To                   string `json:"to"`
	Session              string `json:"s,omitempty"` // that of who links the identity to their account
}

// SignOnBegun is where a browser goes, and the note that it keeps meanwhile.
type SignOnBegun struct {
	Address string
	Note    secret.Text
}

// SignOnLife is how long a browser keeps the note.
func SignOnLife() time.Duration { return signOnLife }

// BeginSignOn sends a browser to a provider. redirect is the address at which it comes
// back, to the path to which the person wanted to go.
func (a *App) BeginSignOn(ctx context.Context, id, redirect, to string) (*SignOnBegun, error) {
	return a.signOns.begin(ctx, id, signOnNote{Redirect: redirect, To: ownPath(to)})
}

// BeginLink is BeginSignOn for a signed-in person who links an identity to their account.
// It adds a way in, so the person proves to be there.
func (a *App) BeginLink(ctx context.Context, actor *Actor, id, redirect, to string, by Proof) (*SignOnBegun, error) {
	if err := Check(actor, ActOwnIdentities, Resource{}); err != nil {
		return nil, err
	}
	if actor.User.PasswordHash != "" || hasTwoFactor(&actor.User) {
		if err := a.prove(ctx, actor, by); err != nil {
			return nil, err
		}
	}
	return a.signOns.begin(ctx, id, signOnNote{Redirect: redirect, To: ownPath(to), Session: actor.SessionID})
}

func (s *signOns) begin(ctx context.Context, id string, n signOnNote) (*SignOnBegun, error) {
	p, err := s.find(id)
	if err != nil {
		return nil, err
	}
	n.ID, n.Provider, n.Nonce, n.Verifier = rand.Text(), p.ID, rand.Text(), signon.NewVerifier()
	n.ExpiresAt = jwt.NewNumericDate(s.now().Add(signOnLife))
	address, err := p.at.Begin(ctx, n.flow())
	if err != nil {
		return nil, s.down(ctx, p, err)
	}
	note, err := s.sessions.sealNote(signOnNotes, n)
	return &SignOnBegun{address, note}, err
}

func (n *signOnNote) flow() signon.Flow {
	return signon.Flow{State: n.ID, Nonce: n.Nonce, Verifier: n.Verifier, Redirect: n.Redirect}
}

// down is the error for a provider that does not answer.
func (s *signOns) down(ctx context.Context, p *signOnProvider, err error) error {
	s.log.WarnContext(ctx, "a provider of identities does not answer", "provider", p.ID, "error", err)
	e := errorf(KindUnavailable, wording.SignOnDown, "%s does not answer just now. Try again in a moment, or sign in with a password.", p.Name)
	e.Err, e.RetryAfter = err, 5*time.Second
	return e
}

// ownPath returns a path of this server, and "/" for everything else: nobody is sent to
// another site.
func ownPath(to string) string {
	at, err := url.Parse(to)
	if err != nil || len(to) > maxReturn || at.IsAbs() || at.Host != "" || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") ||
		strings.ContainsFunc(to, func(r rune) bool { return r == '\\' || r <= ' ' || r == 0x7f }) || strings.HasPrefix(at.Path, "//") || strings.HasPrefix(at.Path, "/api/") {
		return "/"
	}
	return to
}

// SignOnReturn is what comes back with a browser from a provider.
type SignOnReturn struct {
	Provider, Code, State, Issuer, Error string
	Note                                 secret.Text
	Token                                string // of the session of the browser, if it has one
}

// SignedOn is how a way to a provider ended. Tokens is nil for somebody who has linked an
// identity.
type SignedOn struct {
	Tokens *Tokens
	To     string
}

var (
	errSignOnOver = errorf(KindRejected, wording.SignOnOver, "This sign-in has taken too long, was used already, or began in another browser. Begin again.")
	saidError     = regexp.MustCompile(`^[a-z_]{1,40}$`)
)

// FinishSignOn signs in whoever comes back from a provider.
func (a *App) FinishSignOn(ctx context.Context, in SignOnReturn, client Client) (*SignedOn, error) {
	s := a.signOns
	p, err := s.find(in.Provider)
	if err != nil {
		return nil, err
	}
	n, err := s.note(ctx, in, client)
	if err != nil {
		return nil, err
	}
	if n.Provider != p.ID || in.Issuer != "" && in.Issuer != p.Issuer {
		return nil, errSignOnOver // a mix-up of two providers (RFC 9207)
	}
	if in.Error != "" || in.Code == "" {
		if !saidError.MatchString(in.Error) {
			in.Error = "error"
		}
		return nil, errorf(KindRejected, wording.SignOnRefused, "%s did not sign you in (%s). Try again, or ask whoever looks after it.", p.Name, in.Error)
	}
	if err := s.slot(); err != nil {
		return nil, err
	}
	defer s.busy.Free("all")
	who, err := p.at.Finish(ctx, n.flow(), in.Code)
	if errors.Is(err, signon.ErrToken) {
		s.log.WarnContext(ctx, "the answer of a provider of identities does not hold", "provider", p.ID, "error", err)
		if err := s.tried(ctx, client); err != nil {
			return nil, err
		}
		return nil, errorf(KindRejected, wording.SignOnRefused, "%s did not sign you in (%s). Try again, or ask whoever looks after it.", p.Name, "invalid_token")
	}
	if err != nil {
		return nil, s.down(ctx, p, err)
	}
	if n.Session != "" {
		return &SignedOn{To: n.To}, a.link(ctx, p, who, n.Session, in.Token)
	}
	tokens, err := a.signOnAs(ctx, p, who, client)
	return &SignedOn{tokens, n.To}, err
}

// note reads a browser's note and uses it up.
func (s *signOns) note(ctx context.Context, in SignOnReturn, client Client) (*signOnNote, error) {
	n := new(signOnNote)
	if err := s.sessions.openNote(signOnNotes, in.Note, n); err != nil || subtle.ConstantTimeCompare([]byte(n.ID), []byte(in.State)) != 1 {
		return nil, errSignOnOver
	}
	if err := s.admit(ctx, client); err != nil {
		return nil, err
	}
	fresh := false
	err := s.db.InTx(ctx, func(tx *store.Tx) (err error) {
		fresh, err = tx.SpendSignOn(ctx, n.ID, n.ExpiresAt.UTC())
		return err
	})
	if err == nil && !fresh {
		err = errSignOnOver
	}
	return n, err
}

// admit refuses an address from which too much came that did not hold.
func (s *signOns) admit(ctx context.Context, client Client) error {
	key, window, most := signOnTries(client), s.cfg.Auth.SigninWindow, s.cfg.Auth.SigninFailuresPerAddress
	counts, err := s.db.SigninFailures(ctx, []string{key}, s.now.instant().Add(-window), most)
	if err != nil {
		return err
	}
	if c := counts[key]; c.Count >= most {
		return tooFast("Too many failed sign-ins", max(c.First.Add(window).Sub(s.now.instant()), time.Second))
	}
	return nil
}

// slot takes one of the places for what is asked of providers. Free it with signOns.busy.
func (s *signOns) slot() error {
	if s.busy.Take("all", signOnAtOnce) {
		return nil
	}
	return &Error{Kind: KindUnavailable, Code: wording.Busy, RetryAfter: 5 * time.Second, Message: "Very many people are signing in right now. Try again in 5 s."}
}

func signOnTries(client Client) string { return "sign-on:" + limit.NetworkOf(client.Address) }

// tried counts a failed sign-on for its address.
func (s *signOns) tried(ctx context.Context, client Client) error {
	return s.db.InTx(ctx, func(tx *store.Tx) error {
		return tx.AddSigninFailures(ctx, []string{signOnTries(client)}, s.now.instant())
	})
}
