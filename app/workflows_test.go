package app_test

import (
	"encoding/json"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// sampleGraph is the example of docs/agents.md.
func sampleGraph(t *testing.T) json.RawMessage {
	t.Helper()
	text, err := os.ReadFile("../docs/agents.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), "```json graph\n{\"name\": \"careful\"")
	graph, _, closed := strings.Cut(after, "```")
	if !found || !closed {
		t.Fatal("docs/agents.md shows no graph")
	}
	return json.RawMessage(`{"name": "careful"` + graph)
}

func TestWorkflows(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		c := r.Class(t)
		sample := app.WorkflowSettings{Name: app.Some("Careful"), Graph: app.Some(sampleGraph(t))}
		t.Run("ThePapersShowOneThatWorks", func(t *testing.T) {
			w, err := r.CreateWorkflow(t.Context(), c.TA, c.Room.CourseID, sample)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.SetRoomWorkflow(t.Context(), c.TA, c.Room.ID, &w.ID); err != nil {
				t.Fatal(err)
			}
			if err := deleteWorkflow(t, r, c, w.ID); err != nil {
				t.Fatal(err)
			}
			if got, err := r.RoomWorkflow(t.Context(), c.TA, c.Room.ID); err != nil || got != nil {
				t.Errorf("after it is deleted: got %v, %v, want none", got, err)
			}
		})
		t.Run("ShippedOnesPass", func(t *testing.T) {
			for i, id := range []string{"direct", "student_teacher_review"} {
				w, err := r.Workflow(t.Context(), c.Student, id)
				if err != nil {
					t.Fatal(err)
				}
				s := app.WorkflowSettings{Name: app.Some("My " + id), Graph: app.Some(json.RawMessage(w.Graph))}
				if _, err := r.CreateWorkflow(t.Context(), c.TA, c.Room.CourseID, s); err != nil {
					t.Errorf("%d: got %v, want a copy of it", i, err)
				}
			}
		})
		t.Run("Handlers", func(t *testing.T) {
			for handler, ok := range map[string]bool{"speaker": true, "utility": true, "type:teacher": true, "agent:" + c.TeacherAgent.ID: true,
				"": false, "type:": false, "type:No Type": false, "agent:x": false, "external": false} {
				graph := strings.ReplaceAll(string(sampleGraph(t)), `"handler": "speaker"`, `"handler": "`+handler+`"`)
				_, err := r.CreateWorkflow(t.Context(), c.TA, c.Room.CourseID, app.WorkflowSettings{Name: app.Some("By " + handler), Graph: app.Some(json.RawMessage(graph))})
				if (err == nil) != ok {
					t.Errorf("%q: got %v, want accepted %v", handler, err, ok)
				}
			}
		})
		t.Run("SetWhileItIsDeleted", func(t *testing.T) {
			for range 5 {
				w, err := r.CreateWorkflow(t.Context(), c.TA, c.Room.CourseID, sample)
				if err != nil {
					t.Fatal(err)
				}
				var wg sync.WaitGroup
				wg.Go(func() {
					if _, err := r.SetRoomWorkflow(t.Context(), c.TA, c.Room.ID, &w.ID); err != nil && app.KindOf(err) != app.KindInvalid {
						t.Errorf("set: got %v", err)
					}
				})
				wg.Go(func() {
					if err := deleteWorkflow(t, r, c, w.ID); err != nil {
						t.Errorf("delete: got %v", err)
					}
				})
				wg.Wait()
				if room, err := r.DB.Room(t.Context(), c.Room.ID); err != nil || room.Workflow != "" {
					t.Errorf("got the room's workflow %q (%v), want none", room.Workflow, err)
				}
			}
		})
		t.Run("OneOfTwoChangesWins", func(t *testing.T) {
			w, err := r.CreateWorkflow(t.Context(), c.TA, c.Room.CourseID, sample)
			if err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			var won atomic.Int64
			for range 4 {
				wg.Go(func() {
					_, err := r.UpdateWorkflow(t.Context(), c.TA, w.ID, app.WorkflowSettings{Graph: sample.Graph, Version: app.Some(int64(1))})
					if err == nil {
						won.Add(1)
					} else if app.KindOf(err) != app.KindConflict {
						t.Errorf("got %v, want a conflict", err)
					}
				})
			}
			wg.Wait()
			if won.Load() != 1 {
				t.Errorf("%d changes won, want 1", won.Load())
			}
		})
	})
}

// TestRoomGoesThroughItsWorkflow: staff write a graph, give it to a room, and
// see what came of it.
func TestRoomGoesThroughItsWorkflow(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		r.SetRoll(999) // nobody speaks unless called
		c := r.Class(t, func(s *app.RoomSettings) { s.AIFrequency = app.Some(0.5) })
		reviewing(r, yes)
		w, err := r.CreateWorkflow(t.Context(), c.TA, c.Room.CourseID, app.WorkflowSettings{Name: app.Some("Careful"), Graph: app.Some(sampleGraph(t))})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.SetRoomWorkflow(t.Context(), c.TA, c.Room.ID, &w.ID); err != nil {
			t.Fatal(err)
		}
		post(t, r, c.Student, c.Room.ID, "@student what do you think?")
		r.Idle(t, c.Room.ID)
		if err := deleteWorkflow(t, r, c, w.ID); err != nil { // the run keeps its graph
			t.Fatal(err)
		}
		runs, err := r.Runs(t.Context(), c.TA, c.Room.ID, "", 0)
		if err != nil || len(runs) != 1 || runs[0].Workflow != "Careful" || runs[0].State != store.TurnFinished || runs[0].AgentName != "Student" {
			t.Fatalf("runs: got %+v, %v", runs, err)
		}
		run, err := r.Run(t.Context(), c.TA, runs[0].ID)
		must(t, err)
		steps, err := storetest.All(run.Steps, nil)
		must(t, err)
		var nodes []string
		for _, s := range steps {
			if s.Kind != store.StepModel {
				nodes = append(nodes, s.Node)
			}
		}
		want(t, "nodes", nodes, []string{"draft", "judge", "good", "post"})
		all, err := storetest.All(r.Exchanges(t.Context(), c.TA, c.Room.ID, "", 0))
		if err != nil || len(all) != 1 || all[0].ID != run.ID || all[0].Verdict != "approved" || len(all[0].Messages) < 3 {
			t.Errorf("exchanges: got %+v, %v", all, err)
		}
		if _, err := r.Run(t.Context(), c.Student, run.ID); app.KindOf(err) != app.KindForbidden {
			t.Errorf("a student: got %v, want the run to be for staff", err)
		}
	})
}

func deleteWorkflow(t *testing.T, r *apptest.Rig, c *apptest.Class, id string) error {
	t.Helper()
	_, err := r.DeleteWorkflow(t.Context(), c.TA, id, false)
	return err
}
