package app_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// column is the titles of a room's tasks with a status, from the top to the bottom, as a
// client shows them.
func column(t *testing.T, r *apptest.Rig, c *apptest.Class, status string) []string {
	t.Helper()
	all, err := storetest.All(r.Artifacts(t.Context(), c.Teacher, c.Room.ID, "task"))
	must(t, err)
	type shown struct {
		title string
		order float64
	}
	var cards []shown
	for _, f := range all {
		var in struct {
			Status string `json:"status"`
			Order  any    `json:"order"`
		}
		must(t, json.Unmarshal([]byte(f.Content), &in))
		if in.Status == status {
			order, _ := in.Order.(float64) // no number counts as 0
			cards = append(cards, shown{f.Title, order})
		}
	}
	slices.SortStableFunc(cards, func(a, b shown) int { return cmp.Compare(a.order, b.order) })
	titles := make([]string, len(cards))
	for i := range cards {
		titles[i] = cards[i].title
	}
	return titles
}

func TestMoveCard(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		ctx := t.Context()
		// board makes tasks with these contents; their titles are a, b, c and so on.
		board := func(t *testing.T, contents ...string) (*apptest.Class, []string) {
			t.Helper()
			c := r.Class(t)
			var ids []string
			for i, raw := range contents {
				f, err := r.CreateArtifact(ctx, c.Student, c.Room.ID, app.NewArtifact{Type: "task", Title: string(rune('a' + i)), Content: content(raw)})
				must(t, err)
				ids = append(ids, f.ID)
			}
			return c, ids
		}
		todo := func(order int) string { return fmt.Sprintf(`{"status":"todo","order":%d}`, order) }
		t.Run("Between", func(t *testing.T) {
			c, ids := board(t, todo(1), todo(2), `{"x":1,"status":"done","order":9}`)
			before := len(artifactEvents(t, r, c.Teacher, c.Room.ID))
			got, err := r.MoveCard(ctx, c.Student, ids[2], app.CardMove{Column: app.Some("todo"), After: ids[0], Before: ids[1]})
			if err != nil || got.Content != `{"x":1,"status":"todo","order":1.5}` || got.Version != 2 || got.ModifiedBy != c.Student.User.ID {
				t.Errorf("got %+v, %v", got, err)
			}
			want(t, "todo", column(t, r, c, "todo"), []string{"a", "c", "b"})
			if frames := artifactEvents(t, r, c.Teacher, c.Room.ID); len(frames) != before+1 && len(frames) != before {
				t.Errorf("got %d frames after %d, want one", len(frames), before)
			}
			for _, id := range ids[:2] {
				if f, err := r.Artifact(ctx, c.Teacher, id); err != nil || f.Version != 1 {
					t.Errorf("another card was changed: %+v, %v", f, err)
				}
			}
			again, err := r.MoveCard(ctx, c.Student, ids[2], app.CardMove{Column: app.Some("todo"), After: ids[0], Before: ids[1]})
			if err != nil || again.Version != 2 {
				t.Errorf("sent again: got version %d, %v", again.Version, err)
			}
			back, err := r.RestoreArtifactVersion(ctx, c.Student, ids[2], 1)
			if err != nil || back.Content != `{"x":1,"status":"done","order":9}` {
				t.Errorf("undone: got %+v, %v", back, err)
			}
		})
		t.Run("Ends", func(t *testing.T) {
			c, ids := board(t, todo(1), todo(2), todo(3))
			_, err := r.MoveCard(ctx, c.Student, ids[0], app.CardMove{})
			must(t, err)
			want(t, "to the end", column(t, r, c, "todo"), []string{"b", "c", "a"})
			_, err = r.MoveCard(ctx, c.Student, ids[2], app.CardMove{Before: ids[1]})
			must(t, err)
			want(t, "to the top", column(t, r, c, "todo"), []string{"c", "b", "a"})
			_, err = r.MoveCard(ctx, c.Student, ids[1], app.CardMove{Column: app.Some("review")})
			must(t, err)
			want(t, "an empty column", column(t, r, c, "review"), []string{"b"})
		})
		t.Run("WithoutOrders", func(t *testing.T) {
			bare := `{"status":"todo"}`
			c, ids := board(t, bare, bare, `{"status":"todo","order":"x"}`, `{"status":"todo","order":1e300}`, bare)
			want(t, "at first", column(t, r, c, "todo"), []string{"e", "c", "b", "a", "d"})
			_, err := r.MoveCard(ctx, c.Student, ids[0], app.CardMove{Before: ids[1]})
			must(t, err)
			want(t, "moved", column(t, r, c, "todo"), []string{"e", "c", "a", "b", "d"})
		})
		t.Run("Bad", func(t *testing.T) {
			c, ids := board(t, todo(1), todo(2), `{"status":"done"}`, `{}`, todo(5))
			other, foreign := board(t, todo(1))
			doc := makeArtifact(t, r, c.Student, c.Room.ID, "doc", "{}")
			must(t, r.DeleteArtifact(ctx, c.Student, ids[4], false))
			move := func(id string, to app.CardMove) error { _, err := r.MoveCard(ctx, c.Student, id, to); return err }
			refused(t, move(doc.ID, app.CardMove{}), app.KindConflict, "shape", "Only tasks stand on the board.")
			for name, id := range map[string]string{"unknown": store.NewID(), "foreign": foreign[0], "deleted": ids[4], "doc": doc.ID} {
				refused(t, move(ids[0], app.CardMove{After: id}), app.KindInvalid, "invalid", "after: is no task of this room")
				refused(t, move(ids[0], app.CardMove{Before: id}), app.KindInvalid, "invalid", "before: is no task of this room")
				if t.Failed() {
					t.Fatal(name)
				}
			}
			refused(t, move(ids[0], app.CardMove{After: ids[0]}), app.KindInvalid, "invalid", "after: must be another task")
			refused(t, move(ids[0], app.CardMove{After: ids[1], Before: ids[1]}), app.KindInvalid, "invalid", "before: must be another task")
			refused(t, move(ids[0], app.CardMove{After: ids[2]}), app.KindConflict, "stale", "A task beside which this one is to stand was moved meanwhile. Load the board again.")
			refused(t, move(ids[2], app.CardMove{Column: app.Some("todo"), After: ids[1], Before: ids[0]}), app.KindConflict, "stale", "")
			refused(t, move(ids[3], app.CardMove{}), app.KindInvalid, "invalid", "column: is needed: the task stands in none")
			refused(t, move(ids[3], app.CardMove{Column: app.Some("")}), app.KindInvalid, "invalid", "column: must not be empty")
			refused(t, move(ids[4], app.CardMove{}), app.KindNotFound, "", "Artifact not found")
			refused(t, move(foreign[0], app.CardMove{}), app.KindNotFound, "", "Artifact not found")
			_ = other
		})
		t.Run("AtOnce", func(t *testing.T) {
			contents := make([]string, 8)
			for i := range contents {
				contents[i] = todo(i)
			}
			c, ids := board(t, contents...)
			var wg sync.WaitGroup
			for i, id := range ids {
				wg.Add(1)
				go func() {
					defer wg.Done()
					for n := range 5 {
						to := app.CardMove{Column: app.Some([]string{"todo", "done"}[(i+n)%2])}
						if _, err := r.MoveCard(ctx, []*app.Actor{c.Student, c.TA}[i%2], id, to); err != nil {
							t.Error(err)
						}
					}
				}()
			}
			wg.Wait()
			all := append(column(t, r, c, "todo"), column(t, r, c, "done")...)
			slices.Sort(all)
			want(t, "all cards", all, []string{"a", "b", "c", "d", "e", "f", "g", "h"})
		})
	})
}
