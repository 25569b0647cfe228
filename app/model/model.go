// Package model is the one door to every model: whose key a call is made with, how long
// the prompt may be, which key takes over when one fails, and what counts as an answer.
// Package llm below it knows the providers' protocols; this package knows agents.
//
// It knows nothing of people's rights. Whether the creator of an agent lends it keys is
// decided by its caller, see Deps.
//
// # Where to find things
//
//   - Which keys an agent calls its model with: Keys, in key_chain.go.
//   - Keys that failed a moment ago: cooling.go.
//   - What a stored key is bound to: bound_keys.go.
//   - What is left out of a prompt that is too long: Prompt, in prompt.go.
//   - What a model imitates of its transcript: imitation.go.
//   - A call, and a whole answer: call.go.
//   - Which models a key can ask: catalogue.go.
package model

import (
	"context"
	"log/slog"
	"time"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/ledger"
	"github.com/coagent-studio/coagent/app/limit"
	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/telemetry"
	"github.com/coagent-studio/coagent/store"
)

// Deps are what a Caller needs.
type Deps struct {
	Turns      config.Turns
	DB         *store.DB
	Log        *slog.Logger
	Now        func() time.Time
	Keyring    *secret.Keyring
	Models     *llm.Models
	Telemetry  *telemetry.Telemetry
	Background *limit.Gate // for the database work of calls
	Ledger     *ledger.Ledger
	// Lender returns the person whose keys an agent may use: its creator, or "" when
	// the creator does not lend it keys any more.
	Lender func(ctx context.Context, ag *store.Agent) (userID string, err error)
}

// Caller calls the models of agents.
type Caller struct {
	turns      config.Turns
	db         *store.DB
	log        *slog.Logger
	now        func() time.Time
	keyring    *secret.Keyring
	models     *llm.Models
	telemetry  *telemetry.Telemetry
	background *limit.Gate
	ledger     *ledger.Ledger
	lender     func(ctx context.Context, ag *store.Agent) (userID string, err error)

	cooling coolingKeys
	windows windows
	lists   *lists
}

// New makes a Caller.
func New(d Deps) *Caller {
	return &Caller{turns: d.Turns, db: d.DB, log: d.Log, now: d.Now, keyring: d.Keyring, models: d.Models, telemetry: d.Telemetry,
		background: d.Background, ledger: d.Ledger, lender: d.Lender, lists: newLists()}
}

// Known tells whether a provider is configured.
func (c *Caller) Known(provider string) bool { return c.models.Known(provider) }

// DefaultModel is the model of a provider for agents that name none, "" if it has none.
func (c *Caller) DefaultModel(provider string) string { return c.models.DefaultModel(provider) }

// The reasons of faults.
const (
	ReasonNoKey    = "no_key"       // the agent has no key that its model takes
	ReasonSilent   = "said_nothing" // the answer has no text
	ReasonThought  = "only_thought" // the token limit was reached before anything was said
	ReasonFiltered = "filtered"     // the provider's filter held the answer back
)

// Fault is why a model was not asked, or why its answer is none. Errors of providers are
// *llm.Error.
type Fault struct{ Reason, Detail string }

// Error returns the reason and the detail. The detail is written for those who look
// after the agent.
func (f *Fault) Error() string { return f.Reason + ": " + f.Detail }

// Unspoken is the fault of an answer without text that ended with this finish reason.
// whose is the word before "model", such as "the".
func Unspoken(finish, whose string) *Fault {
	switch finish {
	case llm.FinishLength, llm.FinishThinking:
		return &Fault{ReasonThought, "the token limit was reached before " + whose + " model said anything; it may have gone into thinking"}
	case llm.FinishContentFilter:
		return &Fault{ReasonFiltered, "the provider's filter held back what " + whose + " model answered"}
	}
	return &Fault{ReasonSilent, whose + " model answered with nothing"}
}

// WasCut tells whether this finish reason means that the answer was cut before its end.
func WasCut(finish string) bool {
	return finish == llm.FinishLength || finish == llm.FinishContentFilter
}
