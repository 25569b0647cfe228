package app

import (
	"context"
	"fmt"
	"time"

	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/store"
)

// Unreachable says that an agent outside this program failed the last time that it was
// called, for who looks after it.
type Unreachable struct {
	Failures int // in a row
	// AskedAgainAt is when the next call is tried. Until then nobody calls the agent. It is
	// zero while every call is tried.
	AskedAgainAt time.Time
	Detail       string
}

// ReachedAgent is an agent with what is known of its address; nil when it answered the last
// time, or was not called yet.
type ReachedAgent struct {
	store.Agent
	Unreachable *Unreachable
}

// WithReach adds to agents outside this program whether they could be reached.
func (a *App) WithReach(rows *store.Listing[store.Agent]) *store.Listing[ReachedAgent] {
	return store.Map(rows, func(ctx context.Context, rows []store.Agent) ([]ReachedAgent, error) {
		ids := make([]string, len(rows))
		for i := range rows {
			ids[i] = rows[i].ID
		}
		found, err := a.db.Breakers(ctx, ids)
		out := make([]ReachedAgent, len(rows))
		for i := range rows {
			out[i] = ReachedAgent{rows[i], a.unreachable(found[rows[i].ID])}
		}
		return out, err
	})
}

// reach tells whether an agent could be reached; nil also for an agent of this program.
func (a *App) reach(ctx context.Context, ag *store.Agent) (*Unreachable, error) {
	if !ag.IsExternal {
		return nil, nil
	}
	b, err := a.db.Breaker(ctx, ag.ID)
	if err != nil {
		return nil, store.UnlessMissing(err)
	}
	return a.unreachable(b), nil
}

func (a *App) unreachable(b *store.Breaker) *Unreachable {
	if b == nil {
		return nil
	}
	u := &Unreachable{Failures: b.Failures, AskedAgainAt: b.OpenUntil}
	times := "once"
	if b.Failures != 1 {
		times = fmt.Sprintf("%d times in a row", b.Failures)
	}
	switch {
	case b.OpenUntil.IsZero():
		u.Detail = fmt.Sprintf("It has failed %s. After %d failures in a row nobody asks it for a minute.", times, turn.BreakerFailures)
	case a.now().Before(b.OpenUntil):
		u.Detail = fmt.Sprintf("It has failed %s, so nobody asks it until %s. Then one try decides.", times,
			b.OpenUntil.UTC().Format(time.RFC3339))
	default:
		u.Detail = fmt.Sprintf("It has failed %s. The next question tries it again.", times)
	}
	return u
}

// readdressed tells whether an edit has changed where an agent outside this program is
// called, or with which credentials. What was known of the old address says nothing then.
func (r *agentRules) readdressed(before, after *store.Agent) (bool, error) {
	if !after.IsExternal || before.ExternalConfig == after.ExternalConfig && before.EncryptedSecrets == after.EncryptedSecrets {
		return false, nil
	}
	was, err := r.endpoint(before)
	if err != nil {
		return false, err
	}
	now, err := r.endpoint(after)
	return was != now, err
}
