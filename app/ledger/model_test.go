package ledger_test

import (
	"flag"
	"math/rand/v2"
	"testing"
)

var interleavings = flag.Int("interleavings", 3000, "how many random interleavings of the ledger's statements to try; make prove tries a million")

// row and call are the rows of budget_rows and usage as far as the statements of package
// store look at them.
type row struct{ cap, spent, held int64 }

type call struct {
	state       byte // h held, s settled, x expired, n never reserved
	worst, cost int64
	really      int64 // what the provider bills in the end
	rows        []int
	alive       bool // its worker lives
}

// books is a pure model of the statements: each method is one transaction.
type books struct {
	rows  []row
	calls []*call
	// back is the rule that this ledger does not have: an expired reservation is given back.
	back bool
}

func (b *books) reserve(c *call) bool {
	for _, i := range c.rows {
		if r := b.rows[i]; r.spent+r.held+c.worst > r.cap {
			return false // rolled back as a whole
		}
	}
	for _, i := range c.rows {
		b.rows[i].held += c.worst
	}
	c.state = 'h'
	return true
}

func (b *books) settle(c *call) {
	for _, i := range c.rows {
		switch {
		case c.state == 'h':
			b.rows[i].held -= c.worst
			b.rows[i].spent += c.cost
		case c.state == 'x' && b.back:
			b.rows[i].spent += c.cost
		case c.state == 'x':
			b.rows[i].spent += c.cost - c.worst
		}
	}
	if c.state != 'n' {
		c.state = 's'
	}
}

func (b *books) expire(c *call) {
	if c.state != 'h' {
		return
	}
	for _, i := range c.rows {
		b.rows[i].held -= c.worst
		if !b.back {
			b.rows[i].spent += c.worst
		}
	}
	c.state = 'x'
}

// wrong tells whether the providers bill more than a budget allows, or a row is not the
// sum of its calls.
func (b *books) wrong() string {
	really, spent, held := make([]int64, len(b.rows)), make([]int64, len(b.rows)), make([]int64, len(b.rows))
	for _, c := range b.calls {
		for _, i := range c.rows {
			if c.state != 'n' {
				really[i] += c.really
			}
			switch c.state {
			case 'h':
				held[i] += c.worst
			case 's':
				spent[i] += c.cost
			case 'x':
				if !b.back {
					spent[i] += c.worst
				}
			}
		}
	}
	for i, r := range b.rows {
		switch {
		case really[i] > r.cap:
			return "overspent"
		case r.spent != spent[i] || r.held != held[i] || r.held < 0 || r.spent+r.held > r.cap && !b.back:
			return "unbalanced"
		}
	}
	return ""
}

// run makes one random interleaving of calls, crashes, expiries and late settles.
func run(seed uint64, back bool) string {
	r := rand.New(rand.NewPCG(seed, 13))
	b := &books{rows: make([]row, 1+r.IntN(5)), back: back}
	for i := range b.rows {
		b.rows[i].cap = r.Int64N(2000)
	}
	for range 40 + r.IntN(200) {
		switch pick := r.IntN(10); {
		case pick < 4 || len(b.calls) == 0:
			c := &call{state: 'n', worst: 1 + r.Int64N(300), alive: true}
			for i := range b.rows {
				if r.IntN(2) == 0 {
					c.rows = append(c.rows, i)
				}
			}
			b.calls = append(b.calls, c)
			if b.reserve(c) {
				c.really = r.Int64N(c.worst + 1) // it is sent, and will be billed whatever becomes of the worker
				c.cost = c.really
				if r.IntN(5) == 0 {
					c.cost = c.worst // cut: nobody tells what it used
				}
			}
		case pick < 7:
			if c := b.calls[r.IntN(len(b.calls))]; c.alive {
				b.settle(c) // also late, and twice
			}
		case pick < 9:
			b.expire(b.calls[r.IntN(len(b.calls))])
		default:
			b.calls[r.IntN(len(b.calls))].alive = false // kill -9: it never settles
		}
		if bad := b.wrong(); bad != "" {
			return bad
		}
	}
	return ""
}

// No interleaving of the ledger's statements overspends a budget. With reservations that are
// given back when they expire, many do: the model would see it.
func TestInterleavings(t *testing.T) {
	t.Parallel()
	given := 0
	for i := range *interleavings {
		if bad := run(uint64(i), false); bad != "" {
			t.Fatalf("interleaving %d: %s", i, bad)
		}
		if i < 3000 && run(uint64(i), true) == "overspent" {
			given++
		}
	}
	if given == 0 {
		t.Error("the model does not see that reservations are given back")
	}
	t.Logf("%d interleavings without a fault; with reservations given back %d of the first 3000 overspend", *interleavings, given)
}
