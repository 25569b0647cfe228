// Package limit bounds what each person, address or process does: buckets that
// fill by the minute, slots for what is open at once, and queues in which the
// askers take turns. It knows neither people nor the database: who is meant is a
// key, the clock and the way to shared buckets are handed in. It imports nothing
// of ours.
package limit

import (
	"context"
	"maps"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limiter gives each key its own bucket, in this process. It suffices where a
// node more or less does not matter, as for typing, which is a hint that may
// get lost.
type Limiter struct {
	every rate.Limit
	burst int
	mu    sync.Mutex
	keys  map[string]*rate.Limiter
}

// PerMinute makes a limiter of n a minute and burst at once.
func PerMinute(n, burst int) *Limiter {
	return &Limiter{every: rate.Limit(float64(n) / 60), burst: max(burst, 1), keys: map[string]*rate.Limiter{}}
}

// MaxLimiters bounds the buckets that are remembered; full ones say nothing.
const MaxLimiters = 10_000

// Take spends one token of a key, or says how long until there is one.
func (l *Limiter) Take(key string, now time.Time) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.keys[key]
	if b == nil {
		if len(l.keys) >= MaxLimiters {
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

// Slots bound what each key holds open at once, in this process.
type Slots struct {
	mu   sync.Mutex
	held map[string]int
}

// Take gives a key one more place unless it has most of them; whoever got one
// calls free once.
func (p *Slots) Take(key string, most int) bool {
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

// Free gives a slot of a key back.
func (p *Slots) Free(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held[key]--; p.held[key] <= 0 {
		delete(p.held, key)
	}
}

// Full tells whether a key has most slots.
func (p *Slots) Full(key string, most int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held[key] >= most
}

// Shared gives each key one bucket for all nodes.
//
// The buckets are rows of the database, and yet hardly a post costs a trip more:
// a node draws a grant of a quarter of a bucket and spends that from memory. What
// is granted has left the bucket, so all nodes together let pass what a bucket
// holds and what flows into it, never more. Measured from a later moment on, it
// can be more by the grants that they hold then. A grant that is not spent soon
// is forfeited. A key that was refused is refused from memory until its wait is
// over, so a flood costs the database nothing. While the database does not
// answer, each process counts for itself.
type Shared struct {
	draw  Draw   // nil where this process is alone
	kind  string // begins the keys in the table
	alone *Limiter

	mu     sync.Mutex
	grants map[string]*grant
}

// grant is what a node may let pass of a key without asking.
type grant struct {
	mu      sync.Mutex // held while asking, so that a node holds one grant
	left    int
	until   time.Time // forfeited from then on
	refused time.Time // nothing is to be had before
}

const (
	grantShare = 4 // of a bucket, as a divisor
	grantLife  = 10 * time.Minute
)

// Draw takes n tokens at most from a key's bucket, of which flow come in each
// second up to burst. It tells how many it got, and what is left when that is
// none.
type Draw func(ctx context.Context, key string, n, burst int, flow float64, now time.Time) (granted int, left float64, err error)

// SharedPerMinute makes a limiter of n a minute for all processes that draw from
// the same buckets; kind begins the names of its own there. Without draw it
// counts for this process alone.
func SharedPerMinute(draw Draw, kind string, n, burst int) *Shared {
	return &Shared{draw: draw, kind: kind, alone: PerMinute(n, burst), grants: map[string]*grant{}}
}

// Take spends one of a key, or says how long until there is one.
func (l *Shared) Take(ctx context.Context, key string, now time.Time) (wait time.Duration, ok bool) {
	if l.draw == nil {
		return l.alone.Take(key, now)
	}
	own := l.grantOf(key, now)
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
	granted, left, err := l.draw(ctx, l.kind+":"+key, n, l.alone.burst, float64(l.alone.every), now)
	if err != nil {
		return l.alone.Take(key, now)
	}
	if granted == 0 {
		wait = time.Duration((1 - left) / float64(l.alone.every) * float64(time.Second))
		own.refused = now.Add(wait)
		return wait, false
	}
	own.left, own.until = granted-1, now.Add(grantLife)
	return 0, true
}

// grantOf is that of a key; those which say nothing any more make room.
func (l *Shared) grantOf(key string, now time.Time) *grant {
	l.mu.Lock()
	defer l.mu.Unlock()
	own := l.grants[key]
	if own == nil {
		if len(l.grants) >= MaxLimiters {
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
