package event

import (
	"encoding/json"

	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/store"
)

// encodeTyping makes the frame of a person who types.
func encodeTyping(s realtime.Signal) []byte {
	var who realtime.Member
	if json.Unmarshal(s.Body, &who) != nil {
		return nil
	}
	return typed(s.Type, who)
}

func encodePresence(_ string, members []realtime.Member, v realtime.Variant) []byte {
	if v&V2 == 0 {
		return nil
	}
	if members == nil {
		members = []realtime.Member{}
	}
	return []byte(store.ToJSON(struct {
		Type    string            `json:"type"`
		Members []realtime.Member `json:"members"`
	}{"presence", members}))
}
