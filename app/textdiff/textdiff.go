// Package textdiff compares two texts by their lines. It is pure, and bounded: see
// package lcs.
package textdiff

import (
	"strings"

	"github.com/coagent-studio/coagent/app/lcs"
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

// Lines returns what makes one text the other, in the order of the lines: what stays is as
// much as both have in common, see lcs.Pairs.
func Lines(before, after string) []Line {
	a, b := split(before), split(after)
	out := make([]Line, 0, max(len(a), len(b)))
	i, j := 0, 0
	for _, pair := range append(lcs.Pairs(a, b), [2]int{len(a), len(b)}) {
		out = add(add(out, Removed, a[i:pair[0]]), Added, b[j:pair[1]])
		if i, j = pair[0], pair[1]; i < len(a) {
			out = add(out, Same, a[i:i+1])
		}
		i, j = i+1, j+1
	}
	return out
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
