package app

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
)

// The kinds of keys that a model is called with, besides agentKeyTypes.
const (
	keyOwn    = "own"    // the agent's own key
	keyLent   = "lent"   // a key of the agent's creator that the agent names
	keyMaker  = "maker"  // another key of the agent's creator for the provider
	keyShared = "shared" // a key that a member of the agent's project lets its agents use
	keyNone   = "none"   // the model needs no key
)

// chainKey is a key of an agent's chain, with its owner.
type chainKey struct {
	key       secret.Text // "" until token is decrypted
	kind      string
	token     string // the encrypted key, as it is stored
	userKeyID string // of a person's key, else ""
}

// modelKeys is the chain of keys that an agent calls its model with. The order is:
// the agent's own key; its creator's keys in the order of user_key_ids; the room,
// global and backup keys; the creator's further keys for the provider; the keys that
// other members of its project share. Keys that failed a moment ago come last.
func (a *App) modelKeys(ctx context.Context, ag *store.Agent) ([]chainKey, error) {
	if !a.models.NeedsKey(ag.ModelProvider) {
		return []chainKey{{kind: keyNone}}, nil
	}
	var sealed []chainKey
	if ag.EncryptedAPIKey != "" {
		sealed = append(sealed, chainKey{kind: keyOwn, token: ag.EncryptedAPIKey})
	}
	more, err := a.furtherKeys(ctx, ag)
	if err != nil {
		return nil, err
	}
	var keys []chainKey
	fault := &turnFault{reason: reasonNoKey, detail: "the agent has no usable API key for " + ag.ModelProvider}
	for _, s := range append(sealed, more...) {
		key, err := a.keyFor(ag.ModelProvider, s.token)
		var elsewhere *errBoundElsewhere
		switch {
		case errors.As(err, &elsewhere):
			fault.detail = "the agent has no usable API key for " + ag.ModelProvider + ": " + elsewhere.Error() + "; enter it again"
		case err != nil: // skip a key that cannot be decrypted; the others still work
		case !slices.ContainsFunc(keys, func(k chainKey) bool { return k.key == key }):
			s.key = key
			keys = append(keys, s)
		}
	}
	if len(keys) == 0 {
		return nil, fault
	}
	return a.cooling.order(ag.ModelProvider, keys, a.now()), nil
}

// keyless returns why an agent has no key for its model, or "" when it has one.
func (a *App) keyless(ctx context.Context, ag *store.Agent) (why string, err error) {
	if ag.EncryptedAPIKey != "" {
		if _, err := a.keyFor(ag.ModelProvider, ag.EncryptedAPIKey); err == nil {
			return "", nil // most agents have an own key: read nothing more
		}
	}
	var fault *turnFault
	if _, err = a.modelKeys(ctx, ag); errors.As(err, &fault) {
		return fault.detail, nil
	}
	return "", err
}

// lendingCreator returns the creator of an agent, or "" when the creator lends it no
// keys. Somebody who left the agent's project, or is switched off, no longer pays for
// it.
func (a *App) lendingCreator(ctx context.Context, ag *store.Agent) (id string, err error) {
	if ag.CreatedBy == "" {
		return "", nil
	}
	creator, err := a.db.User(ctx, ag.CreatedBy)
	if err != nil || !creator.IsActive {
		return "", notMissing(err)
	}
	if ag.ProjectID != "" && !isAdminRole(creator.Role) {
		if role, err := a.db.ProjectRole(ctx, ag.ProjectID, creator.ID); err != nil || role == "" {
			return "", notMissing(err)
		}
	}
	return creator.ID, nil
}

// furtherKeys are the keys after the agent's own key, in the order of the chain.
func (a *App) furtherKeys(ctx context.Context, ag *store.Agent) ([]chainKey, error) {
	var sealed []chainKey
	var named []string
	if err := json.Unmarshal([]byte(ag.UserKeyIDs), &named); err != nil {
		return nil, err
	}
	creator, err := a.lendingCreator(ctx, ag)
	if err != nil {
		return nil, err
	}
	var mine []store.UserKey
	if creator != "" {
		if mine, err = a.db.UserKeysFor(ctx, creator, ag.ModelProvider); err != nil {
			return nil, err
		}
	}
	for _, id := range named {
		if i := slices.IndexFunc(mine, func(k store.UserKey) bool { return k.ID == id }); i >= 0 {
			sealed = append(sealed, chainKey{kind: keyLent, token: mine[i].EncryptedKey, userKeyID: id})
		}
	}
	stored, err := a.db.AgentKeys(ctx, ag.ID)
	if err != nil {
		return nil, err
	}
	for _, kind := range agentKeyTypes {
		if i := slices.IndexFunc(stored, func(k store.AgentKey) bool { return k.KeyType == kind }); i >= 0 {
			sealed = append(sealed, chainKey{kind: kind, token: stored[i].EncryptedKey})
		}
	}
	for _, k := range mine {
		// Everybody may use a system agent, so its creator's keys count only when
		// they are shared.
		if !slices.Contains(named, k.ID) && (k.Shared || !ag.System()) {
			sealed = append(sealed, chainKey{kind: keyMaker, token: k.EncryptedKey, userKeyID: k.ID})
		}
	}
	if ag.ProjectID == "" {
		return sealed, nil
	}
	shared, err := a.db.SharedKeys(ctx, ag.ProjectID, ag.ModelProvider, ag.CreatedBy)
	for _, k := range shared {
		sealed = append(sealed, chainKey{kind: keyShared, token: k.EncryptedKey, userKeyID: k.ID})
	}
	return sealed, err
}

// noteKeyUse counts a call with a person's key, so that its owner sees which agent
// used it. The answer is there already, so a failed count is only logged.
func (a *App) noteKeyUse(ctx context.Context, key chainKey, agentID string) {
	if key.userKeyID == "" {
		return
	}
	ctx = context.WithoutCancel(ctx)
	err := a.yielding(ctx, func() error {
		return a.db.InTx(ctx, func(tx *store.Tx) error { return tx.CountKeyUse(ctx, key.userKeyID, agentID, a.instant()) })
	})
	if err != nil {
		a.log.WarnContext(ctx, "the use of a person's model key was not counted", "key", key.userKeyID, "agent", agentID, "err", err)
	}
}

// ShareUserKey lets the agents of the actor's projects use one of the actor's keys,
// as the last of their chain, or ends that. A key that does not exist is
// KindNotFound.
func (a *App) ShareUserKey(ctx context.Context, actor *Actor, id string, shared bool) (k *store.UserKey, err error) {
	if err := Check(actor, ActOwnKeys, Resource{}); err != nil {
		return nil, err
	}
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		if k, err = tx.ShareUserKey(ctx, actor.User.ID, id, shared, a.instant()); err != nil {
			return err
		}
		return a.record(ctx, tx, actor, didShareKey, target{"key", id}, changes{"shared": !shared}, changes{"shared": shared})
	})
	return k, fromStore(err, "Key")
}

// UserKeyUses lists which agents have used one of the actor's keys, the latest first.
func (a *App) UserKeyUses(ctx context.Context, actor *Actor, id string, p store.Page) ([]store.KeyUse, error) {
	if err := Check(actor, ActOwnKeys, Resource{}); err != nil {
		return nil, err
	}
	keys, err := a.db.UserKeysByID(ctx, actor.User.ID, []string{id})
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, notFound("Key")
	}
	return a.db.KeyUses(ctx, id, p)
}
