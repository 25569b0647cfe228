package llm

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// known are the models of the public services, as their papers describe them. It serves
// when a service cannot be asked, and says what its own list leaves out.
var known = map[Kind][]ListedModel{
	KindOpenAI: {
		model("gpt-4.1", "GPT-4.1", 1_047_576, 32_768),
		model("gpt-4.1-mini", "GPT-4.1 mini", 1_047_576, 32_768),
		model("gpt-4.1-nano", "GPT-4.1 nano", 1_047_576, 32_768),
		model("gpt-4o", "GPT-4o", 128_000, 16_384),
		model("gpt-4o-mini", "GPT-4o mini", 128_000, 16_384),
		model("gpt-5", "GPT-5", 400_000, 128_000),
		model("gpt-5-mini", "GPT-5 mini", 400_000, 128_000),
		model("gpt-5-nano", "GPT-5 nano", 400_000, 128_000),
		model("o3", "o3", 200_000, 100_000),
		model("o4-mini", "o4-mini", 200_000, 100_000),
	},
	KindGemini: {
		model("gemini-2.0-flash", "Gemini 2.0 Flash", 1_048_576, 8_192),
		model("gemini-2.0-flash-lite", "Gemini 2.0 Flash-Lite", 1_048_576, 8_192),
		model("gemini-2.5-flash", "Gemini 2.5 Flash", 1_048_576, 65_536),
		model("gemini-2.5-flash-lite", "Gemini 2.5 Flash-Lite", 1_048_576, 65_536),
		model("gemini-2.5-pro", "Gemini 2.5 Pro", 1_048_576, 65_536),
	},
	KindClaude: {
		model("claude-haiku-4-5", "Claude Haiku 4.5", 200_000, 64_000),
		model("claude-opus-4-1", "Claude Opus 4.1", 200_000, 32_000),
		model("claude-opus-4-5", "Claude Opus 4.5", 200_000, 64_000),
		model("claude-sonnet-4-5", "Claude Sonnet 4.5", 200_000, 64_000),
	},
}

func model(id, label string, context, output int) ListedModel {
	return ListedModel{ID: id, Label: label, Context: context, Output: output}
}

// KnownModels are the models of a provider that are known without asking it: those of a
// public service, else the default model alone.
func (m *Models) KnownModels(provider string) []ListedModel {
	p := m.providers[provider]
	if p == nil {
		return nil
	}
	out := slices.Clone(known[p.service])
	for i := range out {
		out[i].complete(p.service)
	}
	if id := p.defaultModel; id != "" && !slices.ContainsFunc(out, func(m ListedModel) bool { return m.ID == id }) {
		out = append(out, ListedModel{ID: id, Label: id})
	}
	slices.SortFunc(out, func(a, b ListedModel) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// serviceAt tells by the host which of the public services is at an address; "" is another.
func serviceAt(baseURL string) Kind {
	at, err := url.Parse(baseURL)
	if err != nil || at.Host == "" {
		return ""
	}
	for _, public := range builtIn() {
		if own, err := url.Parse(public.BaseURL); err == nil && own.Host == at.Host {
			return public.Kind
		}
	}
	return ""
}

// dated matches what services add to the name of a model: the date of its version.
var dated = regexp.MustCompile(`-(\d{4}-\d\d-\d\d|\d{8}|\d{3}|latest)$`)

// complete adds what is known of a model of a public service and the service does not say.
func (m *ListedModel) complete(service Kind) {
	if sees, known := service.sees(m.ID); known && m.SeesImages == nil {
		m.SeesImages = &sees
	}
	name := dated.ReplaceAllString(m.ID, "")
	i := slices.IndexFunc(known[service], func(k ListedModel) bool { return k.ID == m.ID || k.ID == name })
	if i < 0 {
		return
	}
	k := known[service][i]
	if m.Context == 0 {
		m.Context = k.Context
	}
	if m.Output == 0 {
		m.Output = k.Output
	}
	if m.Label == m.ID && k.ID == m.ID {
		m.Label = k.Label
	}
}
