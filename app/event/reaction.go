package event

import (
	"encoding/json"

	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/store"
)

// ReactionCount is how often an emoji was given to a message.
type ReactionCount struct {
	Emoji string `json:"emoji"`
	Count int    `json:"count" minimum:"1"`
}

// Reactions is the body of TypeReaction: all reactions to a message, as they were then.
type Reactions struct {
	MessageID  string          `json:"message_id" format:"uuid"`
	MessageSeq int64           `json:"message_seq" minimum:"1"`
	Reactions  []ReactionCount `json:"reactions" nullable:"false" doc:"All that it has now"`
}

// Pin is the body of TypePin.
type Pin struct {
	MessageID  string `json:"message_id" format:"uuid"`
	MessageSeq int64  `json:"message_seq" minimum:"1"`
	Pinned     bool   `json:"pinned"`
}

// ReactionsOf are the reactions to a message, in the order of their first.
func ReactionsOf(m *store.Message) []ReactionCount {
	all := []ReactionCount{}
	if m.Reactions != "" {
		_ = json.Unmarshal([]byte(m.Reactions), &all)
	}
	return all
}

// encodeForV2 makes the frame of an event that the plain protocol does not have.
func encodeForV2[B any](e realtime.Event, v realtime.Variant) []byte {
	var body B
	if v&V2 == 0 || json.Unmarshal(e.Body, &body) != nil {
		return nil
	}
	text, end := store.ToJSON(body), store.ToJSON(struct {
		Durable
	}{durableOf(e)})
	return []byte(`{"type":` + string(store.ToJSON(e.Type)) + "," + string(text[1:len(text)-1]) + "," + string(end[1:]))
}
