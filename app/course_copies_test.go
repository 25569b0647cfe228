package app_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// whole is a copy with all of its course.
var whole = app.CopyParts{Rooms: true, Agents: true, Artifacts: true, Workflows: true, Announcements: true, Members: true}

// copied waits for the end of a copy.
func copied(t *testing.T, r *apptest.Rig, who *app.Actor, courseID, id string) *store.CourseCopy {
	t.Helper()
	var c *store.CourseCopy
	apptest.Await(t, "the end of the copy", func() (over bool) {
		var err error
		c, err = r.CourseCopy(t.Context(), who, courseID, id)
		must(t, err)
		return !c.EndedAt.IsZero()
	})
	return c
}

// full gives a class what a copy can have.
func full(t *testing.T, r *apptest.Rig, c *apptest.Class) *store.Workflow {
	t.Helper()
	ctx := t.Context()
	_, err := r.UpdateRoom(ctx, c.Teacher, c.Room.ID, app.RoomSettings{Description: app.Some("Light"), AIFrequency: app.Some(0.25)})
	must(t, err)
	_, err = r.SetRoomAgent(ctx, c.Teacher, c.Room.ID, c.TeacherAgent.ID, app.RoomAgentSettings{ContextWindow: app.Some(7),
		ScheduleConfig: app.Some(json.RawMessage(`{"mode":"none"}`))})
	must(t, err)
	_, err = r.Announce(ctx, c.Teacher, c.Course.ID, app.AnnouncementTexts{Title: app.Some("Exam"), Content: app.Some("Tomorrow")})
	must(t, err)
	w := &store.Workflow{ID: store.NewID(), CourseID: c.Course.ID, Name: "Own", Graph: store.JSON(`{"agent":"agent:` + c.TeacherAgent.ID + `"}`),
		CreatedBy: c.Teacher.User.ID, CreatedAt: r.Now(), UpdatedAt: r.Now(), Version: 1}
	must(t, r.DB.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.CreateWorkflow(ctx, w); err != nil {
			return err
		}
		return tx.SetRoomWorkflow(ctx, c.Room.ID, w.ID)
	}))
	parent := makeArtifact(t, r, c.Student, c.Room.ID, "doc", `{"blocks":[]}`)
	_, err = r.CreateArtifact(ctx, c.Student, c.Room.ID, app.NewArtifact{Type: "task", Title: "Child", ParentID: parent.ID})
	must(t, err)
	gone := makeArtifact(t, r, c.Student, c.Room.ID, "doc", `{"blocks":[]}`)
	must(t, r.DeleteArtifact(ctx, c.Student, gone.ID, false))
	return w
}

func TestCopyCourse(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		c := r.Class(t)
		ctx := t.Context()
		w := full(t, r, c)
		post(t, r, c.Student, c.Room.ID, "not for the copy")
		for _, who := range []*app.Actor{c.Student, c.TA, c.Outsider} {
			_, err := r.CopyCourse(ctx, who, c.Course.ID, app.NewCopy{Title: "Mine", CopyParts: whole})
			refused(t, err, app.KindForbidden, "", "")
		}
		_, err := r.CopyCourse(ctx, c.Teacher, c.Course.ID, app.NewCopy{Title: "Mine", CopyParts: app.CopyParts{Artifacts: true}})
		refused(t, err, app.KindInvalid, "", "rooms: must be true, because agents and artifacts are in rooms")
		// An archived course is what people copy most.
		_, err = r.ArchiveCourse(ctx, c.Teacher, c.Course.ID)
		must(t, err)
		cp, err := r.CopyCourse(ctx, c.Teacher, c.Course.ID, app.NewCopy{Title: "Next year", CopyParts: whole})
		must(t, err)
		if cp.State != store.CopyQueued || cp.Total != 1 {
			t.Errorf("got %+v", cp)
		}
		_, err = r.CourseCopy(ctx, c.TA, c.Course.ID, cp.ID)
		refused(t, err, app.KindNotFound, "", "")
		if cp = copied(t, r, c.Teacher, c.Course.ID, cp.ID); cp.State != store.CopyDone || cp.Done != 1 || cp.AgentsLeft != 0 {
			t.Fatalf("got %+v", cp)
		}
		course, err := r.Course(ctx, c.Teacher, cp.NewCourseID)
		must(t, err)
		if course.Title != "Next year" || course.OwnerID != c.Teacher.User.ID || !course.ArchivedAt.IsZero() {
			t.Errorf("got %+v", course)
		}
		rooms, err := storetest.All(r.Rooms(ctx, c.Teacher, course.ID, store.Page{Limit: 10}))
		must(t, err)
		if len(rooms) != 1 || *rooms[0].Description != "Light" || rooms[0].AIFrequency != 0.25 || rooms[0].EventSeq != 0 || !rooms[0].ArchivedAt.IsZero() {
			t.Fatalf("got %+v", rooms)
		}
		seats, err := r.DB.RoomAgents(ctx, rooms[0].ID)
		must(t, err)
		from, err := r.DB.RoomAgents(ctx, c.Room.ID)
		must(t, err)
		if len(seats) != len(from) {
			t.Fatalf("got %d seats, want %d", len(seats), len(from))
		}
		for i, s := range seats {
			if s.IsActive || s.AgentID == from[i].AgentID || s.Agent.SystemPrompt != from[i].Agent.SystemPrompt || s.ContextWindow != from[i].ContextWindow ||
				s.ScheduleConfig != from[i].ScheduleConfig || !s.NextDueAt.IsZero() {
				t.Errorf("got the seat %+v with %+v", s, s.Agent)
			}
			if s.Agent.EncryptedAPIKey != "" || s.Agent.EncryptedSecrets != "" || s.Agent.UserKeyIDs != "[]" {
				t.Error("an agent came with keys")
			}
			if from[i].Agent.EncryptedAPIKey == "" {
				t.Error("the agent has no key that could be copied")
			}
		}
		flow, err := r.RoomWorkflow(ctx, c.Teacher, rooms[0].ID)
		must(t, err)
		if flow == nil || flow.ID == w.ID || flow.CourseID != course.ID || strings.Contains(string(flow.Graph), c.TeacherAgent.ID) ||
			!slices.ContainsFunc(seats, func(s store.RoomAgent) bool { return strings.Contains(string(flow.Graph), s.AgentID) }) {
			t.Errorf("got %+v", flow)
		}
		artifacts, err := storetest.All(r.Artifacts(ctx, c.Student, rooms[0].ID, ""))
		must(t, err)
		if len(artifacts) != 2 || artifacts[0].ParentID != artifacts[1].ID || artifacts[1].CreatedBy != c.Teacher.User.ID || artifacts[1].Version != 1 {
			t.Errorf("got %+v", artifacts)
		}
		_, err = r.UpdateArtifact(ctx, c.Student, artifacts[1].ID, app.ArtifactChange{Title: app.Some("Changed")})
		must(t, err)
		news, err := storetest.All(r.Announcements(ctx, c.Student, course.ID, store.Page{Limit: 10}))
		must(t, err)
		if len(news) != 1 || news[0].Content != "Tomorrow" {
			t.Errorf("got %+v", news)
		}
		if got := r.Messages(t, rooms[0].ID, 0); len(got) != 0 {
			t.Errorf("got %d messages, want none", len(got))
		}
		// What the copier may not use is left out, and without members nobody else is in.
		other, err := r.CopyCourse(ctx, c.Teacher, c.Course.ID, app.NewCopy{Title: "Bare", CopyParts: app.CopyParts{}})
		must(t, err)
		other = copied(t, r, c.Teacher, c.Course.ID, other.ID)
		_, err = r.Course(ctx, c.Student, other.NewCourseID)
		refused(t, err, app.KindForbidden, "", "")
	})
}

// A copy whose worker dies at any moment is made once by another, and before it is made
// nothing of it is there. Cancelled, it leaves nothing.
func TestCopyCourseCut(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		ctx := t.Context()
		full(t, r, c)
		// state has how many there are of what a copy makes.
		state := func() string {
			var parts []string
			for _, table := range strings.Split(r.Dump(t), "== ") {
				name, rows, _ := strings.Cut(table, "\n")
				switch name {
				case "courses", "rooms", "agents", "room_agents", "artifacts", "workflows", "announcements", "course_members", "projects":
					parts = append(parts, name+" "+string(rune('0'+strings.Count(rows, "\n"))))
				}
			}
			slices.Sort(parts)
			return strings.Join(parts, ", ")
		}
		before := state()
		begin := func() *store.CourseCopy {
			t.Helper()
			cp, err := r.CopyCourse(ctx, c.Teacher, c.Course.ID, app.NewCopy{Title: "Again", CopyParts: whole})
			must(t, err)
			return cp
		}
		now := func(cp *store.CourseCopy) *store.CourseCopy {
			t.Helper()
			cp, err := r.CourseCopy(ctx, c.Teacher, c.Course.ID, cp.ID)
			must(t, err)
			return cp
		}
		cp := begin()
		_, err := r.CopyCourse(ctx, c.Teacher, c.Course.ID, app.NewCopy{Title: "Two at once"})
		refused(t, err, app.KindConflict, "too_many", "")
		cp, err = r.CancelCopy(ctx, c.Teacher, c.Course.ID, cp.ID)
		must(t, err)
		must(t, r.RunCopy(ctx, jobs.CopyCourse{CopyID: cp.ID, Attempt: 1}))
		if got := now(cp); got.State != store.CopyCancelled || state() != before {
			t.Fatalf("got %+v and %s", got, state())
		}

		// A worker that claimed it and died.
		cp = begin()
		_, err = r.DB.Single().ClaimCopy(ctx, cp.ID, 1, r.Now().Add(time.Minute))
		must(t, err)
		must(t, r.SweepCopies(ctx, r.Now()))
		if got := now(cp); got.Attempt != 1 {
			t.Errorf("got %+v, want that its worker keeps it", got)
		}
		must(t, r.SweepCopies(ctx, r.Now().Add(2*time.Minute)))
		must(t, r.RunCopy(ctx, jobs.CopyCourse{CopyID: cp.ID, Attempt: 1})) // the dead one's job comes again
		if got := now(cp); got.State != store.CopyQueued || got.Attempt != 2 || state() != before {
			t.Fatalf("got %+v and %s", got, state())
		}
		// Attempts that are cut at many moments.
		attempt := 2
		for cut := 20 * time.Microsecond; now(cp).EndedAt.IsZero(); cut += cut / 4 {
			short, cancel := context.WithTimeout(ctx, cut)
			_ = r.RunCopy(short, jobs.CopyCourse{CopyID: cp.ID, Attempt: attempt})
			cancel()
			got := now(cp)
			if got.State != store.CopyDone && state() != before {
				t.Fatalf("cut after %v: got %s, want %s", cut, state(), before)
			}
			if got.State == store.CopyFailed || got.State == store.CopyRunning {
				r.Exec(t, "UPDATE course_copies SET state = 'queued', attempt = 1, reason = NULL, ended_at = NULL WHERE id = ?", cp.ID)
				got.Attempt = 1
			}
			attempt = got.Attempt
		}
		done := state()
		for n := range 4 {
			must(t, r.RunCopy(ctx, jobs.CopyCourse{CopyID: cp.ID, Attempt: n}))
		}
		if got := now(cp); got.State != store.CopyDone || state() != done || done == before {
			t.Errorf("got %+v and %s, want %s", got, state(), done)
		}
		// What is over a quota fails, in words, and leaves nothing.
		cp = begin()
		r.Config.Quotas.Artifacts = 1
		must(t, r.RunCopy(ctx, jobs.CopyCourse{CopyID: cp.ID, Attempt: 1}))
		if got := now(cp); got.State != store.CopyFailed || !strings.Contains(got.Reason, "quotas.artifacts") || state() != done {
			t.Errorf("got %+v and %s, want %s", got, state(), done)
		}
	})
}
