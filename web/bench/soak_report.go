//go:build unix

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"
)

// soakSampled is what the server used at a moment.
type soakSampled struct {
	at time.Duration
	usage
}

const (
	// soakWarm is when the server has filled what it keeps: pages, pools and caches.
	soakWarm = 5 * time.Minute
	// soakWindow is how much of the samples around a moment counts, since a collection of
	// the heap comes at any time.
	soakWindow = 30 * time.Second
	soakGrowth = 1.1
	// soakMoreGoroutines are those of members who happen to be there.
	soakMoreGoroutines = 20
)

// isAck tells whether a frame is the answer to a post.
func isAck(text []byte) bool {
	return bytes.Contains(text[:min(len(text), 40)], []byte(`"type":"ack"`))
}

// around returns the medians of the samples around a moment.
func (s *soak) around(at time.Duration) usage {
	var rss, anon, heap, goes []int64
	var goroutines []int
	for _, m := range s.samples {
		if m.at < at-soakWindow || m.at > at+soakWindow {
			continue
		}
		rss, anon, heap, goes = append(rss, m.RSS), append(anon, m.Anon), append(heap, m.Heap), append(goes, m.Go)
		goroutines = append(goroutines, m.Goroutines)
	}
	return usage{memory: memory{median(rss), median(anon)}, Heap: median(heap), Go: median(goes), Goroutines: median(goroutines)}
}

// cpu returns the share of a core between two moments.
func (s *soak) cpu(from, to time.Duration) float64 {
	first, last := s.samples[0], s.samples[0]
	for _, m := range s.samples {
		if m.at <= from {
			first = m
		}
		if m.at <= to {
			last = m
		}
	}
	if last.at == first.at {
		return 0
	}
	return float64(last.CPU-first.CPU) / float64(last.at-first.at)
}

// report prints every fifth minute, and fails when something grew since the fifth.
func (s *soak) report() error {
	end := s.samples[len(s.samples)-1].at - soakWindow
	warm := min(soakWarm, end/2)
	people, agents, err := s.stored()
	if err != nil {
		return err
	}
	fmt.Printf("soak on %s: %s, %d members who come and go (%d visits) in %d rooms, %.1f posts and %.1f answers a second\n", s.kind,
		s.whole, soakMembers, s.visits.Load(), soakRooms, float64(people)/s.whole.Seconds(), float64(agents)/s.whole.Seconds())
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "minute\tresident MiB\tanonymous MiB\tof it Go MiB\theap MiB\tgoroutines\t% of a core\t")
	mib := func(n int64) float64 { return float64(n) / (1 << 20) }
	row := func(from, at time.Duration) {
		u := s.around(at)
		fmt.Fprintf(w, "%.0f\t%.1f\t%.1f\t%.1f\t%.1f\t%d\t%.1f\t\n", at.Minutes(), mib(u.RSS), mib(u.Anon), mib(u.Go), mib(u.Heap), u.Goroutines, s.cpu(from, at)*100)
	}
	last := time.Duration(0)
	for at := warm; at < end; at += soakWarm {
		row(last, at)
		last = at
	}
	row(last, end)
	if err := w.Flush(); err != nil {
		return err
	}
	return s.judge(s.around(warm), s.around(end), people)
}

// judge says what has grown, and what was lost.
func (s *soak) judge(warm, end usage, people int) error {
	var errs []error
	if warm.RSS > 0 && float64(end.RSS) > soakGrowth*float64(warm.RSS) {
		errs = append(errs, fmt.Errorf("resident memory grew %.2f times", float64(end.RSS)/float64(warm.RSS)))
	}
	if end.Goroutines > int(soakGrowth*float64(warm.Goroutines))+soakMoreGoroutines {
		errs = append(errs, fmt.Errorf("goroutines grew from %d to %d", warm.Goroutines, end.Goroutines))
	}
	if acked := int(s.acked.Load()); people < acked {
		errs = append(errs, fmt.Errorf("%d posts were acknowledged, and %d are stored", acked, people))
	}
	if people < s.posted/2 {
		errs = append(errs, fmt.Errorf("of %d posts only %d are stored: the server does not keep up", s.posted, people))
	}
	return errors.Join(errs...)
}
