package model

import (
	"context"
	"errors"
	"strings"

	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// A stored model key is bound to the provider and the host that it was given for.
// Without that, whoever may change an agent's provider, or an operator who moves a
// provider to another address, would send somebody's key to strangers. The binding is
// inside the encrypted text, so nobody can change it without the key.

// boundPrefix begins the text of a bound key. No provider's key looks like it.
const boundPrefix = "coagent-key\x1f"

// boundKey is the text that is encrypted.
type boundKey struct {
	provider string
	host     string // "" if the provider was unknown when the key was stored
	key      secret.Text
}

// errBoundElsewhere says which provider and host a key was given for. It does not
// contain the key.
type errBoundElsewhere struct{ provider, host string }

func (e *errBoundElsewhere) Error() string {
	if e.host == "" {
		return wording.Of("the stored key was given for %s", e.provider).String()
	}
	return wording.Of("the stored key was given for %s at %s", e.provider, e.host).String()
}

// SealKey encrypts a key and binds it to the present address of a provider.
func (c *Caller) SealKey(provider string, key secret.Text) (token string, err error) {
	return c.keyring.Encrypt(secret.Text(strings.Join([]string{boundPrefix + provider, c.models.Host(provider), key.Reveal()}, "\x1f")))
}

// unsealKey decrypts a stored key. A key that was stored before keys were bound has no
// provider.
func (c *Caller) unsealKey(token string) (boundKey, error) {
	plain, err := c.keyring.Decrypt(token)
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

// keyFor returns a stored key for a call to provider. It returns *errBoundElsewhere if
// the key is bound to another provider or host.
func (c *Caller) keyFor(provider, token string) (secret.Text, error) {
	k, err := c.unsealKey(token)
	switch {
	case err != nil:
		return "", err
	case k.provider != "" && k.provider != provider, k.host != "" && k.host != c.models.Host(provider):
		return "", &errBoundElsewhere{k.provider, k.host}
	}
	return k.key, nil
}

// BindKeys binds the old, unbound keys of an agent to the provider that they were used
// with so far. Call it before the agent gets another provider.
func (c *Caller) BindKeys(ctx context.Context, tx *store.Tx, before, ag *store.Agent) error {
	if ag.ModelProvider == before.ModelProvider {
		return nil
	}
	// A token that cannot be decrypted holds no key and stays as it is.
	bind := func(token string) (string, error) {
		k, err := c.unsealKey(token)
		if errors.Is(err, secret.ErrDecrypt) || k.provider != "" {
			return token, nil
		}
		if err != nil {
			return "", err
		}
		return c.SealKey(before.ModelProvider, k.key)
	}
	if ag.EncryptedAPIKey != "" && ag.EncryptedAPIKey == before.EncryptedAPIKey {
		var err error
		if ag.EncryptedAPIKey, err = bind(ag.EncryptedAPIKey); err != nil {
			return err
		}
		before.EncryptedAPIKey = ag.EncryptedAPIKey // so that this does not count as a newly set key
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

// MaskKey is a stored, encrypted key as people may see it.
func (c *Caller) MaskKey(token string) string {
	k, err := c.unsealKey(token)
	if err != nil {
		return "****"
	}
	return secret.Mask(k.key)
}
