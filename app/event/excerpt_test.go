package event

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestExcerpt(t *testing.T) {
	t.Parallel()
	long := func(n int) string { return strings.Repeat("x", n) }
	for name, c := range map[string]struct{ text, want string }{
		"Short":        {"Hello", "Hello"},
		"Empty":        {"", ""},
		"OneLine":      {" a\n\n b\tc ", "a b c"},
		"Exact":        {long(140), long(140)},
		"Long":         {long(141), long(139) + "…"},
		"Han":          {strings.Repeat("光", 200), strings.Repeat("光", 139) + "…"},
		"Accent":       {long(138) + "e\u0301" + long(9), long(138) + "…"},
		"Family":       {long(136) + "👩\u200d👩\u200d👧" + long(9), long(136) + "…"},
		"Flag":         {long(138) + "🇹🇼" + long(9), long(138) + "…"},
		"SecondFlag":   {long(137) + "🇹🇼🇹🇼" + long(9), long(137) + "🇹🇼…"},
		"Skin":         {long(138) + "👍🏽" + long(9), long(138) + "…"},
		"OnlyMarks":    {strings.Repeat("\u0301", 300), strings.Repeat("\u0301", 139) + "…"},
		"BlankAtEnd":   {long(138) + " " + long(20), long(138) + "…"},
		"OtherSpecies": {long(138) + "각" + long(20), long(138) + "각…"},
	} {
		got := Excerpt(c.text)
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
		if n := utf8.RuneCountInString(got); n > 140 || !utf8.ValidString(got) {
			t.Errorf("%s: %d characters, valid %v", name, n, utf8.ValidString(got))
		}
	}
}
