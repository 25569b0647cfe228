// Package mention finds out whom a message calls: "@" and the name of a person or an
// agent, or an agent's type, or the word for a teacher. Of several names that match, the longest counts.
//
// People type names as their keyboards allow. So names and messages are compared in
// NFKC with case folding, several blanks count as one, and invisible characters do not
// count. A name ends where the word or the script ends. Code, quotes, and addresses of
// pages and of mail call nobody. The package is pure and imports nothing of ours.
package mention

import (
	"regexp"
	"slices"
	"sort"
	"strings"
)

// TeacherWord calls the teacher without an "@", or the agent that teaches instead.
const TeacherWord = "老師"

// Agent is an agent, or a person, that can be called.
type Agent struct {
	ID, Name, Type string

	Teacher    bool // called by TeacherWord
	Instructor bool // called by TeacherWord when no teacher can speak
}

// Names are the names of a room, prepared for searching.
type Names struct {
	labels   []label // by their first letter, and of each letter the longest first
	teachers []string
}

// label is a name or a type, with the ids of the agents that it means: first those with
// this name, then those of this type.
type label struct {
	text []rune
	ids  []string
}

// Of prepares the names of these agents. When several agents have the same name or
// type, they keep their order.
func Of(agents []Agent) *Names {
	n, at := &Names{}, map[string]int{}
	add := func(text, id string) {
		text = Fold(text)
		if text == "" {
			return
		}
		i, known := at[text]
		if !known {
			i, at[text] = len(n.labels), len(n.labels)
			n.labels = append(n.labels, label{text: []rune(text)})
		}
		if !slices.Contains(n.labels[i].ids, id) {
			n.labels[i].ids = append(n.labels[i].ids, id)
		}
	}
	for _, ag := range agents {
		add(ag.Name, ag.ID)
	}
	for _, ag := range agents {
		add(ag.Type, ag.ID)
		if ag.Teacher {
			n.teachers = append(n.teachers, ag.ID)
		}
	}
	for _, ag := range agents {
		if ag.Instructor && !ag.Teacher {
			n.teachers = append(n.teachers, ag.ID)
		}
	}
	sort.SliceStable(n.labels, func(i, j int) bool {
		x, y := n.labels[i].text, n.labels[j].text
		return x[0] < y[0] || x[0] == y[0] && len(x) > len(y)
	})
	return n
}

// May tells whether a message could call anybody, whoever is in the room.
func May(line string) bool {
	line = Fold(line)
	return strings.ContainsRune(line, '@') || strings.Contains(line, TeacherWord)
}

// In lists the calls of a message in their order. Each call is a list of ids that it
// may mean. The first of them that may speak is the one that is called.
func (n *Names) In(line string) [][]string {
	if len(n.labels) == 0 {
		return nil
	}
	calls, text := callsByName(line, n.at)
	if len(n.teachers) > 0 && strings.Contains(mailAddress.ReplaceAllString(string(text), "\n"), TeacherWord) {
		calls = append(calls, n.teachers)
	}
	return calls
}

// HasAt tells whether a text has a character that Fold makes an "@".
func HasAt(text string) bool { return strings.ContainsAny(text, "@﹫＠") }

// ByName lists the calls of a message by an "@" and a name, as In does. The longest name
// counts, whichever of the groups it belongs to. A name that is in several groups means
// the ids of all of them, in the order of the groups.
func ByName(line string, groups ...*Names) [][]string {
	calls, _ := callsByName(line, func(text []rune) *label {
		var found *label
		for _, n := range groups {
			switch l := n.at(text); {
			case l == nil || found != nil && len(l.text) < len(found.text):
			case found == nil || len(l.text) > len(found.text):
				found = l
			default:
				found = &label{found.text, slices.Concat(found.ids, l.ids)}
			}
		}
		return found
	})
	return calls
}

// finder returns the longest name that a folded text begins with, nil for none.
type finder func(text []rune) *label

// callsByName returns the calls by name, and the folded text without them.
func callsByName(line string, find finder) (calls [][]string, text []rune) {
	text = []rune(Fold(withoutCode(line)))
	end, begins := -1, true // the end of the call before; whether an "@" here is outside of a word (the "@" of a mail address is not)
	for i := range text {
		if text[i] != '@' {
			begins = !isWord(text[i])
			continue
		}
		if i < end || i != end && !begins {
			continue
		}
		l := find(text[i+1:])
		if l == nil || isAddress(text, i, i+1+len(l.text), i == end, find) {
			continue
		}
		end = i + 1 + len(l.text)
		calls = append(calls, l.ids)
		for j := i; j < end; j++ {
			text[j] = '\n' // a name that contains TeacherWord must not call the teacher too
		}
	}
	return calls, text
}

// at returns the longest name that text begins with as a word of its own.
func (n *Names) at(text []rune) *label {
	if len(text) == 0 {
		return nil
	}
	from := sort.Search(len(n.labels), func(i int) bool { return n.labels[i].text[0] >= text[0] })
	for i := from; i < len(n.labels) && n.labels[i].text[0] == text[0]; i++ {
		if l := &n.labels[i]; starts(text, l.text) {
			return l
		}
	}
	return nil
}

// mailAddress matches a mail address in a folded text. The part before the "@" is
// ASCII, or a word directly before it in a script without blanks.
//
//nolint:gochecknoglobals // a pattern
var mailAddress = regexp.MustCompile(`(?:[a-z0-9._%+'-]+|[^\x00-\x7f\p{P}\p{Z}]+)@(?:[a-z0-9-]+\.)+[a-z]{2,}|[a-z0-9._%+'-]+@(?:[\p{L}\p{M}\p{N}-]+\.)+\p{L}{2,}`)

// isAddress tells whether the name between "@" and end is part of an address:
//   - of a mailbox, directly after a word in a script without blanks
//     (寫到王@teacher.example)
//   - of a page (site.example/@teacher)
//   - of a package (@teacher/core)
//   - of somebody on another server (@teacher@social.example, @teacher:chat.example)
func isAddress(text []rune, at, end int, afterCall bool, find finder) bool {
	if at > 0 && !afterCall {
		switch before := text[at-1]; {
		case before == '/':
			if isPath(text[:at]) {
				return true
			}
		case noBlanks(before) || strings.ContainsRune(".+-%'", before):
			if at+1+domain(text[at+1:]) > end {
				return true
			}
		}
	}
	if end+1 >= len(text) {
		return false
	}
	rest := text[end+1:]
	switch text[end] {
	case '/':
		return (isASCIIWord(rest[0]) || strings.ContainsRune("._-~", rest[0])) && find(rest) == nil
	case '@', ':':
		return domain(rest) > 0 && find(rest) == nil
	}
	return false
}

// isPath tells whether the word at the end of text is a path or a page's address, and
// not a name.
func isPath(text []rune) bool {
	for i := len(text) - 2; i >= 0 && i >= len(text)-longestPart; i-- {
		switch text[i] {
		case ' ', '\n':
			return false
		case '/', '.', '~', '\\':
			return true
		}
	}
	return false
}

// longestPart bounds how many characters back isPath searches.
const longestPart = 256

// domain returns the length of the host name that text begins with, 0 for none. A host
// name has at least two parts, and the last one consists of letters.
func domain(text []rune) int {
	length, part, letters := 0, 0, true
	for i := 0; ; i++ {
		if i < len(text) && (isASCIIWord(text[i]) && text[i] != '_' || text[i] == '-') {
			letters = letters && text[i] >= 'a' && text[i] <= 'z'
			continue
		}
		if i == part {
			return length // an empty part
		}
		if part > 0 && letters && i-part >= 2 {
			length = i
		}
		if i == len(text) || text[i] != '.' {
			return length
		}
		part, letters = i+1, true
	}
}

// Without removes a name from a folded text wherever it is a word of its own.
func Without(text, name string) string {
	want := []rune(Fold(name))
	if len(want) == 0 {
		return text
	}
	var b strings.Builder
	runes := []rune(text)
	for i := 0; i < len(runes); i++ {
		if (i == 0 || !isWord(runes[i-1])) && starts(runes[i:], want) {
			b.WriteByte(' ')
			i += len(want) - 1
			continue
		}
		b.WriteRune(runes[i])
	}
	return b.String()
}

// Label is how the room shows who wrote an agent's message, by the agent's type: for
// example "Teacher AI".
func Label(agentType string) string {
	r := []rune(agentType)
	if len(r) == 0 {
		return "AI"
	}
	return strings.ToUpper(string(r[:1])) + string(r[1:]) + " AI"
}
