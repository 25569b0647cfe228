package app

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/realtime"
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
			if is[i].name != m.name {
				t.Fatalf("%s with %s: %s moved %q", stored, sent, merged, m.name)
			}
		}
		for _, m := range is {
			from := was
			if slices.ContainsFunc(now, func(n jsonMember) bool { return n.name == m.name }) {
				from = now
			}
			i := slices.IndexFunc(from, func(n jsonMember) bool { return n.name == m.name })
			if i < 0 || string(from[i].value) != string(m.value) {
				t.Fatalf("%s with %s: %s has a wrong %q", stored, sent, merged, m.name)
			}
		}
	})
}

func TestArtifactFrames(t *testing.T) {
	t.Parallel()
	event := func(kind string, body ArtifactEvent) realtime.Event {
		return realtime.Event{Room: "r1", Seq: 7, ID: "e1", Type: kind, Actor: "u1", Body: []byte(toJSON(body)), At: someTime}
	}
	state := ArtifactEvent{ArtifactID: "a1", Artifact: json.RawMessage(`{"z":1,"a":"<"}`)}
	for name, c := range map[string]struct {
		event     realtime.Event
		plain, v2 string
	}{
		"Update": {event(EventArtifactUpdate, state), `{"type":"artifact_update","artifact":{"z":1,"a":"<"},"timestamp":"2026-03-01T12:30:00.000005Z"}`,
			`{"type":"artifact_update","artifact":{"z":1,"a":"<"},"timestamp":"2026-03-01T12:30:00.000005Z","id":"e1","seq":7}`},
		"Delete": {event(EventArtifactDelete, ArtifactEvent{ArtifactID: "a1"}), `{"type":"artifact_delete","artifact_id":"a1","timestamp":"2026-03-01T12:30:00.000005Z"}`,
			`{"type":"artifact_delete","artifact_id":"a1","timestamp":"2026-03-01T12:30:00.000005Z","id":"e1","seq":7}`},
		"Spent":  {event(EventArtifactUpdate, ArtifactEvent{ArtifactID: "a1"}), "", ""},
		"Broken": {realtime.Event{Type: EventArtifactDelete, Body: []byte("[]")}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, staff := range []bool{false, true} {
				if got := string(encodeEvent(c.event, VariantFor(false, staff))); got != c.plain {
					t.Errorf("plain: got %s, want %s", got, c.plain)
				}
				if got := string(encodeEvent(c.event, VariantFor(true, staff))); got != c.v2 {
					t.Errorf("coagent.v2: got %s, want %s", got, c.v2)
				}
			}
		})
	}
	t.Run("Hold", func(t *testing.T) {
		t.Parallel()
		for _, c := range []struct {
			kind string
			v2   bool
			want time.Duration
		}{{EventArtifactUpdate, false, 250 * time.Millisecond}, {EventArtifactDelete, false, 250 * time.Millisecond},
			{EventArtifactUpdate, true, 0}, {EventArtifactDelete, true, 0}, {EventMessage, false, 0}, {EventTurn, false, 0}} {
			if got := holdArtifact(event(c.kind, state), VariantFor(c.v2, false)); got != c.want {
				t.Errorf("%s, coagent.v2 %v: got %v, want %v", c.kind, c.v2, got, c.want)
			}
		}
	})
}
