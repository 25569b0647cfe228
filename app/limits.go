package app

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/limit"
	"github.com/coagent-studio/coagent/app/secret"
)

// personLimit is a limit on what a person does, and the text of the error for a person
// who exceeds it.
type personLimit struct {
	*limit.Shared
	text string
}

// spend counts one action of a person. If that exceeds the limit, it returns an error
// that says when to try again.
func (a *App) spend(ctx context.Context, l personLimit, who string) error {
	if wait, ok := l.Take(ctx, who, a.now()); !ok {
		return tooFast(l.text, wait)
	}
	return nil
}

func (a *App) newLimiters(l config.Limits) {
	var draw limit.Draw
	if a.db.Postgres() {
		draw = func(ctx context.Context, key string, n, burst int, flow float64, now time.Time) (int, float64, error) {
			return a.db.Draw(ctx, key, n, burst, flow, now.UTC().Truncate(time.Microsecond))
		}
	}
	shared := func(kind, text string, n, burst int) personLimit {
		return personLimit{limit.SharedPerMinute(draw, kind, n, burst), text}
	}
	a.posts = shared("posts", "You write very fast", l.PostsPerMinute, l.PostsBurst)
	a.typing = limit.PerMinute(l.TypingPerMinute, l.TypingPerMinute/6)
	a.edits = shared("edits", "You save very fast", l.EditsPerMinute, l.EditsPerMinute/6)
	a.probes = shared("probes", "Too many connection tests", probesPerMinute, probesPerMinute/3)
	a.asks = shared("asks", "You ask very fast", l.ModelCallsPerMinute, l.ModelCallsPerMinute/3)
	a.handshakes = shared("handshakes", "Too many connections", l.HandshakesPerMinute, l.HandshakesPerMinute/4)
	a.requests = shared("requests", "You send very many requests", l.RequestsPerMinute, l.RequestsBurst)
	a.addresses = shared("address", "Very many requests come from your address", l.AddressRequestsPerMinute, l.AddressRequestsBurst)
}

// AdmitAddress counts a request against the limit of its address. A school is usually
// one address. An IPv6 network of 64 bits counts as one address.
func (a *App) AdmitAddress(ctx context.Context, address string) error {
	return a.spend(ctx, a.addresses, limit.NetworkOf(address))
}

// AdmitKnown is for a request from an address that is over its limit. It counts the
// request against a limit of its person instead, so that others at the same school can
// go on. The person is found by a session's token, or by the note of a device that
// signed in before. If neither is known, it returns refusal.
func (a *App) AdmitKnown(ctx context.Context, token string, note secret.Text, refusal error) error {
	who := ""
	if c, err := a.parse(token); err == nil || errors.Is(err, errExpired) {
		who = c.Subject
	} else if d := a.device(note); d != nil {
		who = d.Accounts[0].UserID
	}
	if who == "" {
		return refusal
	}
	return a.spend(ctx, a.addresses, "person "+who)
}

func tooFast(what string, wait time.Duration) *Error {
	e := errorf(KindLimited, "rate_limited", "%s. Try again in %s.", what, inWords(wait))
	e.RetryAfter = wait
	return e
}

// inWords is a wait in words for a person.
func inWords(d time.Duration) string {
	if s := int(math.Ceil(d.Seconds())); s < 120 {
		return fmt.Sprintf("%d s", max(s, 1))
	}
	return fmt.Sprintf("%d minutes", int(math.Ceil(d.Minutes())))
}
