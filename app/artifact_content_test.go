package app

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/coagent-studio/coagent/app/merge"
	"github.com/coagent-studio/coagent/store"
)

func TestMergeContent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ stored, sent, want string }{
		{`{}`, `{}`, `{}`},
		{`{"status":"todo","order":3}`, `{"status":"done"}`, `{"status":"done","order":3}`},
		{`{"b":1,"a":2}`, `{"z":{"y":[1]},"a":null}`, `{"b":1,"a":null,"z":{"y":[1]}}`},
		{`{"a":{"x":1,"y":2}}`, `{"a":{"x":3}}`, `{"a":{"x":3}}`},
		{`{"a":1,"b":2,"a":3}`, `{"c":4,"c":5}`, `{"a":3,"b":2,"c":5}`},
		{`{"<é>\"":1}`, `{"\u003c\u00e9>\"":2}`, `{"<é>\"":2}`},
		{`{"n":12345678901234567890.50}`, `{}`, `{"n":12345678901234567890.50}`},
	} {
		if got := mergeContent(store.JSON(c.stored), store.JSON(c.sent)); string(got) != c.want {
			t.Errorf("%s with %s:\n got %s\nwant %s", c.stored, c.sent, got, c.want)
		}
	}
}

// FuzzArtifactContent holds what clients send against three promises: what is
// taken is an object of the bounded size, a merge has every member of both and
// the sent one's values, and merging again changes nothing.
func FuzzArtifactContent(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":1}`, `{"status":"done","a":{"b":[null]}}`, `[]`, `null`, ` {"a" : "\u0000"}`, "{\"\xff\":1}", `{"a":1,"a":2}`, `{"\ud800":1}`, `{"a":`} {
		f.Add(s, `{"b":2}`)
		f.Add(`{"b":2}`, s)
	}
	const most = 1 << 10
	f.Fuzz(func(t *testing.T, first, second string) {
		stored, err := artifactContent(json.RawMessage(first), most)
		if err != nil {
			if k := KindOf(err); k != KindInvalid && k != KindTooLarge {
				t.Fatalf("%q: got %v", first, err)
			}
			return
		}
		if len(stored) > most || !json.Valid([]byte(stored)) || stored[0] != '{' {
			t.Fatalf("%q was taken as %q", first, stored)
		}
		sent, err := artifactContent(json.RawMessage(second), most)
		if err != nil {
			return
		}
		merged := mergeContent(stored, sent)
		if _, err := artifactContent(json.RawMessage(merged), 8*most); err != nil {
			t.Fatalf("%s with %s: %s is refused: %v", stored, sent, merged, err)
		}
		if again := mergeContent(merged, sent); again != merged {
			t.Fatalf("%s with %s: %s, merged again %s", stored, sent, merged, again)
		}
		was, now, is := membersOf(stored), membersOf(sent), membersOf(merged)
		for i, m := range was {
			if is[i].Name != m.Name {
				t.Fatalf("%s with %s: %s moved %q", stored, sent, merged, m.Name)
			}
		}
		for _, m := range is {
			from := was
			if slices.ContainsFunc(now, func(n merge.Member) bool { return n.Name == m.Name }) {
				from = now
			}
			i := slices.IndexFunc(from, func(n merge.Member) bool { return n.Name == m.Name })
			if i < 0 || string(from[i].Value) != string(m.Value) {
				t.Fatalf("%s with %s: %s has a wrong %q", stored, sent, merged, m.Name)
			}
		}
	})
}
