package model

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
)

// This file asks providers which models they have. The list of a key is kept for some
// minutes, and many who want it at once wait for one answer.

const (
	// listWithin bounds the time for one list, with the wait for a turn to ask.
	listWithin = 8 * time.Second
	// listFresh is how long a list is kept, listFailed how long a failure.
	listFresh, listFailed = 10 * time.Minute, time.Minute
	// maxLists is how many lists are kept; one has at most a few hundred kilobytes.
	maxLists = 100
	// listsAtOnce is how many providers this process asks at the same time.
	listsAtOnce = 8
	// listKeys is how many keys of one provider are tried for one request.
	listKeys = 3
)

// Listed are the models of a provider. Without a fault the provider itself has listed them;
// with one they are those that are known without asking.
type Listed struct {
	Models []llm.ListedModel
	Fault  *llm.Error
}

// listID identifies a list without holding the key that it was made with.
type listID [sha256.Size]byte

type keptList struct {
	Listed
	until time.Time
}

// lists are those that this process has asked for.
type lists struct {
	mu    sync.Mutex
	kept  map[listID]keptList
	one   singleflight.Group
	slots chan struct{}
}

func newLists() *lists {
	return &lists{kept: map[listID]keptList{}, slots: make(chan struct{}, listsAtOnce)}
}

// find returns a list that is still good.
func (l *lists) find(id listID, now time.Time) (Listed, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k, ok := l.kept[id]
	return k.Listed, ok && now.Before(k.until)
}

// keep stores a list. When there are too many it forgets those that are old, and any other
// if none is.
func (l *lists) keep(id listID, list Listed, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for old, k := range l.kept {
		if len(l.kept) >= maxLists && !now.Before(k.until) {
			delete(l.kept, old)
		}
	}
	for old := range l.kept {
		if len(l.kept) < maxLists {
			break
		}
		delete(l.kept, old)
	}
	until := listFresh
	if list.Fault != nil {
		until = listFailed
	}
	l.kept[id] = keptList{list, now.Add(until)}
}

// ModelsFor lists the models of a provider with the first of some keys that it takes. tokens
// are stored keys; a provider that needs none is asked without one. It returns ok as false
// when no key is left that could be used: one may be bound to another address.
func (c *Caller) ModelsFor(ctx context.Context, provider string, tokens []string) (list Listed, ok bool, err error) {
	keys := []secret.Text{""}
	if c.models.NeedsKey(provider) {
		keys = nil
		for _, token := range tokens {
			if key, err := c.keyFor(provider, token); err == nil && len(keys) < listKeys {
				keys = append(keys, key)
			}
		}
	}
	for _, key := range keys {
		if list, err = c.modelsWith(ctx, provider, key); err != nil {
			return Listed{}, false, err
		}
		if ok = true; list.Fault == nil || list.Fault.Kind != llm.BadKey {
			break
		}
	}
	return list, ok, nil
}

// ModelsOfAgent lists the models of an agent's provider with the keys that the agent has.
func (c *Caller) ModelsOfAgent(ctx context.Context, ag *store.Agent) (list Listed, ok bool, err error) {
	keys, err := c.Keys(ctx, ag)
	var none *Fault
	if errors.As(err, &none) {
		return Listed{}, false, nil
	}
	if err != nil {
		return Listed{}, false, err
	}
	for _, key := range keys[:min(len(keys), listKeys)] {
		if list, err = c.modelsWith(ctx, ag.ModelProvider, key.Plain); err != nil {
			return Listed{}, false, err
		}
		if list.Fault == nil || list.Fault.Kind != llm.BadKey {
			break
		}
	}
	return list, true, nil
}

// modelsWith returns the kept list of a key, or asks for it. A caller who leaves does not
// stop the question: others may wait for it, and the next one finds the answer.
func (c *Caller) modelsWith(ctx context.Context, provider string, key secret.Text) (Listed, error) {
	id := listID(sha256.Sum256([]byte(provider + "\x1f" + c.models.Host(provider) + "\x1f" + key.Reveal())))
	if list, ok := c.lists.find(id, c.now()); ok {
		return list, nil
	}
	answer := c.lists.one.DoChan(string(id[:]), func() (any, error) {
		if list, ok := c.lists.find(id, c.now()); ok {
			return list, nil
		}
		limited, done := context.WithTimeout(context.WithoutCancel(ctx), listWithin)
		defer done()
		return c.askForModels(limited, provider, key, id), nil
	})
	select {
	case a := <-answer:
		list, _ := a.Val.(Listed)
		return list, a.Err
	case <-ctx.Done():
		return Listed{}, context.Cause(ctx)
	}
}

// askForModels asks a provider, and keeps what comes of it.
func (c *Caller) askForModels(ctx context.Context, provider string, key secret.Text, id listID) (list Listed) {
	select {
	case c.lists.slots <- struct{}{}:
		defer func() { <-c.lists.slots }()
	case <-ctx.Done():
		return c.knownModels(provider, &llm.Error{Kind: llm.Timeout, Provider: provider, Message: "too many lists are asked for just now"})
	}
	models, err := c.models.List(ctx, provider, key.Reveal())
	list = Listed{Models: models}
	var failed *llm.Error
	if errors.As(err, &failed) {
		c.log.WarnContext(ctx, "a provider did not list its models", "provider", provider, "kind", failed.Kind)
		list = c.knownModels(provider, failed)
	}
	c.lists.keep(id, list, c.now())
	return list
}

func (c *Caller) knownModels(provider string, why *llm.Error) Listed {
	return Listed{Models: c.models.KnownModels(provider), Fault: why}
}

// Window is the context of a model in tokens, as its provider said when a prompt was too
// long; 0 when it never did.
func (c *Caller) Window(provider, model string) int {
	return c.windows.of(&llm.Request{Provider: provider, Model: model})
}
