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
	// maxKnownCourses bounds the courses that are known of one caller.
	maxKnownCourses = 64
)

// knownActors keeps the callers of the last seconds and how they stand to the courses that
// they ask about, so that a signed-in request asks the database for nothing that has not
// changed. Each change of an account, a session, an access token, or a course with its
// people forgets what depends on it: here before the change returns, on other nodes by
// their notification, and everywhere after actorFor.
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

	courses   map[string]courseAccess // by id; no older than read
	forgotten bool
}

// caller returns the actor of one request.
func (a *knownActor) caller() *Actor {
	actor := a.actor
	actor.known = a
	return &actor
}

// courseAccess is how a caller stands to a course.
type courseAccess struct {
	owner string // the id of the course's owner
	Resource
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
		k.drop(func(old *knownActor) bool { return !old.fresh(a.read) })
	}
	if len(k.all) >= maxKnownActors {
		k.drop(func(*knownActor) bool { return true })
	}
	if old := k.all[credential]; old != nil {
		old.forgotten = true
	}
	if k.all == nil {
		k.all = map[string]*knownActor{}
	}
	k.all[credential] = a
}

// course returns how a caller stands to a course. ok is false when the database must be
// asked; keep the answer with epoch.
func (k *knownActors) course(a *knownActor, id string, now time.Time) (access courseAccess, epoch uint64, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if a == nil || a.forgotten || !a.fresh(now) {
		return courseAccess{}, k.epoch, false
	}
	access, ok = a.courses[id]
	return access, k.epoch, ok
}

// keepCourse keeps how a caller stands to a course, unless something has changed since
// epoch.
func (k *knownActors) keepCourse(a *knownActor, id string, access courseAccess, epoch uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if a == nil || k.epoch != epoch {
		return
	}
	if a.courses == nil || len(a.courses) >= maxKnownCourses {
		a.courses = map[string]courseAccess{}
	}
	a.courses[id] = access
}

// forget forgets the callers that depend on one of these accounts, sessions or tokens, and
// how all callers stand to those of the ids that are courses.
func (k *knownActors) forget(ids []string) {
	if len(ids) == 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.epoch++
	k.drop(func(a *knownActor) bool {
		for _, id := range ids {
			delete(a.courses, id)
		}
		return slices.ContainsFunc(a.of, func(id string) bool { return slices.Contains(ids, id) })
	})
}

// forgetAll forgets every caller, since a change may not have been heard.
func (k *knownActors) forgetAll() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.epoch++
	k.drop(func(*knownActor) bool { return true })
}

// drop forgets callers. Requests may hold them still: they learn nothing more from them.
func (k *knownActors) drop(which func(*knownActor) bool) {
	maps.DeleteFunc(k.all, func(_ string, a *knownActor) bool {
		a.forgotten = which(a)
		return a.forgotten
	})
}
