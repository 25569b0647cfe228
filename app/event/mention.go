package event

import (
	"encoding/json"

	"github.com/coagent-studio/coagent/store"
)

// The kinds of a Mention.
const (
	MentionPerson   = "person" // a bot too
	MentionAgent    = "agent"
	MentionEveryone = "everyone" // all who may be in the room
)

// MaxMentions is how many one message can call.
const MaxMentions = 50

// Mention is one whom a message calls by an "@".
type Mention struct {
	Kind string `json:"kind" enum:"person,agent,everyone" doc:"person also for a bot"`
	ID   string `json:"id,omitempty" format:"uuid"`
	Name string `json:"name,omitempty" doc:"As it was then; absent for everyone"`
}

// MentionsOf are those whom a message calls, in the order of the calls.
func MentionsOf(m *store.Message) (all []Mention) {
	if m.Mentions != "" {
		_ = json.Unmarshal([]byte(m.Mentions), &all)
	}
	return all
}

// Redact leaves of a message what a reader sees of it.
func Redact(m *store.Message, staff bool) {
	m.Content = Readable(m.State(), m.Content, staff)
	if !whole(m.State(), staff) {
		m.Mentions, m.Files, m.Reactions, m.Mine = "", "", "", nil
	}
	if m.ReplyTo != "" && !staff {
		m.ReplyTo = store.ToJSON(ReplyToOf(m).readBy(false))
	}
}

// whole tells whether a reader sees all of a message in this state.
func whole(state string, staff bool) bool {
	return state != store.MessageDeleted && (staff || state != store.MessageHidden)
}
