package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
)

// limiter gives each key its own bucket, in this process. It suffices where a
// node more or less does not matter, as for typing, which is a hint that may
// get lost.
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

// slots bound what each key holds open at once, in this process.
type slots struct {
	mu   sync.Mutex
	held map[string]int
}

// take gives a key one more place unless it has most of them; whoever got one
// calls free once.
func (p *slots) take(key string, most int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held[key] >= most {
		return false
	}
	if p.held == nil {
		p.held = map[string]int{}
	}
	p.held[key]++
	return true
}

func (p *slots) free(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held[key]--; p.held[key] <= 0 {
		delete(p.held, key)
	}
}

func (p *slots) full(key string, most int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held[key] >= most
}

// sharedLimiter gives each key one bucket for all nodes.
//
// On Postgres the buckets are rows, and yet hardly a post costs a trip more: a
// node leases a quarter of a bucket at a time and spends that from memory. What
// is leased has left the bucket, so all nodes together let pass what a bucket
// holds and what flows into it, never more; measured from a later moment on, it
// can be more by the leases that they then hold. A lease that is not spent soon
// is forfeited. A key that was refused is refused from memory until the wait
// that it was told is over, so a flood costs the database nothing. While the
// database does not answer, and on SQLite, each process counts for itself.
type sharedLimiter struct {
	db    *store.DB
	kind  string // begins the keys in the table
	text  string // what a person who was too fast is told
	alone *limiter

	mu     sync.Mutex
	grants map[string]*grant
}

// grant is what a node may let pass of a key without asking.
type grant struct {
	mu      sync.Mutex // held while asking, so that a node holds one lease
	left    int
	until   time.Time // forfeited from then on
	refused time.Time // nothing is to be had before
}

const (
	grantShare = 4 // of a bucket, as a divisor
	grantLife  = 10 * time.Minute
)

func sharedPerMinute(db *store.DB, kind, text string, n, burst int) *sharedLimiter {
	return &sharedLimiter{db: db, kind: kind, text: text, alone: perMinute(n, burst), grants: map[string]*grant{}}
}

// take spends one of a key, or returns the error that says when to come back.
func (l *sharedLimiter) take(ctx context.Context, key string, now time.Time) error {
	spend := l.spend
	if !l.db.Postgres() {
		spend = func(_ context.Context, key string, now time.Time) (time.Duration, bool) {
			return l.alone.take(key, now)
		}
	}
	if wait, ok := spend(ctx, key, now); !ok {
		return tooFast(l.text, wait)
	}
	return nil
}

func (l *sharedLimiter) spend(ctx context.Context, key string, now time.Time) (wait time.Duration, ok bool) {
	own := l.drawGrant(key, now)
	own.mu.Lock()
	defer own.mu.Unlock()
	if own.left > 0 && now.Before(own.until) {
		own.left--
		return 0, true
	}
	if now.Before(own.refused) {
		return own.refused.Sub(now), false
	}
	n := max(l.alone.burst/grantShare, 1)
	granted, left, err := l.db.Draw(ctx, l.kind+":"+key, n, l.alone.burst, float64(l.alone.every), now.UTC().Truncate(time.Microsecond))
	if err != nil {
		return l.alone.take(key, now)
	}
	if granted == 0 {
		wait = time.Duration((1 - left) / float64(l.alone.every) * float64(time.Second))
		own.refused = now.Add(wait)
		return wait, false
	}
	own.left, own.until = granted-1, now.Add(grantLife)
	return 0, true
}

// drawGrant is that of a key; those which say nothing any more make room.
func (l *sharedLimiter) drawGrant(key string, now time.Time) *grant {
	l.mu.Lock()
	defer l.mu.Unlock()
	own := l.grants[key]
	if own == nil {
		if len(l.grants) >= maxLimiters {
			maps.DeleteFunc(l.grants, func(_ string, old *grant) bool {
				if !old.mu.TryLock() {
					return false
				}
				defer old.mu.Unlock()
				return !now.Before(old.until) && !now.Before(old.refused)
			})
		}
		own = new(grant)
		l.grants[key] = own
	}
	return own
}

// AdmitAddress counts a request against what one address may send; a school is
// one address, and an IPv6 network of 64 bits is one household.
func (a *App) AdmitAddress(ctx context.Context, address string) error {
	return a.addresses.take(ctx, NetworkOf(address), a.now())
}

// AdmitKnown counts a request against the person behind a session's token, or
// behind a device that signed in before, where their address has sent too much:
// the others of a school go on. It passes on refusal if it knows nobody.
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
	return a.addresses.take(ctx, "person "+who, a.now())
}

// NetworkOf is what counts as one address: an IPv4 address, or the first 64
// bits of one of IPv6.
func NetworkOf(address string) string {
	if ip, err := netip.ParseAddr(address); err == nil && ip.Is6() {
		if network, err := ip.WithZone("").Prefix(64); err == nil {
			return network.String()
		}
	}
	return address
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
