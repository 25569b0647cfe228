// Package price says what a call of a model costs. It knows the prices of the
// configuration, and how to read those of a public list (import.go). It calls nobody.
//
// Of all prices whose pattern matches a model and that are valid at the time of the call,
// the most specific one counts: the one whose pattern has the most characters besides *.
// Of several such it is the one that is valid since the latest date, and then the last in
// the list. A pattern is compared with the model's name and with provider/name, without
// regard to case; * stands for any characters, also none.
package price

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"strings"
	"time"

	"github.com/coagent-studio/coagent/app/config"
)

// Price is what one model's tokens cost.
type Price struct {
	config.Price
	Version string // identifies these numbers: a hash of them

	pattern string
	letters int
	from    time.Time
}

// Table has all prices. Its zero value knows none.
type Table struct{ prices []Price }

// NewTable reads the prices of the configuration. They are valid from the beginning of
// their day in a zone on.
func NewTable(prices []config.Price, zone *time.Location) (*Table, error) {
	t := new(Table)
	for _, p := range prices {
		row := Price{Price: p, Version: version(p), pattern: strings.ToLower(p.Model), letters: len(p.Model) - strings.Count(p.Model, "*")}
		if p.ValidFrom != "" {
			from, err := time.ParseInLocation(time.DateOnly, p.ValidFrom, zone)
			if err != nil {
				return nil, fmt.Errorf("the price of %s: valid_from is no date: %q", p.Model, p.ValidFrom)
			}
			row.from = from
		}
		t.prices = append(t.prices, row)
	}
	return t, nil
}

// version is the same for two entries with the same members.
func version(p config.Price) string {
	rate := func(r *config.Rate) string {
		if r == nil {
			return "-"
		}
		return r.String()
	}
	text := fmt.Appendf(nil, "%s\n%s\n%s\n%s\n%s\n%d\n%s\n%s", p.Model, p.Input, p.Output, rate(p.CachedInput), rate(p.CacheWrite),
		p.MaxOutput, p.Currency, p.ValidFrom)
	if p.SeesImages != nil { // the books name entries from before there was this member
		text = fmt.Appendf(text, "\n%v", *p.SeesImages)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

// Find returns the price of a model at a time, nil when it has none.
func (t *Table) Find(provider, model string, at time.Time) *Price {
	var best *Price
	name := strings.ToLower(model)
	long := strings.ToLower(provider) + "/" + name
	for i := range t.prices {
		p := &t.prices[i]
		switch {
		case p.from.After(at) || !matches(p.pattern, name) && !matches(p.pattern, long):
		case best == nil || p.letters > best.letters || p.letters == best.letters && !p.from.Before(best.from):
			best = p
		}
	}
	return best
}

// matches compares a text with a pattern in which * stands for any characters. It takes the
// earliest place for each part between two stars, so it never goes back.
func matches(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	first, last := parts[0], parts[len(parts)-1]
	if len(text) < len(first)+len(last) || !strings.HasPrefix(text, first) || !strings.HasSuffix(text, last) {
		return false
	}
	text = text[len(first) : len(text)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
	return true
}

// Tokens are those of one call. Cached and Written are parts of Input: what the provider
// read from its cache, and what it wrote into it.
type Tokens struct{ Input, Output, Cached, Written int64 }

// Most is the most tokens of a kind that are counted for one call. No model has so many;
// it keeps what a hostile provider says away from the sums.
const Most = 1_000_000_000

// Bounded returns the tokens with no number below zero or above Most. Of the input no more
// can be cached and written than there is.
func (n Tokens) Bounded() Tokens {
	within := func(n, most int64) int64 { return min(max(n, 0), most) }
	n.Input, n.Output = within(n.Input, Most), within(n.Output, Most)
	n.Cached = within(n.Cached, n.Input)
	n.Written = within(n.Written, n.Input-n.Cached)
	return n
}

// Cost is what the tokens cost, in billionths of the currency, rounded up once.
func (p *Price) Cost(n Tokens) int64 {
	n = n.Bounded()
	cached, written := p.Input, p.Input
	if p.CachedInput != nil {
		cached = *p.CachedInput
	}
	if p.CacheWrite != nil {
		written = *p.CacheWrite
	}
	sum := new(big.Int)
	for _, part := range []struct {
		tokens int64
		rate   config.Rate
	}{{n.Input - n.Cached - n.Written, p.Input}, {n.Output, p.Output}, {n.Cached, cached}, {n.Written, written}} {
		sum.Add(sum, new(big.Int).Mul(big.NewInt(part.tokens), big.NewInt(int64(part.rate))))
	}
	// A rate is in 10^-12 for a million tokens, so a token costs rate * 10^-18.
	cost, rest := sum.QuoRem(sum, big.NewInt(1e9), new(big.Int))
	if rest.Sign() > 0 {
		cost.Add(cost, big.NewInt(1))
	}
	if !cost.IsInt64() {
		return math.MaxInt64
	}
	return cost.Int64()
}

// Worst is the most that a call with so many tokens in and out can cost: its input may be
// read, cached or written, whatever costs most.
func (p *Price) Worst(input, output int64) int64 {
	worst := int64(0)
	for _, n := range []Tokens{{Input: input}, {Input: input, Cached: input}, {Input: input, Written: input}} {
		n.Output = output
		worst = max(worst, p.Cost(n))
	}
	return worst
}
