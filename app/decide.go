package app

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"unicode"

	"github.com/coagent-studio/coagent/store"
)

// This file decides who of a room's agents speaks. It is pure: a snapshot and
// a source of chance in, the speakers in their order out.

// roomSnapshot is what a decision is made from.
type roomSnapshot struct {
	Room   store.Room
	Agents []store.Agent   // those in the room, in the order they came in
	Lines  []store.Message // the newest lines of the room, oldest first
	// PersonLines counts the people's lines since an agent last spoke, for the
	// agents whose trigger asks for it.
	PersonLines map[string]int
	MaxRow      int // agent lines in a row after which a person has to speak
}

// fresh are the lines that no decision has been made about.
func (s *roomSnapshot) fresh() []store.Message {
	i := slices.IndexFunc(s.Lines, func(m store.Message) bool { return m.Seq > s.Room.LookedSeq })
	if i < 0 {
		return nil
	}
	return s.Lines[i:]
}

// row counts the agent lines at the end of the room.
func (s *roomSnapshot) row() int {
	n := 0
	for i := len(s.Lines) - 1; i >= 0 && s.Lines[i].ByAgent(); i-- {
		n++
	}
	return n
}

// decide returns the agents that speak about the fresh lines, in their order:
// everybody who was mentioned, but no more than may speak in a row; if nobody
// was, the first whose trigger or roll says so. People go before agents: while
// a person waits for an answer, what agents said to each other does not count,
// nor does the row that they have made meanwhile.
func decide(s roomSnapshot, roll func() float64) []store.Agent {
	fresh := s.fresh()
	byPeople := slices.ContainsFunc(fresh, func(m store.Message) bool { return !m.ByAgent() })
	left := s.MaxRow
	if !byPeople {
		left -= s.row()
	}
	if len(fresh) == 0 || !s.Room.IsAIActive || s.Room.AIMode == ModeOff || left <= 0 {
		return nil
	}
	able := slices.DeleteFunc(slices.Clone(s.Agents), func(ag store.Agent) bool { return !able(&s.Room, &ag) })
	slices.SortStableFunc(able, func(x, y store.Agent) int { return cmp.Compare(precedence(&x), precedence(&y)) })

	called := map[string]bool{}
	for _, m := range fresh {
		if m.ByAgent() == byPeople {
			continue
		}
		for _, id := range mentioned(m.Content, able) {
			called[id] = called[id] || id != m.AgentID
		}
	}
	if speakers := slices.DeleteFunc(slices.Clone(able), func(ag store.Agent) bool { return !called[ag.ID] }); len(speakers) > 0 {
		return speakers[:min(len(speakers), left)]
	}
	if !byPeople {
		return nil
	}
	for _, ag := range able {
		if triggered(&s, &ag, roll) {
			return []store.Agent{ag}
		}
	}
	return nil
}

// able tells whether an agent may speak in the room at all. Agents outside
// this program are told of lines, they take no turns.
func able(r *store.Room, ag *store.Agent) bool {
	return ag.IsActive && !ag.IsExternal && (r.AIMode == ModeBoth || part(ag) != categoryParticipant)
}

// part is what an agent is in a room: that of its category, whatever its type
// is called. A student agent is one of the class however it was stored.
func part(ag *store.Agent) string {
	if ag.Type == AgentStudent {
		return categoryParticipant
	}
	return ag.Category
}

// precedence orders instructors before participants before utilities.
func precedence(ag *store.Agent) int {
	switch part(ag) {
	case categoryInstructor:
		return 0
	case categoryParticipant:
		return 1
	}
	return 2
}

// triggered tells whether an unaddressed line makes an agent speak. Without a
// trigger it is one roll against the room's frequency, a little less for
// participants, so that they do not drown the class; utilities wait to be
// mentioned.
func triggered(s *roomSnapshot, ag *store.Agent, roll func() float64) bool {
	var t struct {
		Type  string  `json:"type"`
		Value float64 `json:"value"`
	}
	if ag.TriggerConfig != "" && json.Unmarshal([]byte(ag.TriggerConfig), &t) != nil {
		return false
	}
	switch t.Type {
	case "":
	case "message_count":
		return float64(s.PersonLines[ag.ID]) >= cmp.Or(t.Value, 10)
	default:
		return false
	}
	switch part(ag) {
	case categoryInstructor:
		return roll() < s.Room.AIFrequency
	case categoryParticipant:
		return roll() < 0.8*s.Room.AIFrequency
	}
	return false
}

// teacherWord calls the teacher without an "@", or who teaches in its place.
const teacherWord = "老師"

// mentioned returns the ids of the agents that a text calls: "@" and an
// agent's name or type in any case, the longest that fits, or 老師. A type that
// several agents have calls the first of them.
func mentioned(content string, agents []store.Agent) []string {
	var ids []string
	add := func(id string) {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	text := []rune(strings.ToLower(content))
	for i, r := range text {
		if r != '@' || (i > 0 && isWord(text[i-1])) {
			continue
		}
		best, id := 0, ""
		for _, ag := range agents {
			for _, label := range []string{ag.Name, ag.Type} {
				if n := len([]rune(label)); n > best && startsWith(text[i+1:], label) {
					best, id = n, ag.ID
				}
			}
		}
		if id != "" {
			add(id)
		}
	}
	if strings.Contains(content, teacherWord) {
		i := slices.IndexFunc(agents, func(ag store.Agent) bool { return ag.Type == AgentTeacher })
		if i < 0 {
			i = slices.IndexFunc(agents, func(ag store.Agent) bool { return part(&ag) == categoryInstructor })
		}
		if i >= 0 {
			add(agents[i].ID)
		}
	}
	return ids
}

// startsWith tells whether text begins with the label as a word of its own:
// "@teachers" does not call the teacher, "@老師你好" does.
func startsWith(text []rune, label string) bool {
	want := []rune(strings.ToLower(label))
	if len(want) == 0 || len(text) < len(want) || !slices.Equal(text[:len(want)], want) {
		return false
	}
	return len(text) == len(want) || !isWord(want[len(want)-1]) || !isWord(text[len(want)])
}

// isWord tells letters and digits of scripts that put blanks between words.
func isWord(r rune) bool {
	return r == '_' || (unicode.IsLetter(r) && !unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai)) || unicode.IsDigit(r)
}
