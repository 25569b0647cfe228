// Package limit bounds what each person, address or process does. It has buckets that
// fill by the minute, slots for what is open at once, and fair queues. It knows neither
// people nor the database: the caller passes in a key, the clock and a function for
// shared buckets. It imports nothing of ours.
package limit

import (
	"context"
	"maps"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limiter gives each key its own bucket, in this process only. It is enough where the
// number of nodes does not matter, as for typing, which is a hint that may get lost.
type Limiter struct {
	every rate.Limit
	burst int
	mu    sync.Mutex
	keys  map[string]*rate.Limiter
}

// PerMinute makes a limiter for n a minute, and burst at once.
func PerMinute(n, burst int) *Limiter {
	return &Limiter{every: rate.Limit(float64(n) / 60), burst: max(burst, 1), keys: map[string]*rate.Limiter{}}
}

// maxBuckets bounds how many buckets are remembered. A full bucket holds no
// information and can be forgotten.
const maxBuckets = 10_000

// Take spends one token of a key. If there is none, it returns how long to wait for
// one.
func (l *Limiter) Take(key string, now time.Time) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.keys[key]
	if b == nil {
		if len(l.keys) >= maxBuckets {
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

// Slots bound how many things each key holds open at once, in this process.
type Slots struct {
	mu   sync.Mutex
	held map[string]int
}

// Take gives a key one more slot, unless it has most already. After true the caller
// calls Free once.
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

// Free returns one slot of a key.
func (p *Slots) Free(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held[key]--; p.held[key] <= 0 {
		delete(p.held, key)
	}
}

// Full tells whether a key holds most slots.
func (p *Slots) Full(key string, most int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held[key] >= most
}

// Shared gives each key one bucket for all nodes.
//
// The buckets are rows in the database, but most requests do not ask it. A node draws a
// grant of a quarter of a bucket and spends it from memory. The tokens of a grant have
// left the bucket. So all nodes together allow what the bucket held and what has flowed
// in since, never more. Counted from a later moment, they may also allow the grants
// that they hold at that moment.
//
// A grant that is not spent within grantLife is forfeited. A key that was refused is
// refused from memory until its wait is over, so a flood costs the database nothing.
// While the database does not answer, each process counts for itself.
type Shared struct {
	draw  Draw   // nil when this process is alone
	kind  string // the prefix of the keys in the table
	alone *Limiter

	mu     sync.Mutex
	grants map[string]*grant
}

// grant is how many tokens of a key a node may spend without asking the database.
type grant struct {
	mu      sync.Mutex // held while asking, so that a node draws one grant at a time
	left    int
	until   time.Time // from then on the grant is forfeited
	refused time.Time // until then the bucket is known to be empty
}

const (
	grantShare = 4 // a grant is burst divided by this
	grantLife  = 10 * time.Minute
)

// Draw takes at most n tokens from a key's bucket. The bucket gains flow tokens a
// second, up to burst. granted is how many were taken. If it is 0, left is what the
// bucket holds.
type Draw func(ctx context.Context, key string, n, burst int, flow float64, now time.Time) (granted int, left float64, err error)

// SharedPerMinute makes a limiter for n a minute, shared by all processes that draw
// from the same buckets. kind is the prefix of this limiter's keys there. When draw is
// nil, it counts for this process alone.
func SharedPerMinute(draw Draw, kind string, n, burst int) *Shared {
	return &Shared{draw: draw, kind: kind, alone: PerMinute(n, burst), grants: map[string]*grant{}}
}

// SharedPerHour makes a limiter that allows at most n in any hour: half of them at once,
// and the other half spread over the hour.
func SharedPerHour(draw Draw, kind string, n int) *Shared {
	half := max(n/2, 1)
	l := SharedPerMinute(draw, kind, 1, half)
	l.alone.every = rate.Limit(float64(half) / time.Hour.Seconds())
	return l
}

// Take spends one token of a key. If there is none, it returns how long to wait for
// one.
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

// grantOf returns the grant of a key. When there are too many, it removes those that
// hold no information any more.
func (l *Shared) grantOf(key string, now time.Time) *grant {
	l.mu.Lock()
	defer l.mu.Unlock()
	own := l.grants[key]
	if own == nil {
		if len(l.grants) >= maxBuckets {
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

// NetworkOf returns what counts as one address: an IPv4 address, or the first 64 bits
// of an IPv6 address.
func NetworkOf(address string) string {
	if ip, err := netip.ParseAddr(address); err == nil && ip.Is6() {
		if network, err := ip.WithZone("").Prefix(64); err == nil {
			return network.String()
		}
	}
	return address
}
