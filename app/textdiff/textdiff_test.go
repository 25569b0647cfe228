package textdiff_test

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app/textdiff"
)

// sides puts the two texts of a difference together again, and counts its edits.
func sides(lines []textdiff.Line) (before, after []string, edits int) {
	for _, l := range lines {
		if l.Op != textdiff.Added {
			before = append(before, l.Text)
		}
		if l.Op != textdiff.Removed {
			after = append(after, l.Text)
		}
		if l.Op != textdiff.Same {
			edits++
		}
	}
	return before, after, edits
}

func TestLines(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ before, after, want string }{
		"same":         {"a\nb", "a\nb", " a b"},
		"both empty":   {"", "", ""},
		"from nothing": {"", "a\nb", "+a+b"},
		"to nothing":   {"a\nb", "", "-a-b"},
		"in between":   {"a\nb\nc", "a\nx\nc", " a-b+x c"},
		"moved":        {"a\nb\nc", "c\na\nb", "+c a b-c"},
		"line ends":    {"a\r\nb", "a\nb", " a b"},
		"last newline": {"a\n", "a", " a-"},
	} {
		got := ""
		for _, l := range textdiff.Lines(test.before, test.after) {
			got += map[textdiff.Op]string{textdiff.Same: " ", textdiff.Removed: "-", textdiff.Added: "+"}[l.Op] + l.Text
		}
		if got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

// Whatever the texts are, the difference has both, and no shorter way has fewer edits.
func TestLinesOfAnyTexts(t *testing.T) {
	t.Parallel()
	chance := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		text := func() []string {
			out := make([]string, chance.IntN(12))
			for i := range out {
				out[i] = string(rune('a' + chance.IntN(3)))
			}
			return out
		}
		a, b := text(), text()
		before, after, edits := sides(textdiff.Lines(strings.Join(a, "\n"), strings.Join(b, "\n")))
		if !slices.Equal(before, a) || !slices.Equal(after, b) {
			t.Fatalf("%q, %q: got %q, %q", a, b, before, after)
		}
		if want := len(a) + len(b) - 2*longest(a, b); edits != want {
			t.Fatalf("%q, %q: got %d edits, want %d", a, b, edits, want)
		}
	}
}

// longest is the length of the longest common subsequence, by the plain table.
func longest(a, b []string) int {
	table := make([][]int, len(a)+1)
	for i := range table {
		table[i] = make([]int, len(b)+1)
	}
	for i := range a {
		for j := range b {
			if table[i+1][j+1] = max(table[i][j+1], table[i+1][j]); a[i] == b[j] {
				table[i+1][j+1] = table[i][j] + 1
			}
		}
	}
	return table[len(a)][len(b)]
}

// Two long texts with nothing in common are told apart by their beginnings and ends alone.
func TestLinesAreBounded(t *testing.T) {
	t.Parallel()
	text := func(word string) string {
		var b strings.Builder
		b.WriteString("begins\n")
		for i := range 30_000 {
			b.WriteString(word + strconv.Itoa(i) + "\n")
		}
		return b.String() + "ends"
	}
	lines := textdiff.Lines(text("a"), text("b"))
	before, after, edits := sides(lines)
	if strings.Join(before, "\n") != text("a") || strings.Join(after, "\n") != text("b") || edits != 60_000 {
		t.Errorf("got %d and %d lines, %d edits", len(before), len(after), edits)
	}
	if lines[0].Op != textdiff.Same || lines[len(lines)-1].Op != textdiff.Same || lines[1].Op != textdiff.Removed || lines[30_001].Op != textdiff.Added {
		t.Error("want the common beginning, all that was removed, all that was added, and the common end")
	}
}
