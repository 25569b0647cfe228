package event

import (
	"encoding/json"

	"github.com/coagent-studio/coagent/store"
)

// ReplyTo is what a reply shows of the message under which it hangs, the root of its
// thread. It is kept with each reply, and changes with the root.
type ReplyTo struct {
	ID      string `json:"id" format:"uuid"`
	Seq     int64  `json:"seq" minimum:"1"`
	Sender  string `json:"sender" doc:"A name, or a kind of agent such as Teacher AI"`
	Excerpt string `json:"excerpt,omitempty" doc:"One line, 140 characters at most; absent for who may not read it"`
	State   string `json:"state,omitempty" enum:"deleted,hidden" doc:"Absent while it is as it was said"`
}

// RootOf is what the replies to a message show of it.
func RootOf(m *store.Message) *ReplyTo {
	r := &ReplyTo{ID: m.ID, Seq: m.Seq, Sender: ShownName(SenderName(m)), Excerpt: Excerpt(kept(m))}
	if state := m.State(); state != store.MessageShown {
		r.State = state
	}
	return r
}

// ReplyToOf is what a message shows of the root of its thread; nil unless it is a reply.
func ReplyToOf(m *store.Message) *ReplyTo {
	if m.ReplyTo == "" {
		return nil
	}
	r := new(ReplyTo)
	if json.Unmarshal([]byte(m.ReplyTo), r) != nil {
		return nil
	}
	return r
}

// readBy leaves what a reader sees.
func (r *ReplyTo) readBy(staff bool) *ReplyTo {
	if r == nil || whole(r.State, staff) {
		return r
	}
	seen := *r
	seen.Excerpt = ""
	return &seen
}
