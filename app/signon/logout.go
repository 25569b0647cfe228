package signon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

const (
	// logoutAge is how old a logout token may be, whatever it says itself.
	logoutAge = 10 * time.Minute
	// clocksApart is how far the clock of a provider may be ahead.
	clocksApart    = 5 * time.Minute
	maxLogoutToken = 16 << 10 // bytes
)

// SignedOut is whom a provider has signed out: a person there, one session there, or both.
// ID names the token, which counts once; Until is when it is too old anyway.
type SignedOut struct {
	Subject, SID, ID string
	Until            time.Time
}

// Logout checks a logout token (OpenID Connect Back-Channel Logout 1.0, section 2.6) but
// for whether it came before. An error with ErrToken means that it does not hold; any other,
// that the provider does not answer.
func (p *Provider) Logout(ctx context.Context, raw string) (*SignedOut, error) {
	d, err := p.describe(ctx)
	if err != nil {
		return nil, err
	}
	out, err := p.verifyLogout(oidc.ClientContext(ctx, p.client), d, raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrToken, err)
	}
	return out, nil
}

func (p *Provider) verifyLogout(ctx context.Context, d *described, raw string) (*SignedOut, error) {
	if len(raw) > maxLogoutToken {
		return nil, fmt.Errorf("it has more than %d bytes", maxLogoutToken)
	}
	token, err := d.VerifierContext(ctx, &oidc.Config{ClientID: p.cfg.ClientID, Now: p.cfg.Now}).VerifyLogout(ctx, raw)
	if err != nil {
		return nil, err
	}
	var more struct {
		Events struct {
			Logout map[string]any `json:"http://schemas.openid.net/event/backchannel-logout"`
		} `json:"events"`
	}
	if err := token.Claims(&more); err != nil {
		return nil, err
	}
	if more.Events.Logout == nil {
		return nil, errors.New("its event is no object")
	}
	now := p.cfg.Now()
	switch {
	case now.Sub(token.IssuedAt) > logoutAge:
		return nil, errors.New("it is too old, or has no iat")
	case token.IssuedAt.Sub(now) > clocksApart:
		return nil, errors.New("its iat is in the future")
	case !storable(token.Subject), !storable(token.SessionID), !storable(token.TokenID):
		return nil, fmt.Errorf("its sub, sid or jti has more than %d bytes, or a zero byte", maxName)
	}
	return &SignedOut{token.Subject, token.SessionID, token.TokenID, token.IssuedAt.Add(logoutAge + clocksApart)}, nil
}
