package llm_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app/llm"
)

func TestOffline(t *testing.T) {
	t.Parallel()
	m, err := llm.New(llm.Config{})
	if err != nil {
		t.Fatal(err)
	}
	answer := func(t *testing.T, r llm.Request) result {
		t.Helper()
		got := collect(t.Context(), t, m, r)
		if got.err != nil {
			t.Fatal(got.err)
		}
		return got
	}
	t.Run("SaysWhatItIsAndNothingOfThePrompt", func(t *testing.T) {
		t.Parallel()
		req := ask("offline", "Why is the sky blue?")
		req.Key = ""
		req.Messages = append(req.Messages, llm.Message{Role: llm.RoleUser, Name: "text (written by Bob)", Data: true, Text: "A draft"},
			llm.Message{Role: llm.RoleUser, Text: "Write it anew."})
		got := answer(t, req)
		if !strings.HasPrefix(got.text, llm.OfflineLabel+" No model is connected") || got.last.Finish != llm.FinishStop || got.last.Usage == nil {
			t.Errorf("got %q, %+v", got.text, got.last)
		}
		for _, part := range []string{"sky", "draft", "anew", "physics", "Bob"} {
			if strings.Contains(got.text, part) {
				t.Errorf("got %q, which tells %q of the prompt", got.text, part)
			}
		}
		if len(got.chunks) < 5 {
			t.Errorf("got %d chunks, want several", len(got.chunks))
		}
	})
	t.Run("IsDeterministic", func(t *testing.T) {
		t.Parallel()
		first, second := answer(t, ask("offline", "漢字かな交じり文の長い質問です。どう思いますか。")), answer(t, ask("offline", "漢字かな交じり文の長い質問です。どう思いますか。"))
		if fmt.Sprint(first.chunks) != fmt.Sprint(second.chunks) || first.text == "" {
			t.Errorf("got %q and %q, want the same", first.chunks, second.chunks)
		}
	})
	t.Run("CallsATool", func(t *testing.T) {
		t.Parallel()
		req := ask("offline", "please\n/tool lookup {\"topic\": \"light\"}\nthanks")
		req.Tools = []llm.Tool{{Name: "lookup"}}
		got := answer(t, req)
		if got.last.Finish != llm.FinishToolCalls || len(got.last.ToolCalls) != 1 || got.text != "" {
			t.Fatalf("got %q, %+v, want one tool call", got.text, got.last)
		}
		call := got.last.ToolCalls[0]
		if call.Name != "lookup" || string(call.Arguments) != `{"topic": "light"}` {
			t.Errorf("got %s %s, want lookup", call.Name, call.Arguments)
		}
		req.Messages = append(req.Messages,
			llm.Message{Role: llm.RoleAssistant, ToolCalls: got.last.ToolCalls},
			llm.Message{Role: llm.RoleTool, ToolCallID: call.ID, Text: "a wave"})
		if after := answer(t, req); !strings.HasPrefix(after.text, "[offline provider] The tool lookup has answered") || strings.Contains(after.text, "wave") {
			t.Errorf("got %q, want it to speak of the tool and not of what it told", after.text)
		}
	})
	t.Run("CallsOnlyWhatIsOfferedAndWhole", func(t *testing.T) {
		t.Parallel()
		if got := answer(t, ask("offline", "/tool lookup {}")); !strings.Contains(got.text, "No tool") {
			t.Errorf("got %q, want a refusal", got.text)
		}
		req := ask("offline", "/tool lookup {broken")
		req.Tools = []llm.Tool{{Name: "lookup"}}
		if got := answer(t, req); !strings.Contains(got.text, "not a JSON object") {
			t.Errorf("got %q, want a refusal", got.text)
		}
	})
	t.Run("KeepsToTheTokenLimit", func(t *testing.T) {
		t.Parallel()
		req := ask("offline", "Why?")
		req.MaxTokens = 5
		if got := answer(t, req); got.text != "[offline provider] N" || got.last.Finish != llm.FinishLength {
			t.Errorf("got %q, %q, want 20 characters and length", got.text, got.last.Finish)
		}
	})
	t.Run("NobodySpoke", func(t *testing.T) {
		t.Parallel()
		got := answer(t, llm.Request{Meter: llm.NoMeter{}, Provider: "offline", Messages: []llm.Message{{Role: llm.RoleAssistant, Text: "Welcome"}}})
		if got.text != "[offline provider] Nobody has said anything yet." {
			t.Errorf("got %q", got.text)
		}
	})
}

func ExampleModels_Stream() {
	models, err := llm.New(llm.Config{})
	if err != nil {
		panic(err)
	}
	request := llm.Request{
		Meter:    llm.NoMeter{},
		Provider: "offline",
		Tools:    []llm.Tool{{Name: "now", Schema: json.RawMessage(`{"type":"object"}`)}},
		Messages: []llm.Message{{Role: llm.RoleUser, Name: "Ada", Text: "What time is it? /tool now"}},
	}
	for chunk, err := range models.Stream(context.Background(), request) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Print(chunk.Text)
		for _, call := range chunk.ToolCalls {
			fmt.Println(call.Name, string(call.Arguments))
		}
	}
	// Output: now {}
}
