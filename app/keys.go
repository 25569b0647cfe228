package app

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/coagent-studio/coagent/app/model"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/wording"
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
	if err := firstOf(errors.Join(a.agents.knownProvider("provider", in.Provider), text("alias", in.Alias, 1, maxName),
		err, optionalText("description", in.Description, maxText))); err != nil {
		return nil, err
	}
	token, err := a.model.SealKey(in.Provider, key)
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
		if err := a.quotas.within(ctx, tx, k.UserID, store.OwnedKeys); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, didCreateKey, target{"key", k.ID}, nil, changes{"provider": k.Provider, "alias": k.Alias})
	})
	if errors.Is(err, store.ErrExists) {
		return nil, errorf(KindRejected, wording.AliasExists, "Key with this alias already exists.")
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
		return a.audit.record(ctx, tx, actor, didDeleteKey, target{"key", id}, changes{"provider": k.Provider, "alias": k.Alias}, nil)
	}), "Key")
}

// MaskToken is a stored, encrypted key as people may see it.
func (a *App) MaskToken(token string) string { return a.model.MaskKey(token) }

// AgentKeys returns an agent's further keys by type, masked.
func (a *App) AgentKeys(ctx context.Context, actor *Actor, agentID string) (map[string]string, error) {
	if _, err := a.agentFor(ctx, actor, agentID, ActReadKeys, "Agent config"); err != nil {
		return nil, err
	}
	keys, err := a.db.AgentKeys(ctx, agentID)
	masked := make(map[string]string, len(keys))
	for _, k := range keys {
		masked[k.KeyType] = a.model.MaskKey(k.EncryptedKey)
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
		if err := oneOf("key type", kind, model.AgentKeyTypes...); err != nil {
			return nil, err
		}
		if key == nil || key.Reveal() == "" {
			tokens[kind] = ""
			continue
		}
		if slices.ContainsFunc(stored, func(k store.AgentKey) bool {
			return k.KeyType == kind && a.model.MaskKey(k.EncryptedKey) == key.Reveal()
		}) {
			continue
		}
		clean, err := cleanKey(kind, *key)
		if err := firstOf(errors.Join(a.agents.knownProvider("model_provider", ag.ModelProvider), err)); err != nil {
			return nil, err
		}
		if tokens[kind], err = a.model.SealKey(ag.ModelProvider, clean); err != nil {
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
		return a.audit.record(ctx, tx, actor, ActWriteKeys, target{"agent", agentID}, nil, keyChanges(tokens))
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

// lendingCreator returns the creator of an agent, or "" when the creator lends it no
// keys. Somebody who left the agent's project, or is switched off, no longer pays for
// it.
func lendingCreator(ctx context.Context, db *store.DB, ag *store.Agent) (id string, err error) {
	if ag.CreatedBy == "" {
		return "", nil
	}
	creator, err := db.User(ctx, ag.CreatedBy)
	if err != nil || !creator.IsActive {
		return "", store.UnlessMissing(err)
	}
	if ag.ProjectID != "" && !isAdminRole(creator.Role) {
		if role, err := db.ProjectRole(ctx, ag.ProjectID, creator.ID); err != nil || role == "" {
			return "", store.UnlessMissing(err)
		}
	}
	return creator.ID, nil
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
		return a.audit.record(ctx, tx, actor, didShareKey, target{"key", id}, changes{"shared": !shared}, changes{"shared": shared})
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
