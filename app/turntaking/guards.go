package turntaking

import (
	"slices"
	"strings"
	"unicode"

	"github.com/coagent-studio/coagent/app/mention"
)

// This file keeps agents from talking with each other for ever, and with bots, which count
// like agents. A person's message ends every guard, and staff may let the agents go on.

// idleMessages is how many messages without anything new the agents may post one
// after another.
const idleMessages = 2

// guarded returns how many more messages the agents may post to each other, and the
// guard that allows no more.
func (s *Snapshot) guarded() (left int, guard string) {
	streak := s.streak()
	if left = s.MaxStreak - len(streak); left > 0 && onlyAgreeing(streak, s.Agents) {
		return 0, GuardAgreement
	}
	return left, GuardStreak
}

// onlyAgreeing tells whether the last idleMessages of the agents' messages add
// nothing: each is mere courtesy, repeats an earlier one, or both. One such message
// is good manners; several of them would call each other for ever.
func onlyAgreeing(messages []Message, agents []*RoomAgent) bool {
	if len(messages) < idleMessages {
		return false
	}
	said := make([]utterance, len(messages))
	for i, m := range messages {
		said[i] = understand(m.Content, agents)
	}
	for i := len(said) - idleMessages; i < len(said); i++ {
		if !said[i].idle(said[:i]) {
			return false
		}
	}
	return true
}

// utterance is the content of a message, without the names that it addresses.
type utterance struct {
	words     []string // without words of courtesy, in lower case; in Chinese each character is one
	all       []string // with courtesy; empty when the message only calls somebody
	courteous bool
	asks      bool
}

// idle tells whether a message adds nothing to the earlier ones.
func (u *utterance) idle(earlier []utterance) bool {
	if len(u.words) == 0 && len(u.all) > 0 && !u.asks {
		return true
	}
	return slices.ContainsFunc(earlier, func(e utterance) bool {
		return u.repeats(&e) || u.courteous && !u.asks && u.within(&e)
	})
}

// within tells whether an earlier message has every word of u that is not courtesy.
func (u *utterance) within(e *utterance) bool {
	return !slices.ContainsFunc(u.words, func(w string) bool { return !slices.Contains(e.words, w) })
}

// sameShare is the share of common shingles from which two messages count as the
// same.
const sameShare = 0.75

// repeats tells whether a message says an earlier one again, word for word or nearly.
// The numbers must be equal: agents that count make progress.
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

// shingles are all groups of three consecutive words.
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

// understand splits a message into its words. Names of the room's agents do not count
// as words.
func understand(content string, agents []*RoomAgent) utterance {
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

// asks tells whether a text asks something.
func asks(text string) bool {
	if strings.ContainsAny(text, "?？") {
		return true
	}
	end := strings.TrimRightFunc(text, func(r rune) bool { return !unicode.IsLetter(r) })
	return strings.HasSuffix(end, "嗎") || strings.HasSuffix(end, "吗") || strings.HasSuffix(end, "呢")
}
