package mention

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Fold returns a text in the form in which names are compared: NFKC with case folding,
// without invisible characters, and with each run of blanks as one blank. Line breaks
// stay.
func Fold(text string) string {
	text = norm.NFKC.String(visible(text))
	text = norm.NFKC.String(strings.Map(cherokee, cases.Fold().String(text)))
	var b strings.Builder
	b.Grow(len(text))
	blank, begin := false, true // at the beginning of a line
	for _, r := range text {
		switch {
		case isBreak(r):
			blank, begin = false, true
			b.WriteByte('\n')
		case unicode.IsSpace(r):
			blank = !begin
		default:
			if blank {
				b.WriteByte(' ')
			}
			blank, begin = false, false
			b.WriteRune(r)
		}
	}
	return strings.Trim(b.String(), "\n")
}

// cherokee makes a small Cherokee letter a capital, as Unicode folds this script alone.
// Package cases exchanges the two, so what it has folded could not be compared.
func cherokee(r rune) rune {
	if r >= 0xAB70 && r <= 0xABBF || r >= 0x13F8 && r <= 0x13FD {
		return unicode.ToUpper(r)
	}
	return r
}

func isBreak(r rune) bool {
	return r == '\n' || r == '\r' || r == '\u2028' || r == '\u2029' || r == '\u0085'
}

// visible returns a text without invisible characters.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if Invisible(r) {
			return -1
		}
		return r
	}, text)
}

// Invisible tells whether r is invisible and not a blank: controls, directions,
// joiners, fillers, selectors, tags. The signs that Arabic numbers stand on belong to
// the same Unicode class but are visible.
func Invisible(r rune) bool {
	switch {
	case r < 0x80:
		return (r < ' ' || r == 0x7f) && !unicode.IsSpace(r)
	case unicode.IsSpace(r):
		return false
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) &&
		!unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}

// starts tells whether text begins with name as a word of its own. For example,
// "@teachers" does not call the teacher, but "@老師你好" does.
func starts(text, name []rune) bool {
	if len(text) < len(name) {
		return false
	}
	for i, r := range name {
		if text[i] != r {
			return false
		}
	}
	return len(text) == len(name) || ends(name[len(name)-1], text[len(name)])
}

// longVowel lengthens the syllable before it. It belongs to more than one script.
const longVowel = 'ー'

// ends tells whether a word ends between two characters. A mark belongs to the letter
// before it.
func ends(last, next rune) bool {
	switch {
	case unicode.IsMark(next):
		return false
	case next == longVowel:
		return last != longVowel && !unicode.In(last, unicode.Hiragana, unicode.Katakana)
	case !isWord(last) || !isWord(next):
		return true
	case unicode.IsLetter(last) && unicode.IsLetter(next):
		return !sameScript(last, next)
	}
	return false
}

// isWord tells whether r is a letter, mark or digit of a script that puts blanks
// between words.
func isWord(r rune) bool {
	return r == '_' || unicode.IsDigit(r) || (unicode.IsLetter(r) || unicode.IsMark(r)) && !noBlanks(r) && r != longVowel
}

// noBlanks tells whether r belongs to a script in which the next word may directly
// follow a name. Korean counts too, because its particles directly follow a name.
func noBlanks(r rune) bool {
	return r >= 0xe00 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo, unicode.Hangul,
		unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Tibetan, unicode.Yi)
}

func isASCIIWord(r rune) bool {
	return r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

func sameScript(x, y rune) bool {
	if isASCIIWord(x) && isASCIIWord(y) {
		return true
	}
	for _, script := range unicode.Scripts {
		if unicode.Is(script, x) {
			return unicode.Is(script, y)
		}
	}
	return true // the script of x is not known
}
