package app

import (
	"slices"
	"strings"
	"unicode"

	"github.com/coagent-studio/coagent/app/mention"
	"github.com/coagent-studio/coagent/store"
)

// This file keeps agents from going on among themselves for ever. It is pure:
// lines in, a verdict out. A person's line ends every guard, and staff may let
// the agents go on.

// What keeps agents from going on among themselves; stored and never renamed.
const (
	guardStreak    = "agent_row" // so many lines of agents in a row
	guardAgreement = "agreement" // they only agree, thank or repeat each other
)

// idleMessages is how many lines without anything new, one behind the other, the
// agents may say.
const idleMessages = 2

// guarded is how many more lines the agents may say to each other, and the
// guard that keeps them from more.
func (s *roomSnapshot) guarded() (left int, guard string) {
	tail := s.tail()
	if left = s.MaxStreak - len(tail); left > 0 && onlyAgreeing(tail, s.Agents) {
		return 0, guardAgreement
	}
	return left, guardStreak
}

// onlyAgreeing tells whether the last of the agents' lines add nothing: each is
// mere courtesy, says an earlier one again, or does both. A single such line is
// good manners; several in a row call each other up for ever.
func onlyAgreeing(lines []store.Message, agents []store.Agent) bool {
	if len(lines) < idleMessages {
		return false
	}
	said := make([]utterance, len(lines))
	for i, m := range lines {
		said[i] = understand(m.Content, agents)
	}
	for i := len(said) - idleMessages; i < len(said); i++ {
		if !said[i].idle(said[:i]) {
			return false
		}
	}
	return true
}

// utterance is what a line says, without whom it addresses.
type utterance struct {
	words     []string // those that are not mere courtesy, in lower case; of Chinese each character
	all       []string // with the courtesy; none in a line that only calls somebody
	courteous bool
	asks      bool
}

// idle tells whether a line adds nothing to the earlier ones.
func (u *utterance) idle(earlier []utterance) bool {
	if len(u.words) == 0 && len(u.all) > 0 && !u.asks {
		return true
	}
	return slices.ContainsFunc(earlier, func(e utterance) bool {
		return u.repeats(&e) || u.courteous && !u.asks && u.within(&e)
	})
}

// within tells whether every word of substance is in an earlier line.
func (u *utterance) within(e *utterance) bool {
	return !slices.ContainsFunc(u.words, func(w string) bool { return !slices.Contains(e.words, w) })
}

// sameShare is the share of common pieces from which on two lines are the same.
const sameShare = 0.75

// repeats tells whether a line says an earlier one again, word for word or
// nearly. Numbers have to be the same: who counts gets somewhere.
func (u *utterance) repeats(e *utterance) bool {
	if !slices.Equal(numbers(u.all), numbers(e.all)) {
		return false
	}
	if len(u.all) < 6 || len(e.all) < 6 {
		return slices.Equal(u.all, e.all)
	}
	mine, theirs := shingles(u.all), shingles(e.all)
	common := 0
	for s := range mine {
		if theirs[s] {
			common++
		}
	}
	return float64(common) >= sameShare*float64(len(mine)+len(theirs)-common)
}

// shingles are the pieces of three words that follow on each other.
func shingles(words []string) map[string]bool {
	set := map[string]bool{}
	for i := range len(words) - 2 {
		set[strings.Join(words[i:i+3], " ")] = true
	}
	return set
}

func numbers(words []string) (found []string) {
	for _, w := range words {
		if strings.IndexFunc(w, unicode.IsDigit) >= 0 {
			found = append(found, w)
		}
	}
	return found
}

// understand takes a line apart. Names of the room's agents say nothing.
func understand(content string, agents []store.Agent) utterance {
	text := mention.Fold(strings.ReplaceAll(content, "’", "'"))
	u := utterance{asks: asks(text)}
	for _, ag := range agents {
		for _, name := range []string{ag.Name, ag.Type} {
			text = mention.Without(text, name)
		}
	}
	var word []rune
	flush := func() {
		if len(word) == 0 {
			return
		}
		w := strings.Trim(string(word), "'")
		word = word[:0]
		if w == "" {
			return
		}
		u.all = append(u.all, w)
		core, courtesy := englishCourtesy[w]
		u.courteous = u.courteous || core
		if !courtesy {
			u.words = append(u.words, w)
		}
	}
	runes := []rune(text)
	for i := 0; i < len(runes); i++ {
		switch r := runes[i]; {
		case unicode.Is(unicode.Han, r):
			flush()
			n, core := chineseCourtesy.at(runes[i:])
			if n == 0 {
				u.words, u.all = append(u.words, string(r)), append(u.all, string(r))
				continue
			}
			u.courteous = u.courteous || core
			for _, c := range runes[i : i+n] {
				u.all = append(u.all, string(c))
			}
			i += n - 1
		case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '\'':
			word = append(word, r)
		default:
			flush()
		}
	}
	flush()
	return u
}

// asks tells whether a line asks something.
func asks(text string) bool {
	if strings.ContainsAny(text, "?？") {
		return true
	}
	end := strings.TrimRightFunc(text, func(r rune) bool { return !unicode.IsLetter(r) })
	return strings.HasSuffix(end, "嗎") || strings.HasSuffix(end, "吗") || strings.HasSuffix(end, "呢")
}
