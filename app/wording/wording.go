// Package wording holds what the program says to people when something is wrong: the
// closed set of problem codes, and each text in English and in Traditional Chinese.
//
// The English pattern of a text is in the program, where the error is made, and is the
// key of both files of texts: en.json names the parameters of the pattern and, for what
// is wrong with one member of a request, its code; zh-TW.json has the translation. A
// test reads the whole program and fails when a text has no entry;
// `go test ./app/wording -update` adds what is missing.
//
// The package is a leaf. Nothing here runs until a request fails.
package wording

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/text/language"
)

// Lang is a language that the program speaks.
type Lang string

// The languages, as in Accept-Language.
const (
	English            Lang = "en"
	TraditionalChinese Lang = "zh-TW"
)

// Langs are all languages. The first is spoken to those who ask for none of them.
func Langs() []Lang { return []Lang{English, TraditionalChinese} }

// matcher chooses among Langs.
var matcher = sync.OnceValue(func() language.Matcher {
	var tags []language.Tag
	for _, l := range Langs() {
		tags = append(tags, language.MustParse(string(l)))
	}
	return language.NewMatcher(tags)
})

// maxAccept is how much of an Accept-Language is read, in bytes.
const maxAccept = 500

// Best is the language that fits the header Accept-Language best.
func Best(accept string) Lang {
	if accept == "" || len(accept) > maxAccept {
		return English
	}
	wanted, _, err := language.ParseAcceptLanguage(accept)
	if err != nil {
		return English
	}
	_, i, sure := matcher().Match(wanted...)
	if sure == language.No {
		return English
	}
	return Langs()[i]
}

// Text is a text for a person: its English pattern as for fmt.Sprintf, and the values in
// it. A value may be a Text itself, or anything else that has In.
type Text struct {
	Pattern string
	Args    []any
}

// inLang is a value that reads differently in each language.
type inLang interface{ In(Lang) string }

// Of makes a Text.
func Of(pattern string, args ...any) Text { return Text{pattern, args} }

// String is the text in English.
func (t Text) String() string { return t.In(English) }

// In is the text in a language; in English if it has not been translated.
func (t Text) In(l Lang) string {
	t = t.Bare()
	pattern := t.Pattern
	if l == TraditionalChinese {
		if chinese := translations()[pattern]; chinese != "" {
			pattern = chinese
		}
	}
	if len(t.Args) == 0 {
		return pattern
	}
	args := make([]any, len(t.Args))
	for i, a := range t.Args {
		args[i] = a
		if said, ok := spoken(a); ok {
			args[i] = said.In(l)
		}
	}
	return fmt.Sprintf(pattern, args...)
}

// Bare takes a Text out of a Text that says nothing but it.
func (t Text) Bare() Text {
	for len(t.Args) == 1 && (t.Pattern == "%s" || t.Pattern == "%v") {
		said, ok := spoken(t.Args[0])
		inner, is := said.(Text)
		if !ok || !is {
			break
		}
		t = inner
	}
	return t
}

// spoken is the value of a Text that reads differently in each language, if it does.
func spoken(arg any) (inLang, bool) {
	if said, ok := arg.(inLang); ok {
		return said, true
	}
	var e *Error
	if err, ok := arg.(error); ok && errors.As(err, &e) && err.Error() == e.Error() {
		return e.Text, true
	}
	return nil, false
}

// Code is the code of what is wrong with one member of a request.
func (t Text) Code() Code {
	if code := entries()[t.Bare().Pattern].Code; code != "" {
		return code
	}
	return Invalid
}

// Params are the values of the text by their names, for a program that has texts of its
// own: numbers, true and false as such, everything else as an English text.
func (t Text) Params() map[string]any {
	t = t.Bare()
	names := entries()[t.Pattern].Params
	if len(names) == 0 || len(names) != len(t.Args) {
		return nil
	}
	all := make(map[string]any, len(names))
	verbs := Verbs(t.Pattern)
	for i, name := range names {
		all[name] = plain(t.Args[i], verbs[i])
	}
	return all
}

func plain(arg any, verb byte) any {
	if w, ok := arg.(Wait); ok {
		return w.seconds()
	}
	if said, ok := spoken(arg); ok {
		return said.In(English)
	}
	switch v := arg.(type) {
	case int, int64, float64, bool, string:
		if verb != 'U' {
			return v
		}
	case []byte:
		return string(v)
	}
	return fmt.Sprintf("%"+string(map[bool]byte{true: 'U', false: 'v'}[verb == 'U']), arg)
}

// Verbs are the verbs of a pattern in the order of its values: "%[2]s of %[1]d" has d, s.
func Verbs(pattern string) []byte {
	var all []byte
	next := 0
	for i := 0; i < len(pattern); i++ {
		if pattern[i] != '%' {
			continue
		}
		i++
		at := next
		if i < len(pattern) && pattern[i] == '[' {
			if _, err := fmt.Sscanf(pattern[i:], "[%d]", &at); err == nil {
				at--
			}
			i += strings.IndexByte(pattern[i:], ']') + 1
		}
		for i < len(pattern) && strings.IndexByte("+-# .0123456789", pattern[i]) >= 0 {
			i++
		}
		if i >= len(pattern) || pattern[i] == '%' {
			continue
		}
		for len(all) <= at {
			all = append(all, 0)
		}
		all[at] = pattern[i]
		next = at + 1
	}
	return all
}

// Error is an error of a leaf that a person is to read.
type Error struct{ Text Text }

// Errorf makes an Error.
func Errorf(pattern string, args ...any) error { return &Error{Of(pattern, args...)} }

// Error is the text in English.
func (e *Error) Error() string { return e.Text.String() }

// Wait is a time to wait, in words.
type Wait time.Duration

// In is the time in seconds, or in minutes if that is shorter to read.
func (w Wait) In(l Lang) string {
	if s := w.seconds(); s < 120 {
		return Of("%d s", s).In(l)
	}
	return Of("%d minutes", int((time.Duration(w)+time.Minute-1)/time.Minute)).In(l)
}

func (w Wait) seconds() int { return max(int((time.Duration(w)+time.Second-1)/time.Second), 1) }

// String is the time in English words.
func (w Wait) String() string { return w.In(English) }

// Span is a length of time, in the largest unit that counts it whole.
type Span time.Duration

// In is the length in words.
func (s Span) In(l Lang) string {
	switch d := time.Duration(s); {
	case d%(24*time.Hour) == 0 && d > 24*time.Hour:
		return Of("%d days", int(d/(24*time.Hour))).In(l)
	case d%time.Hour == 0 && d > time.Hour:
		return Of("%d hours", int(d/time.Hour)).In(l)
	case d%time.Minute == 0 && d > time.Minute:
		return Of("%d minutes", int(d/time.Minute)).In(l)
	}
	return Of("%v seconds", time.Duration(s).Seconds()).In(l)
}

// String is the length in English words.
func (s Span) String() string { return s.In(English) }

// List are texts one after the other.
type List []Text

// In is the list with the signs of a language between its texts.
func (all List) In(l Lang) string {
	parts := make([]string, len(all))
	for i, t := range all {
		parts[i] = t.In(l)
	}
	return strings.Join(parts, map[Lang]string{English: ", ", TraditionalChinese: "、"}[l])
}

// String is the list in English.
func (all List) String() string { return all.In(English) }

// Entry is what en.json says about a pattern.
type Entry struct {
	Code   Code     `json:"code,omitempty"`
	Params []string `json:"params,omitempty"`
}

//go:embed en.json
var en []byte

//go:embed zh-TW.json
var zhTW []byte

var entries = sync.OnceValue(func() (all map[string]Entry) { return decoded[Entry](en) })

var translations = sync.OnceValue(func() map[string]string { return decoded[string](zhTW) })

func decoded[V any](data []byte) (all map[string]V) {
	if err := json.Unmarshal(data, &all); err != nil {
		panic(err) // a test reads both files
	}
	return all
}
