package app_test

import (
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// orphanReport is a report whose worker or job is gone: its lease ran out a
// minute ago. Of a running one the first section is written.
func orphanReport(t *testing.T, r *apptest.Rig, c *apptest.Class, state string, attempt int) *store.Report {
	t.Helper()
	ctx, past := t.Context(), time.Now().UTC().Add(-time.Minute).Truncate(time.Microsecond)
	rp := &store.Report{ID: store.NewID(), CourseID: c.Course.ID, CreatedBy: c.Teacher.User.ID, ReportType: "course_summary", Title: "Biology",
		State: store.ReportQueued, Attempt: attempt, LeaseUntil: past, CreatedAt: past, UpdatedAt: past, Version: 1}
	inTx(t, r, func(tx *store.Tx) error {
		if err := tx.CreateReport(ctx, rp); err != nil || state == store.ReportQueued {
			return err
		}
		if _, err := tx.ClaimReport(ctx, rp.ID, attempt, "a dead node", past, past); err != nil {
			return err
		}
		return tx.WriteSection(ctx, &store.ReportSection{ReportID: rp.ID, Position: 1, Content: "Report about Roots."}, attempt)
	})
	return rp
}

func TestReportOrphans(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url, quick)
		analyst(t, r)
		r.Model.Script(aboutRoom(nil))
		t.Run("WorkerVanished", func(t *testing.T) {
			c := spoken(t, r, "Roots", "Leaves", "Stems")
			before := r.Model.Count()
			orphanReport(t, r, c, store.ReportRunning, 1)
			oneReport(t, r, c, 2, "Roots", "Leaves", "Stems")
			if got := r.Model.Count() - before; got != 2 {
				t.Errorf("the model was asked %d times, want only about the two rooms that were missing", got)
			}
		})
		t.Run("JobVanished", func(t *testing.T) {
			c := spoken(t, r, "Roots", "Leaves")
			orphanReport(t, r, c, store.ReportQueued, 1)
			oneReport(t, r, c, 1, "Roots", "Leaves")
		})
		t.Run("WorkerVanishedTooOften", func(t *testing.T) {
			c := spoken(t, r, "Roots", "Leaves")
			orphanReport(t, r, c, store.ReportRunning, 5)
			var all []store.Report
			apptest.Await(t, "the end", func() bool { all = reports(t, r, c); return all[0].Ended() })
			if all[0].State != store.ReportFailed || all[0].Reason != "the server stopped in the middle of it" {
				t.Errorf("got %+v, want one that failed", all[0])
			}
		})
	})
}

func TestReportLeaseIsLost(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url, quick, func(c *config.Config) { c.Limits.AnswerWithin = 200 * time.Millisecond })
		analyst(t, r)
		c := spoken(t, r, "Leaves")
		first, second := llmtest.NewGate(0), llmtest.NewGate(0)
		r.Model.Script(llmtest.InTurn(llmtest.Response{Text: "the first attempt", Gate: first}, llmtest.Response{Text: "Report about Leaves.", Gate: second}))
		rp, err := r.GenerateReport(t.Context(), c.Teacher, c.Course.ID)
		if err != nil {
			t.Fatal(err)
		}
		reached(t, first)
		// Another node found the lease overdue and put the report back in line.
		inTx(t, r, func(tx *store.Tx) error {
			return tx.RetryReport(t.Context(), rp.ID, 1, time.Now().UTC().Add(-time.Minute))
		})
		reached(t, second)
		first.Release()
		attemptEnds(t, r, rp)
		second.Release()
		oneReport(t, r, c, 2, "Leaves")
		if strings.Contains(r.Log(), "level=ERROR") {
			t.Error("the log tells of an error")
		}
	})
}

func TestShutdownHandsReportBack(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url, func(c *config.Config) { c.Jobs.DrainTimeout = 50 * time.Millisecond })
		analyst(t, r)
		c := spoken(t, r, "Roots", "Leaves")
		gate := llmtest.NewGate(0)
		r.Model.Script(aboutRoom(func(room string, out *llmtest.Response) {
			if room == "Leaves" && r.Model.Count() <= 2 {
				out.Gate = gate
			}
		}))
		waited := make(chan *store.Report, 1)
		go func() {
			rp, err := r.GenerateReport(t.Context(), c.Teacher, c.Course.ID)
			if err != nil {
				t.Error(err)
			}
			waited <- rp
		}()
		reached(t, gate)
		apptest.Await(t, "the first section", func() bool { return reports(t, r, c)[0].RoomsDone == 1 })
		r.Stop()
		if rp := <-waited; rp == nil || rp.Ended() {
			t.Errorf("got %+v, want whoever waits to get what there is", rp)
		}
		if rp := reports(t, r, c)[0]; rp.State != store.ReportQueued || rp.Attempt != 2 || rp.Node != "" || rp.RoomsDone != 1 {
			t.Errorf("got %+v, want it handed back as attempt 2 with its first section", rp)
		}
		next := apptest.New(t, url, func(cfg *config.Config) { cfg.LLM.OpenAI.BaseURL = r.Model.URL })
		oneReport(t, next, c, 2, "Roots", "Leaves")
		if got := r.Model.Count(); got != 3 {
			t.Errorf("the model was asked %d times, want 3", got)
		}
	})
}

func TestTwoNodesTakeAReportOverOnce(t *testing.T) {
	t.Parallel()
	url := storetest.Postgres(t)
	first := apptest.New(t, url, quick)
	second := apptest.New(t, url, quick, func(c *config.Config) { c.LLM.OpenAI.BaseURL = first.Model.URL })
	analyst(t, first)
	first.Model.Script(aboutRoom(nil))
	var classes []*apptest.Class
	for range 4 {
		c := spoken(t, first, "Roots", "Leaves")
		classes = append(classes, c)
		orphanReport(t, first, c, store.ReportRunning, 1)
	}
	for _, c := range classes {
		oneReport(t, second, c, 2, "Roots", "Leaves")
	}
	if got := first.Model.Count(); got != 4 {
		t.Errorf("the model was asked %d times, want once for each section that was missing", got)
	}
}

// Whoever deletes a course or a room while a section of its report is written waits for
// that, and then deletes it.
func TestDeletedWhileASectionIsWritten(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		ctx, lease := t.Context(), time.Now().UTC().Add(time.Hour).Truncate(time.Microsecond)
		for name, deletes := range map[string]func(c *apptest.Class) error{
			"Course": func(c *apptest.Class) error {
				_, _, err := r.DeleteCourse(ctx, c.Teacher, c.Course.ID, false)
				return err
			},
			"Room": func(c *apptest.Class) error {
				_, err := r.DeleteRoom(ctx, c.Teacher, roomNamed(t, r, c, "Roots"), false)
				return err
			},
		} {
			t.Run(name, func(t *testing.T) {
				c := spoken(t, r, "Roots", "Leaves")
				rp := orphanReport(t, r, c, store.ReportQueued, 1)
				inTx(t, r, func(tx *store.Tx) error {
					_, err := tx.ClaimReport(ctx, rp.ID, 1, "a node", lease, lease)
					return err
				})
				write := func(position int) func(*store.Tx) error {
					return func(tx *store.Tx) error {
						return tx.WriteSection(ctx, &store.ReportSection{ReportID: rp.ID, Position: position, Content: "Report."}, 1)
					}
				}
				if name == "Room" { // which waits for nothing but its own section
					must(t, meanwhile(t, r, write(1), write(2), func() error { return deletes(c) }))
					return
				}
				lock := func(tx *store.Tx) error { _, err := tx.ReportForUpdate(ctx, rp.ID); return err }
				must(t, meanwhile(t, r, lock, write(1), func() error { return deletes(c) }))
			})
		}
	})
}
