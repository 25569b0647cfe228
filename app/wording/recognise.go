package wording

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Recognise finds the pattern and the values of an English text about a member of a
// request. The library that checks requests hands over only such texts.
func Recognise(text string) Text {
	if _, known := entries()[text]; known {
		return Of(text)
	}
	for _, f := range forms() {
		if found := f.find(text); found != nil {
			return Of(f.pattern, f.values(found)...)
		}
	}
	return Of("%s", text)
}

// leastFixed is how many bytes of a pattern must be fixed for its texts to be told from any
// others: "%s: %s" may be everything.
const leastFixed = 6

// aboutMember is a text about a member of a request or a configuration, with its name.
var aboutMember = regexp.MustCompile(`(?s)^([a-z_]+(?:[.\[][a-z0-9_.\[\]]+)?): (.+)$`)

// Reword is an English text of this program in a language. Reasons are stored with what they
// are about, in English and for all readers; here they are translated for one. A text that is
// not known stays as it is, and so does the part of a text that others have said.
func Reword(text string, l Lang) string { return reword(text, l, 0) }

// mostNested is how deep texts are looked for in texts: a reason in the name of a member in a
// list of them is two.
const mostNested = 4

func reword(text string, l Lang, depth int) string {
	if l == English || text == "" || depth > mostNested {
		return text
	}
	if said := translations()[text]; said != "" {
		return said
	}
	if said, ok := within(text); ok {
		return said.In(l)
	}
	for _, f := range allForms() {
		if f.fixed < leastFixed {
			break
		}
		if found := f.find(text); found != nil {
			return Of(f.pattern, reworded(f.values(found), l, depth)...).In(l)
		}
	}
	if found := aboutMember.FindStringSubmatch(text); found != nil {
		return Of("%s: %s", found[1], reword(found[2], l, depth+1)).In(l)
	}
	return text
}

// within recognises a condition of a trigger that holds after some time.
func within(text string) (Text, bool) {
	why, after, ok := cutLast(text, ", in ")
	d, err := time.ParseDuration(after)
	if !ok || err != nil {
		return Text{}, false
	}
	return Of("%s, in %v", Recognised(why), Span(d)), true
}

func cutLast(text, at string) (before, after string, ok bool) {
	i := strings.LastIndex(text, at)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(at):], true
}

// Recognised is an English text that Reword translates when it is read.
type Recognised string

// In is Reword.
func (r Recognised) In(l Lang) string { return Reword(string(r), l) }

// reworded are the values of a text for a reader. What is shorter than the text is a text of
// its own, or a time.
func reworded(values []any, l Lang, depth int) []any {
	for i, v := range values {
		said, ok := v.(string)
		if !ok {
			continue
		}
		if d, err := time.ParseDuration(said); err == nil {
			values[i] = Span(d)
		} else {
			values[i] = reword(said, l, depth+1)
		}
	}
	return values
}

// form recognises the texts of one pattern.
type form struct {
	pattern string
	verbs   []byte
	text    *regexp.Regexp
	parts   []string // what is fixed, before, between and behind the values
	fixed   int      // bytes of the parts
}

// find gives the values in a text of the form, or nil. Most texts are of another form, and some
// are long: they are told by their fixed parts, a hundred times faster than by the expression.
func (f *form) find(text string) []string {
	last := len(f.parts) - 1
	rest, ok := strings.CutPrefix(text, f.parts[0])
	if !ok || !strings.HasSuffix(rest, f.parts[last]) {
		return nil
	}
	for _, part := range f.parts[1:] {
		if _, rest, ok = strings.Cut(rest, part); !ok {
			return nil
		}
	}
	if found := f.text.FindStringSubmatch(text); found != nil {
		return found[1:]
	}
	return nil
}

// verb matches a verb of a pattern.
var verb = regexp.MustCompile(`%[-+# 0-9.]*[a-zA-Z]`)

// forms are the patterns with values about members of a request.
var forms = sync.OnceValue(func() []form { return formsOf(func(e Entry) bool { return e.Code != "" }) })

// allForms are all patterns with values.
var allForms = sync.OnceValue(func() []form { return formsOf(func(Entry) bool { return true }) })

// formsOf are the patterns with values that are wanted, those with the longest fixed parts
// first.
func formsOf(wanted func(Entry) bool) (all []form) {
	for pattern, entry := range entries() {
		if !wanted(entry) || !verb.MatchString(pattern) {
			continue
		}
		f := form{pattern: pattern, verbs: Verbs(pattern), parts: verb.Split(pattern, -1)}
		var text strings.Builder
		for i, fixed := range f.parts {
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
}

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
