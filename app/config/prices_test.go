package config

import (
	"strings"
	"testing"
)

const testPrices = `prices:
  - {model: gpt-4o*, input: 2.5, output: "10", cached_input: 1.25, valid_from: 2026-01-31}
  - model: school/*
    input: 0
    output: 0.000000000001
    cache_write: 1e-3
    max_output: 4096
    sees_images: false
    currency: TWD
`

// Prices are read exactly, and printed so that they are read again as the same.
func TestPrices(t *testing.T) {
	t.Parallel()
	c, _ := mustLoad(t, map[string]string{"coagent.yaml": testPrices})
	check := func(c *Config) {
		t.Helper()
		if len(c.Prices) != 2 {
			t.Fatalf("got %+v", c.Prices)
		}
		a, b := c.Prices[0], c.Prices[1]
		if a.Model != "gpt-4o*" || a.Input != 2.5e12 || a.Output != 10e12 || *a.CachedInput != 1.25e12 || a.CacheWrite != nil || a.Currency != "USD" || a.ValidFrom != "2026-01-31" {
			t.Errorf("got %+v", a)
		}
		if b.Input != 0 || b.Output != 1 || *b.CacheWrite != 1e9 || b.MaxOutput != 4096 || a.SeesImages != nil || b.SeesImages == nil || *b.SeesImages || b.Currency != "TWD" || b.ValidFrom != "" {
			t.Errorf("got %+v", b)
		}
	}
	check(c)
	again, _ := mustLoad(t, map[string]string{"coagent.yaml": string(c.Effective())})
	check(again)
	text, err := PricesYAML(c.Prices)
	if err != nil {
		t.Fatal(err)
	}
	again, _ = mustLoad(t, map[string]string{"coagent.yaml": string(text)})
	check(again)
	fromEnv, _ := mustLoad(t, nil, `COAGENT_PRICES=[{"model": "*", "input": 0.1, "output": "0.30"}]`)
	if p := fromEnv.Prices; len(p) != 1 || p[0].Input != 1e11 || p[0].Output != 3e11 {
		t.Errorf("got %+v", p)
	}
}

func TestPricesRefused(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"{input: 1, output: 1}":                                         "model is missing",
		"{model: a, output: 1}":                                         "input and output",
		"{model: a, input: -1, output: 1}":                              "not negative",
		"{model: a, input: 20000, output: 1}":                           "at most 10000",
		"{model: a, input: many, output: 1}":                            "must be a number",
		"{model: a, input: true, output: 1}":                            "must be a number",
		"{model: a, input: 1, output: 1, currency: euro}":               "three capital letters",
		"{model: a, input: 1, output: 1, valid_from: soon}":             "must be a date",
		"{model: a, input: 1, output: 1, valid_from: 2026-02-30}":       "must be a date",
		"{model: a, input: 1, output: 1, per_image: 3}":                 "per_image is no member",
		"{model: a, input: 1, output: 1, max_output: -5}":               "number of tokens",
		"{model: a, input: 1, output: 1, sees_images: yes please}":      "true or false",
		"{model: 5, input: 1, output: 1}":                               "between quotes",
		"{model: a b, input: 1, output: 1}":                             "without blanks",
		"free":                                                          "must be {model",
		"{model: a, input: 1, output: 0.00000000000000000000000000001}": "decimals",
	} {
		problems := loadProblems(t, map[string]string{"coagent.yaml": "prices:\n  - {model: x, input: 1, output: 1}\n  - " + text + "\n"})
		if len(problems) != 1 || !strings.Contains(problems[0], says) || !strings.Contains(problems[0], "item 2") {
			t.Errorf("%s: got %q, want one problem with %q", text, problems, says)
		}
	}
	for _, text := range []string{"prices: 5", "prices: {a: 1}", "prices: nothing"} {
		if problems := loadProblems(t, map[string]string{"coagent.yaml": text}); len(problems) == 0 {
			t.Errorf("%s is taken", text)
		}
	}
}
