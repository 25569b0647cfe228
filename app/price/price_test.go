package price_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/money"
	"github.com/coagent-studio/coagent/app/price"
)

func rate(t *testing.T, text string) config.Rate {
	t.Helper()
	n, err := money.Parse(text, money.RateDigits)
	if err != nil {
		t.Fatal(err)
	}
	return config.Rate(n)
}

// The most specific pattern counts, then the latest date, then the last entry.
func TestFind(t *testing.T) {
	t.Parallel()
	var list []config.Price
	for i, p := range []struct{ model, from string }{{"*", ""}, {"gpt-4*", ""}, {"gpt-4o*", ""}, {"gpt-4o*", "2026-06-01"}, {"openai/gpt-4o*", "2026-09-01"},
		{"gpt-4o-mini", ""}, {"gpt-4o-mini", ""}, {"*/*:free", ""}, {"llama*8b*q4", ""}} {
		list = append(list, config.Price{Model: p.model, ValidFrom: p.from, MaxOutput: i + 1, Currency: "USD"})
	}
	taipei := time.FixedZone("Asia/Taipei", 8*3600)
	table, err := price.NewTable(list, taipei)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		provider, model, at string
		want                int
	}{
		{"school", "qwen", "2026-01-01T00:00:00Z", 1}, {"openai", "gpt-4.1", "2026-01-01T00:00:00Z", 2}, {"openai", "gpt-4o", "2026-01-01T00:00:00Z", 3},
		{"openai", "gpt-4o", "2026-05-31T15:59:59Z", 3}, {"openai", "gpt-4o", "2026-05-31T16:00:00Z", 4}, {"OpenAI", "GPT-4o", "2026-10-01T00:00:00Z", 5},
		{"school", "gpt-4o", "2026-10-01T00:00:00Z", 4}, {"school", "gpt-4o-mini", "2026-10-01T00:00:00Z", 7}, {"router", "meta/llama:free", "2026-01-01T00:00:00Z", 8},
		{"school", "llama3.1-8b-instruct-q4", "2026-01-01T00:00:00Z", 9}, {"school", "llama3.1-8b-instruct-q40", "2026-01-01T00:00:00Z", 1},
	} {
		at, err := time.Parse(time.RFC3339, tc.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := table.Find(tc.provider, tc.model, at); got == nil || got.MaxOutput != tc.want {
			t.Errorf("%s/%s at %s: got %+v, want entry %d", tc.provider, tc.model, tc.at, got, tc.want)
		}
	}
	if got := new(price.Table).Find("openai", "gpt-4o", time.Now()); got != nil {
		t.Errorf("an empty table has %+v", got)
	}
	if a, b := table.Find("s", "gpt-4.1", time.Now()), table.Find("s", "gpt-4o-mini", time.Now()); a.Version == b.Version || len(a.Version) != 12 {
		t.Errorf("versions %q and %q", a.Version, b.Version)
	}
}

// The cost is what exact fractions give, rounded up once, and is never more than the worst.
func TestCost(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 13))
	table, err := price.NewTable([]config.Price{{Model: "*", Input: rate(t, "2.5"), Output: rate(t, "10"), Currency: "USD"}}, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	p := table.Find("a", "b", time.Time{})
	if got := p.Cost(price.Tokens{Input: 1000, Output: 100}); got != 3_500_000 {
		t.Errorf("got %d nano, want 3500000: 0.0025 and 0.001", got)
	}
	for range 2000 {
		p := price.Price{Price: config.Price{Input: config.Rate(r.Int64N(1e14)), Output: config.Rate(r.Int64N(1e14))}}
		if r.IntN(2) == 0 {
			c := config.Rate(r.Int64N(1e14))
			p.CachedInput = &c
		}
		if r.IntN(2) == 0 {
			c := config.Rate(r.Int64N(1e14))
			p.CacheWrite = &c
		}
		in := r.Int64N(1_000_000)
		n := price.Tokens{Input: in, Output: r.Int64N(100_000), Cached: r.Int64N(in/2 + 1), Written: r.Int64N(in/2 + 1)}
		want := new(big.Rat)
		add := func(tokens int64, rate *config.Rate) {
			if rate == nil {
				rate = &p.Input
			}
			want.Add(want, new(big.Rat).SetFrac(new(big.Int).Mul(big.NewInt(tokens), big.NewInt(int64(*rate))), big.NewInt(1e9)))
		}
		add(n.Input-n.Cached-n.Written, nil)
		add(n.Output, &p.Output)
		add(n.Cached, p.CachedInput)
		add(n.Written, p.CacheWrite)
		got := p.Cost(n)
		over := new(big.Rat).Sub(new(big.Rat).SetInt64(got), want)
		if over.Sign() < 0 || over.Cmp(big.NewRat(1, 1)) >= 0 {
			t.Fatalf("%+v of %+v cost %d, want %s rounded up", n, p.Price, got, want.FloatString(6))
		}
		if worst := p.Worst(n.Input, n.Output); worst < got {
			t.Fatalf("the worst case %d is less than %d", worst, got)
		}
	}
	hostile := price.Tokens{Input: -5, Output: 1 << 62, Cached: 1 << 62, Written: 1 << 62}
	if got := (&price.Price{Price: config.Price{Input: config.MaxRate, Output: config.MaxRate}}).Cost(hostile); got != 10_000_000*1e9 {
		t.Errorf("a hostile count costs %d", got)
	}
}

const list = `{"sample_spec": {"input_cost_per_token": "a number", "litellm_provider": "one of", "mode": "one of"},
	"gpt-4o-mini": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1.5e-07, "output_cost_per_token": 6e-07, "cache_read_input_token_cost": 7.5e-08, "max_output_tokens": 16384, "supports_vision": true},
	"claude-x": {"litellm_provider": "anthropic", "mode": "chat", "input_cost_per_token": 3e-06, "output_cost_per_token": 1.5e-05, "cache_creation_input_token_cost": 3.75e-06, "max_output_tokens": "64000", "supports_vision": "maybe"},
	"o-pro": {"litellm_provider": "openai", "mode": "responses", "input_cost_per_token": 0.00015, "output_cost_per_token": 0.0006},
	"dall-e": {"litellm_provider": "openai", "mode": "image_generation", "input_cost_per_pixel": 1e-8},
	"half": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1e-6}}`

func TestImport(t *testing.T) {
	t.Parallel()
	openAI := func(provider string) bool { return provider == "openai" }
	got, err := price.Import(strings.NewReader(list), openAI)
	if err != nil || len(got) != 2 {
		t.Fatalf("got %+v, %v, want two models", got, err)
	}
	if s := fmt.Sprint(got[0].Model, got[0].Input, got[0].Output, *got[0].CachedInput, got[0].MaxOutput); s != "gpt-4o-mini0.15 0.6 0.075 16384" {
		t.Errorf("got %s", s)
	}
	all, err := price.Import(strings.NewReader("\ufeff"+list), func(string) bool { return true })
	if err != nil || len(all) != 3 || all[0].CacheWrite.String() != "3.75" || all[0].MaxOutput != 64000 {
		t.Errorf("got %+v, %v", all, err)
	}
	if got[0].SeesImages == nil || !*got[0].SeesImages || all[0].SeesImages != nil {
		t.Errorf("pictures: got %v and %v", got[0].SeesImages, all[0].SeesImages)
	}
	have := []config.Price{{Model: "gpt-4o-mini", Input: got[0].Input, Output: got[0].Input, Currency: "USD"}, {Model: "own", Currency: "TWD"}}
	merged, difference := price.Merge(have, got)
	if len(merged) != 3 || merged[0].Output != got[0].Output || merged[1].Model != "own" || len(difference) != 3 {
		t.Errorf("got %+v, %q", merged, difference)
	}
	if _, again := price.Merge(merged, got); len(again) != 0 {
		t.Errorf("a second import differs: %q", again)
	}
	text, err := config.PricesYAML(merged)
	if err != nil || !strings.Contains(string(text), "input: 0.15\n") {
		t.Errorf("got %s, %v", text, err)
	}
}

// one is a member of a price list, and model a list of one.
func one(name, input string) string {
	return `"` + name + `": {"litellm_provider": "x", "mode": "chat", "output_cost_per_token": 1e-6, "input_cost_per_token": ` + input + `}`
}

func model(name, input string) string { return "{" + one(name, input) + "}" }

// A model that is listed twice at one price is taken once.
func TestImportTwice(t *testing.T) {
	t.Parallel()
	list := "{" + one("a", `1e-6`) + "," + one("A", `0.000001`) + "," + one("b", `0`) + "}"
	got, err := price.Import(strings.NewReader(list), func(string) bool { return true })
	if err != nil || len(got) != 2 || got[0].Model != "a" || got[1].Model != "b" {
		t.Errorf("got %+v, %v, want a and b", got, err)
	}
}

// An odd file is refused with words that say what is wrong.
func TestImportOdd(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"":                        "no price list",
		"<html>404</html>":        "no price list",
		"[]":                      "no price list",
		`{"a": 1}`:                `model "a"`,
		`{"a": {"mode": "chat"}}`: "litellm_provider",
		"{}":                      "litellm_provider",
		`{"a": {"litellm_provider": "x", "mode": "chat", "input_cost_per_token": -1e-6, "output_cost_per_token": 1}}`:     "input_cost_per_token must be a number",
		`{"a": {"litellm_provider": "x", "mode": "chat", "input_cost_per_token": "free", "output_cost_per_token": 1}}`:    "input_cost_per_token must be a number",
		`{"a": {"litellm_provider": "x", "mode": "chat", "input_cost_per_token": 1e-6, "output_cost_per_token": 1e9}}`:    "output_cost_per_token",
		`{"a": {"litellm_provider": "x", "mode": "chat", "input_cost_per_token": 1e-6, "output_cost_per_token": [1]}}`:    "output_cost_per_token",
		`{"a b": {"litellm_provider": "x", "mode": "chat", "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6}}`: "name",
		model("a\\u001b[2J", `1e-6`):                              "name",
		model("a\u202eb", `1e-6`):                                 "name",
		model("a\x07", `1e-6`):                                    "no price list",
		model("", `1e-6`):                                         "name",
		model("\xff", `1e-6`):                                     "name",
		model(strings.Repeat("a", 100_000), `1e-6`):               "name",
		model("a", `1e400`):                                       "input_cost_per_token must be a number",
		model("a", `1e-400`):                                      "input_cost_per_token must be a number",
		model("a", `"NaN"`):                                       "input_cost_per_token must be a number",
		model("a", `true`):                                        "input_cost_per_token must be a number",
		model("a", `{}`):                                          "input_cost_per_token must be a number",
		model("a", `1`+strings.Repeat("0", 100_000)):              "input_cost_per_token must be a number",
		"{" + one("a", `1e-6`) + "," + one("a", `2e-6`) + "}":     "twice",
		"{" + one("Gpt", `1e-6`) + "," + one("gPT", `2e-6`) + "}": "twice",
		model("a", `1e-6`) + "{}":                                 "no price list",
		strings.Repeat(`{"a":`, 20_000):                           "no price list",
		`null`:                                                    "litellm_provider",
		`{"a": {"litellm_provider": ["x"], "mode": "chat"}}`:      `model "a"`,
	} {
		if got, err := price.Import(strings.NewReader(text), func(string) bool { return true }); err == nil || !strings.Contains(err.Error(), says) || len(err.Error()) > 1000 {
			t.Errorf("%.60s: got %v, %.300v, want a short error with %q", text, got, err, says)
		}
	}
}
