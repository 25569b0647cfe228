package event

import (
	"slices"

	"github.com/coagent-studio/coagent/store"
)

// This file defines what one socket of coagent.v2 gets as the answer to its own frame.
// Nobody else sees it.

// Ack says that a post is stored.
type Ack struct {
	ClientID string `json:"client_id"`
	ID       string `json:"id" format:"uuid"`
	Seq      int64  `json:"seq"`
	Dup      bool   `json:"dup" doc:"It had been stored before"`

	NotCalled []Mention `json:"not_called,omitempty" doc:"Named but not called: everyone, if you are not staff; who is not in the text or room; all above 50"`
}

// Frame is the answer as it is sent.
func (a Ack) Frame() []byte {
	return typed("ack", a)
}

// Stop says that a turn is to stop.
type Stop struct {
	TurnID string `json:"turn_id" format:"uuid"`
	State  string `json:"state" enum:"running,finished,failed,stopped" doc:"running: a turn frame or a message follows"`
}

// Frame is the answer as it is sent.
func (s Stop) Frame() []byte {
	return typed("stop", s)
}

// Reacted answers a React with all reactions to the message. The others get the event.
type Reacted struct {
	MessageID string       `json:"message_id" format:"uuid"`
	Reactions []MyReaction `json:"reactions"`
}

// MyReaction is one emoji that a message has got.
type MyReaction struct {
	Emoji string `json:"emoji"`
	Count int    `json:"count" minimum:"1"`
	Mine  bool   `json:"mine" doc:"You have given it"`
}

// ReactedTo is the answer about a message with its reactions.
func ReactedTo(m *store.Message) Reacted {
	out := Reacted{m.ID, []MyReaction{}}
	for _, r := range ReactionsOf(m) {
		out.Reactions = append(out.Reactions, MyReaction{r.Emoji, r.Count, slices.Contains(m.Mine, r.Emoji)})
	}
	return out
}

// Frame is the answer as it is sent.
func (r Reacted) Frame() []byte {
	return typed("react", r)
}

// Refusal says why a frame of the socket had no effect.
type Refusal struct {
	Code     string         `json:"code"`
	Detail   string         `json:"detail"`
	Message  string         `json:"message"` // Detail in the language of the person
	Params   map[string]any `json:"params,omitempty"`
	ClientID string         `json:"client_id,omitempty"`

	RetryAfter int `json:"retry_after,omitempty" minimum:"1" doc:"Seconds; absent where waiting does not help"`
}

// Frame is the answer as it is sent.
func (r Refusal) Frame() []byte {
	return typed("error", r)
}
