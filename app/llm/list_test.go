package llm_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
)

// described is a model in one line.
func described(m llm.ListedModel) string {
	sees := "?"
	if m.SeesImages != nil {
		sees = map[bool]string{true: "sees", false: "blind"}[*m.SeesImages]
	}
	return strings.Join([]string{m.ID, m.Label, itoa(m.Context), itoa(m.Output), sees}, "|")
}

func itoa(n int) string {
	if n == 0 {
		return "-"
	}
	digits := ""
	for ; n > 0; n /= 10 {
		digits = string(rune('0'+n%10)) + digits
	}
	return digits
}

// Every service lists its models in its own way, and what does not answer in words is left out.
func TestList(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ provider, body, want string }{
		"OpenAI": {"openai", `{"object":"list","data":[{"id":"gpt-4o","object":"model"},{"id":"text-embedding-3-small"},{"id":"gpt-4o"},
			{"id":"whisper-1"},{"id":"tts-1"},{"id":"gpt-4o-realtime-preview"},{"id":7},{"id":"a b"},null]}`, "gpt-4o|gpt-4o|-|-|?"},
		"OpenRouter": {"openai", `{"data":[{"id":"x/big","name":"X:  Big\u200b","context_length":131072,"architecture":{"input_modalities":["text","image"]},
			"top_provider":{"max_completion_tokens":16384}},{"id":"x/small","name":"X: Small","context_length":"8192","architecture":{"input_modalities":["text"]},"top_provider":null}]}`,
			"x/big|X: Big|131072|16384|sees x/small|X: Small|8192|-|blind"},
		"vLLM":      {"openai", `{"data":[{"id":"local","max_model_len":32768}]}`, "local|local|32768|-|?"},
		"Mistral":   {"openai", `{"data":[{"id":"m","max_context_length":131072,"capabilities":{"completion_chat":true,"vision":true}},{"id":"ocr","capabilities":{"completion_chat":false}}]}`, "m|m|131072|-|sees"},
		"a list":    {"openai", `[{"id":"b"},{"id":"a","display_name":"A"}]`, "a|A|-|-|? b|b|-|-|?"},
		"no limits": {"openai", `{"data":[{"id":"a","context_length":-1,"max_tokens":1e300}]}`, "a|a|-|-|?"},
		"Gemini": {"gemini", `{"models":[{"name":"models/gemini-x","displayName":"Gemini X","inputTokenLimit":1048576,"outputTokenLimit":8192,"supportedGenerationMethods":["generateContent","countTokens"]},
			{"name":"models/aqa","supportedGenerationMethods":["generateAnswer"]}]}`, "gemini-x|Gemini X|1048576|8192|?"},
		"Claude": {"claude", `{"data":[{"type":"model","id":"claude-x","display_name":"Claude X","max_input_tokens":200000,"max_tokens":64000,"capabilities":{"image_input":{"supported":true}}}],"has_more":false}`,
			"claude-x|Claude X|200000|64000|sees"},
		"none": {"openai", `{"data":[]}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := llmtest.New(t)
			server.Lists(http.StatusOK, test.body, nil)
			models := listing(t, server.URL)
			got, err := models.List(t.Context(), test.provider, "key-4711-4711-4711")
			var lines []string
			for _, m := range got {
				lines = append(lines, described(m))
			}
			if err != nil || strings.Join(lines, " ") != test.want {
				t.Errorf("got %q, %v, want %q", lines, err, test.want)
			}
			if keys := server.Listings(); len(keys) != 1 || keys[0] != "key-4711-4711-4711" {
				t.Errorf("asked with %q", keys)
			}
		})
	}
}

func listing(t *testing.T, url string) *llm.Models {
	t.Helper()
	models, err := llm.New(llm.Config{Providers: map[string]llm.ProviderConfig{"openai": {BaseURL: url + "/v1"}, "gemini": {BaseURL: url}, "claude": {BaseURL: url}}})
	if err != nil {
		t.Fatal(err)
	}
	return models
}

// What is no list is an error that names neither key nor address.
func TestListFails(t *testing.T) {
	t.Parallel()
	const key = "sk-secret-0123456789"
	for name, test := range map[string]struct {
		status int
		body   string
		want   llm.ErrorKind
	}{
		"key":     {http.StatusUnauthorized, `{"error":{"message":"Incorrect API key provided: ` + key + `"}}`, llm.BadKey},
		"down":    {http.StatusServiceUnavailable, `{}`, llm.Unavailable},
		"page":    {http.StatusOK, `<html>`, llm.Broken},
		"other":   {http.StatusOK, `{"data":{"id":"x"}}`, llm.Broken},
		"too big": {http.StatusOK, `{"data":["` + strings.Repeat("x", 5<<20) + `"]}`, llm.Broken},
		"moved":   {http.StatusFound, ``, llm.Broken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := llmtest.New(t)
			server.Lists(test.status, test.body, nil)
			got, err := listing(t, server.URL).List(t.Context(), "openai", key)
			var failed *llm.Error
			if !errors.As(err, &failed) || got != nil || failed.Provider != "openai" || (failed.Kind != test.want && test.status != http.StatusFound) {
				t.Fatalf("got %v, %v", got, err)
			}
			if strings.Contains(err.Error(), key) || strings.Contains(err.Error(), server.URL) {
				t.Errorf("it says %q", err)
			}
		})
	}
}

// The public services are known without being asked; of others the default model is.
func TestKnownModels(t *testing.T) {
	t.Parallel()
	models, err := llm.New(llm.Config{Providers: map[string]llm.ProviderConfig{"school": {Kind: llm.KindOpenAI, BaseURL: "http://127.0.0.1:1/v1", DefaultModel: "small"},
		"gateway": {Kind: llm.KindOpenAI, BaseURL: "https://api.openai.com/v1", DefaultModel: "gpt-4o"}}})
	if err != nil {
		t.Fatal(err)
	}
	for provider, want := range map[string]string{"openai": "gpt-4o|GPT-4o|128000|16384|sees", "gateway": "gpt-4o|GPT-4o|128000|16384|sees",
		"gemini": "gemini-2.5-flash|Gemini 2.5 Flash|1048576|65536|sees", "claude": "claude-sonnet-4-5|Claude Sonnet 4.5|200000|64000|sees",
		"school": "small|small|-|-|?", "offline": "offline|offline|-|-|?"} {
		found := false
		for _, m := range models.KnownModels(provider) {
			found = found || described(m) == want
		}
		if !found {
			t.Errorf("%s: got %v, want %s among them", provider, models.KnownModels(provider), want)
		}
	}
	if got := models.KnownModels("unknown"); got != nil {
		t.Errorf("got %v", got)
	}
}
