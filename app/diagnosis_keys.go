package app

import (
	"cmp"
	"context"
	"sync"

	"github.com/coagent-studio/coagent/app/doctor"
	"github.com/coagent-studio/coagent/app/ledger"
	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/model"
	"github.com/coagent-studio/coagent/store"
)

const (
	// maxTestedKeys bounds the keys of each sort that are tested.
	maxTestedKeys = 200
	// keysAtOnce is how many of them are asked about at once.
	keysAtOnce = 8
)

// testAllKeys asks the providers which models they have, once for each stored key and for
// each provider that needs none. That costs nothing, and a key that is not taken shows. A
// provider that tells no models is asked for a word.
func (a *App) testAllKeys(ctx context.Context) ([]doctor.KeyResult, error) {
	stored, err := a.db.StoredKeys(ctx, maxTestedKeys)
	if err != nil {
		return nil, err
	}
	for name, p := range a.cfg.LLM.Providers {
		if p.Keyless {
			stored = append(stored, store.StoredKey{Provider: name, Name: "-"})
		}
	}
	results := make([]doctor.KeyResult, len(stored))
	slots := make(chan struct{}, keysAtOnce)
	var wg sync.WaitGroup
	for i, k := range stored {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			results[i] = a.testOneKey(ctx, k)
		})
	}
	wg.Wait()
	return results, nil
}

func (a *App) testOneKey(ctx context.Context, k store.StoredKey) doctor.KeyResult {
	r := doctor.KeyResult{Provider: k.Provider, Name: k.Name}
	if k.Owner != "" {
		r.Name += " <" + k.Owner + ">"
	}
	if !a.model.Known(k.Provider) {
		r.Kind, r.Fault = string(llm.UnknownProvider), "not in the configuration"
		return r
	}
	list, usable, err := a.model.ModelsFor(ctx, k.Provider, []string{k.Token})
	switch {
	case err != nil:
		r.Kind, r.Fault = string(llm.Timeout), "no answer in time"
	case !usable:
		r.Kind, r.Fault = doctor.KeyUnreadable, "the stored key cannot be read, or was given for another address"
	case list.Fault == nil:
	case k.Token != "" && (list.Fault.Kind == llm.BadRequest || list.Fault.Kind == llm.Broken):
		t, err := a.model.TestStoredKey(ctx, ledger.Origin{Kind: ledger.ForKeyTest}, ledger.Key{Kind: model.KeyTested}, k.Provider, k.Model, k.Token)
		if err != nil || !t.OK {
			r.Kind, r.Fault = cmp.Or(t.Reason, string(llm.Unavailable)), cmp.Or(t.Detail, "no answer in time")
		}
	default:
		r.Kind, r.Fault = string(list.Fault.Kind), cmp.Or(list.Fault.Message, string(list.Fault.Kind))
	}
	return r
}
