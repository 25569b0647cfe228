package event

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// excerptLength is the most characters (Unicode code points) of an excerpt.
const excerptLength = 140

// Excerpt is the beginning of a message on one line, for lists: at most 140 characters.
// It is not cut inside what a reader sees as one character, such as a letter with an
// accent, a flag or a family of emoji.
func Excerpt(content string) string {
	text := strings.Join(strings.Fields(content), " ")
	if utf8.RuneCountInString(text) <= excerptLength {
		return text
	}
	all := []rune(text)
	end := excerptLength - 1
	for end > 0 && joined(all, end) {
		end--
	}
	if end == 0 { // one endless character, which only a hostile text has
		end = excerptLength - 1
	}
	return strings.TrimRight(string(all[:end]), " ") + "…"
}

const zeroWidthJoiner = '\u200d'

// joined tells whether the character at i belongs to the one before it: see the rules for
// grapheme clusters in Unicode Standard Annex #29. Of Hangul it knows whole syllables only,
// and cuts in front of loose vowels and tails too rarely rather than too often.
func joined(all []rune, i int) bool {
	r, before := all[i], all[i-1]
	switch {
	case unicode.Is(unicode.M, r), r == zeroWidthJoiner, before == zeroWidthJoiner:
		return true
	case r >= 0x1F3FB && r <= 0x1F3FF: // colour of a skin
		return true
	case r >= 0xE0020 && r <= 0xE007F: // tags of a flag
		return true
	case r >= 0x1160 && r <= 0x11FF: // vowels and tails of Hangul
		return true
	case regional(r) && regional(before):
		n := 0
		for j := i - 1; j >= 0 && regional(all[j]); j-- {
			n++
		}
		return n%2 == 1 // two letters are one flag
	}
	return false
}

// regional tells whether a character is one of the letters that flags are written with.
func regional(r rune) bool { return r >= 0x1F1E6 && r <= 0x1F1FF }
