package mention

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Fold is a text as names are compared: NFKC with case folding, without what
// nobody sees, each run of blanks one blank. Line breaks stay.
func Fold(text string) string {
	text = norm.NFKC.String(visible(text))
	text = norm.NFKC.String(cases.Fold().String(text))
	var b strings.Builder
	b.Grow(len(text))
	blank, begin := false, true // of a line
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

func isBreak(r rune) bool {
	return r == '\n' || r == '\r' || r == '\u2028' || r == '\u2029' || r == '\u0085'
}

// visible is a text without the characters that nobody sees.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if Invisible(r) {
			return -1
		}
		return r
	}, text)
}

// Invisible tells the characters that nobody sees and that are no blanks:
// controls, directions, joiners, fillers, selectors, tags. The signs that
// Arabic numbers stand on are of their class and are seen.
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

// starts tells whether a text begins with a name as a word of its own:
// "@teachers" does not call the teacher, "@老師你好" does.
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

// longVowel lengthens the syllable before it; it is of no one script.
const longVowel = 'ー'

// ends tells whether a word ends between two characters. A mark belongs to the
// letter before it.
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

// isWord tells letters, marks and digits of scripts that put blanks between
// words.
func isWord(r rune) bool {
	return r == '_' || unicode.IsDigit(r) || (unicode.IsLetter(r) || unicode.IsMark(r)) && !noBlanks(r) && r != longVowel
}

// noBlanks tells the scripts in which the next word stands right behind a name,
// and Korean, whose particles do.
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
	return true // of no script that is known
}
