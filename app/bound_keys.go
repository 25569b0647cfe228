package app

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
)

// A stored model key is bound to the provider and the host that it was given
// for. Whoever may change an agent's provider, or the operator who moves a
// provider to another address, does not thereby send somebody's key to
// strangers. The binding stands inside the encrypted text, where nobody can
// change it apart from the key.

// boundPrefix begins the text of a bound key; no provider's key looks like it.
const boundPrefix = "coagent-key\x1f"

// boundKey is what is encrypted.
type boundKey struct {
	provider string
	host     string // "" where the provider was unknown when the key was stored
	key      secret.Text
}

// errBoundElsewhere says for what a key was given; it does not hold the key.
type errBoundElsewhere struct{ provider, host string }

func (e *errBoundElsewhere) Error() string {
	if e.host == "" {
		return fmt.Sprintf("the stored key was given for %s", e.provider)
	}
	return fmt.Sprintf("the stored key was given for %s at %s", e.provider, e.host)
}

// sealKey encrypts a key for a provider at its present address.
func (a *App) sealKey(provider string, key secret.Text) (token string, err error) {
	return a.keys.Encrypt(secret.Text(strings.Join([]string{boundPrefix + provider, a.models.Host(provider), key.Reveal()}, "\x1f")))
}

// unsealKey decrypts a stored key. One from before keys were bound has no
// provider.
func (a *App) unsealKey(token string) (boundKey, error) {
	plain, err := a.keys.Decrypt(token)
	if err != nil {
		return boundKey{}, err
	}
	rest, bound := strings.CutPrefix(plain.Reveal(), boundPrefix)
	if !bound {
		return boundKey{key: plain}, nil
	}
	provider, rest, _ := strings.Cut(rest, "\x1f")
	host, key, _ := strings.Cut(rest, "\x1f")
	return boundKey{provider, host, secret.Text(key)}, nil
}

// keyFor is a stored key for a call of the provider, or *errBoundElsewhere.
func (a *App) keyFor(provider, token string) (secret.Text, error) {
	k, err := a.unsealKey(token)
	switch {
	case err != nil:
		return "", err
	case k.provider != "" && k.provider != provider, k.host != "" && k.host != a.models.Host(provider):
		return "", &errBoundElsewhere{k.provider, k.host}
	}
	return k.key, nil
}

// bindKeys binds the keys of an agent that were stored before keys were bound
// to the provider that they were used with, before the agent gets another one.
func (a *App) bindKeys(ctx context.Context, tx *store.Tx, before, ag *store.Agent) error {
	if ag.ModelProvider == before.ModelProvider {
		return nil
	}
	// A token that cannot be decrypted is no key, and stays what it is.
	bind := func(token string) (string, error) {
		k, err := a.unsealKey(token)
		if errors.Is(err, secret.ErrDecrypt) || k.provider != "" {
			return token, nil
		}
		if err != nil {
			return "", err
		}
		return a.sealKey(before.ModelProvider, k.key)
	}
	if ag.EncryptedAPIKey != "" && ag.EncryptedAPIKey == before.EncryptedAPIKey {
		var err error
		if ag.EncryptedAPIKey, err = bind(ag.EncryptedAPIKey); err != nil {
			return err
		}
		before.EncryptedAPIKey = ag.EncryptedAPIKey // the key is the same: nobody has set one
	}
	further, err := tx.AgentKeys(ctx, ag.ID)
	if err != nil {
		return err
	}
	for _, k := range further {
		token, err := bind(k.EncryptedKey)
		if err != nil {
			return err
		}
		if token == k.EncryptedKey {
			continue
		}
		k.EncryptedKey = token
		if err := tx.SetAgentKey(ctx, &k); err != nil {
			return err
		}
	}
	return nil
}
