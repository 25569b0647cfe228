package llm

import (
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
)

// breakers holds one circuit breaker per provider, address and key. So the failures of
// one person's key stop nobody else.
type breakers struct {
	cfg Breaker

	mu  sync.Mutex
	all map[breakerKey]*breaker
}

// breakerKey holds a hash of the key instead of the key, because it stays in memory as
// long as the process lives.
type breakerKey struct {
	provider, baseURL string
	key               [sha256.Size]byte
}

type breaker struct {
	gate   *gobreaker.TwoStepCircuitBreaker[struct{}]
	mu     sync.Mutex
	opened time.Time
}

// maxBreakers bounds the memory. A healthy breaker holds nothing worth keeping, see
// sweep.
const maxBreakers = 4096

func newBreakers(cfg Breaker) *breakers {
	return &breakers{cfg: cfg, all: map[breakerKey]*breaker{}}
}

// allow asks for permission to send one attempt. The caller reports the attempt's
// outcome with done, nil for success. An error that says nothing about the provider's
// health does not count.
func (b *breakers) allow(p *provider, key string) (done func(*Error), refused *Error) {
	br := b.get(breakerKey{p.name, p.baseURL, sha256.Sum256([]byte(key))})
	report, err := br.gate.Allow()
	if err != nil {
		return nil, &Error{
			Kind:       Open,
			RetryAfter: br.remaining(b.cfg.Cooldown),
			Message:    "not tried, because the last calls failed",
			Err:        err,
		}
	}
	return func(e *Error) {
		if e == nil {
			report(nil)
			return
		}
		report(e)
	}, nil
}

func (b *breakers) get(key breakerKey) *breaker {
	b.mu.Lock()
	defer b.mu.Unlock()
	if br := b.all[key]; br != nil {
		return br
	}
	if len(b.all) >= maxBreakers {
		b.sweep()
	}
	br := &breaker{}
	br.gate = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests: 1,
		Timeout:     b.cfg.Cooldown,
		ReadyToTrip: func(c gobreaker.Counts) bool { return int(c.ConsecutiveFailures) >= b.cfg.Failures },
		IsExcluded: func(err error) bool {
			var e *Error
			return errors.As(err, &e) && !e.feedsBreaker()
		},
		OnStateChange: func(_ string, _, to gobreaker.State) {
			if to == gobreaker.StateOpen {
				br.mu.Lock()
				br.opened = time.Now()
				br.mu.Unlock()
			}
		},
	})
	b.all[key] = br
	return br
}

// sweep forgets the healthy breakers. When none is healthy, it forgets all of them.
func (b *breakers) sweep() {
	for key, br := range b.all {
		if br.gate.State() == gobreaker.StateClosed && br.gate.Counts().ConsecutiveFailures == 0 {
			delete(b.all, key)
		}
	}
	if len(b.all) >= maxBreakers {
		clear(b.all)
	}
}

// remaining is the time until the next attempt may be sent, at least one second.
func (br *breaker) remaining(cooldown time.Duration) time.Duration {
	br.mu.Lock()
	defer br.mu.Unlock()
	return max(time.Until(br.opened.Add(cooldown)), time.Second)
}
