package merge

import (
	"encoding/json"
	"strings"
)

// Member is a member of a JSON object.
type Member struct {
	Name  string
	Value json.RawMessage
}

// Members returns the members of a valid JSON object in their order. If two have one
// name, the first place and the last value count, as in a browser.
func Members(object string) []Member {
	dec := json.NewDecoder(strings.NewReader(object))
	if _, err := dec.Token(); err != nil {
		return nil
	}
	var members []Member
	place := map[string]int{}
	for dec.More() {
		var m Member
		tok, err := dec.Token()
		if err != nil {
			break
		}
		m.Name, _ = tok.(string)
		if dec.Decode(&m.Value) != nil {
			break
		}
		if i, known := place[m.Name]; known {
			members[i].Value = m.Value
			continue
		}
		place[m.Name] = len(members)
		members = append(members, m)
	}
	return members
}

// elements returns the elements of a JSON list; ok is false for anything else.
func elements(raw json.RawMessage) (list []json.RawMessage, ok bool) {
	if !strings.HasPrefix(strings.TrimSpace(string(raw)), "[") {
		return nil, false
	}
	return list, json.Unmarshal(raw, &list) == nil
}
