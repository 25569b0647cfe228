package app

import (
	"strings"
	"unicode"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/mention"
)

// This file checks the names that people see, and normalises the names that people sign
// in with. It refuses a name that looks like another one, and says why.

// maxMarks is how many combining marks a letter may have. More of them would cover the
// lines above and below.
const maxMarks = 4

// shown checks a text that other people see on one line: every character is visible, and
// none changes the direction of the others.
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

// joins reports whether an invisible character is needed where it is. That is so for
// joiners within words of scripts that use them, and for joiners and variation selectors
// after emoji.
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

// personName checks the name that others see of a person. It may be absent.
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

// oneScript refuses a word that mixes scripts that look alike, following the restriction
// levels of UTS #39. Latin may be mixed with any one script except those that look like
// it. The East Asian scripts may be mixed with each other.
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

// scriptOf is the script of a letter. The East Asian scripts count as one. It is "" for
// a character that many scripts share.
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

// noAgent refuses a name that clients show as an agent's or the system's: a name in
// brackets, one with the word AI in capitals (or in letters that look like it), and the
// name of the system.
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

// systemNames are the senders of messages that no person and no agent has written.
//
//nolint:gochecknoglobals // a table
var systemNames = []string{"system", event.DeletedName}

// canonical is the form in which an address or a user name is stored and shown: NFC,
// full width folded to half width, and non-ASCII letters in lower case. ASCII letters
// keep their case. Comparisons use store.LoginKey.
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

// hostName is the normal form of a host's name, with letters instead of punycode.
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
