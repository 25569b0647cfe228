package turn

import (
	"encoding/json"
	"testing"
)

// Whatever a model sends as arguments is read or refused, never more, and two calls are
// the same whatever the blanks in them.
func FuzzToolArguments(f *testing.F) {
	tools, err := Compile(nil)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{`{}`, `null`, `[]`, `{"text":"\ud800"}`, `{"artifact_id":7,"artifact_id":"x"}`, "{\"text\":\"\xff\"}",
		`{"agent":"a","question":"b"}`, `{"trigger_type":"silence","value":1e400}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, args string) {
		key := callKey(savedCall{Name: "x", Arguments: json.RawMessage(args)})
		if json.Valid([]byte(args)) && callKey(savedCall{Name: "x", Arguments: json.RawMessage(" " + args + "\n")}) != key {
			t.Fatalf("blanks around %q make another call of it", args)
		}
		for _, tool := range tools {
			if tool.Check(json.RawMessage(args)) == nil && !json.Valid([]byte(args)) {
				t.Fatalf("%s takes what is no JSON: %q", tool.Name, args)
			}
		}
	})
}
