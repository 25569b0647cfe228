package app

import (
	"context"
	"errors"
	"time"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/limit"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// limits are the rates and the slots that keep one person from taking what everybody
// needs.
type limits struct {
	posts      personLimit
	typing     *limit.Limiter
	editing    *limit.Limiter
	edits      personLimit
	reactions  personLimit
	probes     personLimit
	asks       personLimit // model calls outside rooms
	handshakes personLimit
	requests   personLimit
	addresses  personLimit
	searches   personLimit
	searching  *limit.Gate      // searches of all people at once
	outside    personLimit      // messages of each agent outside this program
	open       limit.Slots      // sockets and event streams of each person
	pictures   *limit.FairQueue // for the one slot in which an upload is decoded
	uploads    personLimit
	uploading  limit.Slots      // uploads of files of each person, and of all
	images     *limit.FairQueue // uploads of files that wait for the slot of pictures

	// New accounts of people who come in by themselves, and the codes that they try.
	newPerWay, newPerAddress, newAtAll, codeTries personLimit
}

// personLimit is a limit on what a person does, and the text of the error for a person
// who exceeds it.
type personLimit struct {
	*limit.Shared
	now  clock
	text string
}

// spend counts one action of a person. If that exceeds the limit, it returns an error
// that says when to try again.
func (l personLimit) spend(ctx context.Context, who string) error {
	if wait, ok := l.Take(ctx, who, l.now()); !ok {
		return tooFast(l.text, wait)
	}
	return nil
}

// newLimits makes the limits. On Postgres all nodes share the rates.
func newLimits(db *store.DB, now clock, cfg *config.Config) *limits {
	l, auth := cfg.Limits, cfg.Auth
	var draw limit.Draw
	if db.Postgres() {
		draw = func(ctx context.Context, key string, n, burst int, flow float64, now time.Time) (int, float64, error) {
			return db.Draw(ctx, key, n, burst, flow, now.UTC().Truncate(time.Microsecond))
		}
	}
	shared := func(kind, text string, n, burst int) personLimit {
		return personLimit{limit.SharedPerMinute(draw, kind, n, burst), now, text}
	}
	hourly := func(kind, text string, n int) personLimit {
		return personLimit{limit.SharedPerHour(draw, kind, n), now, text}
	}
	return &limits{
		newPerWay:     hourly("new_way", "Very many people came in by this code or invitation", auth.NewAccountsPerCode),
		newPerAddress: hourly("new_address", "Very many accounts were made from your address", auth.NewAccountsPerAddress),
		newAtAll:      hourly("new_all", "Very many accounts are being made", auth.NewAccounts),
		codeTries:     hourly("code_tries", "Very many join codes are being tried", codeTriesPerHour),

		posts:      shared("posts", "You write very fast", l.PostsPerMinute, l.PostsBurst),
		typing:     limit.PerMinute(l.TypingPerMinute, l.TypingPerMinute/6),
		editing:    limit.PerMinute(l.TypingPerMinute, l.TypingPerMinute/6),
		edits:      shared("edits", "You save very fast", l.EditsPerMinute, l.EditsPerMinute/6),
		reactions:  shared("reactions", "You react very fast", reactionsPerMinute, reactionsPerMinute/3),
		probes:     shared("probes", "Too many connection tests", probesPerMinute, probesPerMinute/3),
		asks:       shared("asks", "You ask very fast", l.ModelCallsPerMinute, l.ModelCallsPerMinute/3),
		handshakes: shared("handshakes", "Too many connections", l.HandshakesPerMinute, l.HandshakesPerMinute/4),
		requests:   shared("requests", "You send very many requests", l.RequestsPerMinute, l.RequestsBurst),
		addresses:  shared("address", "Very many requests come from your address", l.AddressRequestsPerMinute, l.AddressRequestsBurst),
		outside:    shared("outside", "The agent sends very fast", l.PostsPerMinute, l.PostsBurst),
		searches:   shared("searches", "You search very fast", l.SearchesPerMinute, max(l.SearchesPerMinute/4, 1)),
		searching:  limit.NewGate(l.SearchesAtOnce),
		pictures:   limit.NewFairQueue(1, pictureBounds),
		uploads:    shared("uploads", "You upload very fast", cfg.Files.UploadsPerMinute, max(cfg.Files.UploadsPerMinute/3, 1)),
		images:     limit.NewFairQueue(1, imageBounds),
	}
}

// AdmitAddress counts a request against the limit of its address. A school is usually
// one address. An IPv6 network of 64 bits counts as one address.
func (a *App) AdmitAddress(ctx context.Context, address string) error {
	return a.limits.addresses.spend(ctx, limit.NetworkOf(address))
}

// AdmitKnown is for a request from an address that is over its limit. It counts the
// request against a limit of its person instead, so that others at the same school can
// go on. The person is found by a session's token, or by the note of a device that
// signed in before. If neither is known, it returns refusal.
func (a *App) AdmitKnown(ctx context.Context, token string, note secret.Text, refusal error) error {
	who := ""
	if c, err := a.sessions.parse(token); err == nil || errors.Is(err, errExpired) {
		who = c.Subject
	} else if d := a.sessions.device(note); d != nil {
		who = d.Accounts[0].UserID
	}
	if who == "" {
		return refusal
	}
	return a.limits.addresses.spend(ctx, "person "+who)
}

func tooFast(what string, wait time.Duration) *Error {
	e := errorf(KindLimited, wording.RateLimited, "%s. Try again in %s.", wording.Of(what), wording.Wait(wait))
	e.RetryAfter = wait
	return e
}
