package app

import (
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	// actorFor is how long a caller is known without asking the database: as long as a
	// change on another node may take to be heard, when its notification is lost.
	actorFor = 5 * time.Second
	// maxKnownActors bounds the callers that are known at once.
	maxKnownActors = 4096
)

// knownActors keeps the callers of the last seconds, so that a signed-in request asks the
// database for nothing that has not changed. Each change of an account, a session or an
// access token forgets who depends on it: here before the change returns, on other nodes
// by their notification, and everywhere after actorFor.
type knownActors struct {
	mu    sync.Mutex
	epoch uint64                 // increases with every change
	all   map[string]*knownActor // by session, or by the hash of an access token
}

type knownActor struct {
	actor Actor
	used  time.Time // when the use of the token was stored last
	until time.Time // when the session or token expires
	read  time.Time
	of    []string // the accounts, sessions and tokens that this depends on
}

// find returns a caller, by read if it is not known.
func (k *knownActors) find(credential string, now time.Time, read func() (*knownActor, error)) (*knownActor, error) {
	known, epoch, ok := k.get(credential, now)
	if ok {
		return known, nil
	}
	known, err := read()
	if err == nil {
		k.keep(credential, known, epoch)
	}
	return known, err
}

// get returns a caller. ok is false when the database must be asked; keep the answer with
// epoch.
func (k *knownActors) get(credential string, now time.Time) (known *knownActor, epoch uint64, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	known = k.all[credential]
	return known, k.epoch, known != nil && known.fresh(now)
}

func (a *knownActor) fresh(now time.Time) bool {
	return now.Before(a.until) && now.Sub(a.read).Abs() < actorFor
}

// keep keeps a caller, unless something has changed since epoch: it may have been read
// before that.
func (k *knownActors) keep(credential string, a *knownActor, epoch uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.epoch != epoch {
		return
	}
	if len(k.all) >= maxKnownActors {
		maps.DeleteFunc(k.all, func(_ string, old *knownActor) bool { return !old.fresh(a.read) })
	}
	if k.all == nil || len(k.all) >= maxKnownActors {
		k.all = map[string]*knownActor{}
	}
	k.all[credential] = a
}

// forget forgets the callers that depend on one of these accounts, sessions or tokens.
func (k *knownActors) forget(ids []string) {
	if len(ids) == 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.epoch++
	maps.DeleteFunc(k.all, func(_ string, a *knownActor) bool {
		return slices.ContainsFunc(a.of, func(id string) bool { return slices.Contains(ids, id) })
	})
}

// forgetAll forgets every caller, since a change may not have been heard.
func (k *knownActors) forgetAll() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.epoch++
	clear(k.all)
}
