package search

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/coagent-studio/coagent/store/words"
)

// The length of an excerpt in characters (Unicode code points), and how much of it is in
// front of the first word that was found.
const (
	excerptLength = 200
	excerptBefore = 60
	maxMarks      = 20
)

// Mark is a part of an excerpt that was looked for: from a place until before another, in
// units of UTF-16, as JavaScript counts.
type Mark struct{ From, To int }

// Excerpt returns a part of a text on one line, around the first word that was found, and
// where in it such words are. Without a word that was looked for it is the beginning.
func (q *Query) Excerpt(text string) (string, []Mark) {
	split := words.Split(text)
	var hits [][2]int // bytes of the text
	for _, p := range q.Phrases {
		for _, at := range p.Find(split) {
			hits = append(hits, [2]int{split[at[0]].From, split[at[1]-1].To})
		}
	}
	slices.SortFunc(hits, func(a, b [2]int) int { return a[0] - b[0] })
	from := 0
	if len(hits) > 0 {
		from = back(text, hits[0][0])
	}
	return cut(text, from, hits)
}

// back returns where an excerpt begins that has a place in it: at a word, if one begins
// near.
func back(text string, at int) int {
	from := at
	for range excerptBefore {
		if from == 0 {
			return 0
		}
		_, n := utf8.DecodeLastRuneInString(text[:from])
		from -= n
	}
	if i := strings.IndexFunc(text[from:at], unicode.IsSpace); i >= 0 {
		return from + i
	}
	for from < at { // not within what a reader sees as one character
		r, n := utf8.DecodeRuneInString(text[from:])
		if !unicode.Is(unicode.M, r) && r != 0x200d {
			break
		}
		from += n
	}
	return from
}

// cut writes the text from a place on, with each run of blanks as one, and moves the marks.
func cut(text string, from int, hits [][2]int) (string, []Mark) {
	e := excerpt{}
	if from > 0 {
		e.write('…')
	}
	for _, h := range hits {
		if len(e.marks) == maxMarks || h[0] < e.until {
			continue // it overlaps the one before
		}
		e.until = h[1]
		e.copy(text, max(from, e.at), h[0])
		begin := e.units
		e.copy(text, h[0], h[1])
		if e.full {
			break
		}
		e.marks = append(e.marks, Mark{begin, e.units})
	}
	e.copy(text, max(from, e.at), len(text))
	if e.full {
		e.write('…')
	}
	return strings.TrimSpace(e.b.String()), e.marks
}

type excerpt struct {
	b            strings.Builder
	units, runes int
	blank        bool // the last character is a blank
	at, until    int
	marks        []Mark
	full         bool
}

func (e *excerpt) copy(text string, from, to int) {
	for i, r := range text[from:to] {
		if e.runes >= excerptLength && (!unicode.Is(unicode.M, r) || e.runes >= 2*excerptLength) {
			e.full = true
			return
		}
		if e.at = from + i + utf8.RuneLen(max(r, 0)); r == utf8.RuneError {
			e.at = from + i + 1
		}
		if unicode.IsSpace(r) {
			if !e.blank && e.runes > 0 {
				e.write(' ')
			}
			e.blank = true
			continue
		}
		e.blank = false
		e.write(r)
	}
	e.at = to
}

func (e *excerpt) write(r rune) {
	e.b.WriteRune(r)
	e.runes++
	e.units++
	if r > 0xffff {
		e.units++
	}
}
