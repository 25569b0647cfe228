package model

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/coagent-studio/coagent/app/ledger"
	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/wording"
)

const (
	// testWithin bounds the test of a key, with its retries.
	testWithin = 10 * time.Second
	// testTokens is the limit of the answer to a test. Some services refuse a smaller
	// one, and the program would then remember that their model takes no limit.
	testTokens = 16
)

// The reasons of tests that made no call. The others come from llm.Error.Plain.
const (
	testNoModel    = "no_model"       // no model is named and the provider has no default
	testElsewhere  = "wrong_provider" // the stored key was given for another provider or host
	testUnreadable = "unreadable_key" // the stored key cannot be decrypted
)

// KeyTest says whether a key works.
type KeyTest struct {
	OK       bool
	Provider string
	Model    string        // "" when none was asked
	Latency  time.Duration // from the request to the end of the answer; 0 when no call was made
	Reason   string        // "" when OK
	Detail   string        // for the person; it quotes neither the key nor the provider
}

// TestKey asks a model for a few tokens with a key. It asks the provider's default model
// when model is "". An error means that the test was not done.
func (c *Caller) TestKey(ctx context.Context, from ledger.Origin, provider, model string, key secret.Text) (KeyTest, error) {
	return c.testKey(ctx, from, provider, model, Key{Plain: key, Kind: KeyTyped})
}

func (c *Caller) testKey(ctx context.Context, from ledger.Origin, provider, model string, key Key) (KeyTest, error) {
	t := KeyTest{Provider: provider, Model: cmp.Or(model, c.models.DefaultModel(provider))}
	switch {
	case !c.models.Known(provider):
		t.Model, t.Reason = "", string(llm.UnknownProvider)
		t.Detail = wording.Of("The configuration of this server has no provider %s any more", provider).String()
		return t, nil
	case t.Model == "":
		t.Reason, t.Detail = testNoModel, wording.Of("Provider %s has no default model: name one", provider).String()
		return t, nil
	}
	limited, done := context.WithTimeout(ctx, testWithin)
	defer done()
	started := c.now()
	err := c.oneAnswer(limited, c.booked(llm.Request{Provider: provider, Model: t.Model, MaxTokens: testTokens,
		Messages: []llm.Message{{Role: llm.RoleUser, Text: "Answer with one word: ready"}}}, from, key))
	t.Latency = c.now().Sub(started)
	var failed *llm.Error
	var refused *ledger.Refused
	switch {
	case errors.As(err, &refused):
		t.Reason, t.Detail = refused.Reason, refused.Error()
	case err == nil, errors.As(err, &failed) && failed.Began():
		t.OK, t.Detail = true, wording.Of("The key works").String()
	case errors.Is(limited.Err(), context.DeadlineExceeded):
		t.Reason, t.Detail = string(llm.Timeout), wording.Of("No answer came in time").String()
	case ctx.Err() != nil:
		return KeyTest{}, context.Cause(ctx)
	case failed != nil:
		t.Reason, t.Detail = failed.Plain()
	default:
		return KeyTest{}, err
	}
	return t, nil
}

// TestStoredKey is TestKey with a stored key. of says whose it is.
func (c *Caller) TestStoredKey(ctx context.Context, from ledger.Origin, of ledger.Key, provider, model, token string) (KeyTest, error) {
	key, err := c.keyFor(provider, token)
	var elsewhere *errBoundElsewhere
	switch {
	case !c.models.Known(provider):
		return c.TestKey(ctx, from, provider, model, "")
	case errors.As(err, &elsewhere):
		return KeyTest{Provider: provider, Reason: testElsewhere, Detail: wording.Of("Enter the key again: %s", elsewhere).String()}, nil
	case errors.Is(err, secret.ErrDecrypt):
		return KeyTest{Provider: provider, Reason: testUnreadable, Detail: wording.Of("Enter the key again: this server cannot read what is stored").String()}, nil
	case err != nil:
		return KeyTest{}, err
	}
	return c.testKey(ctx, from, provider, model, Key{Plain: key, Kind: of.Kind, userKeyID: of.ID, owner: of.Owner})
}

// oneAnswer makes a call of a model and forgets the answer.
func (c *Caller) oneAnswer(ctx context.Context, call *Call) error {
	for _, err := range c.Stream(ctx, call) {
		if err != nil {
			return err
		}
	}
	return nil
}
