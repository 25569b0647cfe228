package app

import (
	"strings"
	"unicode"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"

	"github.com/coagent-studio/coagent/app/mention"
)

// This file says which names people see, and how those are written that people
// sign in by. What looks like another name is refused with the reason.

// maxMarks is how many marks a letter may carry; more cover the lines around.
const maxMarks = 4

// shown checks a text that stands in one line on other people's screens: each
// of its characters is seen, and none changes the direction of the others.
func shown(field, value string) error {
	marks, runes := 0, []rune(value)
	for i, r := range runes {
		marks++
		if !unicode.In(r, unicode.Mn, unicode.Me) {
			marks = 0
		}
		switch {
		case r != ' ' && unicode.Is(unicode.White_Space, r) && !unicode.Is(unicode.Zs, r):
			return invalid(field, "must be one line, take line breaks and tabs out")
		case unicode.In(r, unicode.Bidi_Control):
			return invalid(field, "has a character that changes the direction of writing (%U), take it out", r)
		case mention.Invisible(r) && !joins(runes, i):
			return invalid(field, "has a character that nobody sees (%U), take it out", r)
		case unicode.In(r, unicode.Co, unicode.Cs) || r == unicode.ReplacementChar || r == '\u2800':
			return invalid(field, "has a character that is none (%U), take it out", r)
		case marks > maxMarks:
			return invalid(field, "has more than %d marks on one letter", maxMarks)
		}
	}
	return nil
}

// joins tells whether a character that nobody sees is needed where it stands:
// joiners within words of the scripts that are written with them, joiners and
// selectors behind pictures.
func joins(text []rune, i int) bool {
	if i == 0 {
		return false
	}
	before := text[i-1]
	picture := unicode.In(before, unicode.So, unicode.Sk, unicode.Sm) || before == '\ufe0f'
	switch text[i] {
	case '\ufe0e', '\ufe0f':
		return picture && before != '\ufe0f'
	case '\u200d', '\u200c':
		if i+1 == len(text) {
			return false
		}
		after := text[i+1]
		return joined(before) && joined(after) || text[i] == '\u200d' && picture && unicode.In(after, unicode.So, unicode.Sm)
	}
	return false
}

func joined(r rune) bool {
	return unicode.In(r, unicode.Arabic, unicode.Syriac, unicode.Mongolian, unicode.Devanagari, unicode.Bengali, unicode.Gurmukhi, unicode.Gujarati,
		unicode.Oriya, unicode.Tamil, unicode.Telugu, unicode.Kannada, unicode.Malayalam, unicode.Sinhala)
}

// personName checks the name that others see of a person, which may be absent.
func personName(field string, value *string) error {
	if value == nil {
		return nil
	}
	if err := text(field, *value, 0, maxName); err != nil {
		return err
	}
	*value = strings.TrimSpace(norm.NFC.String(*value))
	if err := shown(field, *value); err != nil {
		return err
	}
	for word := range strings.FieldsFuncSeq(*value, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) }) {
		if err := oneScript(field, word); err != nil {
			return err
		}
	}
	return noAgent(field, *value)
}

// oneScript refuses a word whose letters are of scripts that look alike, as the
// restriction levels of UTS #39 do: Latin goes with any one script but those,
// and the scripts of East Asia go with each other.
func oneScript(field, word string) error {
	scripts := map[string]bool{}
	for _, r := range word {
		if s := scriptOf(r); s != "" {
			scripts[s] = true
		}
	}
	if len(scripts) < 2 {
		return nil
	}
	lookAlike := scripts["Cyrillic"] || scripts["Greek"] || scripts["Armenian"] || scripts["Cherokee"] || scripts["Coptic"] || scripts["Lisu"]
	if len(scripts) > 2 || !scripts["Latin"] || lookAlike {
		return invalid(field, "mixes letters of several scripts in the word %q; write it in one", word)
	}
	return nil
}

// scriptOf names the script of a letter, those of East Asia as one; "" for
// what belongs to many.
func scriptOf(r rune) string {
	switch {
	case unicode.In(r, unicode.Common, unicode.Inherited):
		return ""
	case unicode.Is(unicode.Latin, r):
		return "Latin"
	case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo, unicode.Hangul):
		return "East Asia"
	}
	for name, script := range unicode.Scripts {
		if unicode.Is(script, r) {
			return name
		}
	}
	return ""
}

// noAgent refuses what clients show as an agent: names in brackets, the word AI
// in capitals (also in letters that look like it), and the name of the system.
func noAgent(field, value string) error {
	plain := asLatin(value)
	if strings.ContainsAny(plain, "[]【】〔〕") {
		return invalid(field, "must not have square brackets, which mark agents")
	}
	for word := range strings.FieldsFuncSeq(plain, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) }) {
		if word == "AI" {
			return invalid(field, "must not have the word AI, which marks agents; a name is written Ai")
		}
	}
	if looksLike(value, systemNames) != "" {
		return invalid(field, "is or looks like the name of the system")
	}
	return nil
}

// systemNames are those that lines stand under which nobody says.
//
//nolint:gochecknoglobals // a table
var systemNames = []string{"system", deletedName}

// canonical is how an address or a user name is kept and shown: NFC, full and
// half width as one, and small letters beyond ASCII. The case of ASCII stays as
// typed. What is compared is store.LoginKey.
func canonical(login string) string {
	login = norm.NFC.String(width.Fold.String(strings.TrimSpace(login)))
	login = norm.NFC.String(strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII {
			return unicode.ToLower(r)
		}
		return r
	}, login))
	if i := strings.LastIndexByte(login, '@'); i >= 0 {
		if host, ok := hostName(login[i+1:]); ok {
			return login[:i+1] + host
		}
	}
	return login
}

// hostName is the one form of a host's name, in letters rather than punycode.
func hostName(host string) (string, bool) {
	if isASCII(host) && !strings.Contains(strings.ToLower(host), "xn--") {
		return host, true
	}
	host, err := idna.Lookup.ToUnicode(host)
	return host, err == nil
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > unicode.MaxASCII }) < 0
}
