package money_test

import (
	"math"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app/money"
)

// What is written is read again as the same number, whatever its size.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, n := range []int64{0, 1, 9, 10, 999_999_999, 1_000_000_000, 1_500_000_000, 20_000_000_000, math.MaxInt64} {
		for _, digits := range []int{0, 1, money.NanoDigits, money.RateDigits} {
			got, err := money.Parse(money.Format(n, digits), digits)
			if err != nil || got != n {
				t.Errorf("%d with %d decimals: got %d as %q, %v", n, digits, got, money.Format(n, digits), err)
			}
		}
	}
	if got := money.Nano(-1_500_000_000); got != "-1.5" {
		t.Errorf("got %q, want -1.5", got)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want int64
	}{
		{"0.15", 150_000_000}, {"2", 2_000_000_000}, {" 2.50 ", 2_500_000_000}, {".5", 500_000_000}, {"1e-9", 1}, {"+1.5E2", 150_000_000_000},
		{"3.", 3_000_000_000},
	} {
		if got, err := money.Parse(c.text, money.NanoDigits); err != nil || got != c.want {
			t.Errorf("%q: got %d, %v, want %d", c.text, got, err, c.want)
		}
	}
	for text, says := range map[string]string{"": "number", "-1": "negative", "1,5": "number", "0x10": "number", "1/3": "number", "NaN": "number", "Inf": "number",
		"1e999999999": "number", "0.0000000001": "9 decimals", "9223372036854775807": "too large", strings.Repeat("9", 50): "number"} {
		if got, err := money.Parse(text, money.NanoDigits); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: got %d, %v, want an error with %q", text, got, err, says)
		}
	}
	if got, err := money.ParseRounded("0.12000000000000002", money.RateDigits); err != nil || got != 120_000_000_001 {
		t.Errorf("got %d, %v", got, err)
	}
}
