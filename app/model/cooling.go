package model

import (
	"sort"
	"sync"
	"time"

	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/secret"
)

// How long a key that failed is tried only after the others.
const (
	coolBadKey  = 10 * time.Minute
	coolLimited = time.Minute
	// maxCooling is the number of keys after which all of them are forgotten.
	maxCooling = 10_000
)

// coolingKeys has the keys that have failed lately, in this process.
type coolingKeys struct {
	mu    sync.Mutex
	until map[coolingKey]time.Time
}

type coolingKey struct {
	provider string
	key      secret.Text
}

// failed notes that a key failed, if the key itself was the cause.
func (c *coolingKeys) failed(provider string, key secret.Text, err *llm.Error, now time.Time) (handOver bool) {
	var d time.Duration
	switch err.Kind {
	case llm.BadKey, llm.Quota:
		d = coolBadKey
	case llm.Limited, llm.Open:
		d = max(err.RetryAfter, coolLimited)
	case llm.Unavailable, llm.Timeout, llm.Broken:
		return true // the key is not to blame, but another key may have another quota or region
	default:
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.until == nil || len(c.until) > maxCooling {
		c.until = map[coolingKey]time.Time{}
	}
	c.until[coolingKey{provider, key}] = now.Add(d)
	return true
}

// order moves the keys that cool down behind the others. The one that is usable soonest
// comes first among them.
func (c *coolingKeys) order(provider string, keys []Key, now time.Time) []Key {
	c.mu.Lock()
	defer c.mu.Unlock()
	wait := func(k Key) time.Duration { return max(c.until[coolingKey{provider, k.Plain}].Sub(now), 0) }
	sort.SliceStable(keys, func(i, j int) bool { return wait(keys[i]) < wait(keys[j]) })
	return keys
}
