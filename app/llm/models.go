package llm

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Kind says which wire format a provider speaks.
type Kind string

// The kinds of provider.
const (
	KindOpenAI  Kind = "openai"  // chat completions, as OpenAI and many other servers speak them
	KindGemini  Kind = "gemini"  // Google's Generative Language API
	KindClaude  Kind = "claude"  // Anthropic's Messages API
	KindOffline Kind = "offline" // built in; uses no model and no network
)

// ProviderConfig describes one provider.
type ProviderConfig struct {
	Kind         Kind   // may be empty for the built-in names claude, gemini, offline and openai
	BaseURL      string // http or https, for openai including /v1; empty for the public service of a built-in name
	DefaultModel string // for requests that name none; the built-in names have one
	Keyless      bool   // the server asks for no key, for example one on this machine
}

// Limits bound every call. Zero means the default.
type Limits struct {
	Connect    time.Duration // name lookup and TCP, then TLS; default 5 s each
	FirstToken time.Duration // from sending to the first piece of the answer; default 30 s
	Silence    time.Duration // between two pieces of the answer; default 20 s
	Total      time.Duration // the whole call with its retries; default 2 min
	MaxBytes   int           // of text and tool arguments in one answer; default 4 MiB
}

// Retry says how often and how soon a failed call is sent again, if it may still
// succeed. Zero means the default.
type Retry struct {
	Attempts int           // including the first; default 3; 1 switches retries off
	Base     time.Duration // the first wait, doubled each time; 50 to 100 % of it is waited; default 200 ms
	MaxWait  time.Duration // a call is not retried when Retry-After asks for a longer wait; default 5 s
}

// Breaker says when calls to a provider, address and key stop for a while. Zero means
// the default.
type Breaker struct {
	Failures int           // consecutive failures that open it; default 5
	Cooldown time.Duration // time until one call may try again; default 30 s
}

// Config is the configuration of Models. The zero value gives the three built-in
// providers with their defaults.
type Config struct {
	Providers map[string]ProviderConfig // by name; added to the built-in ones, or overriding them
	Limits    Limits
	Retry     Retry
	Breaker   Breaker
	// OfflinePause is how long the offline provider waits before each piece of an
	// answer, so that people see it stream. The default is no wait.
	OfflinePause time.Duration
	Proxy        string            // to the providers; empty for what the environment says
	Transport    http.RoundTripper // for tests; nil makes a pool that applies Limits.Connect and Proxy
	Now          func() time.Time  // for Retry-After dates; nil for time.Now
}

// Models routes requests to providers. It is safe for concurrent use.
type Models struct {
	providers map[string]*provider
	limits    Limits
	retry     Retry
	breakers  *breakers
	memory    *memory
	wire      *wire
}

type provider struct {
	name         string
	kind         Kind
	baseURL      string
	service      Kind // which of the public services it is, "" for another
	defaultModel string
	maxTokens    int // of answers to requests that name no limit; 0 where none has to be sent
	needsKey     bool
	impl         Provider
}

func builtIn() map[string]ProviderConfig {
	return map[string]ProviderConfig{
		"openai":  {Kind: KindOpenAI, BaseURL: "https://api.openai.com/v1", DefaultModel: "gpt-4o"},
		"gemini":  {Kind: KindGemini, BaseURL: "https://generativelanguage.googleapis.com", DefaultModel: "gemini-2.0-flash"},
		"claude":  {Kind: KindClaude, BaseURL: "https://api.anthropic.com", DefaultModel: "claude-sonnet-4-5"},
		"offline": {Kind: KindOffline, DefaultModel: "offline"},
	}
}

// New checks cfg and makes the providers. The error names every fault. New sends
// nothing.
func New(cfg Config) (*Models, error) {
	m := &Models{
		providers: map[string]*provider{},
		limits: Limits{
			Connect:    cmp.Or(cfg.Limits.Connect, 5*time.Second),
			FirstToken: cmp.Or(cfg.Limits.FirstToken, 30*time.Second),
			Silence:    cmp.Or(cfg.Limits.Silence, 20*time.Second),
			Total:      cmp.Or(cfg.Limits.Total, 2*time.Minute),
			MaxBytes:   cmp.Or(cfg.Limits.MaxBytes, 4<<20),
		},
		retry: Retry{
			Attempts: cmp.Or(cfg.Retry.Attempts, 3),
			Base:     cmp.Or(cfg.Retry.Base, 200*time.Millisecond),
			MaxWait:  cmp.Or(cfg.Retry.MaxWait, 5*time.Second),
		},
		breakers: newBreakers(Breaker{
			Failures: cmp.Or(cfg.Breaker.Failures, 5),
			Cooldown: cmp.Or(cfg.Breaker.Cooldown, 30*time.Second),
		}),
	}
	now := cfg.Now
	if now == nil {
		now = time.Now
	}
	transport := cfg.Transport
	if transport == nil {
		transport = newTransport(m.limits.Connect, cfg.Proxy)
	}
	m.memory = newMemory(now)
	w := newWire(transport, now)
	m.wire = w
	all := builtIn()
	for name, pc := range cfg.Providers {
		all[name] = override(all[name], pc)
	}
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(all)) {
		p, err := newProvider(name, all[name], w, cfg.OfflinePause)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		m.providers[name] = p
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return m, nil
}

// override lays pc over base: members that pc leaves out keep the value of base. When
// pc names another kind of provider, base is not used.
func override(base, pc ProviderConfig) ProviderConfig {
	if pc.Kind != "" && pc.Kind != base.Kind {
		return pc
	}
	return ProviderConfig{
		Kind:         base.Kind,
		BaseURL:      cmp.Or(pc.BaseURL, base.BaseURL),
		DefaultModel: cmp.Or(pc.DefaultModel, base.DefaultModel),
		Keyless:      pc.Keyless,
	}
}

func newProvider(name string, pc ProviderConfig, w *wire, pause time.Duration) (*provider, error) {
	p := &provider{name: name, kind: pc.Kind, defaultModel: pc.DefaultModel, needsKey: !pc.Keyless}
	switch pc.Kind {
	case KindOffline:
		p.needsKey, p.impl = false, offline{pause: pause}
		return p, nil
	case KindOpenAI, KindGemini, KindClaude:
	default:
		return nil, fmt.Errorf("llm provider %q: kind %q is not one of openai, gemini, claude, offline", name, pc.Kind)
	}
	base, err := baseURL(pc.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("llm provider %q: %w", name, err)
	}
	p.baseURL, p.service = base, serviceAt(base)
	if pc.Kind != KindOpenAI && pc.Keyless {
		return nil, fmt.Errorf("llm provider %q: kind %s always needs a key", name, pc.Kind)
	}
	switch pc.Kind {
	case KindGemini:
		p.impl = &gemini{baseURL: base, wire: w}
	case KindClaude:
		// Its own SDK takes the address without the version; others write it with it.
		p.maxTokens, p.impl = claudeLimit, &claude{baseURL: strings.TrimSuffix(base, "/v1"), wire: w}
	default:
		p.impl = &openAI{baseURL: base, wire: w}
	}
	return p, nil
}

func baseURL(raw string) (string, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return "", errors.New("base URL does not parse")
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return "", errors.New("base URL has to begin with http:// or https:// and a host")
	case u.User != nil, u.RawQuery != "", u.Fragment != "":
		return "", errors.New("base URL must not have a user, a query or a fragment")
	}
	return strings.TrimRight(raw, "/"), nil
}

// Known reports whether provider is configured.
func (m *Models) Known(provider string) bool { return m.providers[provider] != nil }

// NeedsKey reports whether provider is configured and refuses requests that have no
// key.
func (m *Models) NeedsKey(provider string) bool {
	p := m.providers[provider]
	return p != nil && p.needsKey
}

// Host is the host and port that a provider's keys are sent to, in lower case. It is ""
// for a provider that is unknown or has no address.
func (m *Models) Host(provider string) string {
	p := m.providers[provider]
	if p == nil {
		return ""
	}
	u, err := url.Parse(p.baseURL)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Host)
}

// DefaultModel is the model for requests to provider that name none. It is empty when
// there is no default.
func (m *Models) DefaultModel(provider string) string {
	if p := m.providers[provider]; p != nil {
		return p.defaultModel
	}
	return ""
}

// Names lists the configured providers in alphabetical order.
func (m *Models) Names() []string { return slices.Sorted(maps.Keys(m.providers)) }
