package app

import (
	"context"
	"errors"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/coagent-studio/coagent/app/limit"
	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
)

// NewUserKey is a model key that a person adds.
type NewUserKey struct {
	Provider    string
	Alias       string // unique among the person's keys
	Key         secret.Text
	Description *string
}

// UserKeys lists the actor's own keys.
func (a *App) UserKeys(ctx context.Context, actor *Actor) (*store.Listing[store.UserKey], error) {
	if err := Check(actor, ActOwnKeys, Resource{}); err != nil {
		return nil, err
	}
	return a.db.UserKeys(ctx, actor.User.ID)
}

// CreateUserKey encrypts and stores a key. It is never shown again.
func (a *App) CreateUserKey(ctx context.Context, actor *Actor, in NewUserKey) (*store.UserKey, error) {
	if err := Check(actor, ActOwnKeys, Resource{}); err != nil {
		return nil, err
	}
	in.Alias = strings.TrimSpace(in.Alias)
	key, err := cleanKey("api_key", in.Key)
	if err := firstOf(errors.Join(text("provider", in.Provider, 1, 64), text("alias", in.Alias, 1, maxName),
		err, optionalText("description", in.Description, maxText))); err != nil {
		return nil, err
	}
	token, err := a.sealKey(in.Provider, key)
	if err != nil {
		return nil, err
	}
	now := a.instant()
	k := &store.UserKey{ID: store.NewID(), UserID: actor.User.ID, Provider: in.Provider, Alias: in.Alias, Description: in.Description,
		EncryptedKey: token, CreatedAt: now, UpdatedAt: now}
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.CreateUserKey(ctx, k); err != nil {
			return err
		}
		if err := a.withinQuota(ctx, tx, k.UserID, store.OwnedKeys); err != nil {
			return err
		}
		return a.record(ctx, tx, actor, didCreateKey, target{"key", k.ID}, nil, changes{"provider": k.Provider, "alias": k.Alias})
	})
	if errors.Is(err, store.ErrExists) {
		return nil, errorf(KindRejected, "alias_exists", "Key with this alias already exists.")
	}
	return k, err
}

// DeleteUserKey deletes one of the actor's keys. Agents that used it go on with their
// other keys.
func (a *App) DeleteUserKey(ctx context.Context, actor *Actor, id string) error {
	if err := Check(actor, ActOwnKeys, Resource{}); err != nil {
		return err
	}
	return fromStore(a.db.InTx(ctx, func(tx *store.Tx) error {
		k, err := tx.DeleteUserKey(ctx, actor.User.ID, id)
		if err != nil {
			return err
		}
		return a.record(ctx, tx, actor, didDeleteKey, target{"key", id}, changes{"provider": k.Provider, "alias": k.Alias}, nil)
	}), "Key")
}

// MaskToken is a stored, encrypted key as people may see it.
func (a *App) MaskToken(token string) string {
	k, err := a.unsealKey(token)
	if err != nil {
		return "****"
	}
	return secret.Mask(k.key)
}

// The types of an agent's further keys, in the order in which they are tried.
var agentKeyTypes = []string{"room_key", "global_key", "backup_key"}

// AgentKeys returns an agent's further keys by type, masked.
func (a *App) AgentKeys(ctx context.Context, actor *Actor, agentID string) (map[string]string, error) {
	if _, err := a.agentFor(ctx, actor, agentID, ActReadKeys, "Agent config"); err != nil {
		return nil, err
	}
	keys, err := a.db.AgentKeys(ctx, agentID)
	masked := make(map[string]string, len(keys))
	for _, k := range keys {
		masked[k.KeyType] = a.MaskToken(k.EncryptedKey)
	}
	return masked, err
}

// SetAgentKeys sets an agent's further keys by type (room_key, global_key, backup_key).
// nil or "" deletes a key, and the mask of the stored key keeps it.
func (a *App) SetAgentKeys(ctx context.Context, actor *Actor, agentID string, keys map[string]*secret.Text) (*store.Agent, error) {
	ag, err := a.agentFor(ctx, actor, agentID, ActWriteKeys, "Agent config")
	if err != nil {
		return nil, err
	}
	stored, err := a.db.AgentKeys(ctx, agentID)
	if err != nil {
		return nil, err
	}
	tokens := map[string]string{}
	for kind, key := range keys {
		if err := oneOf("key type", kind, agentKeyTypes...); err != nil {
			return nil, err
		}
		if key == nil || key.Reveal() == "" {
			tokens[kind] = ""
			continue
		}
		if slices.ContainsFunc(stored, func(k store.AgentKey) bool {
			return k.KeyType == kind && a.MaskToken(k.EncryptedKey) == key.Reveal()
		}) {
			continue
		}
		clean, err := cleanKey(kind, *key)
		if err != nil {
			return nil, err
		}
		if tokens[kind], err = a.sealKey(ag.ModelProvider, clean); err != nil {
			return nil, err
		}
	}
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		for kind, token := range tokens {
			if token == "" {
				if err := tx.DeleteAgentKey(ctx, agentID, kind); err != nil {
					return err
				}
				continue
			}
			k := &store.AgentKey{AgentID: agentID, KeyType: kind, EncryptedKey: token, CreatedAt: a.instant()}
			if err := tx.SetAgentKey(ctx, k); err != nil {
				return err
			}
		}
		return a.record(ctx, tx, actor, ActWriteKeys, target{"agent", agentID}, nil, keyChanges(tokens))
	})
	return ag, fromStore(err, "Agent config")
}

// keyChanges says which keys were set and which were cleared, for the audit log.
func keyChanges(tokens map[string]string) changes {
	f := changes{}
	for kind, token := range tokens {
		f[kind] = "set"
		if token == "" {
			f[kind] = "cleared"
		}
	}
	return f
}

// ClearAgentKey deletes an agent's own key.
func (a *App) ClearAgentKey(ctx context.Context, actor *Actor, agentID string) error {
	if _, err := a.agentFor(ctx, actor, agentID, ActWriteKeys, "Agent config"); err != nil {
		return err
	}
	_, err := a.editAgent(ctx, actor, ActWriteKeys, agentID, func(ag *store.Agent) error {
		ag.EncryptedAPIKey = ""
		return nil
	})
	return err
}

// How long a key that failed is tried only after the others.
const (
	coolBadKey  = 10 * time.Minute
	coolLimited = time.Minute
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
	if c.until == nil || len(c.until) > limit.MaxLimiters {
		c.until = map[coolingKey]time.Time{}
	}
	c.until[coolingKey{provider, key}] = now.Add(d)
	return true
}

// order moves the keys that cool down behind the others. The one that is usable soonest
// comes first among them.
func (c *coolingKeys) order(provider string, keys []chainKey, now time.Time) []chainKey {
	c.mu.Lock()
	defer c.mu.Unlock()
	wait := func(k chainKey) time.Duration { return max(c.until[coolingKey{provider, k.key}].Sub(now), 0) }
	sort.SliceStable(keys, func(i, j int) bool { return wait(keys[i]) < wait(keys[j]) })
	return keys
}
