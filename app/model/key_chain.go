package model

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// The kinds of keys that a model is called with, besides AgentKeyTypes.
const (
	keyOwn    = "own"    // the agent's own key
	KeyTested = "tested" // one that its owner tries
	keyLent   = "lent"   // a key of the agent's creator that the agent names
	keyMaker  = "maker"  // another key of the agent's creator for the provider
	keyShared = "shared" // a key that a member of the agent's project lets its agents use
	keyNone   = "none"   // the model needs no key
	KeyTyped  = "typed"  // one that came with the request and is stored nowhere
	KeyAsked  = "asked"  // a key of the person who asks, where the agent has none
)

// AgentKeyTypes are the types of an agent's further keys, in the order in which they are
// tried.
var AgentKeyTypes = []string{"room_key", "global_key", "backup_key"}

// Key is a key of an agent's chain, with its owner.
type Key struct {
	Plain     secret.Text // "" for a model that needs none
	Kind      string      // why it is in the chain, such as own or shared
	token     string      // the encrypted key, as it is stored
	userKeyID string      // of a person's key, else ""
	owner     string      // that person
}

// Keys is the chain of keys that an agent calls its model with. The order is:
// the agent's own key; its creator's keys in the order of user_key_ids; the room,
// global and backup keys; the creator's further keys for the provider; the keys that
// other members of its project share. Keys that failed a moment ago come last.
func (c *Caller) Keys(ctx context.Context, ag *store.Agent) ([]Key, error) {
	if !c.models.NeedsKey(ag.ModelProvider) {
		return []Key{{Kind: keyNone}}, nil
	}
	var sealed []Key
	if ag.EncryptedAPIKey != "" {
		sealed = append(sealed, Key{Kind: keyOwn, token: ag.EncryptedAPIKey})
	}
	more, err := c.furtherKeys(ctx, ag)
	if err != nil {
		return nil, err
	}
	var keys []Key
	fault := &Fault{Reason: ReasonNoKey, Detail: wording.Of("the agent has no usable API key for %s", ag.ModelProvider).String()}
	for _, s := range append(sealed, more...) {
		key, err := c.keyFor(ag.ModelProvider, s.token)
		var elsewhere *errBoundElsewhere
		switch {
		case errors.As(err, &elsewhere):
			fault.Detail = wording.Of("the agent has no usable API key for %s: %s; enter it again", ag.ModelProvider, elsewhere).String()
		case err != nil: // skip a key that cannot be decrypted; the others still work
		case !slices.ContainsFunc(keys, func(k Key) bool { return k.Plain == key }):
			s.Plain = key
			keys = append(keys, s)
		}
	}
	if len(keys) == 0 {
		return nil, fault
	}
	return c.cooling.order(ag.ModelProvider, keys, c.now()), nil
}

// Keyless returns why an agent has no key for its model, or "" when it has one.
func (c *Caller) Keyless(ctx context.Context, ag *store.Agent) (why string, err error) {
	if ag.EncryptedAPIKey != "" {
		if _, err := c.keyFor(ag.ModelProvider, ag.EncryptedAPIKey); err == nil {
			return "", nil // most agents have an own key: read nothing more
		}
	}
	var fault *Fault
	if _, err = c.Keys(ctx, ag); errors.As(err, &fault) {
		return fault.Detail, nil
	}
	return "", err
}

// KeysOf are a person's own keys for a provider, for a call that the person asks for.
func (c *Caller) KeysOf(ctx context.Context, userID, provider string) ([]Key, error) {
	mine, err := c.db.UserKeysFor(ctx, userID, provider)
	if err != nil {
		return nil, err
	}
	var keys []Key
	for _, k := range mine {
		// One that cannot be decrypted, or is bound to another address, is passed over.
		if plain, err := c.keyFor(provider, k.EncryptedKey); err == nil {
			keys = append(keys, Key{Kind: KeyAsked, Plain: plain, token: k.EncryptedKey, userKeyID: k.ID, owner: k.UserID})
		}
	}
	return c.cooling.order(provider, keys, c.now()), nil
}

// OfAgent tells whether a key is in the chain for the agent's sake, and not because the
// person who asks has brought it.
func (k Key) OfAgent() bool { return k.Kind != KeyTyped && k.Kind != KeyAsked }

// furtherKeys are the keys after the agent's own key, in the order of the chain.
func (c *Caller) furtherKeys(ctx context.Context, ag *store.Agent) ([]Key, error) {
	var sealed []Key
	var named []string
	if err := json.Unmarshal([]byte(ag.UserKeyIDs), &named); err != nil {
		return nil, err
	}
	creator, err := c.lender(ctx, ag)
	if err != nil {
		return nil, err
	}
	var mine []store.UserKey
	if creator != "" {
		if mine, err = c.db.UserKeysFor(ctx, creator, ag.ModelProvider); err != nil {
			return nil, err
		}
	}
	for _, id := range named {
		if i := slices.IndexFunc(mine, func(k store.UserKey) bool { return k.ID == id }); i >= 0 {
			sealed = append(sealed, Key{Kind: keyLent, token: mine[i].EncryptedKey, userKeyID: id, owner: mine[i].UserID})
		}
	}
	stored, err := c.db.AgentKeys(ctx, ag.ID)
	if err != nil {
		return nil, err
	}
	for _, kind := range AgentKeyTypes {
		if i := slices.IndexFunc(stored, func(k store.AgentKey) bool { return k.KeyType == kind }); i >= 0 {
			sealed = append(sealed, Key{Kind: kind, token: stored[i].EncryptedKey})
		}
	}
	for _, k := range mine {
		// Everybody may use a system agent, so its creator's keys count only when
		// they are shared.
		if !slices.Contains(named, k.ID) && (k.Shared || !ag.System()) {
			sealed = append(sealed, Key{Kind: keyMaker, token: k.EncryptedKey, userKeyID: k.ID, owner: k.UserID})
		}
	}
	if ag.ProjectID == "" {
		return sealed, nil
	}
	shared, err := c.db.SharedKeys(ctx, ag.ProjectID, ag.ModelProvider, ag.CreatedBy)
	for _, k := range shared {
		sealed = append(sealed, Key{Kind: keyShared, token: k.EncryptedKey, userKeyID: k.ID, owner: k.UserID})
	}
	return sealed, err
}

// noteKeyUse counts a call with a person's key, so that its owner sees which agent
// used it. The answer is there already, so a failed count is only logged.
func (c *Caller) noteKeyUse(ctx context.Context, key Key, agentID string) {
	if key.userKeyID == "" {
		return
	}
	ctx = context.WithoutCancel(ctx)
	err := c.background.Do(ctx, func() error {
		return c.db.InTx(ctx, func(tx *store.Tx) error {
			return tx.CountKeyUse(ctx, key.userKeyID, agentID, c.now().UTC().Truncate(time.Microsecond))
		})
	})
	if err != nil {
		c.log.WarnContext(ctx, "the use of a person's model key was not counted", "key", key.userKeyID, "agent", agentID, "err", err)
	}
}
