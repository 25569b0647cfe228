package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/coagent-studio/coagent/store"
)

// limiter gives each key its own token bucket, in this process.
type limiter struct {
	every rate.Limit
	burst int
	mu    sync.Mutex
	keys  map[string]*rate.Limiter
}

func perMinute(n, burst int) *limiter {
	return &limiter{every: rate.Limit(float64(n) / 60), burst: max(burst, 1), keys: map[string]*rate.Limiter{}}
}

// maxLimiters bounds the buckets that are remembered; full ones say nothing.
const maxLimiters = 10_000

// take spends one token of a key, or says how long until there is one.
func (l *limiter) take(key string, now time.Time) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.keys[key]
	if b == nil {
		if len(l.keys) >= maxLimiters {
			for k, old := range l.keys {
				if old.TokensAt(now) >= float64(l.burst) {
					delete(l.keys, k)
				}
			}
		}
		b = rate.NewLimiter(l.every, l.burst)
		l.keys[key] = b
	}
	r := b.ReserveN(now, 1)
	if wait = r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
		return wait, false
	}
	return 0, true
}

func tooFast(what string, wait time.Duration) *Error {
	e := errorf(KindLimited, "rate_limited", "%s. Try again in %s.", what, inWords(wait))
	e.RetryAfter = wait
	return e
}

// inWords is a wait as a person reads it.
func inWords(d time.Duration) string {
	if s := int(math.Ceil(d.Seconds())); s < 120 {
		return fmt.Sprintf("%d s", max(s, 1))
	}
	return fmt.Sprintf("%d minutes", int(math.Ceil(d.Minutes())))
}

// signinGuard slows down guessing: so many failed sign-ins of one account, and
// many more of one address, since a school is one address, within a window.
type signinGuard struct {
	mu       sync.Mutex
	underway map[string]int // guesses whose outcome is not stored yet
}

// signin is one attempt under guard.
type signin struct{ account, address string }

func newSignin(login, address string) signin {
	sum := sha256.Sum256([]byte(strings.ToLower(login)))
	return signin{account: "account:" + hex.EncodeToString(sum[:16]), address: "address:" + address}
}

// guardSignin refuses an attempt that comes after too many failures, whether
// the account exists or not. The caller calls done once the outcome is stored.
func (a *App) guardSignin(ctx context.Context, s signin) (done func(), err error) {
	g, window := &a.guard, a.cfg.Auth.SigninWindow
	counts, err := a.db.SigninFailures(ctx, []string{s.account, s.address}, a.instant().Add(-window))
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for key, most := range map[string]int{s.account: a.cfg.Auth.SigninFailuresPerAccount, s.address: a.cfg.Auth.SigninFailuresPerAddress} {
		c := counts[key]
		if c.Count+g.underway[key] >= most {
			wait := time.Second
			if c.Count >= most {
				wait = max(c.First.Add(window).Sub(a.now()), time.Second)
			}
			return nil, tooFast("Too many failed sign-ins", wait)
		}
	}
	if g.underway == nil {
		g.underway = map[string]int{}
	}
	g.underway[s.account]++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.underway[s.account]--; g.underway[s.account] <= 0 {
			delete(g.underway, s.account)
		}
	}, nil
}

// signinFailed stores a failure and returns the answer to it.
func (a *App) signinFailed(ctx context.Context, s signin) error {
	if err := a.db.InTx(ctx, func(tx *store.Tx) error {
		return tx.AddSigninFailures(ctx, []string{s.account, s.address}, a.instant())
	}); err != nil {
		return err
	}
	return errWrongPassword
}
