// Package textdiff compares two texts by their lines. It is pure, and bounded: texts that
// have little in common are not compared to their end.
package textdiff

import (
	"slices"
	"strings"
)

// Op says what becomes of a line.
type Op string

// What becomes of a line.
const (
	Same    Op = "same"
	Removed Op = "removed"
	Added   Op = "added"
)

// Line is a line of one text or of both, without its end.
type Line struct {
	Op   Op
	Text string
}

// maxEdits is how many lines may differ between two texts that are compared to their end.
// The work and the memory grow with its square: 500 take two megabytes.
const maxEdits = 500

// Lines returns what makes one text the other, in the order of the lines. It is the
// shortest way (Myers, 1986). When more than maxEdits lines differ, the whole middle between
// the common beginning and the common end is removed and added.
func Lines(before, after string) []Line {
	a, b := split(before), split(after)
	start := 0
	for start < len(a) && start < len(b) && a[start] == b[start] {
		start++
	}
	end := 0
	for end < len(a)-start && end < len(b)-start && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	out := make([]Line, 0, len(a)+len(b)-start-end)
	out = add(out, Same, a[:start])
	out = between(out, a[start:len(a)-end], b[start:len(b)-end])
	return add(out, Same, a[len(a)-end:])
}

// split returns the lines of a text; an empty text has none.
func split(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
}

func add(out []Line, op Op, lines []string) []Line {
	for _, l := range lines {
		out = append(out, Line{op, l})
	}
	return out
}

// between adds how a becomes b.
func between(out []Line, a, b []string) []Line {
	steps := search(a, b)
	if steps == nil {
		return add(add(out, Removed, a), Added, b)
	}
	// The way is followed from its end to its beginning.
	var back []Line
	x, y := len(a), len(b)
	for d := len(steps) - 1; d >= 0; d-- {
		from := steps[d].from(x-y, d)
		x0 := steps[d].at(from, d)
		for y0 := x0 - from; x > x0 && y > y0; x, y = x-1, y-1 {
			back = append(back, Line{Same, a[x-1]})
		}
		switch {
		case d == 0:
		case x == x0:
			y--
			back = append(back, Line{Added, b[y]})
		default:
			x--
			back = append(back, Line{Removed, a[x]})
		}
	}
	slices.Reverse(back)
	return append(out, back...)
}

// reached says how many lines of a are done on each diagonal before the edit d. A diagonal
// is the lines of a that are done, less those of b; those from -d-1 to d+1 are in it.
type reached []int

func (r reached) at(diagonal, d int) int { return r[diagonal+d+1] }

// from is the diagonal from which the edit d leads to a diagonal.
func (r reached) from(diagonal, d int) int {
	if diagonal == -d || diagonal != d && r.at(diagonal-1, d) < r.at(diagonal+1, d) {
		return diagonal + 1
	}
	return diagonal - 1
}

// search returns what was reached before each edit of the shortest way, or nil when that
// takes more than maxEdits.
func search(a, b []string) (steps []reached) {
	most := min(len(a)+len(b), maxEdits)
	now, zero := make([]int, 2*most+3), most+1
	for d := 0; d <= most; d++ {
		before := reached(slices.Clone(now[zero-d-1 : zero+d+2]))
		steps = append(steps, before)
		for diagonal := -d; diagonal <= d; diagonal += 2 {
			from := before.from(diagonal, d)
			x := before.at(from, d)
			if from < diagonal {
				x++
			}
			y := x - diagonal
			for x < len(a) && y < len(b) && a[x] == b[y] {
				x, y = x+1, y+1
			}
			now[zero+diagonal] = x
			if x >= len(a) && y >= len(b) {
				return steps
			}
		}
	}
	return nil
}
