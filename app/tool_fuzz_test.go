package app

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/store"
)

// Whatever a model sends as arguments is read or refused, never more; what fits
// the schema changes a document or a process in valid JSON, and keeps what was
// there.
func FuzzToolArguments(f *testing.F) {
	tools, err := turn.Compile([]*turn.Tool{(&artifacts{}).tool(true), (&artifacts{}).tool(false)})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{`{}`, `null`, `[]`, `{"action":"append","content":"x"}`, `{"action":"append","content":{"type":"doc","content":[{"type":"p"}]}}`,
		`{"action":"add_step","content":{"nodes":[{"id":"2"}],"edges":[{"source":"1","target":"2"}]}}`, `{"action":"add_step","content":{"nodes":[{"id":1e400}]}}`,
		`{"action":"create","title":"\u0000","artifact_type":"doc"}`, `{"text":"\ud800"}`, `{"artifact_id":7,"artifact_id":"x"}`, `{"action":"append","content":[[[[]]]]}`,
		"{\"text\":\"\xff\"}", `{"agent":"a","question":"b"}`, `{"action":"append","content":{"type":"doc","content":null}}`} {
		f.Add(seed)
	}
	doc := &store.Artifact{Type: ArtifactDoc, Content: `{"a":1,"type":"doc","content":[{"type":"paragraph"}],"z":[1]}`}
	process := &store.Artifact{Type: ArtifactProcess, Content: `{"nodes":[{"id":"1"}],"zoom":2,"edges":[]}`}
	f.Fuzz(func(t *testing.T, args string) {
		for _, tool := range tools {
			if tool.Check(json.RawMessage(args)) != nil {
				continue
			}
			if !json.Valid([]byte(args)) {
				t.Fatalf("%s takes what is no JSON: %q", tool.Name, args)
			}
			var in artifactArgs
			if json.Unmarshal([]byte(args), &in) != nil || tool.Name != "manage_artifact" || len(in.Content) == 0 {
				continue
			}
			for _, f := range []*store.Artifact{doc, process} {
				change, err := appended(f, in.Content)
				if f == process {
					change, err = withSteps(f, in.Content)
				}
				if err != nil {
					continue
				}
				got := store.JSON(change.Value)
				if !json.Valid([]byte(got)) || utf8.ValidString(args) && !utf8.ValidString(string(got)) {
					t.Fatalf("%q becomes %q", args, got)
				}
				members := membersOf(got)
				for i, was := range membersOf(f.Content) {
					if len(members) <= i || members[i].Name != was.Name {
						t.Fatalf("%q loses the member %s: %s", args, was.Name, got)
					}
				}
			}
		}
	})
}
