//go:build unix

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// aim says how a figure is judged. The verdict is only printed.
type aim struct {
	kind  string // one of the constants below
	limit float64
}

const (
	noAim        = "" // a figure beside which others stand
	ratioAtMost  = "ratio at most"
	ratioAtLeast = "ratio at least"
	ratioWithin  = "ratio within a factor"
	valueAtMost  = "value at most"
	valueAtLeast = "value at least"
	extraAtMost  = "at most so much above the floor"
)

// figure is one row of the table. It has one sample for each round, and one of the floor
// (none where the aim is absolute).
type figure struct {
	name, db   string
	unit       string // of the samples
	got, floor []float64
	aim        aim
	// CPU of the process under test for one operation, and the floor's.
	cpu, floorCPU []time.Duration
	note          string
	last          string // about the last round
}

type table struct{ figures []*figure }

func (t *table) add(f *figure) { t.figures = append(t.figures, f) }

func (t *table) print(to io.Writer) {
	if len(t.figures) == 0 {
		return
	}
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "name\tdatabase\tmeasured\tfloor\tratio (span)\taim\t\tCPU per op\tfloor's\tnote")
	for _, f := range t.figures {
		verdict := "over"
		switch {
		case f.aim.kind == noAim:
			verdict = ""
		case f.ok():
			verdict = "ok"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", f.name, f.db, f.amount(f.got), f.amount(f.floor),
			f.ratioText(), f.aimText(), verdict, cpuText(f.cpu), cpuText(f.floorCPU), strings.Trim(f.note+"; "+f.last, "; "))
	}
	_ = w.Flush() // standard output; nobody is left to tell
}

// ratios returns the ratio of each round, because what slows a shared machine down slows
// both.
func (f *figure) ratios() []float64 {
	var rs []float64
	for i := range min(len(f.got), len(f.floor)) {
		if f.floor[i] > 0 {
			rs = append(rs, f.got[i]/f.floor[i])
		}
	}
	return rs
}

func (f *figure) ok() bool {
	switch f.aim.kind {
	case ratioAtMost:
		return median(f.ratios()) <= f.aim.limit
	case ratioAtLeast:
		return median(f.ratios()) >= f.aim.limit
	case ratioWithin:
		r := median(f.ratios())
		return r <= f.aim.limit && r >= 1/f.aim.limit
	case valueAtLeast:
		return median(f.got) >= f.aim.limit
	case extraAtMost:
		return median(f.got)-median(f.floor) <= f.aim.limit
	}
	return median(f.got) <= f.aim.limit
}

func (f *figure) aimText() string {
	switch f.aim.kind {
	case noAim:
		return "-"
	case ratioAtMost:
		return fmt.Sprintf("<= %g x", f.aim.limit)
	case ratioAtLeast:
		return fmt.Sprintf(">= %g x", f.aim.limit)
	case ratioWithin:
		return fmt.Sprintf("within %g x", f.aim.limit)
	case valueAtLeast:
		return fmt.Sprintf(">= %g %s", f.aim.limit, f.unit)
	case extraAtMost:
		return fmt.Sprintf("+ %g %s", f.aim.limit, f.unit)
	}
	return fmt.Sprintf("%g %s", f.aim.limit, f.unit)
}

func (f *figure) ratioText() string {
	rs := f.ratios()
	if len(rs) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f (%.2f-%.2f)", median(rs), slices.Min(rs), slices.Max(rs))
}

func (f *figure) amount(samples []float64) string {
	if len(samples) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.4g %s", median(samples), f.unit)
}

func cpuText(samples []time.Duration) string {
	if len(samples) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.4g us", float64(median(samples).Nanoseconds())/1000)
}

func median[T int | int64 | float64 | time.Duration](samples []T) T {
	return quantile(samples, 0.5)
}

// quantile returns the sample below which the share q of all samples lies; 0 when there
// are none.
func quantile[T int | int64 | float64 | time.Duration](samples []T, q float64) T {
	if len(samples) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[int(q*float64(len(sorted)-1)+0.5)]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
