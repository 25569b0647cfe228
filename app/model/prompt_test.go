package model

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/ledger"
	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/store"
)

// A prompt keeps as much of its conversation as its budget allows, and no more.
func TestFit(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 11))
	for range 300 {
		c := New(Deps{Turns: config.Turns{PromptTokens: 200 + r.IntN(3000), MaxTokens: 100}})
		said := make([]llm.Message, 1+r.IntN(40))
		for i := range said {
			said[i] = llm.Message{Role: []llm.Role{llm.RoleUser, llm.RoleAssistant}[r.IntN(2)], Name: "Sue", Text: strings.Repeat("word ", r.IntN(200))}
		}
		whole := c.NewPrompt(&store.Agent{}, ledger.Origin{}, "You teach.", said)
		c.Fit(whole)
		most := c.promptBudget(&store.Agent{}, &whole.Req)
		if tokens := c.promptBytes(&whole.Req) / bytesPerToken; tokens > most && len(said)-whole.Left > 1 && !whole.short {
			t.Fatalf("%d tokens for a budget of %d, with %d messages", tokens, most, len(said)-whole.Left)
		}
		// With one message more, or with all up to the next that is not the model's own,
		// it would be too long.
		for left := whole.Left - 1; left >= 0; left-- {
			more := c.NewPrompt(&store.Agent{}, ledger.Origin{}, "You teach.", said)
			more.show(left)
			if more.Left == whole.Left {
				continue
			}
			if tokens := c.promptBytes(&more.Req) / bytesPerToken; tokens <= most {
				t.Fatalf("%d of %d messages are left out, but %d tokens with only %d left out fit into %d", whole.Left, len(said), tokens, more.Left, most)
			}
			break
		}
	}
}

// A conversation that goes on begins with the same message for a while, also when it
// is too long for its budget, and still has most of what fits.
func TestSteadyFit(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 5))
	for range 5 {
		c := New(Deps{Turns: config.Turns{PromptTokens: 1000 + r.IntN(3000), MaxTokens: 100}})
		var said []llm.Message
		moves, begins, asked := 0, "", 0
		for i := range 300 {
			said = append(said, llm.Message{Role: llm.RoleUser, Name: fmt.Sprintf("Sue %d", i), Text: strings.Repeat("word ", 5+r.IntN(10))})
			p, most := c.NewPrompt(&store.Agent{}, ledger.Origin{}, "You teach.", said), c.NewPrompt(&store.Agent{}, ledger.Origin{}, "You teach.", said)
			p.Steady = true
			c.Fit(p)
			c.Fit(most)
			if tokens := c.promptBytes(&p.Req) / bytesPerToken; tokens > c.promptBudget(&store.Agent{}, &p.Req) {
				t.Fatalf("%d tokens are more than the budget", tokens)
			}
			if have, fit := len(said)-p.Left, len(said)-most.Left; have < fit-fit/4 {
				t.Fatalf("got %d messages where %d fit", have, fit)
			}
			if p.Left > 0 {
				asked++
			}
			if first := p.Req.Messages[0].Name; first != begins {
				begins, moves = first, moves+1
			}
		}
		if moves > asked/3 {
			t.Errorf("%d of %d prompts begin with another message than the one before", moves, asked)
		}
	}
}
