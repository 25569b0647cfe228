package a2a

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Text returns what an agent outside this program has said, from the content of its
// message: a text as it is; of an object the first member of content, draft, text and
// message that is a text; of anything else its JSON, without blanks. It is "" for null and
// for empty objects and lists.
func Text(content json.RawMessage) string {
	var text string
	if json.Unmarshal(content, &text) == nil {
		return clean(text)
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(content, &members) == nil {
		for _, name := range []string{"content", "draft", "text", "message"} {
			if json.Unmarshal(members[name], &text) == nil && strings.TrimSpace(text) != "" {
				return clean(text)
			}
		}
	}
	var b bytes.Buffer
	if json.Compact(&b, content) != nil {
		return ""
	}
	if text = b.String(); text == "{}" || text == "[]" {
		return ""
	}
	return clean(text)
}

// clean removes the characters that no database of ours stores.
func clean(text string) string { return strings.TrimSpace(strings.ReplaceAll(text, "\x00", "")) }
