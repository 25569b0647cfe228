// Package search is pure. It reads what somebody types to find messages, says where in a
// text the found words are, and which of several messages fits best. It knows neither
// rights nor rows. It may import app/wording and store/words alone.
package search

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store/words"
)

// The bounds of a query.
const (
	MaxChars = 500 // of all of it
	maxParts = 20  // words, phrases and operators
	maxWords = 100 // in all of them; each letter of Chinese is one
)

// What "has:" can be asked for.
const (
	HasLink    = "link"
	HasMention = "mention"
	HasReply   = "reply" // the message is one
	HasFile    = "file"
)

// Query is what somebody looks for.
type Query struct {
	Phrases, Without []words.Phrase
	// From and NotFrom are who wrote the message: one of From, none of NotFrom.
	From, NotFrom []Person
	// In and NotIn are rooms, by id or name.
	In, NotIn   []string
	Has, HasNot []string
	// Since and Until are instants; zero for none. Since belongs to it.
	Since, Until time.Time
}

// Person is who wrote a message: an account, an agent, or several who have the name.
type Person struct {
	ID    string // of an account or an agent
	Me    bool
	Agent bool // any agent
	Bot   bool // any bot
	Name  string
}

// Parse reads a query. Dates are days of zone, now says which day is today.
func Parse(text string, zone *time.Location, now time.Time) (*Query, error) {
	if n := utf8.RuneCountInString(text); n > MaxChars {
		return nil, wording.Errorf("has %d characters, at most %d are possible", n, MaxChars)
	}
	q := &Query{}
	parts, typing := split(text)
	if len(parts) > maxParts {
		return nil, wording.Errorf("has %d words, phrases and operators, at most %d are possible", len(parts), maxParts)
	}
	count := 0
	for i, p := range parts {
		operator, value, ok := p.operator()
		if ok {
			if err := q.operator(operator, value, p.minus, day{zone, now}); err != nil {
				return nil, err
			}
			continue
		}
		phrases := []words.Phrase{words.PhraseOf(p.text)}
		if typing && i == len(parts)-1 && !p.minus {
			phrases = words.Typed(p.text)
		}
		for _, phrase := range phrases {
			if count += len(phrase.Words); count > maxWords {
				return nil, wording.Errorf("has more than %d words (a letter of Chinese, Japanese or Korean is a word)", maxWords)
			}
			switch {
			case len(phrase.Words) == 0: // only signs
			case p.minus:
				q.Without = append(q.Without, phrase)
			default:
				q.Phrases = append(q.Phrases, phrase)
			}
		}
	}
	if q.empty() {
		return nil, wording.Errorf("has no word to look for; write words, \"a phrase\", -without, or an operator such as from: in: has: before: after:")
	}
	return q, nil
}

func (q *Query) empty() bool {
	return len(q.Phrases)+len(q.Without)+len(q.From)+len(q.NotFrom)+len(q.In)+len(q.NotIn)+len(q.Has)+len(q.HasNot) == 0 &&
		q.Since.IsZero() && q.Until.IsZero()
}

// part is a word, a phrase or an operator of a query.
type part struct {
	minus  bool
	text   string
	quoted bool
	name   string // what is before the colon in front of a quoted value
}

// operators are the names that may stand before a colon.
var operators = []string{"from", "in", "has", "before", "after"}

// operator returns the parts of an operator. "https://..." and "10:30" are none.
func (p part) operator() (name, value string, ok bool) {
	if p.name != "" {
		return p.name, p.text, true
	}
	if p.quoted {
		return "", "", false
	}
	name, value, ok = strings.Cut(p.text, ":")
	name = strings.ToLower(name)
	return name, value, ok && slices.Contains(operators, name)
}

// split cuts a query into its parts. typing says that the last one may not be complete.
func split(text string) (parts []part, typing bool) {
	rest := []rune(text)
	for {
		for len(rest) > 0 && unicode.IsSpace(rest[0]) {
			rest = rest[1:]
			typing = false
		}
		if len(rest) == 0 {
			return parts, typing
		}
		var p part
		p, rest, typing = next(rest)
		parts = append(parts, p)
	}
}

// next reads one part. A quote without its end reaches to the end of the text.
func next(rest []rune) (p part, after []rune, typing bool) {
	if len(rest) > 1 && rest[0] == '-' && !unicode.IsSpace(rest[1]) {
		p.minus = true
		rest = rest[1:]
	}
	for i, r := range rest {
		switch {
		case unicode.IsSpace(r):
			p.text = string(rest[:i])
			return p, rest[i:], false
		case quote(r) && (i == 0 || isOperator(rest[:i])):
			p.quoted = true
			if i > 0 {
				p.name = strings.ToLower(string(rest[:i-1]))
			}
			for j := i + 1; j < len(rest); j++ {
				if quote(rest[j]) {
					p.text = string(rest[i+1 : j])
					return p, rest[j+1:], false
				}
			}
			p.text = string(rest[i+1:])
			return p, nil, true
		}
	}
	p.text = string(rest)
	return p, nil, true
}

func isOperator(text []rune) bool {
	name, ok := strings.CutSuffix(strings.ToLower(string(text)), ":")
	return ok && slices.Contains(operators, name)
}

func quote(r rune) bool { return r == '"' || r == '“' || r == '”' || r == '„' || r == '＂' }

// operator adds what an operator asks for.
func (q *Query) operator(name, value string, minus bool, d day) error {
	value = strings.TrimSpace(value)
	if value == "" {
		return wording.Errorf("%s: needs a value, for example %s", name, example(name))
	}
	switch name {
	case "from":
		p, err := personOf(value)
		if err != nil {
			return err
		}
		if minus {
			q.NotFrom = append(q.NotFrom, p)
		} else {
			q.From = append(q.From, p)
		}
	case "in":
		if minus {
			q.NotIn = append(q.NotIn, value)
		} else {
			q.In = append(q.In, value)
		}
	case "has":
		value = strings.ToLower(value)
		if all := []string{HasLink, HasMention, HasReply, HasFile}; !slices.Contains(all, value) {
			return wording.Errorf("has:%s is not known; possible are %s", value, strings.Join(all, ", "))
		}
		if minus {
			q.HasNot = append(q.HasNot, value)
		} else {
			q.Has = append(q.Has, value)
		}
	default:
		return q.date(name, value, minus, d)
	}
	return nil
}

func example(name string) string {
	switch name {
	case "from":
		return `from:me, from:agent, from:"Ada Lovelace"`
	case "in":
		return `in:"Group 1"`
	case "has":
		return "has:link"
	}
	return name + ":2026-03-01"
}

func personOf(value string) (Person, error) {
	name := strings.TrimSpace(strings.TrimPrefix(value, "@"))
	id, err := uuid.Parse(name)
	switch low := strings.ToLower(name); {
	case err == nil:
		return Person{ID: id.String()}, nil
	case low == "me":
		return Person{Me: true}, nil
	case low == "agent":
		return Person{Agent: true}, nil
	case low == "bot":
		return Person{Bot: true}, nil
	case len(words.Split(name)) == 0:
		return Person{}, wording.Errorf("%s: needs a value, for example %s", "from", example("from"))
	}
	return Person{Name: name}, nil
}
