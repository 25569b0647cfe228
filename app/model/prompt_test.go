package model

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app/config"
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
		whole := c.NewPrompt(&store.Agent{}, "You teach.", said)
		c.Fit(whole)
		most := c.promptBudget(&store.Agent{}, &whole.Req)
		if tokens := promptBytes(&whole.Req) / bytesPerToken; tokens > most && len(said)-whole.Left > 1 && !whole.short {
			t.Fatalf("%d tokens for a budget of %d, with %d messages", tokens, most, len(said)-whole.Left)
		}
		// With one message more, or with all up to the next that is not the model's own,
		// it would be too long.
		for left := whole.Left - 1; left >= 0; left-- {
			more := c.NewPrompt(&store.Agent{}, "You teach.", said)
			more.show(left)
			if more.Left == whole.Left {
				continue
			}
			if tokens := promptBytes(&more.Req) / bytesPerToken; tokens <= most {
				t.Fatalf("%d of %d messages are left out, but %d tokens with only %d left out fit into %d", whole.Left, len(said), tokens, more.Left, most)
			}
			break
		}
	}
}
