package event

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/store"
)

func TestArtifactFrames(t *testing.T) {
	t.Parallel()
	made := func(kind string, body Artifact) realtime.Event {
		return realtime.Event{Room: "r1", Seq: 7, ID: "e1", Type: kind, Actor: "u1", Body: []byte(store.ToJSON(body)), At: someTime}
	}
	state := Artifact{ArtifactID: "a1", Artifact: json.RawMessage(`{"z":1,"a":"<"}`)}
	for name, c := range map[string]struct {
		event     realtime.Event
		plain, v2 string
	}{
		"Update": {made(TypeArtifactUpdate, state), `{"type":"artifact_update","artifact":{"z":1,"a":"<"},"timestamp":"2026-03-01T12:30:00.000005Z"}`,
			`{"type":"artifact_update","artifact":{"z":1,"a":"<"},"timestamp":"2026-03-01T12:30:00.000005Z","id":"e1","seq":7}`},
		"Delete": {made(TypeArtifactDelete, Artifact{ArtifactID: "a1"}), `{"type":"artifact_delete","artifact_id":"a1","timestamp":"2026-03-01T12:30:00.000005Z"}`,
			`{"type":"artifact_delete","artifact_id":"a1","timestamp":"2026-03-01T12:30:00.000005Z","id":"e1","seq":7}`},
		"Spent":  {made(TypeArtifactUpdate, Artifact{ArtifactID: "a1"}), "", ""},
		"Broken": {realtime.Event{Type: TypeArtifactDelete, Body: []byte("[]")}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, staff := range []bool{false, true} {
				if got := string(Frame(c.event, VariantFor(false, staff))); got != c.plain {
					t.Errorf("plain: got %s, want %s", got, c.plain)
				}
				if got := string(Frame(c.event, VariantFor(true, staff))); got != c.v2 {
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
		}{{TypeArtifactUpdate, false, 250 * time.Millisecond}, {TypeArtifactDelete, false, 250 * time.Millisecond},
			{TypeArtifactUpdate, true, 0}, {TypeArtifactDelete, true, 0}, {TypeMessage, false, 0}, {TypeTurn, false, 0}} {
			if got := holdArtifact(made(c.kind, state), VariantFor(c.v2, false)); got != c.want {
				t.Errorf("%s, coagent.v2 %v: got %v, want %v", c.kind, c.v2, got, c.want)
			}
		}
	})
}
