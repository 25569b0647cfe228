// Package money reads and writes decimal amounts exactly. An amount is a whole number of
// small units, so no sum of amounts is ever rounded. It is a leaf: it imports nothing of
// this program.
package money

import (
	"math/big"
	"regexp"
	"strconv"
	"strings"

	"github.com/coagent-studio/coagent/app/wording"
)

// NanoDigits are the decimals of a cost: it is counted in billionths of its currency.
const NanoDigits = 9

// RateDigits are the decimals of a price for a million tokens.
const RateDigits = 12

// ErrDecimal says that a text is no decimal number which is not negative.
var ErrDecimal = wording.Errorf("must be a number such as 0.15, and not negative")

// decimal bounds the exponent: with a large one, the number alone would fill the memory.
var decimal = regexp.MustCompile(`^\+?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][-+]?\d{1,2})?$`)

// Parse reads a decimal number as a count of units of 10^-digits. It refuses a number that
// is no whole count of them, and one that is too large for an int64.
func Parse(text string, digits int) (int64, error) {
	units, err := inUnits(text, digits)
	if err != nil {
		return 0, err
	}
	if !units.IsInt() {
		return 0, wording.Errorf("has more than %d decimals", digits)
	}
	return whole(units.Num())
}

// ParseRounded is Parse for a number that somebody's program has written. It rounds what is
// smaller than a unit up.
func ParseRounded(text string, digits int) (int64, error) {
	units, err := inUnits(text, digits)
	if err != nil {
		return 0, err
	}
	up, rest := new(big.Int).QuoRem(units.Num(), units.Denom(), new(big.Int))
	if rest.Sign() > 0 {
		up.Add(up, big.NewInt(1))
	}
	return whole(up)
}

func inUnits(text string, digits int) (*big.Rat, error) {
	text = strings.TrimSpace(text)
	if !decimal.MatchString(text) {
		return nil, ErrDecimal
	}
	n, ok := new(big.Rat).SetString(text)
	if !ok {
		return nil, ErrDecimal
	}
	return n.Mul(n, new(big.Rat).SetInt(power(digits))), nil
}

func whole(n *big.Int) (int64, error) {
	if !n.IsInt64() {
		return 0, wording.Errorf("is too large")
	}
	return n.Int64(), nil
}

func power(digits int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)
}

// Format writes a count of units of 10^-digits as a decimal number without an exponent and
// without zeros at its end.
func Format(units int64, digits int) string {
	sign, n := "", strconv.FormatInt(units, 10)
	if units < 0 {
		sign, n = "-", n[1:]
	}
	if missing := digits + 1 - len(n); missing > 0 {
		n = strings.Repeat("0", missing) + n
	}
	point := len(n) - digits
	fraction := strings.TrimRight(n[point:], "0")
	if fraction == "" {
		return sign + n[:point]
	}
	return sign + n[:point] + "." + fraction
}

// Nano writes a cost.
func Nano(units int64) string { return Format(units, NanoDigits) }
