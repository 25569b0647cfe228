package app

import (
	"errors"
	"strings"

	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
)

// cleanKey removes from a model key what was copied along with it, such as blanks.
func cleanKey(field string, key secret.Text) (secret.Text, error) {
	if err := text(field, key.Reveal(), 1, 4096); err != nil {
		return "", err
	}
	clean, err := llm.CleanKey(key.Reveal())
	if err != nil {
		return "", invalid(field, "%v", err)
	}
	return secret.Text(clean), nil
}

// applyKey encrypts and stores a newly typed key. Clients send back what they read, so
// an empty key or the mask of the stored key keeps the stored one.
func (r *agentRules) applyKey(sent Opt[secret.Text], ag *store.Agent) error {
	if !sent.Sent || sent.Null || strings.TrimSpace(sent.Value.Reveal()) == "" {
		return nil
	}
	if m := r.maskedKey(ag); m != nil && *m == sent.Value.Reveal() {
		return nil
	}
	key, err := cleanKey("api_key", sent.Value)
	if err := firstOf(errors.Join(r.knownProvider("model_provider", ag.ModelProvider), err)); err != nil {
		return err
	}
	token, err := r.model.SealKey(ag.ModelProvider, key)
	ag.EncryptedAPIKey = token
	return err
}

// MaskedKey is an agent's key as people may see it, nil if it has none.
func (a *App) MaskedKey(ag *store.Agent) *string { return a.agents.maskedKey(ag) }

func (r *agentRules) maskedKey(ag *store.Agent) *string {
	if ag.EncryptedAPIKey == "" {
		return nil
	}
	masked := r.model.MaskKey(ag.EncryptedAPIKey)
	return &masked
}
