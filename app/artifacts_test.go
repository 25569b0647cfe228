package app_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func content(raw string) app.Opt[json.RawMessage] { return app.Some(json.RawMessage(raw)) }

func makeArtifact(t *testing.T, r *apptest.Rig, who *app.Actor, room, kind, raw string) *store.Artifact {
	t.Helper()
	f, err := r.CreateArtifact(t.Context(), who, room, app.NewArtifact{Type: kind, Title: "Plan", Content: content(raw)})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// artifactEvents are the frames of a room's artifacts, as a reader of the log
// gets them.
func artifactEvents(t *testing.T, r *apptest.Rig, who *app.Actor, room string) []map[string]any {
	t.Helper()
	page, err := r.Events(t.Context(), who, room, 0, 0, anySize)
	if err != nil {
		t.Fatal(err)
	}
	var frames []map[string]any
	for _, e := range page.Events {
		if strings.HasPrefix(e.Type, "artifact_") {
			var f map[string]any
			if err := json.Unmarshal(e.Frame, &f); err != nil {
				t.Fatal(err)
			}
			frames = append(frames, f)
		}
	}
	return frames
}

func TestArtifacts(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url, func(c *config.Config) { c.Limits.ArtifactBytes, c.Limits.RoomArtifactBytes = 2000, 5000 })
		ctx := t.Context()
		t.Run("Create", func(t *testing.T) {
			c := r.Class(t)
			for _, kind := range []string{app.ArtifactTask, app.ArtifactDoc, app.ArtifactProcess} {
				f := makeArtifact(t, r, c.Student, c.Room.ID, kind, ` {"zz": 1, "a": {"b": [1, 2]}} `)
				if f.Type != kind || f.Title != "Plan" || f.RoomID != c.Room.ID || f.Version != 1 || f.CreatedBy != c.Student.User.ID || f.ModifiedBy != f.CreatedBy {
					t.Errorf("got %+v", f)
				}
				if stored, err := r.Artifact(ctx, c.TA, f.ID); err != nil || stored.Content != `{"zz":1,"a":{"b":[1,2]}}` {
					t.Errorf("got %+v, %v, want the members in their order", stored, err)
				}
			}
			empty, err := r.CreateArtifact(ctx, c.Student, c.Room.ID, app.NewArtifact{Type: "doc", Title: " Draft "})
			if err != nil || empty.Content != "{}" || empty.Title != " Draft " {
				t.Errorf("got %+v, %v, want an empty content and the title as it was typed", empty, err)
			}
			_, err = r.CreateArtifact(ctx, c.Student, c.Room.ID, app.NewArtifact{Type: "poem", Title: "Plan"})
			refused(t, err, app.KindRejected, "", "Invalid artifact type. Must be one of: ['task', 'doc', 'process']")
			_, err = r.CreateArtifact(ctx, c.Outsider, c.Room.ID, app.NewArtifact{Type: "doc", Title: "Plan"})
			refused(t, err, app.KindNotFound, "", "Workspace not found")
			_, err = r.CreateArtifact(ctx, c.Student, store.NewID(), app.NewArtifact{Type: "doc", Title: "Plan"})
			refused(t, err, app.KindNotFound, "", "Workspace not found")
		})
		t.Run("Bad", func(t *testing.T) {
			c := r.Class(t)
			for name, bad := range map[string]struct {
				title, content string
				kind           app.Kind
				text           string
			}{
				"no title":        {" \n", "{}", app.KindInvalid, "title: must not be empty"},
				"long title":      {strings.Repeat("x", 501), "{}", app.KindInvalid, "title: has 501 characters, at most 500 are possible"},
				"a NUL":           {"x", `{"a":"\u0000"}`, app.KindInvalid, "content: remove the NUL character"},
				"a list":          {"x", `[]`, app.KindInvalid, "content: must be an object"},
				"null":            {"x", `null`, app.KindInvalid, "content: must not be null, leave it out to keep what is stored"},
				"too deep":        {"x", strings.Repeat(`{"a":`, 61) + "1" + strings.Repeat("}", 61), app.KindInvalid, "content: is nested more than 60 levels deep"},
				"too large":       {"x", `{"a":"` + strings.Repeat("x", 2000) + `"}`, app.KindTooLarge, "content: has 2008 bytes, at most 2000 are possible"},
				"title and other": {"", `3`, app.KindInvalid, "title: must not be empty; content: must be an object"},
			} {
				_, err := r.CreateArtifact(ctx, c.Student, c.Room.ID, app.NewArtifact{Type: "task", Title: bad.title, Content: content(bad.content)})
				if refused(t, err, bad.kind, "", bad.text); t.Failed() {
					t.Fatal(name)
				}
			}
			deep := strings.Repeat(`{"a":`, 60) + "1" + strings.Repeat("}", 60)
			makeArtifact(t, r, c.Student, c.Room.ID, "doc", deep)
		})
		t.Run("Parent", func(t *testing.T) {
			c, other := r.Class(t), r.Class(t)
			parent, foreign := makeArtifact(t, r, c.Student, c.Room.ID, "doc", "{}"), makeArtifact(t, r, other.Student, other.Room.ID, "doc", "{}")
			deleted := makeArtifact(t, r, c.Student, c.Room.ID, "doc", "{}")
			if err := r.DeleteArtifact(ctx, c.Student, deleted.ID, false); err != nil {
				t.Fatal(err)
			}
			child := func(of string) (*store.Artifact, error) {
				return r.CreateArtifact(ctx, c.Student, c.Room.ID, app.NewArtifact{Type: "task", Title: "Child", ParentID: of})
			}
			f, err := child(parent.ID)
			if err != nil || f.ParentID != parent.ID {
				t.Fatalf("got %+v, %v", f, err)
			}
			for _, of := range []string{foreign.ID, deleted.ID, store.NewID()} {
				_, err := child(of)
				refused(t, err, app.KindInvalid, "", "parent_artifact_id: is no artifact of this room")
			}
			if err := r.DeleteArtifact(ctx, c.Teacher, parent.ID, true); err != nil {
				t.Fatal(err)
			}
			if f, err := r.Artifact(ctx, c.Student, f.ID); err != nil || f.ParentID != "" {
				t.Errorf("got %+v, %v, want the child without a parent", f, err)
			}
		})
		t.Run("Update", func(t *testing.T) {
			c := r.Class(t)
			task := makeArtifact(t, r, c.Student, c.Room.ID, "task", `{"status":"todo","priority":"high","order":3}`)
			doc := makeArtifact(t, r, c.Student, c.Room.ID, "doc", `{"type":"doc","content":[]}`)
			got, err := r.UpdateArtifact(ctx, c.TA, task.ID, app.ArtifactChange{Content: content(`{"assignee":null,"status":"done"}`)})
			if err != nil || got.Content != `{"status":"done","priority":"high","order":3,"assignee":null}` || got.Version != 2 ||
				got.ModifiedBy != c.TA.User.ID || got.CreatedBy != c.Student.User.ID || got.Title != "Plan" || !got.UpdatedAt.After(got.CreatedAt) {
				t.Errorf("got %+v, %v, want a merged task", got, err)
			}
			got, err = r.UpdateArtifact(ctx, c.TA, doc.ID, app.ArtifactChange{Content: content(`{"a":1}`), Title: app.Some("New")})
			if err != nil || got.Content != `{"a":1}` || got.Title != "New" {
				t.Errorf("got %+v, %v, want the content replaced", got, err)
			}
			got, err = r.UpdateArtifact(ctx, c.TA, doc.ID, app.ArtifactChange{})
			if err != nil || got.Version != 3 || got.Content != `{"a":1}` {
				t.Errorf("got %+v, %v, want the next version even of nothing", got, err)
			}
			_, err = r.UpdateArtifact(ctx, c.TA, doc.ID, app.ArtifactChange{Title: app.Opt[string]{Sent: true, Null: true}})
			refused(t, err, app.KindInvalid, "", "title: must not be null, leave it out to keep what is stored")
			for _, expected := range []int{2, 4, -1, 0} {
				_, err = r.UpdateArtifact(ctx, c.TA, doc.ID, app.ArtifactChange{Title: app.Some("x"), ExpectedVersion: app.Some(expected)})
				refused(t, err, app.KindConflict, "", "Version conflict. Please refresh and retry.")
			}
			_, err = r.UpdateArtifact(ctx, c.Outsider, doc.ID, app.ArtifactChange{})
			refused(t, err, app.KindNotFound, "", "Artifact not found")
			_, err = r.UpdateArtifact(ctx, c.Outsider, store.NewID(), app.ArtifactChange{})
			refused(t, err, app.KindNotFound, "", "Artifact not found")
		})
		t.Run("ATaskDoesNotGrowBeyondTheBound", func(t *testing.T) {
			c := r.Class(t)
			task := makeArtifact(t, r, c.Student, c.Room.ID, "task", `{"a":"`+strings.Repeat("x", 1900)+`"}`)
			_, err := r.UpdateArtifact(ctx, c.Student, task.ID, app.ArtifactChange{Content: content(`{"b":"` + strings.Repeat("x", 1900) + `"}`)})
			refused(t, err, app.KindTooLarge, "", "content: has 3815 bytes, at most 2000 are possible")
		})
		t.Run("ARoomHoldsOnlySoMuch", func(t *testing.T) {
			c := r.Class(t)
			big := `{"a":"` + strings.Repeat("x", 1900) + `"}`
			first, _ := makeArtifact(t, r, c.Student, c.Room.ID, "doc", big), makeArtifact(t, r, c.Student, c.Room.ID, "doc", big)
			const full = "The room's artifacts would have 5724 bytes together, at most 5000 are possible. Delete some first."
			_, err := r.CreateArtifact(ctx, c.Student, c.Room.ID, app.NewArtifact{Type: "doc", Title: "x", Content: content(big)})
			refused(t, err, app.KindTooLarge, "", full)
			small := makeArtifact(t, r, c.Student, c.Room.ID, "doc", "{}")
			_, err = r.UpdateArtifact(ctx, c.Student, small.ID, app.ArtifactChange{Content: content(big)})
			refused(t, err, app.KindTooLarge, "", full)
			if err := r.DeleteArtifact(ctx, c.Student, first.ID, false); err != nil {
				t.Fatal(err)
			}
			if _, err = r.UpdateArtifact(ctx, c.Student, small.ID, app.ArtifactChange{Content: content(big)}); err != nil {
				t.Errorf("after one was deleted: %v", err)
			}
			_, err = r.RestoreArtifact(ctx, c.Student, first.ID)
			refused(t, err, app.KindTooLarge, "", full)
		})
		t.Run("List", func(t *testing.T) {
			c := r.Class(t)
			var ids []string
			for _, kind := range []string{"task", "doc", "task"} {
				ids = append(ids, makeArtifact(t, r, c.Student, c.Room.ID, kind, "{}").ID)
			}
			for kind, want := range map[string][]string{"": {ids[2], ids[1], ids[0]}, "task": {ids[2], ids[0]}, "process": nil, "poem\x00": nil} {
				rows, err := storetest.All(r.Artifacts(ctx, c.Student, c.Room.ID, kind))
				var got []string
				for _, f := range rows {
					got = append(got, f.ID)
				}
				if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%q: got %q, %v, want %q", kind, got, err, want)
				}
			}
			_, err := r.Artifacts(ctx, c.Outsider, c.Room.ID, "")
			refused(t, err, app.KindNotFound, "", "Workspace not found")
		})
		t.Run("AUserWhoIsGoneLeavesThem", func(t *testing.T) {
			c := r.Class(t)
			f := makeArtifact(t, r, c.Student, c.Room.ID, "doc", `{"a":1}`)
			r.Exec(t, "DELETE FROM users WHERE id = ?", c.Student.User.ID)
			if got, err := r.Artifact(ctx, c.TA, f.ID); err != nil || got.CreatedBy != "" || got.Content != `{"a":1}` {
				t.Errorf("got %+v, %v", got, err)
			}
			_, counts, err := r.DeleteCourse(ctx, c.Teacher, c.Course.ID, true)
			if err != nil || counts["artifacts"] != 1 {
				t.Errorf("got %v, %v, want one artifact", counts, err)
			}
			if _, err := r.DeleteRoom(ctx, c.Teacher, c.Room.ID, false); err != nil {
				t.Fatal(err)
			}
			_, err = r.Artifact(ctx, c.TA, f.ID)
			refused(t, err, app.KindNotFound, "", "Artifact not found")
		})
	})
}

func TestArtifactDelete(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		ctx := t.Context()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		t.Run("DeleteAndRestore", func(t *testing.T) {
			c := r.Class(t)
			f := makeArtifact(t, r, c.Teacher, c.Room.ID, "doc", `{"a":1}`)
			for range 2 {
				must(r.DeleteArtifact(ctx, c.Student, f.ID, false))
			}
			_, err := r.Artifact(ctx, c.Teacher, f.ID)
			refused(t, err, app.KindNotFound, "", "Artifact not found")
			_, err = r.UpdateArtifact(ctx, c.Teacher, f.ID, app.ArtifactChange{})
			refused(t, err, app.KindNotFound, "", "Artifact not found")
			if rows, err := storetest.All(r.Artifacts(ctx, c.Teacher, c.Room.ID, "")); err != nil || len(rows) != 0 {
				t.Errorf("got %v, %v, want none", rows, err)
			}
			rows, err := r.DeletedArtifacts(ctx, c.TA, c.Room.ID, "doc", store.Page{})
			if err != nil || len(rows) != 1 || rows[0].ID != f.ID || rows[0].Content != "" || rows[0].Version != 2 {
				t.Errorf("got %+v, %v, want the deleted one without its content", rows, err)
			}
			_, err = r.DeletedArtifacts(ctx, c.Student, c.Room.ID, "", store.Page{})
			refused(t, err, app.KindForbidden, "", "Not enough permissions")
			_, err = r.DeletedArtifacts(ctx, c.Outsider, c.Room.ID, "", store.Page{})
			refused(t, err, app.KindNotFound, "", "Workspace not found")

			got, err := r.RestoreArtifact(ctx, c.Student, f.ID) // who deleted it
			if err != nil || got.Deleted() || got.Version != 3 || got.Content != `{"a":1}` {
				t.Errorf("got %+v, %v, want it back", got, err)
			}
			must(r.DeleteArtifact(ctx, c.Teacher, f.ID, false))
			_, err = r.RestoreArtifact(ctx, c.Student, f.ID)
			refused(t, err, app.KindNotFound, "", "Artifact not found")
			for range 2 {
				if got, err = r.RestoreArtifact(ctx, c.TA, f.ID); err != nil || got.Version != 5 {
					t.Errorf("got %+v, %v, want version 5, the second time too", got, err)
				}
			}
			err = r.DeleteArtifact(ctx, c.Outsider, f.ID, false)
			refused(t, err, app.KindNotFound, "", "Artifact not found")
		})
		t.Run("EraseLeavesNothing", func(t *testing.T) {
			c := r.Class(t)
			const secret = "a sentence nobody should have written"
			f := makeArtifact(t, r, c.Student, c.Room.ID, "doc", `{"a":"`+secret+`"}`)
			refused(t, r.DeleteArtifact(ctx, c.Student, f.ID, true), app.KindForbidden, "", "Not enough permissions")
			refused(t, r.DeleteArtifact(ctx, c.Outsider, f.ID, true), app.KindNotFound, "", "Artifact not found")
			_, err := r.UpdateArtifact(ctx, c.Student, f.ID, app.ArtifactChange{Content: content("{}")})
			must(err)
			if _, err := r.ArtifactVersion(ctx, c.TA, f.ID, 1); err != nil {
				t.Fatal(err)
			}
			must(r.DeleteArtifact(ctx, c.TA, f.ID, true))
			refused(t, r.DeleteArtifact(ctx, c.TA, f.ID, true), app.KindNotFound, "", "Artifact not found")
			if strings.Contains(r.Dump(t), secret) {
				t.Error("the content is still in the database")
			}
		})
		t.Run("Audit", func(t *testing.T) {
			c := r.Class(t)
			f := makeArtifact(t, r, c.Student, c.Room.ID, "doc", `{}`)
			must(r.DeleteArtifact(ctx, c.Student, f.ID, false))
			_, err := r.RestoreArtifact(ctx, c.TA, f.ID)
			must(err)
			must(r.DeleteArtifact(ctx, c.Teacher, f.ID, true))
			for _, action := range []app.Action{app.ActDeleteArtifact, app.ActRestoreArtifact, app.ActEraseArtifact} {
				if got := audited(t, r, action, f.ID); got != 1 {
					t.Errorf("%s: got %d lines in the audit log, want 1", action, got)
				}
			}
		})
	})
}

func TestArtifactVersions(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url, func(c *config.Config) { c.Limits.ArtifactVersions = 3 })
		ctx := t.Context()
		save := func(t *testing.T, who *app.Actor, id, raw string) {
			t.Helper()
			if _, err := r.UpdateArtifact(ctx, who, id, app.ArtifactChange{Content: content(raw)}); err != nil {
				t.Fatal(err)
			}
		}
		kept := func(t *testing.T, who *app.Actor, id string) (versions []int) {
			t.Helper()
			rows, err := r.ArtifactVersions(ctx, who, id)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range rows {
				if v.Content != "" || v.ContentBytes == 0 {
					t.Errorf("got %+v, want it without its content", v)
				}
				versions = append(versions, v.Version)
			}
			return versions
		}
		wantKept := func(t *testing.T, who *app.Actor, id string, want ...int) {
			t.Helper()
			if got := kept(t, who, id); !slices.Equal(got, want) {
				t.Errorf("got the versions %v, want %v", got, want)
			}
		}
		t.Run("OneAMinuteOfWhoGoesOn", func(t *testing.T) {
			c := r.Class(t)
			f := makeArtifact(t, r, c.Student, c.Room.ID, "doc", `{"n":1}`)
			for n := 2; n <= 5; n++ {
				save(t, c.Student, f.ID, fmt.Sprintf(`{"n":%d}`, n))
			}
			wantKept(t, c.Student, f.ID, 1)
			r.Advance(time.Minute)
			save(t, c.Student, f.ID, `{"n":6}`)
			wantKept(t, c.Student, f.ID, 5, 1)
			save(t, c.Student, f.ID, `{"n":6}`) // nothing changes
			save(t, c.TA, f.ID, `{"n":8}`)      // somebody else
			save(t, c.Student, f.ID, `{"n":9}`)
			wantKept(t, c.Student, f.ID, 8, 7, 5)
			v, err := r.ArtifactVersion(ctx, c.TA, f.ID, 8)
			if err != nil || v.Content != `{"n":8}` || v.ModifiedBy != c.TA.User.ID || v.Title != "Plan" {
				t.Errorf("got %+v, %v", v, err)
			}
		})
		t.Run("Restore", func(t *testing.T) {
			c := r.Class(t)
			f := makeArtifact(t, r, c.Student, c.Room.ID, "task", `{"a":1,"b":2}`)
			if _, err := r.UpdateArtifact(ctx, c.Student, f.ID, app.ArtifactChange{Content: content(`{"a":3,"c":4}`), Title: app.Some("New")}); err != nil {
				t.Fatal(err)
			}
			got, err := r.RestoreArtifactVersion(ctx, c.Student, f.ID, 1)
			if err != nil || got.Version != 3 || got.Title != "Plan" || got.Content != `{"a":1,"b":2}` {
				t.Errorf("got %+v, %v, want what it was, whole", got, err)
			}
			got, err = r.RestoreArtifactVersion(ctx, c.TA, f.ID, 2)
			if err != nil || got.Version != 4 || got.Title != "New" || got.Content != `{"a":3,"b":2,"c":4}` || got.ModifiedBy != c.TA.User.ID {
				t.Errorf("got %+v, %v, want the restore undone", got, err)
			}
			events := artifactEvents(t, r, c.TA, c.Room.ID)
			if last := events[len(events)-1]; len(events) != 1 || last["seq"] != 4.0 || last["artifact"].(map[string]any)["title"] != "New" {
				t.Errorf("got %v, want the newest state", events)
			}
		})
		t.Run("Refused", func(t *testing.T) {
			c := r.Class(t)
			f := makeArtifact(t, r, c.Student, c.Room.ID, "task", `{"a":1}`)
			save(t, c.Student, f.ID, `{"a":2}`)
			all := func(who *app.Actor, id string, version int, text string) {
				t.Helper()
				_, err := r.ArtifactVersion(ctx, who, id, version)
				refused(t, err, app.KindNotFound, "", text)
				_, err = r.RestoreArtifactVersion(ctx, who, id, version)
				refused(t, err, app.KindNotFound, "", text)
				if text != "Version not found" {
					_, err = r.ArtifactVersions(ctx, who, id)
					refused(t, err, app.KindNotFound, "", text)
				}
			}
			for _, version := range []int{0, -1, 2, 9} {
				all(c.Student, f.ID, version, "Version not found")
			}
			all(c.Outsider, f.ID, 1, "Artifact not found")
			all(c.Student, store.NewID(), 1, "Artifact not found")
			if err := r.DeleteArtifact(ctx, c.Student, f.ID, false); err != nil {
				t.Fatal(err)
			}
			all(c.Student, f.ID, 1, "Artifact not found")
			_, err := r.RestoreArtifact(ctx, c.Student, f.ID)
			if err != nil {
				t.Fatal(err)
			}
			wantKept(t, c.Student, f.ID, 1)
		})
	})
}

func TestArtifactRate(t *testing.T) {
	t.Parallel()
	r := apptest.NewStopped(t, storetest.SQLite(t), func(c *config.Config) { c.Limits.EditsPerMinute = 12 }) // and two at once
	c := r.Class(t)
	f := makeArtifact(t, r, c.Student, c.Room.ID, "doc", "{}")
	if _, err := r.UpdateArtifact(t.Context(), c.Student, f.ID, app.ArtifactChange{Title: app.Some("Two")}); err != nil {
		t.Fatal(err)
	}
	_, err := r.UpdateArtifact(t.Context(), c.Student, f.ID, app.ArtifactChange{Title: app.Some("Three")})
	refused(t, err, app.KindLimited, "", "")
	_, err = r.CreateArtifact(t.Context(), c.Student, c.Room.ID, app.NewArtifact{Type: "doc", Title: "x"})
	refused(t, err, app.KindLimited, "", "")
	_, err = r.RestoreArtifactVersion(t.Context(), c.Student, f.ID, 1)
	refused(t, err, app.KindLimited, "", "")
	refused(t, r.DeleteArtifact(t.Context(), c.Student, f.ID, false), app.KindLimited, "", "")
	_, err = r.RestoreArtifact(t.Context(), c.Student, f.ID)
	refused(t, err, app.KindLimited, "", "")
	if _, err := r.UpdateArtifact(t.Context(), c.TA, f.ID, app.ArtifactChange{}); err != nil {
		t.Errorf("somebody else: %v", err)
	}
	r.Advance(time.Minute)
	if _, err := r.UpdateArtifact(t.Context(), c.Student, f.ID, app.ArtifactChange{}); err != nil {
		t.Errorf("a minute later: %v", err)
	}
}

func TestArtifactsAtOnce(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		const people = 8
		at := func(fn func(i int)) {
			var all sync.WaitGroup
			for i := range people {
				all.Go(func() { fn(i) })
			}
			all.Wait()
		}
		t.Run("OneOfThoseWhoExpectAVersionWins", func(t *testing.T) {
			f := makeArtifact(t, r, c.Student, c.Room.ID, "doc", "{}")
			var won atomic.Int64
			at(func(int) {
				_, err := r.UpdateArtifact(t.Context(), c.Student, f.ID, app.ArtifactChange{Title: app.Some("Mine"), ExpectedVersion: app.Some(1)})
				var e *app.Error
				switch {
				case err == nil:
					won.Add(1)
				case !errors.As(err, &e) || e.Kind != app.KindConflict:
					t.Errorf("got %v, want a conflict", err)
				}
			})
			if won.Load() != 1 {
				t.Errorf("%d succeeded, want 1", won.Load())
			}
		})
		t.Run("NoMemberOfATaskGetsLost", func(t *testing.T) {
			f := makeArtifact(t, r, c.Student, c.Room.ID, "task", "{}")
			at(func(i int) {
				if _, err := r.UpdateArtifact(t.Context(), c.Student, f.ID, app.ArtifactChange{Content: content(fmt.Sprintf(`{"m%d":%d}`, i, i))}); err != nil {
					t.Error(err)
				}
			})
			got, err := r.Artifact(t.Context(), c.Student, f.ID)
			var members map[string]any
			if err != nil || json.Unmarshal([]byte(got.Content), &members) != nil || len(members) != people || got.Version != people+1 {
				t.Errorf("got %+v, %v, want all members", got, err)
			}
		})
		t.Run("DeletedErasedAndRestoredMeanwhile", func(t *testing.T) {
			f := makeArtifact(t, r, c.Student, c.Room.ID, "doc", "{}")
			at(func(i int) {
				var err error
				switch i % 4 {
				case 0:
					err = r.DeleteArtifact(t.Context(), c.Teacher, f.ID, false)
				case 1:
					_, err = r.RestoreArtifact(t.Context(), c.Teacher, f.ID)
				case 2:
					_, err = r.UpdateArtifact(t.Context(), c.Teacher, f.ID, app.ArtifactChange{Content: content("{}")})
				case 3:
					err = r.DeleteArtifact(t.Context(), c.Teacher, f.ID, true)
				}
				if err != nil && app.KindOf(err) != app.KindNotFound {
					t.Errorf("got %v", err)
				}
			})
		})
	})
}

func TestArtifactEvents(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		ctx := t.Context()
		t.Run("Live", func(t *testing.T) {
			c := r.Class(t)
			own, other := r.Join(t, c.Student, c.Room.ID, false, -1), r.Join(t, c.TA, c.Room.ID, false, -1)
			ownV2 := r.Join(t, c.Student, c.Room.ID, true, -1)
			began := time.Now()
			f := makeArtifact(t, r, c.Student, c.Room.ID, "task", `{"status":"todo","a":1}`)
			made := func(fr apptest.Frame) bool { return fr.Is("artifact_update") }
			plain := other.Await(t, "the artifact", made)
			artifact := fmt.Sprintf(`{"id":"%s","room_id":"%s","type":"task","title":"Plan","content":{"status":"todo","a":1},"parent_artifact_id":null,`+
				`"version":1,"created_by":"%s","last_modified_by":"%[3]s","created_at":"%[4]s","updated_at":"%[4]s","is_deleted":false}`,
				f.ID, c.Room.ID, c.Student.User.ID, event.Timestamp(f.CreatedAt))
			if want := fmt.Sprintf(`{"type":"artifact_update","artifact":%s,"timestamp":"%s"}`, artifact, event.Timestamp(f.CreatedAt)); plain.Text != want {
				t.Errorf("plain:\n got %s\nwant %s", plain.Text, want)
			}
			v2 := ownV2.Await(t, "the artifact", made)
			if v2.Fields["seq"] != 1.0 || v2.Fields["id"] == nil || fmt.Sprint(v2.Fields["artifact"]) != fmt.Sprint(plain.Fields["artifact"]) {
				t.Errorf("coagent.v2: got %s", v2.Text)
			}
			if got := own.Await(t, "the own artifact", made); got.Text != plain.Text {
				t.Errorf("own: got %s", got.Text)
			}
			if took := time.Since(began); took < 250*time.Millisecond {
				t.Errorf("the own frame came after %v, before the client has its answer", took)
			}
			if r.DB.Postgres() { // another node learns from the log whose sockets wait
				began := time.Now()
				there := apptest.New(t, url).Join(t, c.Student, c.Room.ID, false, -1)
				if _, err := r.UpdateArtifact(ctx, c.Student, f.ID, app.ArtifactChange{Title: app.Some("There")}); err != nil {
					t.Fatal(err)
				}
				there.Await(t, "the change", made)
				if took := time.Since(began); took < 250*time.Millisecond {
					t.Errorf("on another node the own frame came after %v", took)
				}
			}
			if err := r.DeleteArtifact(ctx, c.Student, f.ID, false); err != nil {
				t.Fatal(err)
			}
			gone := other.Await(t, "the delete", func(fr apptest.Frame) bool { return fr.Is("artifact_delete") })
			if len(gone.Fields) != 3 || gone.Fields["artifact_id"] != f.ID || gone.Fields["timestamp"] == "" {
				t.Errorf("got %s", gone.Text)
			}
		})
		t.Run("TheLogKeepsTheNewestState", func(t *testing.T) {
			c := r.Class(t)
			f, other := makeArtifact(t, r, c.Student, c.Room.ID, "doc", `{"n":1}`), makeArtifact(t, r, c.Student, c.Room.ID, "doc", `{}`)
			for n := 2; n < 5; n++ {
				if _, err := r.UpdateArtifact(ctx, c.Student, f.ID, app.ArtifactChange{Content: content(fmt.Sprintf(`{"n":%d}`, n))}); err != nil {
					t.Fatal(err)
				}
			}
			got := artifactEvents(t, r, c.TA, c.Room.ID)
			if len(got) != 2 || got[0]["seq"] != 2.0 || got[1]["seq"] != 5.0 || fmt.Sprint(got[1]["artifact"].(map[string]any)["content"]) != "map[n:4]" {
				t.Errorf("got %v, want the newest state of each", got)
			}
			// A socket that resumes gets the same, and then what is new.
			s := r.Join(t, c.TA, c.Room.ID, true, 0)
			s.Await(t, "the last state", func(fr apptest.Frame) bool { return fr.Fields["seq"] == 5.0 })
			if n := len(s.Frames("artifact_update")); n != 2 {
				t.Errorf("got %d frames, want 2", n)
			}
			for range 2 { // the second time there is nothing to tell
				if err := r.DeleteArtifact(ctx, c.Student, f.ID, false); err != nil {
					t.Fatal(err)
				}
			}
			got = artifactEvents(t, r, c.TA, c.Room.ID)
			if len(got) != 2 || got[1]["type"] != "artifact_delete" || got[1]["seq"] != 6.0 || got[1]["artifact_id"] != f.ID {
				t.Errorf("got %v, want the delete alone", got)
			}
			if _, err := r.RestoreArtifact(ctx, c.Student, f.ID); err != nil {
				t.Fatal(err)
			}
			if err := r.DeleteArtifact(ctx, c.Teacher, other.ID, true); err != nil {
				t.Fatal(err)
			}
			got = artifactEvents(t, r, c.TA, c.Room.ID)
			if len(got) != 3 || got[1]["type"] != "artifact_update" || got[1]["artifact"].(map[string]any)["version"] != 6.0 || got[2]["artifact_id"] != other.ID {
				t.Errorf("got %v, want the delete, the restored one and the erased one", got)
			}
		})
		t.Run("AgentsDoNotLook", func(t *testing.T) {
			c := r.Class(t)
			r.Idle(t, c.Room.ID)
			makeArtifact(t, r, c.Student, c.Room.ID, "doc", `{"a":"@teacher help"}`)
			room, err := r.DB.Room(ctx, c.Room.ID)
			if err != nil || room.DecidedSeq != room.EventSeq || !room.DecideAt.IsZero() {
				t.Errorf("got %+v, %v, want nothing to look at", room, err)
			}
			r.Idle(t, c.Room.ID)
			if got := turns(t, r, c.Room.ID); len(got) != 0 {
				t.Errorf("got %v, want no turn", got)
			}
		})
	})
}

// A line that waits for the agents still does after an artifact has changed.
func TestArtifactKeepsAPendingLook(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		line := post(t, r, c.Student, c.Room.ID, "@teacher hello")
		makeArtifact(t, r, c.Student, c.Room.ID, "doc", `{}`)
		room, err := r.DB.Room(t.Context(), c.Room.ID)
		if err != nil || room.DecidedSeq >= line.Seq || room.DecideAt.IsZero() {
			t.Fatalf("got %+v, %v, want the line to look at", room, err)
		}
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.Messages(t, c.Room.ID, 2)
	})
}

// anySize has room for pages of events of any size.
func anySize(int64) error { return nil }
