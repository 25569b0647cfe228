package price

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/money"
)

// maxList bounds the file with the prices. The public list has about 4 MB.
const maxList = 64 << 20

// listed is a model of litellm's list (model_prices_and_context_window.json). Its prices
// are for one token.
type listed struct {
	Provider   string          `json:"litellm_provider"`
	Mode       string          `json:"mode"`
	Input      json.RawMessage `json:"input_cost_per_token"`
	Output     json.RawMessage `json:"output_cost_per_token"`
	Cached     json.RawMessage `json:"cache_read_input_token_cost"`
	CacheWrite json.RawMessage `json:"cache_creation_input_token_cost"`
	MaxOutput  json.RawMessage `json:"max_output_tokens"`
	Vision     json.RawMessage `json:"supports_vision"`
}

// Import reads litellm's price list and returns the prices of its chat models, by name.
// wanted tells for which of litellm's providers. Prices are in US dollars.
func Import(r io.Reader, wanted func(provider string) bool) ([]config.Price, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxList+1))
	switch {
	case err != nil:
		return nil, err
	case len(raw) > maxList:
		return nil, fmt.Errorf("the file is larger than %d MiB: that is no price list", maxList>>20)
	}
	var prices []config.Price
	known, before := false, map[string]string{} // the versions of the prices, by pattern
	err = eachModel(bytes.TrimPrefix(raw, []byte("\ufeff")), func(name string, raw json.RawMessage) error {
		var m listed
		if name == "sample_spec" {
			return nil // it explains the members
		}
		if err := json.Unmarshal(raw, &m); err != nil {
			return fmt.Errorf("model %.300q: its members are not those of a price list: %w", name, err)
		}
		known = known || m.Provider != ""
		if m.Mode != "chat" && m.Mode != "responses" || missing(m.Input) || missing(m.Output) || !wanted(m.Provider) {
			return nil
		}
		p, err := m.price(name)
		if err != nil {
			return fmt.Errorf("model %.300q: %w", name, err)
		}
		// Models are found in any case, so two that differ in case alone are the same.
		pattern := strings.ToLower(name)
		same := p
		same.Model = pattern
		switch was, twice := before[pattern]; {
		case twice && was != version(same):
			return fmt.Errorf("model %q is in the list twice, with different prices; remove one", name)
		case !twice:
			before[pattern] = version(same)
			prices = append(prices, p)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !known {
		return nil, errors.New("this is no price list: no model in it has a litellm_provider")
	}
	sort.Slice(prices, func(i, j int) bool { return prices[i].Model < prices[j].Model })
	return prices, nil
}

// eachModel calls do for each member of the list, also for one that is there twice: a map
// would keep the last one alone.
func eachModel(raw []byte, do func(name string, model json.RawMessage) error) error {
	no := func(err error) error {
		return fmt.Errorf("this is no price list: it must be a JSON object with a member for each model, such as "+
			"litellm's model_prices_and_context_window.json: %w", err)
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(raw, &object); err != nil {
		return no(err)
	}
	// All of it is one object, so each token is a name or a bracket.
	d := json.NewDecoder(bytes.NewReader(raw))
	if _, err := d.Token(); err != nil {
		return no(err)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return no(err)
		}
		var model json.RawMessage
		if err := d.Decode(&model); err != nil {
			return no(err)
		}
		if err := do(fmt.Sprint(name), model); err != nil {
			return err
		}
	}
	return nil
}

func missing(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// price is a listed model as an entry of the configuration.
func (m *listed) price(name string) (p config.Price, err error) {
	p = config.Price{Model: name, Currency: config.DefaultCurrency}
	// The difference is shown on a terminal, so the name must have nothing that one obeys.
	odd := func(r rune) bool { return r == '*' || r == utf8.RuneError || unicode.IsSpace(r) || !unicode.IsPrint(r) }
	if name == "" || len(name) > 200 || strings.ContainsFunc(name, odd) {
		return p, errors.New("the name is none of a model")
	}
	if p.Input, err = perMillion("input_cost_per_token", m.Input); err != nil {
		return p, err
	}
	if p.Output, err = perMillion("output_cost_per_token", m.Output); err != nil {
		return p, err
	}
	for _, more := range []struct {
		name string
		raw  json.RawMessage
		to   **config.Rate
	}{{"cache_read_input_token_cost", m.Cached, &p.CachedInput}, {"cache_creation_input_token_cost", m.CacheWrite, &p.CacheWrite}} {
		if missing(more.raw) {
			continue
		}
		rate, err := perMillion(more.name, more.raw)
		if err != nil {
			return p, err
		}
		*more.to = &rate
	}
	if n, ok := wholeNumber(m.MaxOutput); ok && n <= 1e9 {
		p.MaxOutput = int(n)
	}
	switch strings.Trim(string(m.Vision), `"`) { // where it is missing, that is not known
	case "true":
		p.SeesImages = new(true)
	case "false":
		p.SeesImages = new(false)
	}
	return p, nil
}

// wholeNumber reads a number such as 4096, "4096" or 4096.0; the list has all of them.
func wholeNumber(raw json.RawMessage) (int64, bool) {
	n, err := money.Parse(strings.Trim(string(raw), `"`), 0)
	return n, err == nil
}

// perMillion reads the price of one token without a rounding of its digits.
func perMillion(member string, raw json.RawMessage) (config.Rate, error) {
	text := strings.Trim(string(raw), `"`)
	// A millionth of the unit's size: the price of a token in units of a million's price.
	n, err := money.ParseRounded(text, money.RateDigits+6)
	if err != nil {
		return 0, fmt.Errorf("%s %w, not %.40s", member, err, text)
	}
	if config.Rate(n) > config.MaxRate {
		return 0, fmt.Errorf("%s is more than %v for a million tokens: %.40s", member, config.MaxRate, text)
	}
	return config.Rate(n), nil
}

// Merge puts imported prices into those of the configuration: an entry for the same pattern
// without a later date is replaced where it stands, and new ones come at the end. It
// returns the new list and says in words what differs.
func Merge(have, imported []config.Price) (merged []config.Price, difference []string) {
	merged = slices.Clone(have)
	for _, p := range imported {
		i := slices.IndexFunc(merged, func(old config.Price) bool { return old.Model == p.Model && old.ValidFrom == "" })
		switch {
		case i < 0:
			merged = append(merged, p)
			difference = append(difference, "+ "+describe(p))
		case version(merged[i]) != version(p):
			difference = append(difference, "- "+describe(merged[i]), "+ "+describe(p))
			merged[i] = p
		}
	}
	return merged, difference
}

func describe(p config.Price) string {
	text := fmt.Sprintf("%s: input %v, output %v", p.Model, p.Input, p.Output)
	if p.CachedInput != nil {
		text += fmt.Sprintf(", cached_input %v", *p.CachedInput)
	}
	if p.CacheWrite != nil {
		text += fmt.Sprintf(", cache_write %v", *p.CacheWrite)
	}
	if p.MaxOutput > 0 {
		text += fmt.Sprintf(", max_output %d", p.MaxOutput)
	}
	if p.SeesImages != nil {
		text += fmt.Sprintf(", sees_images %v", *p.SeesImages)
	}
	return text + " " + p.Currency
}
