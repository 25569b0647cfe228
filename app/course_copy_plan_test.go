package app_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// What one copy cannot have is refused before there is a job, with the remedy; what comes
// between the request and the job, the job refuses in the same words. Just below a bound all
// comes along: nothing is cut.
func TestCopyBounds(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url, func(c *config.Config) { c.Quotas.Artifacts, c.Quotas.Stored = 1<<30, 1<<30 })
		c := r.Class(t)
		ctx := t.Context()
		begin := func(parts app.CopyParts) (*store.CourseCopy, error) {
			return r.CopyCourse(ctx, c.Teacher, c.Course.ID, app.NewCopy{Title: "Again", CopyParts: parts})
		}
		cancel := func(cp *store.CourseCopy) {
			t.Helper()
			_, err := r.CancelCopy(ctx, c.Teacher, c.Course.ID, cp.ID)
			must(t, err)
		}
		run := func(cp *store.CourseCopy) *store.CourseCopy {
			t.Helper()
			must(t, r.RunCopy(ctx, jobs.CopyCourse{CopyID: cp.ID, Attempt: 1}))
			cp, err := r.CourseCopy(ctx, c.Teacher, c.Course.ID, cp.ID)
			must(t, err)
			return cp
		}
		count := func(table, where string, args ...any) int {
			t.Helper()
			return storetest.Count(t, r.DB, "SELECT count(*) FROM "+table+" WHERE "+where, args...)
		}
		full := func(err error, code, text string) {
			t.Helper()
			if refused(t, err, app.KindConflict, code, ""); !strings.Contains(err.Error(), text) {
				t.Errorf("got %v, want %q", err, text)
			}
		}
		numbers := func(n int) string {
			return fmt.Sprintf("(WITH RECURSIVE up (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < %d) SELECT n FROM up) AS numbers", n)
		}
		// There are more seats in one room than a list has.
		agent, who := c.TeacherAgent.ID, c.Teacher.User.ID
		r.Exec(t, "INSERT INTO agents (id, project_id, name, type, category, system_prompt, model_provider, model, settings, capabilities, is_active, is_template, is_external,"+
			" user_key_ids, trigger_config, schedule_config, context_window, created_by, created_at, updated_at, version)"+
			" SELECT id || '-' || n, project_id, name || n, type, category, system_prompt, model_provider, model, settings, capabilities, is_active, is_template, is_external,"+
			" user_key_ids, trigger_config, schedule_config, context_window, created_by, created_at, updated_at, version FROM agents, "+numbers(300)+" WHERE id = ?", agent)
		r.Exec(t, "INSERT INTO room_agents (room_id, agent_id, created_at) SELECT ?, a.id, a.created_at FROM agents AS a WHERE a.id LIKE ?", c.Room.ID, agent+"-%")
		second, err := r.CreateRoom(ctx, c.Teacher, c.Course.ID, app.RoomSettings{Name: app.Some("Second")})
		must(t, err)
		one := makeArtifact(t, r, c.Student, c.Room.ID, "doc", `{"blocks":[]}`)
		fill := func(room string, n int) {
			t.Helper()
			r.Exec(t, "INSERT INTO artifacts (id, room_id, type, title, version, event_seq, created_by, modified_by, created_at, updated_at, content_bytes, content)"+
				" SELECT ? || '-' || n, ?, type, title, 1, 0, created_by, modified_by, created_at, updated_at, content_bytes, content FROM artifacts, "+numbers(n)+
				" WHERE id = ?", room, room, one.ID)
		}
		fill(c.Room.ID, 400)
		all := app.CopyParts{Rooms: true, Agents: true, Artifacts: true}
		cp, err := begin(all)
		must(t, err)
		if cp = run(cp); cp.State != store.CopyDone || cp.AgentsLeft != 0 {
			t.Fatalf("got %+v", cp)
		}
		for table, want := range map[string]int{"room_agents": 302, "artifacts": 401} {
			if n := count(table, "room_id IN (SELECT id FROM rooms WHERE course_id = ?)", cp.NewCourseID); n != want {
				t.Errorf("the copy has %d %s, want %d", n, table, want)
			}
		}
		r.Exec(t, "DELETE FROM courses WHERE id = ?", cp.NewCourseID)

		if size, err := r.DB.CopySize(ctx, c.Course.ID, nil, 300); err != nil || *size != (store.CopySize{Rooms: 2, Seats: 301, Artifacts: 301, Bytes: 301 * 13}) {
			t.Errorf("got %+v (%v)", size, err)
		}
		t.Run("agents of the project", func(t *testing.T) {
			quota := r.Config.Quotas.AgentsPerProject
			defer func() { r.Config.Quotas.AgentsPerProject = quota }()
			there := count("agents", "project_id = ?", c.Project.ID)
			r.Config.Quotas.AgentsPerProject = there + 301
			_, err := begin(all)
			full(err, "quota", "quotas.agents_per_project")
			full(err, "quota", fmt.Sprintf("has %d, and the copy brings 302", there))
			cp, err := begin(app.CopyParts{Rooms: true})
			must(t, err)
			cancel(cp)
			r.Config.Quotas.AgentsPerProject = there + 302
			cp, err = begin(all)
			must(t, err)
			r.Config.Quotas.AgentsPerProject = there + 301
			if cp = run(cp); cp.State != store.CopyFailed || cp.AgentsLeft != 0 || !strings.Contains(cp.Reason, "project_id") {
				t.Errorf("got %+v", cp)
			}
			if n := count("agents", "project_id = ?", c.Project.ID); n != there {
				t.Errorf("the project has %d agents, want %d", n, there)
			}
		})
		t.Run("quotas of the course", func(t *testing.T) {
			was := r.Config.Quotas
			defer func() { r.Config.Quotas = was }()
			for setting, lower := range map[string]func(){
				"quotas.rooms_per_course":   func() { r.Config.Quotas.RoomsPerCourse = 1 },
				"quotas.members_per_course": func() { r.Config.Quotas.MembersPerCourse = 2 },
				"quotas.artifacts":          func() { r.Config.Quotas.Artifacts = 64 << 10 },
				"quotas.courses":            func() { r.Config.Quotas.Courses = 1 },
			} {
				lower()
				_, err := begin(whole)
				full(err, "quota", setting)
				r.Config.Quotas = was
			}
		})
		t.Run("seats", func(t *testing.T) {
			seat := func(n int) {
				t.Helper()
				room, err := r.CreateRoom(ctx, c.Teacher, c.Course.ID, app.RoomSettings{Name: app.Some("More")})
				must(t, err)
				r.Exec(t, "INSERT INTO room_agents (room_id, agent_id, created_at)"+
					" SELECT ?, agent_id, created_at FROM room_agents WHERE room_id = ? ORDER BY agent_id LIMIT ?", room.ID, c.Room.ID, n)
			}
			seat(302)
			seat(302)
			seat(94)
			cp, err := begin(app.CopyParts{Rooms: true})
			must(t, err)
			seat(1)
			if cp = run(cp); cp.State != store.CopyFailed || !strings.Contains(cp.Reason, "1000 agents") {
				t.Errorf("got %+v", cp)
			}
			_, err = begin(app.CopyParts{Rooms: true})
			full(err, "too_many", "Take some out of rooms first")
			cp, err = begin(app.CopyParts{Announcements: true})
			must(t, err)
			cancel(cp)
			r.Exec(t, "DELETE FROM rooms WHERE name = 'More'")
		})
		t.Run("artifacts", func(t *testing.T) {
			r.Exec(t, "UPDATE artifacts SET content_bytes = ? WHERE id = ?", 32<<20, one.ID)
			_, err := begin(all)
			full(err, "too_many", "32MiB")
			r.Exec(t, "UPDATE artifacts SET content_bytes = 13 WHERE id = ?", one.ID)
			third, err := r.CreateRoom(ctx, c.Teacher, c.Course.ID, app.RoomSettings{Name: app.Some("Third")})
			must(t, err)
			fill(second.ID, 1000)
			fill(third.ID, 599)
			cp, err := begin(all)
			must(t, err)
			extra, err := r.CreateArtifact(ctx, c.Student, third.ID, app.NewArtifact{Type: "doc", Title: "One too many"})
			must(t, err)
			if cp = run(cp); cp.State != store.CopyFailed || !strings.Contains(cp.Reason, "2000 artifacts") {
				t.Errorf("got %+v", cp)
			}
			_, err = begin(all)
			full(err, "too_many", "copy it without them")
			cp, err = begin(app.CopyParts{Rooms: true})
			must(t, err)
			cancel(cp)
			must(t, r.DeleteArtifact(ctx, c.Student, extra.ID, false))
			cp, err = begin(all)
			must(t, err)
			cancel(cp)
		})
		if n := count("courses", "owner_id = ?", who); n != 1 {
			t.Errorf("the teacher has %d courses, want 1", n)
		}
	})
}

// The project that gets the agents is the person's choice, among those where they may make
// some; an agent that they may neither read nor use stays out, seat by seat.
func TestCopyAgents(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		ctx := t.Context()
		other := r.User(t, app.RoleTeacher, "Theo")
		org, err := r.CreateOrganization(ctx, other, "Elsewhere", nil)
		must(t, err)
		foreign, err := r.CreateProject(ctx, other, org.ID, "Foreign", nil)
		must(t, err)
		theirs, err := storetest.All(r.Agents(ctx, other, foreign.ID, store.Page{}))
		must(t, err)
		second, err := r.CreateRoom(ctx, c.Teacher, c.Course.ID, app.RoomSettings{Name: app.Some("Second")})
		must(t, err)
		for _, at := range [][2]string{{c.Room.ID, theirs[0].ID}, {second.ID, theirs[0].ID}, {second.ID, theirs[1].ID}} {
			_, err := r.AttachAgent(ctx, c.Admin, at[0], at[1])
			must(t, err)
		}
		begin := func(project string, agents bool) (*store.CourseCopy, error) {
			return r.CopyCourse(ctx, c.Teacher, c.Course.ID, app.NewCopy{Title: "Again", ProjectID: project, CopyParts: app.CopyParts{Rooms: true, Agents: agents}})
		}
		made := func(project string, agents bool) (*store.CourseCopy, []store.RoomAgent) {
			t.Helper()
			cp, err := begin(project, agents)
			must(t, err)
			must(t, r.RunCopy(ctx, jobs.CopyCourse{CopyID: cp.ID, Attempt: 1}))
			cp, err = r.CourseCopy(ctx, c.Teacher, c.Course.ID, cp.ID)
			must(t, err)
			if cp.State != store.CopyDone {
				t.Fatalf("got %+v", cp)
			}
			rooms, err := r.DB.RoomsToCopy(ctx, cp.NewCourseID)
			must(t, err)
			var seats []store.RoomAgent
			for _, room := range rooms {
				in, err := r.DB.RoomAgents(ctx, room.ID)
				must(t, err)
				seats = append(seats, in...)
			}
			return cp, seats
		}
		own, err := r.CreateProject(ctx, c.Teacher, c.Project.OrganizationID, "Next year", nil)
		must(t, err)
		cp, seats := made(own.ID, true)
		if cp.AgentsLeft != 3 || len(seats) != 2 || seats[0].Agent.ProjectID != own.ID || seats[1].Agent.ProjectID != own.ID {
			t.Errorf("got %+v with %d seats", cp, len(seats))
		}
		if cp, seats = made("", false); cp.AgentsLeft != 3 || len(seats) != 2 || seats[0].Agent.ProjectID != c.Project.ID {
			t.Errorf("got %+v with %d seats", cp, len(seats))
		}
		// Who may read them gets agents of their own; to sit there they must be used.
		must(t, r.DB.InTx(ctx, func(tx *store.Tx) error {
			return tx.AddProjectMember(ctx, &store.ProjectMember{ProjectID: foreign.ID, UserID: c.Teacher.User.ID, Role: "viewer", CreatedAt: r.Now()})
		}))
		if cp, seats = made("", true); cp.AgentsLeft != 0 || len(seats) != 5 {
			t.Errorf("got %+v with %d seats", cp, len(seats))
		}
		for _, s := range seats {
			if s.Agent.ProjectID != c.Project.ID || s.Agent.CreatedBy != c.Teacher.User.ID {
				t.Errorf("got %+v", s.Agent)
			}
		}
		if cp, seats = made("", false); cp.AgentsLeft != 3 || len(seats) != 2 {
			t.Errorf("got %+v with %d seats", cp, len(seats))
		}
		// In a project of others nobody makes agents, nor where they may read only, nor where
		// they were put out meanwhile.
		_, err = begin(foreign.ID, true)
		refused(t, err, app.KindForbidden, "", "")
		r.Exec(t, "DELETE FROM project_members WHERE project_id = ? AND user_id = ?", foreign.ID, c.Teacher.User.ID)
		_, err = begin(foreign.ID, true)
		refused(t, err, app.KindForbidden, "", "")
		_, err = begin(store.NewID(), true)
		refused(t, err, app.KindNotFound, "", "")
		cp, err = begin(own.ID, true)
		must(t, err)
		r.Exec(t, "DELETE FROM project_members WHERE project_id = ? AND user_id = ?", own.ID, c.Teacher.User.ID)
		must(t, r.RunCopy(ctx, jobs.CopyCourse{CopyID: cp.ID, Attempt: 1}))
		cp, err = r.CourseCopy(ctx, c.Teacher, c.Course.ID, cp.ID)
		must(t, err)
		if cp.State != store.CopyFailed || cp.Reason == "" || cp.NewCourseID != "" {
			t.Errorf("got %+v", cp)
		}
		// Who was deactivated meanwhile gets no course.
		cp, err = begin("", false)
		must(t, err)
		r.Exec(t, "UPDATE users SET is_active = ? WHERE id = ?", false, c.Teacher.User.ID)
		must(t, r.RunCopy(ctx, jobs.CopyCourse{CopyID: cp.ID, Attempt: 1}))
		r.Exec(t, "UPDATE users SET is_active = ? WHERE id = ?", true, c.Teacher.User.ID)
		cp, err = r.CourseCopy(ctx, c.Teacher, c.Course.ID, cp.ID)
		must(t, err)
		if cp.State != store.CopyFailed || cp.NewCourseID != "" {
			t.Errorf("got %+v", cp)
		}
	})
}

// A copy that is cancelled while it runs leaves nothing, and its person may begin another at
// once. Cancelled too late, it is whole.
func TestCopyCancelled(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		ctx := t.Context()
		full(t, r, c)
		for i := range 25 {
			_, err := r.CreateRoom(ctx, c.Teacher, c.Course.ID, app.RoomSettings{Name: app.Some(fmt.Sprint("Room ", i))})
			must(t, err)
		}
		sums := func() string {
			t.Helper()
			text := ""
			for _, table := range []string{"courses", "rooms", "agents", "room_agents", "artifacts", "workflows", "announcements", "course_members", "projects"} {
				text += fmt.Sprintf("%s %d, ", table, storetest.Count(t, r.DB, "SELECT count(*) FROM "+table))
			}
			return text
		}
		before := sums()
		cancelled := 0
		for tries := 0; cancelled < 3; tries++ {
			if tries == 100 {
				t.Fatal("no copy could be cancelled while it ran")
			}
			cp, err := r.CopyCourse(ctx, c.Teacher, c.Course.ID, app.NewCopy{Title: "Again", CopyParts: whole})
			must(t, err)
			over := make(chan error, 1)
			go func() { over <- r.RunCopy(ctx, jobs.CopyCourse{CopyID: cp.ID, Attempt: 1}) }()
			apptest.Await(t, "the copy to run", func() bool {
				now, err := r.CourseCopy(ctx, c.Teacher, c.Course.ID, cp.ID)
				must(t, err)
				return now.State != store.CopyQueued
			})
			got, err := r.CancelCopy(ctx, c.Teacher, c.Course.ID, cp.ID)
			must(t, <-over)
			if err != nil { // it was done before
				refused(t, err, app.KindConflict, "", "")
				got, err = r.CourseCopy(ctx, c.Teacher, c.Course.ID, cp.ID)
				must(t, err)
				if got.State != store.CopyDone {
					t.Fatalf("got %+v", got)
				}
				before = sums()
				continue
			}
			cancelled++
			if got.State != store.CopyCancelled || sums() != before {
				t.Fatalf("got %+v and %s, want %s", got, sums(), before)
			}
			must(t, r.RunCopy(ctx, jobs.CopyCourse{CopyID: cp.ID, Attempt: 1}))
			must(t, r.SweepCopies(ctx, r.Now().Add(app.CopyLease+1)))
			if sums() != before {
				t.Fatalf("a job made a cancelled copy")
			}
		}
	})
}
