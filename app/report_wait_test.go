package app_test

import (
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// patient lets people wait for a report for as long as any test runs. Who is not told of
// its end then waits in vain.
func patient(c *config.Config) { c.Limits.AnswerWithin = time.Hour }

// awaited adds a report that no job writes, and has the teacher wait for it. What the
// teacher gets comes through the channel.
func awaited(t *testing.T, r *apptest.Rig, c *apptest.Class) (*store.Report, <-chan error) {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Microsecond)
	rp := &store.Report{ID: store.NewID(), CourseID: c.Course.ID, CreatedBy: c.Teacher.User.ID, ReportType: "course_summary", Title: "Biology",
		State: store.ReportQueued, Attempt: 1, LeaseUntil: now.Add(time.Hour), CreatedAt: now, UpdatedAt: now, Version: 1}
	inTx(t, r, func(tx *store.Tx) error { return tx.CreateReport(t.Context(), rp) })
	got := make(chan error, 1)
	go func() {
		end, err := r.GenerateReport(t.Context(), c.Teacher, c.Course.ID)
		if err == nil && (end.ID != rp.ID || !end.Ended()) {
			t.Errorf("got %+v, want report %s at its end", end, rp.ID)
		}
		got <- err
	}()
	apptest.Await(t, "the teacher to wait", func() bool { return r.WaitsForReport(c.Course.ID) })
	return rp, got
}

// answered waits for the answer of awaited.
func answered(t *testing.T, got <-chan error) error {
	t.Helper()
	select {
	case err := <-got:
		return err
	case <-time.After(time.Minute):
		t.Fatal("nobody told the teacher that the report has ended")
		return nil
	}
}

// Whoever waits for a report is told of its end, whatever ends it, and on Postgres also
// by another node.
func TestReportEndIsTold(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url, patient)
		r.ReloadReports(time.Hour)
		analyst(t, r)
		nodes := map[string]*apptest.Rig{"Here": r}
		if r.DB.Postgres() {
			nodes["OnAnotherNode"] = apptest.New(t, url, patient, func(c *config.Config) { c.LLM.OpenAI.BaseURL = r.Model.URL })
			apptest.Await(t, "the nodes to listen", func() bool { return r.Ready(t.Context()) == nil })
		}
		for name, node := range nodes {
			for end, tc := range map[string]struct {
				do   func(c *apptest.Class, rp *store.Report) error
				said llmtest.Response
				gone bool
			}{
				"Done": {do: func(_ *apptest.Class, rp *store.Report) error { return node.RunReport(t.Context(), rp.ID, 1) }},
				"Failed": {do: func(_ *apptest.Class, rp *store.Report) error { return node.RunReport(t.Context(), rp.ID, 1) },
					said: llmtest.Response{Status: 400, Message: "no such model"}},
				"Deleted": {do: func(c *apptest.Class, rp *store.Report) error {
					return node.DeleteReport(t.Context(), c.Teacher, c.Course.ID, rp.ID)
				}, gone: true},
				"CourseDeleted": {do: func(c *apptest.Class, _ *store.Report) error {
					_, _, err := node.DeleteCourse(t.Context(), c.Teacher, c.Course.ID, false)
					return err
				}, gone: true},
			} {
				t.Run(end+name, func(t *testing.T) {
					r.Model.Script(aboutRoom(func(_ string, out *llmtest.Response) { out.Status, out.Message = tc.said.Status, tc.said.Message }))
					c := spoken(t, r, "Roots")
					rp, got := awaited(t, r, c)
					must(t, tc.do(c, rp))
					if err := answered(t, got); tc.gone {
						refused(t, err, app.KindNotFound, "", "Report not found")
					} else {
						must(t, err)
					}
				})
			}
		}
	})
}

// A signal may be lost. Then whoever waits finds the end by itself.
func TestReportEndThatNobodyTells(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url, patient)
		r.ReloadReports(20 * time.Millisecond)
		analyst(t, r)
		c := spoken(t, r, "Roots")
		rp, got := awaited(t, r, c)
		inTx(t, r, func(tx *store.Tx) error {
			end := *rp
			end.State, end.Content = store.ReportDone, "# Biology"
			return tx.EndReport(t.Context(), &end, rp.CreatedAt)
		})
		must(t, answered(t, got))
	})
}
