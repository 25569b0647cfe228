package wording

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Recognise finds the pattern and the values of an English text about a member of a
// request. The library that checks requests hands over only such texts.
func Recognise(text string) Text {
	if _, known := entries()[text]; known {
		return Of(text)
	}
	for _, f := range forms() {
		if found := f.text.FindStringSubmatch(text); found != nil {
			return Of(f.pattern, f.values(found[1:])...)
		}
	}
	return Of("%s", text)
}

// form recognises the texts of one pattern.
type form struct {
	pattern string
	verbs   []byte
	text    *regexp.Regexp
	fixed   int // bytes of the pattern that are in each of its texts
}

// verb matches a verb of a pattern.
var verb = regexp.MustCompile(`%[-+# 0-9.]*[a-zA-Z]`)

// forms are the patterns with values, those with the longest fixed parts first.
var forms = sync.OnceValue(func() (all []form) {
	for pattern, entry := range entries() {
		if entry.Code == "" || !verb.MatchString(pattern) {
			continue
		}
		f := form{pattern: pattern, verbs: Verbs(pattern)}
		var text strings.Builder
		for i, fixed := range verb.Split(pattern, -1) {
			if i > 0 {
				text.WriteString(map[byte]string{'d': `(-?\d+)`, 'q': `("(?:[^"\\]|\\.)*")`}[f.verbs[i-1]])
				if !strings.ContainsRune("dq", rune(f.verbs[i-1])) {
					text.WriteString(`(.*)`)
				}
			}
			text.WriteString(regexp.QuoteMeta(fixed))
			f.fixed += len(fixed)
		}
		f.text = regexp.MustCompile(`(?s)^` + text.String() + `$`)
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b form) int { return cmp.Or(cmp.Compare(b.fixed, a.fixed), cmp.Compare(a.pattern, b.pattern)) })
	return slices.DeleteFunc(all, func(f form) bool { return f.fixed == 0 })
})

// values are the values in a text as fmt would take them.
func (f *form) values(found []string) []any {
	all := make([]any, len(found))
	for i, text := range found {
		all[i] = text
		switch f.verbs[i] {
		case 'd', 'v':
			if n, err := strconv.Atoi(text); err == nil {
				all[i] = n
			}
		case 'q':
			if bare, err := strconv.Unquote(text); err == nil {
				all[i] = bare
			}
		}
	}
	return all
}
