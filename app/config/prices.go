package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/coagent-studio/coagent/app/money"
)

// Price is what a model's tokens cost. Package price says which of several counts.
type Price struct {
	Model string `yaml:"model"` // a pattern of names, or of provider/name
	// The prices of a million tokens. Without CachedInput or CacheWrite those tokens cost
	// as much as Input.
	Input       Rate  `yaml:"input"`
	Output      Rate  `yaml:"output"`
	CachedInput *Rate `yaml:"cached_input,omitempty"`
	CacheWrite  *Rate `yaml:"cache_write,omitempty"`
	// MaxOutput is the most tokens that the model ever answers with, 0 when not known. A
	// budget needs it for a model that takes no limit.
	MaxOutput int `yaml:"max_output,omitempty"`
	// SeesImages tells whether the model takes pictures, where that is known.
	SeesImages *bool `yaml:"sees_images,omitempty"`

	Currency  string `yaml:"currency"`
	ValidFrom string `yaml:"valid_from,omitempty"` // a date; "" is since ever
}

// Rate is the price of a million tokens, in units of 10^-12 of its currency.
type Rate int64

// MaxRate is the highest price; it keeps the cost of any call far below the largest number.
const MaxRate = Rate(10_000 * 1e12)

// DefaultCurrency is the currency of a price that names none.
const DefaultCurrency = "USD"

// String writes the price as a decimal number.
func (r Rate) String() string { return money.Format(int64(r), money.RateDigits) }

// MarshalYAML writes a number that is read again as the same price (yaml.Marshaler).
func (r Rate) MarshalYAML() (any, error) {
	return &yaml.Node{Kind: yaml.ScalarNode, Value: r.String()}, nil
}

var (
	currencyCode = regexp.MustCompile(`^[A-Z]{3}$`)
	pricePattern = regexp.MustCompile(`^[!-~]{1,200}$`)
)

// ValidCurrency tells whether a text is the code of a currency, such as USD.
func ValidCurrency(code string) bool { return currencyCode.MatchString(code) }

// pricesIn reads a list of prices: a list from YAML, or a text with a list in JSON.
func pricesIn(raw any) ([]Price, error) {
	items, ok := raw.([]any)
	if text, isText := raw.(string); isText {
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		if ok = strings.TrimSpace(text) == "" || d.Decode(&items) == nil && !d.More(); !ok {
			return nil, errors.New(`must be a list in JSON, such as [{"model": "gpt-4o*", "input": 2.5, "output": 10}]`)
		}
	}
	if !ok {
		return nil, errors.New("must be a list of {model, input, output, ...}")
	}
	prices := make([]Price, len(items))
	for i, item := range items {
		var err error
		if prices[i], err = priceIn(item); err != nil {
			return nil, fmt.Errorf("item %d: %w", i+1, err)
		}
	}
	return prices, nil
}

func priceIn(raw any) (p Price, err error) {
	members, ok := sectionOf(raw)
	if !ok {
		return p, errors.New("must be {model, input, output, ...}")
	}
	p.Currency = DefaultCurrency
	for name, value := range members {
		var rate Rate
		switch name {
		case "model", "currency":
			text, isText := value.(string)
			if !isText {
				return p, fmt.Errorf("%s must be text, not %v: put it between quotes", name, value)
			}
			if name == "model" {
				p.Model = text
			} else {
				p.Currency = text
			}
		case "input", "output", "cached_input", "cache_write":
			if rate, err = rateIn(value); err != nil {
				return p, fmt.Errorf("%s %w", name, err)
			}
			switch name {
			case "input":
				p.Input = rate
			case "output":
				p.Output = rate
			case "cached_input":
				p.CachedInput = &rate
			case "cache_write":
				p.CacheWrite = &rate
			}
		case "max_output":
			if p.MaxOutput, err = strconv.Atoi(fmt.Sprint(value)); err != nil || p.MaxOutput < 0 || p.MaxOutput > 1e9 {
				return p, fmt.Errorf("max_output must be a number of tokens, not %v", value)
			}
		case "sees_images":
			sees, isBool := value.(bool)
			if !isBool {
				return p, fmt.Errorf("sees_images must be true or false, not %v", value)
			}
			p.SeesImages = &sees
		case "valid_from":
			if p.ValidFrom, err = dateIn(value); err != nil {
				return p, err
			}
		default:
			return p, fmt.Errorf("%s is no member of a price: model, input, output, cached_input, cache_write, max_output, sees_images, currency, valid_from", name)
		}
	}
	switch {
	case p.Model == "":
		return p, errors.New("model is missing: the pattern of the models' names, such as gpt-4o*")
	case !pricePattern.MatchString(p.Model):
		return p, errors.New("model must be the pattern of a name, at most 200 letters without blanks")
	case members["input"] == nil || members["output"] == nil:
		return p, fmt.Errorf("%s needs input and output, the prices of a million tokens", p.Model)
	case !ValidCurrency(p.Currency):
		return p, fmt.Errorf("currency must be a code of three capital letters, such as USD, not %q", p.Currency)
	}
	return p, nil
}

// rateIn reads a price. YAML has made a float of a number; its shortest text is the number
// as it was written, up to fifteen digits.
func rateIn(value any) (Rate, error) {
	text := ""
	switch n := value.(type) {
	case string:
		text = n
	case json.Number:
		text = n.String()
	case float64:
		text = strconv.FormatFloat(n, 'g', -1, 64)
	case int, int64, uint64:
		text = fmt.Sprint(n)
	}
	n, err := money.Parse(text, money.RateDigits)
	if err == nil && Rate(n) > MaxRate {
		err = fmt.Errorf("must be at most %v for a million tokens", MaxRate)
	}
	return Rate(n), err
}

func dateIn(value any) (string, error) {
	if at, ok := value.(time.Time); ok {
		return at.Format(time.DateOnly), nil // YAML reads a date as a time
	}
	text, _ := value.(string)
	if _, err := time.Parse(time.DateOnly, text); err != nil {
		return "", fmt.Errorf("valid_from must be a date such as 2026-01-31, not %v", value)
	}
	return text, nil
}

// PricesYAML writes prices as they stand in coagent.yaml.
func PricesYAML(prices []Price) ([]byte, error) {
	return yaml.Marshal(struct {
		Prices []Price `yaml:"prices"`
	}{prices})
}
