package llm_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app/llm"
)

func TestRequestHidesItsKey(t *testing.T) {
	t.Parallel()
	req := ask("openai", "a private line")
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("call", "request", req)
	encoded, err := json.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	for how, got := range map[string]string{
		"%v": fmt.Sprintf("%v", req), "%+v": fmt.Sprintf("%+v", &req), "%#v": fmt.Sprintf("%#v", req), "String": req.String(),
		"slog": logged.String(), "json": string(encoded), "in a struct": fmt.Sprintf("%+v", struct{ R llm.Request }{req}),
	} {
		if strings.Contains(got, testKey) {
			t.Errorf("%s shows the key: %s", how, got)
		}
	}
}

func TestModels(t *testing.T) {
	t.Parallel()
	m, err := llm.New(llm.Config{Providers: map[string]llm.ProviderConfig{
		"openai": {DefaultModel: "gpt-4o-mini"},
		"school": {Kind: llm.KindOpenAI, BaseURL: "http://127.0.0.1:11434/v1/", DefaultModel: "llama", Keyless: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := m.Names(), []string{"claude", "gemini", "offline", "openai", "school"}; !slices.Equal(got, want) {
		t.Errorf("got names %v, want %v", got, want)
	}
	for name, want := range map[string]string{
		"openai": "gpt-4o-mini true true", "gemini": "gemini-2.0-flash true true", "offline": "offline true false",
		"school": "llama true false", "claude": "claude-sonnet-4-5 true true", "nobody": " false false",
	} {
		if got := fmt.Sprint(m.DefaultModel(name), " ", m.Known(name), " ", m.NeedsKey(name)); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestNewNamesEveryFault(t *testing.T) {
	t.Parallel()
	m, err := llm.New(llm.Config{Providers: map[string]llm.ProviderConfig{
		"openai": {BaseURL: "ftp://x"},
		"a":      {Kind: "nobody", BaseURL: "https://a.test"},
		"b":      {Kind: llm.KindOpenAI},
		"c":      {Kind: llm.KindOpenAI, BaseURL: "https://user:pw@c.test/v1"},
		"d":      {Kind: llm.KindGemini, BaseURL: "https://d.test", Keyless: true},
		"fine":   {Kind: llm.KindOpenAI, BaseURL: "https://e.test/v1"},
	}})
	if m != nil || err == nil {
		t.Fatalf("got %v, %v, want an error only", m, err)
	}
	for _, name := range []string{`"openai"`, `"a"`, `"b"`, `"c"`, `"d"`} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("got %q, want it to name %s", err, name)
		}
	}
	if strings.Contains(err.Error(), "fine") || strings.Contains(err.Error(), "pw") {
		t.Errorf("got %q, want neither the good provider nor a password", err)
	}
}
