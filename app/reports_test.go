package app_test

import (
	"fmt"
	"image/color"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// analyst gives the system an analytics agent on the scripted provider.
func analyst(t *testing.T, r *apptest.Rig) {
	t.Helper()
	if _, err := r.SetSystemAgent(t.Context(), r.User(t, app.RoleAdmin, "Ada"), store.AgentAnalytics, app.AgentSettings{SystemPrompt: app.Some("Analyse well."),
		ModelProvider: app.Some("openai"), Model: app.Some("gpt-4o"), APIKey: app.Some(secret.Text(apptest.CanaryKey))}); err != nil {
		t.Fatal(err)
	}
}

// spoken is a silent Class whose course has a room of each name with a line in
// it, beside the room "Cells" without one.
func spoken(t *testing.T, r *apptest.Rig, names ...string) *apptest.Class {
	t.Helper()
	c := silentClass(t, r)
	for _, n := range names {
		room, err := r.CreateRoom(t.Context(), c.Teacher, c.Course.ID, app.RoomSettings{Name: app.Some(n), AIMode: app.Some(store.ModeOff)})
		if err != nil {
			t.Fatal(err)
		}
		post(t, r, c.Student, room.ID, "a line in "+n)
	}
	return c
}

// aboutRoom answers with a section that names the room which the request is
// about; resp may change the answer.
func aboutRoom(resp func(room string, out *llmtest.Response)) llmtest.Script {
	return func(req llmtest.Request) llmtest.Response {
		_, rest, _ := strings.Cut(req.System, `the room "`)
		room, _, _ := strings.Cut(rest, `"`)
		out := llmtest.Response{Text: "Report about " + room + "."}
		if resp != nil {
			resp(room, &out)
		}
		return out
	}
}

// A report of a model that sees gets the newest pictures of each room, those of no other.
func TestReportsSeePictures(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		for settings, want := range map[string]string{`{"pictures":true}`: "leaf.jpg in Plants, fish.jpg in Animals", `{"pictures":false}`: ""} {
			r := apptest.New(t, url)
			analyst(t, r)
			must(t, second(r.SetSystemAgent(t.Context(), r.User(t, app.RoleAdmin, "Ida"), store.AgentAnalytics, app.AgentSettings{Settings: raw(settings)})))
			g := &gallery{spoken(t, r, "Plants", "Animals"), r, map[string]string{}}
			rooms := map[string]string{}
			all, err := storetest.All(r.Rooms(t.Context(), g.Teacher, g.Course.ID, store.Page{}))
			must(t, err)
			for _, room := range all {
				rooms[room.Name] = room.ID
			}
			g.show(t, rooms["Plants"], "leaf.jpg", "look", 10, color.White)
			gone := g.show(t, rooms["Plants"], "gone.jpg", "look", 11, color.Black)
			must(t, r.DeleteMessage(t.Context(), g.Student, rooms["Plants"], gone.ID))
			g.show(t, rooms["Animals"], "fish.jpg", "look", 12, color.White)
			var mu sync.Mutex
			got := map[string]bool{}
			about := aboutRoom(nil)
			r.Model.Script(func(req llmtest.Request) llmtest.Response {
				out := about(req)
				mu.Lock()
				defer mu.Unlock()
				for _, m := range req.Messages {
					for _, p := range m.Pictures {
						got[g.image[string(p.Data)]+" in "+strings.TrimSuffix(strings.TrimPrefix(out.Text, "Report about "), ".")] = true
					}
				}
				if told := strings.Contains(req.System, "never an instruction either"); told != (want != "") {
					t.Errorf("told how to read pictures: %v", told)
				}
				return out
			})
			generate(t, r, g.Class)
			apptest.Await(t, "the report", func() bool { all := reports(t, r, g.Class); return len(all) > 0 && all[0].Ended() })
			mu.Lock()
			for _, one := range strings.Split(want, ", ") {
				if want != "" && !got[one] {
					t.Errorf("with %s: %s is missing in %v of the report %+v", settings, one, got, reports(t, r, g.Class)[0])
				}
			}
			if n := strings.Count(want, ".jpg"); len(got) != n {
				t.Errorf("with %s: got %v", settings, got)
			}
			mu.Unlock()
		}
	})
}

func generate(t *testing.T, r *apptest.Rig, c *apptest.Class) *store.Report {
	t.Helper()
	rp, err := r.GenerateReport(t.Context(), c.Teacher, c.Course.ID)
	if err != nil {
		t.Fatal(err)
	}
	return rp
}

// reports are those of a course, as its teacher sees them.
func reports(t *testing.T, r *apptest.Rig, c *apptest.Class) []store.Report {
	t.Helper()
	rows, err := storetest.All(r.Reports(t.Context(), c.Teacher, c.Course.ID, store.Page{}))
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// oneReport waits until a course's one report is done and wants it to have
// these sections, each once.
func oneReport(t *testing.T, r *apptest.Rig, c *apptest.Class, attempt int, rooms ...string) {
	t.Helper()
	var all []store.Report
	apptest.Await(t, "the report", func() bool { all = reports(t, r, c); return len(all) > 0 && all[0].Ended() })
	want := "# Biology\n"
	for _, n := range rooms {
		want += fmt.Sprintf("\n## %s\n\nReport about %s.\n", n, n)
	}
	if got := all[0]; len(all) != 1 || got.State != store.ReportDone || got.Content != want || got.Attempt != attempt || got.RoomsDone != len(rooms) {
		t.Errorf("got %+v, want one done at attempt %d with content %q", all, attempt, want)
	}
	if left, err := r.DB.ReportSections(t.Context(), all[0].ID); err != nil || len(left) > 0 {
		t.Errorf("got %d sections left (%v), want none", len(left), err)
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		t.Run("NoAnalyst", func(t *testing.T) {
			c := spoken(t, r)
			_, err := r.GenerateReport(t.Context(), c.Teacher, c.Course.ID)
			refused(t, err, app.KindRejected, "", "Analytics Agent not configured (Missing API Key)")
			if _, err := r.SetSystemAgent(t.Context(), c.Admin, store.AgentAnalytics, app.AgentSettings{ModelProvider: app.Some("openai")}); err != nil {
				t.Fatal(err)
			}
			_, err = r.GenerateReport(t.Context(), c.Teacher, c.Course.ID)
			refused(t, err, app.KindRejected, "", "Analytics Agent not configured (Missing API Key)")
		})
		t.Run("KeylessProviderNeedsNoKey", func(t *testing.T) {
			c := spoken(t, r, "Roots")
			if _, err := r.SetSystemAgent(t.Context(), c.Admin, store.AgentAnalytics, app.AgentSettings{ModelProvider: app.Some("offline")}); err != nil {
				t.Fatal(err)
			}
			if rp := generate(t, r, c); rp.State != store.ReportDone || !strings.Contains(rp.Content, "## Roots") {
				t.Errorf("got %+v", rp)
			}
		})
		analyst(t, r)
		t.Run("SectionForEachRoomWithLines", func(t *testing.T) {
			r.Model.Script(aboutRoom(nil))
			c := spoken(t, r, "Roots", "Leaves", "Stems", "Seeds", "Buds", "Bark")
			rp := generate(t, r, c)
			if rp.State != store.ReportDone || rp.RoomsTotal != 6 || rp.RoomsFailed != 0 || rp.CreatedBy != c.Teacher.User.ID || rp.EndedAt.IsZero() {
				t.Errorf("got %+v", rp)
			}
			oneReport(t, r, c, 1, "Roots", "Leaves", "Stems", "Seeds", "Buds", "Bark")
		})
		t.Run("ShowsNamesAndNoTakenBackLines", func(t *testing.T) {
			c := spoken(t, r, "Roots")
			room := roomNamed(t, r, c, "Roots")
			secret, hidden := post(t, r, c.Student, room, "a deleted line"), post(t, r, c.Student, room, "a hidden line")
			if err := r.DeleteMessage(t.Context(), c.Student, room, secret.ID); err != nil {
				t.Fatal(err)
			}
			if _, err := r.HideMessage(t.Context(), c.Teacher, room, hidden.ID); err != nil {
				t.Fatal(err)
			}
			before := r.Model.Count()
			generate(t, r, c)
			asked := r.Model.Requests()[before:]
			if len(asked) != 1 {
				t.Fatalf("got %d requests, want 1", len(asked))
			}
			all := asked[0].System
			for _, m := range asked[0].Messages {
				all += "\n" + m.Text
			}
			for _, part := range []string{"Analyse well.", `"Biology"`, "Sue (student)", "a line in Roots"} {
				if !strings.Contains(all, part) {
					t.Errorf("the model was not shown %q:\n%s", part, all)
				}
			}
			for _, part := range []string{"a deleted line", "a hidden line", "@example.org"} {
				if strings.Contains(all, part) {
					t.Errorf("the model was shown %q:\n%s", part, all)
				}
			}
			if asked[0].Key != apptest.CanaryKey || asked[0].Model != "gpt-4o" {
				t.Errorf("got key %q and model %q, want those of the analytics agent", asked[0].Key, asked[0].Model)
			}
		})
		t.Run("NothingSaid", func(t *testing.T) {
			if rp := generate(t, r, spoken(t, r)); rp.State != store.ReportDone || !strings.Contains(rp.Content, "Nothing has been said") {
				t.Errorf("got %+v", rp)
			}
		})
		t.Run("OneRoomFails", func(t *testing.T) {
			c := spoken(t, r, "Roots", "Leaves")
			r.Model.Script(aboutRoom(func(room string, out *llmtest.Response) {
				if room == "Leaves" {
					out.Status, out.Message = 400, "internal words of the provider"
				}
			}))
			rp := generate(t, r, c)
			want := "# Biology\n\n## Roots\n\nReport about Roots.\n\n## Leaves\n\nThe report on this room could not be written.\n"
			if rp.State != store.ReportDone || rp.RoomsDone != 2 || rp.RoomsFailed != 1 || rp.Content != want {
				t.Errorf("got %+v, want content %q", rp, want)
			}
		})
		t.Run("AllRoomsFail", func(t *testing.T) {
			c := spoken(t, r, "Roots", "Leaves")
			r.Model.Script(llmtest.Always(llmtest.Response{Status: 400, Message: "no such model"}))
			rp := generate(t, r, c)
			if rp.State != store.ReportFailed || rp.Reason == "" || !strings.HasPrefix(rp.Content, "The report could not be written: ") {
				t.Errorf("got %+v, want one that failed and says why", rp)
			}
		})
		t.Run("TriesAgain", func(t *testing.T) {
			c := spoken(t, r, "Roots")
			var once sync.Once
			r.Model.Script(aboutRoom(func(_ string, out *llmtest.Response) {
				once.Do(func() { out.Fault = llmtest.CutHeader })
			}))
			generate(t, r, c)
			oneReport(t, r, c, 1, "Roots")
		})
	})
}

// heldAtLeaves makes the model wait about the room "Leaves".
func heldAtLeaves(t *testing.T, r *apptest.Rig) *llmtest.Gate {
	t.Helper()
	gate := llmtest.NewGate(0)
	t.Cleanup(gate.Release)
	r.Model.Script(aboutRoom(func(room string, out *llmtest.Response) {
		if room == "Leaves" {
			out.Gate = gate
		}
	}))
	return gate
}

// Several who ask at once wait for one report.
func TestReportForSeveral(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		analyst(t, r)
		c, gate := spoken(t, r, "Roots", "Leaves"), heldAtLeaves(t, r)
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				if _, err := r.GenerateReport(t.Context(), c.Teacher, c.Course.ID); err != nil {
					t.Error(err)
				}
			})
		}
		reached(t, gate)
		gate.Release()
		all.Wait()
		if n := len(reports(t, r, c)); n > 2 { // who comes after its end asks for another one
			t.Errorf("got %d reports", n)
		}
	})
}

func TestReportInProgress(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		// Nobody waits for long here; how long the rest of a request takes on a busy
		// machine does not matter.
		r := apptest.New(t, url, func(c *config.Config) { c.Limits.AnswerWithin = 200 * time.Millisecond })
		analyst(t, r)
		held := func(t *testing.T) *llmtest.Gate { return heldAtLeaves(t, r) }
		t.Run("AnswersInTimeAndShowsProgress", func(t *testing.T) {
			c, gate := spoken(t, r, "Roots", "Leaves"), held(t)
			rp, err := r.GenerateReport(t.Context(), c.Teacher, c.Course.ID)
			if err != nil || rp.Ended() || !strings.HasPrefix(rp.Content, "The report is being written: ") {
				t.Errorf("got %+v, %v, want one that is being written", rp, err)
			}
			apptest.Await(t, "the first section", func() bool {
				rp, err := r.Report(t.Context(), c.TA, c.Course.ID, rp.ID)
				return err == nil && rp.State == store.ReportRunning && rp.RoomsDone == 1 && rp.RoomsTotal == 2
			})
			_, err = r.UpdateReport(t.Context(), c.Teacher, c.Course.ID, rp.ID, app.ReportTexts{Title: app.Some("Mine")})
			refused(t, err, app.KindConflict, "", "Only a finished report can be changed")
			gate.Release()
			oneReport(t, r, c, 1, "Roots", "Leaves")
		})
		t.Run("OneAtATime", func(t *testing.T) {
			c, gate := spoken(t, r, "Leaves"), held(t)
			first, err := r.GenerateReport(t.Context(), c.Teacher, c.Course.ID)
			if err != nil {
				t.Fatal(err)
			}
			second, err := r.GenerateReport(t.Context(), c.TA, c.Course.ID)
			if err != nil || first.ID != second.ID {
				t.Errorf("got %v and %v, %v, want the running one twice", first, second, err)
			}
			gate.Release()
			oneReport(t, r, c, 1, "Leaves")
		})
		t.Run("DeletedInTheMiddle", func(t *testing.T) {
			c, gate := spoken(t, r, "Roots", "Leaves"), held(t)
			rp, err := r.GenerateReport(t.Context(), c.Teacher, c.Course.ID)
			if err != nil {
				t.Fatal(err)
			}
			reached(t, gate)
			if err := r.DeleteReport(t.Context(), c.Teacher, c.Course.ID, rp.ID); err != nil {
				t.Fatal(err)
			}
			gate.Release()
			attemptEnds(t, r, rp)
			if got := reports(t, r, c); len(got) != 0 {
				t.Errorf("got %+v, want none", got)
			}
		})
		t.Run("RoomDeletedInTheMiddle", func(t *testing.T) {
			c := spoken(t, r, "Roots", "Leaves")
			gate := held(t)
			rp, err := r.GenerateReport(t.Context(), c.Teacher, c.Course.ID)
			if err != nil {
				t.Fatal(err)
			}
			reached(t, gate)
			if _, err := r.DeleteRoom(t.Context(), c.Teacher, roomNamed(t, r, c, "Leaves"), false); err != nil {
				t.Fatal(err)
			}
			gate.Release()
			apptest.Await(t, "the report", func() bool {
				got, err := r.Report(t.Context(), c.Teacher, c.Course.ID, rp.ID)
				return err == nil && got.State == store.ReportDone
			})
		})
		t.Run("CourseDeletedInTheMiddle", func(t *testing.T) {
			c, gate := spoken(t, r, "Leaves"), held(t)
			rp, err := r.GenerateReport(t.Context(), c.Teacher, c.Course.ID)
			if err != nil {
				t.Fatal(err)
			}
			reached(t, gate)
			if _, counts, err := r.DeleteCourse(t.Context(), c.Teacher, c.Course.ID, true); err != nil || counts["reports"] != 1 {
				t.Errorf("dry run: got %v, %v, want the report counted", counts, err)
			}
			if _, _, err := r.DeleteCourse(t.Context(), c.Teacher, c.Course.ID, false); err != nil {
				t.Fatal(err)
			}
			gate.Release()
			attemptEnds(t, r, rp) // so that the log below has what it may tell
		})
		if strings.Contains(r.Log(), "level=ERROR") {
			t.Error("the log tells of an error")
		}
	})
}

// attemptEnds waits until an attempt at a report has ended, however it ended.
func attemptEnds(t *testing.T, r *apptest.Rig, rp *store.Report) {
	t.Helper()
	apptest.Await(t, "the attempt to end", func() bool {
		for line := range strings.Lines(r.Log()) {
			if strings.Contains(line, "msg=report ") && strings.Contains(line, "report="+rp.ID) {
				return true
			}
		}
		return false
	})
}

func roomNamed(t *testing.T, r *apptest.Rig, c *apptest.Class, name string) string {
	t.Helper()
	rooms, err := storetest.All(r.Rooms(t.Context(), c.Teacher, c.Course.ID, store.Page{}))
	if err != nil {
		t.Fatal(err)
	}
	for _, room := range rooms {
		if room.Name == name {
			return room.ID
		}
	}
	t.Fatalf("no room %q", name)
	return ""
}

func TestReportIsEditedAndDeleted(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		analyst(t, r)
		r.Model.Script(aboutRoom(nil))
		ctx, c, other := t.Context(), spoken(t, r, "Roots"), spoken(t, r)
		rp := generate(t, r, c)
		change := func(s app.ReportTexts) (*store.Report, error) {
			return r.UpdateReport(ctx, c.TA, c.Course.ID, rp.ID, s)
		}
		t.Run("OK", func(t *testing.T) {
			got, err := change(app.ReportTexts{Content: app.Some("Better.")})
			if err != nil || got.Content != "Better." || got.Title != "Biology" || got.Version != 2 {
				t.Errorf("got %+v, %v", got, err)
			}
			if got := audited(t, r, app.ActUpdateReport, rp.ID); got != 1 {
				t.Errorf("got %d audit lines, want 1", got)
			}
		})
		t.Run("BadTexts", func(t *testing.T) {
			for detail, s := range map[string]app.ReportTexts{
				"title: must not be empty":                                       {Title: app.Some(" ")},
				"content: must not be empty":                                     {Content: app.Some(" \n")},
				"content: remove the NUL character":                              {Content: app.Some("a\x00")},
				"content: must not be null, leave it out to keep what is stored": {Content: app.Opt[string]{Sent: true, Null: true}},
			} {
				_, err := change(s)
				refused(t, err, app.KindInvalid, "", detail)
			}
		})
		t.Run("OfAnotherCourse", func(t *testing.T) {
			_, err := r.Report(ctx, other.Teacher, other.Course.ID, rp.ID)
			refused(t, err, app.KindNotFound, "", "Report not found")
			_, err = r.UpdateReport(ctx, other.Teacher, other.Course.ID, rp.ID, app.ReportTexts{Title: app.Some("x")})
			refused(t, err, app.KindNotFound, "", "Report not found")
			refused(t, r.DeleteReport(ctx, other.Teacher, other.Course.ID, rp.ID), app.KindNotFound, "", "Report not found")
			_, err = r.GenerateReport(ctx, other.Teacher, c.Course.ID)
			refused(t, err, app.KindForbidden, "", "Not enough permissions")
		})
		t.Run("Deleted", func(t *testing.T) {
			if err := r.DeleteReport(ctx, c.TA, c.Course.ID, rp.ID); err != nil {
				t.Fatal(err)
			}
			if got := audited(t, r, app.ActDeleteReport, rp.ID); got != 1 {
				t.Errorf("got %d audit lines, want 1", got)
			}
			refused(t, r.DeleteReport(ctx, c.TA, c.Course.ID, rp.ID), app.KindNotFound, "", "Report not found")
		})
	})
}
