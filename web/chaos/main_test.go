//go:build unix

// Package chaos proves with real processes that nothing told to a person is
// lost or doubled, whatever is killed, cut, slow or full.
//
// The quick form of each test runs with all others; COAGENT_CHAOS=1 (`make
// chaos`) runs the long form and prints a table at the end.
package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/web/proctest"
)

func TestMain(m *testing.M) {
	if addr := os.Getenv(peerEnv); addr != "" {
		os.Exit(servePeer(addr))
	}
	code := proctest.Main(m)
	if long() {
		table.print()
	}
	os.Exit(code)
}

// long tells whether the long forms are asked for.
func long() bool { return os.Getenv("COAGENT_CHAOS") != "" }

// either is the first value in the long form, the second in the quick one.
func either[T any](inLong, inQuick T) T {
	if long() {
		return inLong
	}
	return inQuick
}

// row is one line of the table.
type row struct {
	fault, database string
	proctest.Outcome
	recovery time.Duration // the worst one; zero where there is nothing to recover
	note     string
}

type rows struct {
	mu  sync.Mutex
	all []row
}

var table rows

func (r *rows) add(one row) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, one)
}

func (r *rows) print() {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.SortStableFunc(r.all, func(a, b row) int { return strings.Compare(a.fault, b.fault) })
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nfault\tdatabase\tacknowledged\tlost\tdoubled\tgaps\tturns due\tended\treplies\trecovery\t")
	for _, o := range r.all {
		recovery := "-"
		if o.recovery > 0 {
			recovery = fmt.Sprintf("%.2f s", o.recovery.Seconds())
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\n", o.fault, o.database, o.Acked, o.Lost, o.Doubled,
			o.Gaps, o.Due, o.Ended, o.Replies, recovery, o.note)
	}
	_ = w.Flush() // standard output
}

// pause waits, to pace a load or a fault.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// between is a random time from a to b.
func between(a, b time.Duration) time.Duration { return a + rand.N(b-a) }

// within bounds the waits of a test.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// answers has the model stream a text of its own to each request, in about
// 200 ms.
func answers(r llmtest.Request) llmtest.Response {
	return llmtest.Response{Text: fmt.Sprintf("This is answer %d, which comes in several pieces: one, two, three and four.", r.Number),
		Delay: 20 * time.Millisecond}
}

// verdict settles and checks the rooms of a test and adds its row.
func verdict(t *testing.T, s *proctest.Site, r row, rooms []string, acks []proctest.Ack, members []*proctest.Member) proctest.Outcome {
	t.Helper()
	if err := s.Settled(within(t, 90*time.Second), rooms...); err != nil {
		t.Error(err)
	}
	seen := within(t, 30*time.Second)
	for _, room := range rooms {
		inRoom := slices.DeleteFunc(slices.Clone(members), func(m *proctest.Member) bool { return m.Room != room })
		ofRoom := slices.DeleteFunc(slices.Clone(acks), func(a proctest.Ack) bool { return a.Room != room })
		o, err := s.Check(seen, room, ofRoom, inRoom...)
		if err != nil {
			t.Fatal(err)
		}
		r.Add(o)
	}
	if err := r.Whole(); err != nil {
		t.Errorf("%s: %v", r.fault, err)
	}
	r.database = s.Database()
	table.add(r)
	return r.Outcome
}

// recovery is the longest time from one of the moments to the next
// acknowledgement.
func recovery(moments []time.Time, members []*proctest.Member) time.Duration {
	var worst time.Duration
	for _, at := range moments {
		first := time.Duration(1<<62 - 1)
		for _, m := range members {
			for _, a := range m.Acks() {
				if a.At.After(at) {
					first = min(first, a.At.Sub(at))
				}
			}
		}
		if first < 1<<62-1 {
			worst = max(worst, first)
		}
	}
	return worst
}
