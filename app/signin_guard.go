package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/coagent-studio/coagent/app/limit"
	"github.com/coagent-studio/coagent/store"
)

// signinGuard slows down the guessing of passwords. It counts failures in the database,
// for all nodes together. Wrong passwords never lock anybody out: what strangers try
// does not affect devices that signed in before, and strangers must leave time between
// their attempts.
type signinGuard struct {
	mu       sync.Mutex
	underway map[string]int // attempts whose result is not stored yet, by key
}

const (
	// A person who mistypes from an address with fewer failures than this does not wait
	// as guessers do. Only the pace of the whole account applies.
	cleanFailures = 3
	accountPace   = time.Second
	guessPace     = 5 * time.Second
	slowestPace   = 30 * time.Second
)

// signin is one attempt, with the keys for which its failure counts.
type signin struct {
	account string
	pair    string // the account and this address
	address string // "" if it does not count
	device  string // set if the device signed in to this account before
}

// newSignin is an attempt to sign in to an account. An account that does not exist is
// guarded like one that does.
func newSignin(login string, u *store.User, d *device, address string) signin {
	who, address := "login "+store.LoginKey(login), limit.NetworkOf(address)
	if u != nil {
		who = "user " + u.ID
	}
	s := signin{account: accountKey(who), pair: "pair:" + sum16(who+" "+address), address: "address:" + address}
	if d.knows(u) {
		s.device = "device:" + sum16(who+" "+d.ID)
	}
	return s
}

// newRecheck is an attempt of a signed-in person to give the current password. The
// person's other sessions are not affected.
func newRecheck(actor *Actor) signin {
	key := accountKey("session " + actor.SessionID + " of " + actor.User.ID)
	return signin{account: key, pair: key}
}

func accountKey(who string) string { return "account:" + sum16(who) }

func sum16(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

func (s signin) keys() []string {
	keys := map[string]bool{s.account: true, s.pair: true, s.address: true, s.device: true}
	delete(keys, "")
	return slices.Sorted(maps.Keys(keys))
}

// admit refuses an attempt that comes too soon after failures, whether the account
// exists or not. late is true if its address fails so often that strangers there must
// wait behind all others. Call done when the result is stored.
func (p *passwords) admit(ctx context.Context, s *signin) (done func(), late bool, err error) {
	auth, now := p.cfg.Auth, p.now.instant()
	counts, err := p.db.SigninFailures(ctx, s.keys(), now.Add(-auth.SigninWindow),
		max(auth.SigninFailuresPerAccount, auth.SigninFailuresPerAddress))
	if err != nil {
		return nil, false, err
	}
	g := &p.guard
	g.mu.Lock()
	defer g.mu.Unlock()
	if s.device != "" {
		if counts[s.device].Count+g.underway[s.device] < auth.SigninFailuresPerAccount {
			return g.begin(s.device), false, nil
		}
		s.device = "" // somebody guesses on that device, so treat it as a stranger from here on
	}
	most, account, pair := auth.SigninFailuresPerAccount, counts[s.account], counts[s.pair]
	if account.Count+g.underway[s.account] >= most {
		next := pair.Last.Add(pace(pair.Count, most))
		if s.pair != s.account && pair.Count < min(cleanFailures, most) {
			next = account.Last.Add(accountPace)
		}
		if g.underway[s.account] > 0 {
			next = later(next, now.Add(time.Second))
		}
		if wait := next.Sub(now); wait > 0 {
			return nil, false, tooFast("Too many failed sign-ins", wait)
		}
	}
	return g.begin(s.account), s.address != "" && counts[s.address].Count >= auth.SigninFailuresPerAddress, nil
}

// pace is the time between attempts after a number of failures. It doubles with every
// most further failures.
func pace(failures, most int) time.Duration {
	doublings := min(max(failures/most-1, 0), 8)
	return min(guessPace<<doublings, slowestPace)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// begin counts an attempt under a key until done is called. The caller holds mu.
func (g *signinGuard) begin(key string) (done func()) {
	if g.underway == nil {
		g.underway = map[string]int{}
	}
	g.underway[key]++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.underway[key]--; g.underway[key] <= 0 {
			delete(g.underway, key)
		}
	}
}

// failed stores a failure and returns the error for it. A failure on a known
// device counts only for that device.
func (p *passwords) failed(ctx context.Context, s signin) error {
	if s.device != "" {
		s = signin{device: s.device}
	}
	if err := p.db.InTx(ctx, func(tx *store.Tx) error { return tx.AddSigninFailures(ctx, s.keys(), p.now.instant()) }); err != nil {
		return err
	}
	return errWrongPassword
}

// forgiveSignin deletes the failures of an attempt that succeeded. If a known device
// signed in, the failures of others at the account stay.
func forgiveSignin(ctx context.Context, tx *store.Tx, s signin) error {
	if s.device != "" {
		return tx.ForgiveSignin(ctx, s.device)
	}
	return tx.ForgiveSignin(ctx, s.account, s.pair)
}
