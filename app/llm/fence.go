package llm

import (
	"regexp"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// This file keeps what people, agents and tools say apart from what the program says. A
// text stands inside the request's fence, and it can neither end the fence nor write the
// marks with which a model's own template begins the next speaker.

// spoken is the text as the model reads it. A named person's message begins with the
// name, and data stands inside its fence. The word of the fence is in no text itself.
// No message is empty where providers refuse an empty one.
func (m Message) spoken(fence string) string {
	text := plainWords(m.Text, fence)
	if m.Role == RoleTool && text == "" {
		text = "(no output)"
	}
	// A name with several lines could look like somebody else's message.
	name := plainWords(strings.Join(strings.Fields(clean(m.Name)), " "), fence)
	switch {
	case m.Data && fence != "" && text != "":
		return fenced(fence, name, text)
	case m.Role == RoleUser && name != "":
		return name + ": " + text
	}
	return text
}

// plainWords is a text without the word of the fence and without working marks.
func plainWords(text, fence string) string { return Unmarked(without(clean(text), fence)) }

// fenced puts a text between tags. Neither the name nor the text has the word of the
// fence in it, so nothing in them can close it.
func fenced(fence, name, text string) string {
	name = strings.NewReplacer(`"`, "'", "<", "(", ">", ")").Replace(name)
	return "<" + fence + ` from="` + name + "\">\n" + text + "\n</" + fence + ">"
}

// templateMarks are what the templates of open models put between speakers, for example
// <|im_start|> or [INST]. Many servers read them in a message's text too, and would take
// what follows for the words of the system.
var templateMarks = regexp.MustCompile(`<[|｜][^\s|｜<>]{1,40}[|｜]>` +
	`|</?(?:start_of_turn|end_of_turn|tool_call|tool_response|tool_results?)>|<</?SYS>>` +
	`|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|ARGS)\]`)

// Unmarked writes a blank into each mark of a text. A reader still knows it, a template
// does not.
func Unmarked(text string) string {
	if !strings.ContainsAny(text, "<[") {
		return text
	}
	return templateMarks.ReplaceAllStringFunc(text, func(mark string) string { return mark[:1] + " " + mark[1:] })
}

// without replaces a word in a text by "(...)", however it is written: in upper case, with
// other characters that look the same, or with some in it that nobody sees.
func without(text, word string) string {
	if word == "" {
		return text
	}
	var out strings.Builder
	first, copied := plainRune(rune(word[0])), 0
	for i, r := range text {
		if i < copied || plainRune(r) != first {
			continue
		}
		if n := wordLength(text[i:], word); n > 0 {
			out.WriteString(text[copied:i] + "(...)")
			copied = i + n
		}
	}
	if copied == 0 {
		return text
	}
	return out.String() + text[copied:]
}

// wordLength returns how many bytes of text the word takes at its beginning, or 0 when
// text begins with something else. The word is ASCII.
func wordLength(text, word string) int {
	k := 0
	for i, r := range text {
		switch {
		case plainRune(r) == plainRune(rune(word[k])):
			if k++; k == len(word) {
				return i + utf8.RuneLen(r)
			}
		case k == 0 || !unseen(r):
			return 0
		}
	}
	return 0
}

// unseen tells whether nobody sees r, or only as a mark on the letter before it.
func unseen(r rune) bool {
	switch {
	case r < utf8.RuneSelf:
		return r < ' ' && !unicode.IsSpace(r) || r == 0x7f
	case r == '\u2800': // a pattern of Braille without a dot
		return true
	}
	return unicode.In(r, unicode.Cf, unicode.Cc, unicode.Mn, unicode.Me, unicode.Other_Default_Ignorable_Code_Point) && !unicode.IsSpace(r)
}

// plainRune is the ASCII character that r looks like, in lower case, or r itself.
func plainRune(r rune) rune {
	if r < utf8.RuneSelf {
		return unicode.ToLower(r)
	}
	if plain, ok := lookalikes()[r]; ok {
		return plain
	}
	return r
}

// alikeLetters are letters of other scripts, each pair with the Latin one that it looks
// like. They are those of which the word of a fence can be made.
const alikeLetters = "аaАaαaΑaɑaᎪaꓮa ьbВbΒbƄbᏴbꓐb сcСcϲcϹcᴄcᏟcꓚcⲥcⲤc ԁdժdᎠdꓓdᴅd еeЕeΕeҽeᎬeꓰeᴇe ƒfꓝfϝfϜfꞘf тtТtΤtτtᴛtᎢtꓔt"

// lookalikes has the characters outside of ASCII that look like one of it.
//
//nolint:gochecknoglobals // a table, which is made once
var lookalikes = sync.OnceValue(func() map[rune]rune {
	table := map[rune]rune{}
	// What Unicode itself says is a form of a Latin letter: full width, bold, in a circle,
	// raised, with an accent.
	for _, block := range [][2]rune{{0x80, 0x1FFF}, {0x2000, 0x2FFF}, {0xA640, 0xABFF}, {0xFB00, 0xFFEF}, {0x1D400, 0x1D7FF}, {0x1F100, 0x1F1FF}, {0x1FBF0, 0x1FBF9}} {
		for r := block[0]; r <= block[1]; r++ {
			parts := []rune(norm.NFKD.String(string(r)))
			for i, part := range parts {
				if i == 0 && part < utf8.RuneSelf && part > ' ' || i > 0 && unseen(part) {
					continue
				}
				parts = nil
				break
			}
			if len(parts) > 0 {
				table[r] = unicode.ToLower(parts[0])
			}
		}
	}
	for _, digits := range unicode.Nd.R16 { // each range has whole sets of ten
		for r := digits.Lo; r <= digits.Hi && r >= digits.Lo; r++ {
			table[rune(r)] = '0' + rune(r-digits.Lo)%10
		}
	}
	for _, dashes := range unicode.Dash.R16 {
		for r := dashes.Lo; r <= dashes.Hi; r += dashes.Stride {
			table[rune(r)] = '-'
		}
	}
	pairs := []rune(strings.ReplaceAll(alikeLetters, " ", ""))
	for i := 0; i+1 < len(pairs); i += 2 {
		table[pairs[i]] = pairs[i+1]
	}
	return table
})
