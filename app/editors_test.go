package app

import (
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/event"
)

func TestEditors(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	at := func(artifact, user string) event.Editing {
		return event.Editing{ArtifactID: artifact, UserID: user, Name: user}
	}
	t.Run("Expire", func(t *testing.T) {
		t.Parallel()
		var e editors
		e.heard("r", now, at("a", "bob"))
		e.heard("r", now.Add(6*time.Second), at("a", "ann"))
		e.heard("other", now, at("a", "eve"))
		if got := e.in("r", now.Add(6*time.Second)); len(got) != 2 || got[0].Name != "ann" || got[1].Name != "bob" {
			t.Errorf("got %v, want both by their names", got)
		}
		if got := e.in("r", now.Add(12*time.Second)); len(got) != 1 || got[0].Name != "ann" {
			t.Errorf("after 12 s: got %v", got)
		}
		if got := e.in("r", now.Add(time.Minute)); got == nil || len(got) != 0 {
			t.Errorf("after a minute: got %v", got)
		}
	})
	t.Run("Done", func(t *testing.T) {
		t.Parallel()
		var e editors
		e.heard("r", now, event.Editing{ArtifactID: "a", UserID: "ann", Done: true})
		e.heard("r", now, at("a", "ann"))
		e.heard("r", now, at("b", "ann"))
		e.heard("r", now, event.Editing{ArtifactID: "a", UserID: "ann", Done: true})
		if got := e.in("r", now); len(got) != 1 || got[0].ArtifactID != "b" {
			t.Errorf("got %v, want the other artifact", got)
		}
	})
}
