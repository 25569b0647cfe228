package event

import (
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/store"
)

// The existing client marks whoever has AI in the name as an agent.
func TestPlainSender(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"KAI LEE", "TSAI MING", "AISHA", "AI", "KAI@school.example", "AIAI"} {
		got := HistorySender(&store.Message{SenderID: "x", Sender: &store.User{Email: "x@x.org", FullName: &name}})
		if strings.Contains(got, "AI") || strings.ReplaceAll(got, "\u2060", "") != name {
			t.Errorf("%q is told as %q", name, got)
		}
	}
	for _, name := range []string{"Ai Weiwei", "Kai", "Ada", "A I"} {
		if got := plainSender(name); got != name {
			t.Errorf("%q is told as %q", name, got)
		}
	}
	if got := HistorySender(&store.Message{AgentType: "teacher", AgentName: "Socrates"}); got != "Teacher AI" {
		t.Errorf("an agent is told as %q", got)
	}
}
