package words

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Phrase is what a search looks for: words that follow each other, or with Prefix one word
// that may be the beginning of another.
type Phrase struct {
	Words  []Word
	Prefix bool
}

// PhraseOf makes a phrase of a text. It has no words when the text has none.
func PhraseOf(text string) Phrase { return Phrase{Words: Split(text)} }

// Typed makes phrases of a text that may end within a word. Where the last word begins does
// not count then: it only has to be in the message.
func Typed(text string) []Phrase {
	all := Split(text)
	n := len(all)
	if n == 0 {
		return nil
	}
	last := all[n-1]
	if runes := utf8.RuneCountInString(last.Text); last.Single || last.To < len(text) || runes < minStart || runes >= maxRunes {
		return []Phrase{{Words: all}}
	}
	phrases := []Phrase{{Words: all[n-1:], Prefix: true}}
	if n > 1 {
		phrases = []Phrase{{Words: all[:n-1]}, phrases[0]}
	}
	return phrases
}

// parts are what is stored of a phrase's words: pairs where two singles follow each other,
// words elsewhere, each with its place in the phrase.
func (p Phrase) parts() (tokens []string, at []int) {
	for i, w := range p.Words {
		pair, ok := pairAt(p.Words, i)
		switch {
		case ok:
			tokens, at = append(tokens, pair), append(at, i)
		case i == 0 || !w.Single || !p.Words[i-1].Single:
			tokens, at = append(tokens, w.Text), append(at, i)
		}
	}
	return tokens, at
}

// TSQuery is the phrase as the text form of a tsquery.
func (p Phrase) TSQuery() string {
	if p.Prefix {
		if stored(p.Words[0].Text) {
			return quoted(p.Words[0].Text) + " | " + quoted(startSign+p.Words[0].Text)
		}
		return quoted(p.Words[0].Text) + ":*"
	}
	var b strings.Builder
	tokens, at := p.parts()
	for i, token := range tokens {
		if i > 0 {
			b.WriteString(" <" + strconv.Itoa(at[i]-at[i-1]) + "> ")
		}
		b.WriteString(quoted(token))
	}
	return b.String()
}

// FTS5 is the phrase as an expression of FTS5 over the columns of Stream.
func (p Phrase) FTS5() string {
	if p.Prefix {
		if stored(p.Words[0].Text) {
			return `{words starts} : "` + p.Words[0].Text + `"`
		}
		return `words : "` + p.Words[0].Text + `" *`
	}
	var parts []string
	all := true // the words are one run of singles
	for i := 0; i < len(p.Words); {
		var run []string
		for ; i < len(p.Words); i++ {
			pair, ok := pairAt(p.Words, i)
			if !ok {
				break
			}
			run = append(run, pair)
		}
		if len(run) > 0 {
			parts = append(parts, `pairs : "`+strings.Join(run, " ")+`"`)
		}
		all = all && len(run) > 0 && len(run) == len(p.Words)-1
		i++
	}
	if !all {
		texts := make([]string, len(p.Words))
		for i, w := range p.Words {
			texts[i] = w.Text
		}
		parts = append(parts, `words : "`+strings.Join(texts, " ")+`"`)
	}
	return strings.Join(parts, " AND ")
}

// stored tells whether a beginning of a word is stored as such.
func stored(start string) bool { return utf8.RuneCountInString(start) <= maxStart }

// Find returns where the phrase is in a text that was split: the indexes of its words
// there, [from, to).
func (p Phrase) Find(text []Word) (found [][2]int) {
	n := len(p.Words)
	for i := 0; n > 0 && i+n <= len(text); i++ {
		if p.matches(text[i : i+n]) {
			found = append(found, [2]int{i, i + n})
		}
	}
	return found
}

func (p Phrase) matches(text []Word) bool {
	for i, w := range p.Words {
		if text[i].Text != w.Text && (!p.Prefix || !strings.HasPrefix(text[i].Text, w.Text)) {
			return false
		}
	}
	return true
}
