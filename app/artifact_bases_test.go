package app_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func paragraphs(texts ...string) string {
	nodes := make([]string, len(texts))
	for i, text := range texts {
		nodes[i] = fmt.Sprintf(`{"type":"paragraph","content":[{"type":"text","text":%q}]}`, text)
	}
	return `{"type":"doc","content":[` + strings.Join(nodes, ",") + `]}`
}

// Changes of an earlier version are merged with what was changed since.
func TestMergedArtifacts(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		ctx := t.Context()
		save := func(who *app.Actor, f *store.Artifact, base int, texts ...string) (*store.Artifact, error) {
			return r.UpdateArtifact(ctx, who, f.ID, app.ArtifactChange{Content: content(paragraphs(texts...)), BaseVersion: app.Some(base)})
		}
		mustSave := func(who *app.Actor, f *store.Artifact, base int, texts ...string) *store.Artifact {
			t.Helper()
			got, err := save(who, f, base, texts...)
			must(t, err)
			return got
		}
		t.Run("Typing", func(t *testing.T) {
			f := makeArtifact(t, r, c.Student, c.Room.ID, "doc", paragraphs("one", "two"))
			// The teacher types for a while: only the first of these versions is kept whole.
			for i := range 30 {
				mustSave(c.Teacher, f, i+1, "one", "two"+strings.Repeat("!", i+1))
			}
			for base := 1; base <= 31; base += 5 {
				before, err := r.Artifact(ctx, c.Student, f.ID)
				must(t, err)
				theirs := "two" + strings.Repeat("!", base-1)
				got := mustSave(c.Student, f, base, fmt.Sprint("one of ", base), theirs)
				if base == 1 {
					wantContent(t, got, paragraphs("one of 1", "two"+strings.Repeat("!", 30)))
				}
				if got.Version != before.Version+1 || got.ContentBytes != int64(len(got.Content)) {
					t.Errorf("got %+v after version %d", got, before.Version)
				}
				// Next time the first paragraph begins as it was.
				mustSave(c.TA, f, got.Version, "one", "two"+strings.Repeat("!", 30))
			}
		})
		t.Run("Conflict", func(t *testing.T) {
			f := makeArtifact(t, r, c.Student, c.Room.ID, "doc", paragraphs("one", "two"))
			mustSave(c.Teacher, f, 1, "one", "theirs")
			_, err := save(c.Student, f, 1, "one", "mine")
			refused(t, err, app.KindConflict, "merge_conflict", "1 blocks were changed by you and by others; the artifact is version 2 now. Choose for each, then save again.")
			var e *app.Error
			if !errors.As(err, &e) || len(e.Conflicts) != 1 || e.Conflicts[0].Block != "content.content/1" || *e.Conflicts[0].Yours != "mine" || *e.Conflicts[0].Theirs != "theirs" {
				t.Errorf("got %+v", e)
			}
			if now, err := r.Artifact(ctx, c.Student, f.ID); err != nil || now.Version != 2 {
				t.Errorf("a conflict changed it: %+v, %v", now, err)
			}
			many := make([]string, 50)
			for i := range many {
				many[i] = strings.Repeat(fmt.Sprint("é", i), 2000)
			}
			g := makeArtifact(t, r, c.Student, c.Room.ID, "doc", paragraphs(many...))
			other := make([]string, 50)
			for i := range other {
				other[i] = "t" + many[i]
				many[i] = "m" + many[i]
			}
			mustSave(c.Teacher, g, 1, other...)
			_, err = save(c.Student, g, 1, many...)
			if !errors.As(err, &e) || len(e.Conflicts) != 20 || len(*e.Conflicts[0].Yours) > 2000 {
				t.Errorf("got %d conflicts, want the first 20 with short texts", len(e.Conflicts))
			}
		})
		t.Run("Task", func(t *testing.T) {
			f := makeArtifact(t, r, c.Student, c.Room.ID, "task", `{"status":"todo","order":1}`)
			change := func(who *app.Actor, title, raw string) (*store.Artifact, error) {
				ch := app.ArtifactChange{BaseVersion: app.Some(1)}
				if title != "" {
					ch.Title = app.Some(title)
				}
				if raw != "" {
					ch.Content = content(raw)
				}
				return r.UpdateArtifact(ctx, who, f.ID, ch)
			}
			_, err := change(c.Teacher, "Theirs", `{"status":"done"}`)
			must(t, err)
			got, err := change(c.Student, "", `{"order":2,"status":"todo"}`)
			if err != nil || got.Title != "Theirs" || got.Content != `{"status":"done","order":2}` {
				t.Errorf("got %+v, %v", got, err)
			}
			_, err = change(c.Student, "Mine", "")
			refused(t, err, app.KindConflict, "merge_conflict", "")
		})
		t.Run("Bad", func(t *testing.T) {
			f := makeArtifact(t, r, c.Student, c.Room.ID, "doc", paragraphs("one"))
			_, err := save(c.Student, f, 2, "x")
			refused(t, err, app.KindInvalid, "invalid", "base_version: is newer than the artifact, which is version 1")
			_, err = save(c.Student, f, 0, "x")
			refused(t, err, app.KindInvalid, "invalid", "base_version: must be 1 or more")
			_, err = r.UpdateArtifact(ctx, c.Student, f.ID, app.ArtifactChange{Content: content(paragraphs("x")), BaseVersion: app.Some(1), ExpectedVersion: app.Some(2)})
			refused(t, err, app.KindConflict, "stale", "Version conflict. Please refresh and retry.")
		})
		t.Run("Gone", func(t *testing.T) {
			f := makeArtifact(t, r, c.Student, c.Room.ID, "doc", paragraphs("one", "two"))
			mustSave(c.Teacher, f, 1, "one", "two!")
			mustSave(c.Teacher, f, 2, "one", "two!!")
			r.Advance(2 * time.Hour)
			must(t, r.Prune(ctx))
			_, err := save(c.Student, f, 2, "mine", "two!")
			refused(t, err, app.KindConflict, "base_gone", "What the artifact was at version 2 is not known any more; it is version 3 now. Load it again.")
			got := mustSave(c.Student, f, 1, "mine", "two") // this one is a kept version
			wantContent(t, got, paragraphs("mine", "two!!"))
		})
		t.Run("Restored", func(t *testing.T) {
			f := makeArtifact(t, r, c.Student, c.Room.ID, "doc", paragraphs("one", "two"))
			must(t, r.DeleteArtifact(ctx, c.Teacher, f.ID, false))
			_, err := save(c.Student, f, 1, "mine", "two")
			refused(t, err, app.KindNotFound, "", "")
			_, err = r.RestoreArtifact(ctx, c.Teacher, f.ID)
			must(t, err)
			wantContent(t, mustSave(c.Student, f, 1, "mine", "two"), paragraphs("mine", "two"))
		})
	})
}

func wantContent(t *testing.T, f *store.Artifact, want string) {
	t.Helper()
	if string(f.Content) != want {
		t.Errorf("got %s\nwant %s", f.Content, want)
	}
}
