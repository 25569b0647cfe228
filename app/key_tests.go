package app

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/coagent-studio/coagent/app/ledger"
	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/model"
	"github.com/coagent-studio/coagent/app/secret"
)

// KeyToTest is a model key that is tested before it is stored.
type KeyToTest struct {
	Provider string
	Key      secret.Text
	Model    string // the provider's default when empty
}

// ownKey is what a test calls the own key of an agent, as in an agent's settings. The
// further keys have the names of their types.
const ownKey = "api_key"

// TestNewKey asks a model for a word with a key that is not stored.
func (a *App) TestNewKey(ctx context.Context, actor *Actor, in KeyToTest) (t model.KeyTest, err error) {
	if err := Check(actor, ActOwnKeys, Resource{}); err != nil {
		return t, err
	}
	key, err := cleanKey("api_key", in.Key)
	if err := firstOf(errors.Join(a.agents.knownProvider("provider", in.Provider), err)); err != nil {
		return t, err
	}
	if in.Model = strings.TrimSpace(in.Model); in.Model != "" {
		if in.Model, err = llm.CleanModel(in.Model); err != nil {
			return t, invalid("model", "%v", err)
		}
	}
	err = a.testing(ctx, actor, func(ctx context.Context) error {
		t, err = a.model.TestKey(ctx, ledger.Origin{Kind: ledger.ForKeyTest, PersonID: actor.User.ID}, in.Provider, in.Model, key)
		return err
	})
	return t, err
}

// TestUserKey asks the default model of the provider for a word with one of the actor's
// keys.
func (a *App) TestUserKey(ctx context.Context, actor *Actor, id string) (t model.KeyTest, err error) {
	if err := Check(actor, ActOwnKeys, Resource{}); err != nil {
		return t, err
	}
	keys, err := a.db.UserKeysByID(ctx, actor.User.ID, []string{id})
	if err != nil {
		return t, err
	}
	if len(keys) == 0 {
		return t, notFound("Key")
	}
	err = a.testing(ctx, actor, func(ctx context.Context) error {
		from, of := ledger.Origin{Kind: ledger.ForKeyTest, PersonID: actor.User.ID}, ledger.Key{ID: id, Owner: actor.User.ID, Kind: model.KeyTested}
		t, err = a.model.TestStoredKey(ctx, from, of, keys[0].Provider, "", keys[0].EncryptedKey)
		return err
	})
	return t, err
}

// TestAgentKeys asks an agent's model for a word with each of the agent's own and further
// keys, all at once. The result has them by their type.
func (a *App) TestAgentKeys(ctx context.Context, actor *Actor, agentID string) (map[string]model.KeyTest, error) {
	ag, err := a.agentFor(ctx, actor, agentID, ActWriteKeys, "Agent config")
	if err != nil {
		return nil, err
	}
	further, err := a.db.AgentKeys(ctx, agentID)
	if err != nil {
		return nil, err
	}
	tokens := map[string]string{}
	for _, k := range further {
		tokens[k.KeyType] = k.EncryptedKey
	}
	if ag.EncryptedAPIKey != "" {
		tokens[ownKey] = ag.EncryptedAPIKey
	}
	asked := ""
	if ag.Model != nil {
		asked = *ag.Model
	}
	from := ledger.Origin{Kind: ledger.ForKeyTest, AgentID: ag.ID, ProjectID: ag.ProjectID, PersonID: actor.User.ID}
	var mu sync.Mutex
	var faults []error
	tests := map[string]model.KeyTest{}
	err = a.testing(ctx, actor, func(ctx context.Context) error {
		var wg sync.WaitGroup
		for kind, token := range tokens {
			wg.Go(func() {
				t, err := a.model.TestStoredKey(ctx, from, ledger.Key{Kind: kind}, ag.ModelProvider, asked, token)
				mu.Lock()
				defer mu.Unlock()
				tests[kind], faults = t, append(faults, err)
			})
		}
		wg.Wait()
		return errors.Join(faults...)
	})
	return tests, err
}

// testing does a test of keys within the limits of calls that a person waits for.
func (a *App) testing(ctx context.Context, actor *Actor, test func(context.Context) error) error {
	release, err := a.calls.take(ctx, actor)
	if err != nil {
		return err
	}
	defer release()
	ctx, done := a.calls.waiting(ctx)
	defer done()
	return notAnswered(test(ctx), false, a.now())
}
