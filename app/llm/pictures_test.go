package llm_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
)

// looking is a talk in which two people show pictures.
func looking(req llm.Request) llm.Request {
	req.Messages = []llm.Message{
		{Role: llm.RoleUser, Name: "Ada", Text: "Look.", Pictures: []llm.Picture{{Type: "image/jpeg", Data: []byte("first")}, {Type: "image/png", Data: []byte("second")}}},
		{Role: llm.RoleUser, Name: "Bob", Text: "And?"},
		{Role: llm.RoleAssistant, Text: "Nice.", Pictures: []llm.Picture{{Type: "image/png", Data: []byte("never")}}},
		{Role: llm.RoleUser, Name: "Cy", Text: "Mine.", Pictures: []llm.Picture{{Type: "image/png", Data: []byte("third")}}},
		{Role: llm.RoleUser, Name: "Ada", Text: "Which is it?"},
	}
	return req
}

// seen are the messages of a request with their pictures.
func seen(q llmtest.Request) (all []string) {
	for _, m := range q.Messages {
		text := m.Role + ": " + m.Text
		for _, p := range m.Pictures {
			text += " <" + p.Type + " " + string(p.Data) + ">"
		}
		all = append(all, text)
	}
	return all
}

// Each dialect gets the pictures behind the messages that show them. A model that takes
// none is asked once more without them, says so, and is not sent any again.
func TestPictures(t *testing.T) {
	t.Parallel()
	for _, d := range llmtest.Dialects() {
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			r, req := speaking(t, d)
			req = looking(req)
			if got := collect(t.Context(), t, r.models, req); got.err != nil || got.last.Blind {
				t.Fatalf("got %+v, %v; refused: %+v", got.last, got.err, r.Refusals())
			}
			want := []string{"user: Ada: Look. <image/jpeg first> <image/png second>", "user: Bob: And?", "assistant: Nice.",
				"user: Cy: Mine. <image/png third>", "user: Ada: Which is it?"}
			got := seen(r.Requests()[0])
			for i := range got { // blank lines between joined messages stay with the text before
				got[i] = strings.Join(strings.Fields(got[i]), " ")
			}
			if text := strings.Join(got, "|"); text != strings.Join(want, "|") {
				t.Errorf("got %s\nwant %s", text, strings.Join(want, "|"))
			}
		})
		t.Run(string(d)+"/Refused", func(t *testing.T) {
			t.Parallel()
			r, req := speaking(t, d)
			req = looking(req)
			r.Refuse("pictures")
			refused := 0
			for n := range 2 {
				got := collect(t.Context(), t, r.models, req)
				if n == 0 {
					refused = len(r.Refusals())
				}
				if got.err != nil || !got.last.Blind || !strings.Contains(got.last.Note, "does not take pictures") {
					t.Fatalf("got %+v, %v; refused: %+v", got.last, got.err, r.Refusals())
				}
			}
			if n := len(r.Refusals()); n != refused {
				t.Errorf("got %d refusals, want %d: it is remembered", n, refused)
			}
			if text := strings.Join(seen(r.Requests()[1]), "|"); strings.Contains(text, "<") || !strings.Contains(text, "Cy: Mine.") {
				t.Errorf("got %s", text)
			}
		})
	}
	t.Run("OnePicture", func(t *testing.T) {
		t.Parallel()
		for _, provider := range []string{"openai", "gemini", "claude"} {
			for _, words := range []string{"Could not process image", "image exceeds 5 MB maximum: 6291456 bytes > 5242880 bytes", "Unable to process input image. Please retry."} {
				r := onNetwork(t, llm.Config{})
				r.Script(llmtest.InTurn(llmtest.Response{Status: 400, Message: words}, llmtest.Response{Text: "Yes."}))
				req := looking(ask(provider, ""))
				if got := collect(t.Context(), t, r.models, req); got.text != "Yes." || !got.last.Blind {
					t.Errorf("%s: %s: got %+v, %v", provider, words, got.last, got.err)
				}
				if got := collect(t.Context(), t, r.models, req); got.last.Blind {
					t.Errorf("%s: %s: the next prompt goes without pictures too", provider, words)
				}
			}
		}
	})
	t.Run("OtherFaults", func(t *testing.T) {
		t.Parallel()
		r := onNetwork(t, llm.Config{})
		r.Script(llmtest.Always(llmtest.Response{Status: 400, Message: "the model is not available to you"}))
		if got := collect(t.Context(), t, r.models, looking(ask("openai", ""))); got.kind() != llm.BadRequest || r.Count() != 1 {
			t.Errorf("got %v after %d requests", got.err, r.Count())
		}
	})
}

// A picture is reserved with the most that its provider counts, and not where none is sent.
func TestPictureTokens(t *testing.T) {
	t.Parallel()
	for provider, want := range map[string]int{"gemini": 3612, "claude": 3279, "openai": 112 * 112, "mirror": 112 * 112} {
		t.Run(provider, func(t *testing.T) {
			t.Parallel()
			r := onNetwork(t, llm.Config{})
			r.Refuse("pictures")
			l := new(ledger)
			req := looking(ask(provider, ""))
			req.Meter = l
			if got := collect(t.Context(), t, r.models, req); got.err != nil || len(l.prompt) != 2 {
				t.Fatalf("got %v, %d attempts", got.err, len(l.prompt))
			}
			if got := l.prompt[0] - l.prompt[1]; got != 3*want || r.models.PictureTokens(provider, "") != want {
				t.Errorf("three pictures count %d, want %d", got, 3*want)
			}
		})
	}
}

// Of the public services' models it is known which see. Of no other server's.
func TestSees(t *testing.T) {
	t.Parallel()
	public, err := llm.New(llm.Config{Providers: map[string]llm.ProviderConfig{"far": {Kind: llm.KindOpenAI, BaseURL: "https://llm.example.org/v1", DefaultModel: "gpt-4o"},
		"via": {Kind: llm.KindOpenAI, BaseURL: "https://generativelanguage.googleapis.com/v1beta/openai", DefaultModel: "gemini-2.5-pro"}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][2]bool{
		"openai/": {true, true}, "openai/gpt-4o-mini": {true, true}, "openai/GPT-4.1": {true, true}, "openai/gpt-5-nano": {true, true}, "openai/o4-mini": {true, true},
		"openai/o3-mini": {false, true}, "openai/o1-mini": {false, true}, "openai/gpt-3.5-turbo": {false, true}, "openai/gpt-4": {false, true},
		"openai/gpt-4o-audio-preview": {false, true}, "openai/ft:mine": {false, false}, "gemini/": {true, true}, "gemini/gemini-2.5-pro": {true, true},
		"gemini/gemma-3-1b-it": {false, true}, "claude/": {true, true}, "claude/claude-2.1": {false, true}, "claude/claude-3-haiku-20240307": {true, true},
		"offline/": {false, true}, "far/": {false, false}, "far/gpt-4o": {false, false},
		"via/": {true, true}, "via/gemma-3-1b-it": {false, true}, "via/gpt-4o": {false, false}, "none/x": {false, false},
	} {
		provider, model, _ := strings.Cut(name, "/")
		if sees, known := public.Sees(provider, model); sees != want[0] || known != want[1] {
			t.Errorf("%s: got %v, %v, want %v", name, sees, known, want)
		}
	}
	if got := []int{public.PictureTokens("openai", ""), public.PictureTokens("openai", "gpt-4o-mini"), public.PictureTokens("far", "gpt-4o-mini"),
		public.PictureTokens("via", "")}; !slices.Equal(got, []int{3779, 48169, 48169, 3612}) {
		t.Errorf("got %v", got)
	}
}
