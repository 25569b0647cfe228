// Package words splits a text into the words by which it is found. It is pure, and the one
// rule for both databases: what is stored in their indexes, what a search asks for, and
// which part of a message is marked are all made of Split.
//
// Words are compared in NFKC with full case folding and without the accents on letters:
// "Café" and "cafe" are one word, and so are "ＡＢＣ" and "abc". Invisible characters do not
// count. A letter of a script without blanks between words (Chinese, Japanese, Korean,
// Thai, Lao, Khmer, Burmese, Tibetan, Yi) is a word of its own, and so is an emoji. So a
// part of such a text of any length is found as a phrase. For speed two of them that
// follow each other are stored as a pair too, see Stream.
//
// This package imports nothing of ours.
package words

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// The bounds of what is stored of one text. A tsvector of Postgres knows 16,383 positions
// and 255 of one word.
const (
	maxWords = 16_000
	maxSame  = 250
	maxRunes = 64 // of a word; the rest of it does not count
	maxBytes = 256 << 10
)

// Word is a word of a text.
type Word struct {
	Text     string // in the form in which words are compared
	From, To int    // its bytes in the text
	Single   bool   // a letter of a script without blanks between words, or an emoji
}

// Split returns the words of a text, 16,000 at most. Bytes that are no UTF-8 are between
// words.
func Split(text string) []Word {
	s := splitter{all: make([]Word, 0, len(text)/5+1)}
	for i := 0; i < len(text) && len(s.all) < maxWords && s.bytes < maxBytes; {
		if c := text[i]; c < utf8.RuneSelf && (i+1 == len(text) || text[i+1] < utf8.RuneSelf) {
			s.ascii(c, i)
			i++
			continue
		}
		n := norm.NFKD.NextBoundaryInString(text[i:], true)
		s.segment(text[i:i+n], i, i+n)
		i += n
	}
	s.end()
	return s.all
}

type splitter struct {
	all   []Word
	word  []byte
	runes int
	from  int
	to    int
	bytes int
}

// ascii adds a character that neither changes with others nor has marks.
func (s *splitter) ascii(c byte, at int) {
	switch {
	case 'A' <= c && c <= 'Z':
		c += 'a' - 'A'
	case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
	case c < ' ' && c != '\t' && c != '\n' && c != '\v' && c != '\f' && c != '\r', c == 0x7f:
		return // invisible
	default:
		s.end()
		return
	}
	s.add(rune(c), at, at+1)
}

// segment adds a letter with its marks.
func (s *splitter) segment(text string, from, to int) {
	folded := norm.NFKD.String(cases.Fold().String(norm.NFKD.String(text)))
	folded = norm.NFC.String(strings.Map(withoutAccent, folded))
	for _, r := range folded {
		switch {
		case r == utf8.RuneError:
			s.end()
		case invisible(r):
		case single(r):
			s.end()
			s.add(r, from, to)
			s.all = append(s.all, Word{Text: string(s.word), From: from, To: to, Single: true})
			s.bytes += len(s.word)
			s.word, s.runes = s.word[:0], 0
		case unicode.IsLetter(r), unicode.IsMark(r), unicode.IsNumber(r):
			s.add(r, from, to)
		default:
			s.end()
		}
	}
}

func (s *splitter) add(r rune, from, to int) {
	if s.runes == 0 {
		s.from = from
	}
	if s.to = to; s.runes < maxRunes {
		s.word = utf8.AppendRune(s.word, r)
	}
	s.runes++
}

// end ends the word before a blank.
func (s *splitter) end() {
	if s.runes > 0 {
		s.all = append(s.all, Word{Text: string(s.word), From: s.from, To: s.to})
		s.bytes += len(s.word)
	}
	s.word, s.runes = s.word[:0], 0
}

// withoutAccent drops the accents of Latin, Greek and Cyrillic letters, and makes small
// Cherokee letters capitals, as Unicode folds this script alone (package cases exchanges
// the two).
func withoutAccent(r rune) rune {
	switch {
	case r >= 0x300 && r <= 0x36f:
		return -1
	case r >= 0xab70 && r <= 0xabbf, r >= 0x13f8 && r <= 0x13fd:
		return unicode.ToUpper(r)
	}
	return r
}

// invisible tells whether r is neither seen nor a blank. The colours of an emoji's skin
// count as well: an emoji is found whatever its colour.
func invisible(r rune) bool {
	return r >= 0x1f3fb && r <= 0x1f3ff || !unicode.IsSpace(r) &&
		unicode.In(r, unicode.Cc, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

func single(r rune) bool {
	return r >= 0xe00 && (unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo, unicode.Hangul,
		unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Tibetan, unicode.Yi) || r == 'ー' || r >= 0x2190 && unicode.Is(unicode.So, r))
}
