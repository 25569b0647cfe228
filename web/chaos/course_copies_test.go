//go:build unix

package chaos

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
	"github.com/coagent-studio/coagent/web/proctest"
)

// has is how many rows of each kind a course has: what a copy of it has, once each.
type has struct{ Rooms, Seats, Agents, Artifacts, Tasks, Workflows, Announcements, Members int }

func hasOf(t *testing.T, s *proctest.Site, course string) has {
	t.Helper()
	count := func(query string) int { return storetest.Count(t, s.DB(), query, course) }
	const rooms = " IN (SELECT id FROM rooms WHERE course_id = ?)"
	return has{
		Rooms: count("SELECT count(DISTINCT name) FROM rooms WHERE course_id = ?"), Seats: count("SELECT count(*) FROM room_agents WHERE room_id" + rooms),
		Agents:    count("SELECT count(DISTINCT agent_id) FROM room_agents WHERE room_id" + rooms),
		Artifacts: count("SELECT count(*) FROM artifacts WHERE room_id" + rooms),
		Tasks: count("SELECT count(*) FROM (SELECT DISTINCT r.name, f.title, f.parent_id IS NULL FROM artifacts AS f JOIN rooms AS r ON r.id = f.room_id" +
			" WHERE r.course_id = ?) AS different"),
		Workflows:     count("SELECT count(DISTINCT name) FROM workflows WHERE course_id = ?"),
		Announcements: count("SELECT count(DISTINCT title) FROM announcements WHERE course_id = ?"),
		Members:       count("SELECT count(*) FROM course_members WHERE course_id = ?"),
	}
}

// countAll is how many rows there are of what a copy makes, in all courses.
func countAll(t *testing.T, s *proctest.Site) map[string]int {
	t.Helper()
	n := map[string]int{}
	for _, table := range []string{"courses", "rooms", "room_agents", "agents", "artifacts", "workflows", "announcements", "course_members",
		"projects", "organizations"} {
		n[table] = storetest.Count(t, s.DB(), "SELECT count(*) FROM "+table)
	}
	return n
}

// TestCourseCopiesKilled: kill -9 at many moments of copies of a course, from the request to
// their end. Each ends as one course that has all of its own once; until then nothing of it
// is there.
func TestCourseCopiesKilled(t *testing.T) {
	t.Parallel()
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		serve := s.Serve()
		victim := serve
		if s.Postgres() {
			if err := serve.Kill9(); err != nil {
				t.Fatal(err)
			}
			serve = s.Serve("COAGENT_JOBS_IN_SERVE=false")
			victim = s.Worker()
		}
		w := s.Populate(proctest.To(false, serve), proctest.Plan{Students: 3, Rooms: 12, Agent: "sk-test"})
		furnish(t, w)
		original, one := hasOf(t, s, w.CourseID), map[string]int{}
		copies := "/api/v1/courses/" + w.CourseID + "/copies"
		type state struct {
			ID, State, Reason string
			Done, Total       int
			AgentsLeft        int    `json:"agents_left"`
			NewCourseID       string `json:"new_course_id"`
		}
		begin := func(n int) (c state) {
			w.Teacher.Call(t, http.MethodPost, copies, map[string]any{"title": fmt.Sprintf("Copy %d", n), "rooms": true, "agents": true, "artifacts": true,
				"workflows": true, "announcements": true, "members": true}, &c)
			return c
		}
		now := func(id string) (c state) {
			w.Teacher.Call(t, http.MethodGet, copies+"/"+id, nil, &c)
			return c
		}
		ended := func(id string) (c state) {
			for until := within(t, time.Minute); ; pause(until, 20*time.Millisecond) {
				if c = now(id); c.State != store.CopyQueued && c.State != store.CopyRunning {
					return c
				}
				if until.Err() != nil {
					t.Fatalf("the copy does not end: %+v", c)
				}
			}
		}
		// Two are left alone; the second tells how long a copy takes.
		var takes time.Duration
		for range 2 {
			one = countAll(t, s)
			from := time.Now()
			for c := begin(0); c.State != store.CopyDone; c = now(c.ID) {
				pause(within(t, time.Minute), 2*time.Millisecond)
			}
			takes = time.Since(from)
		}
		perCopy := countAll(t, s)
		for table := range perCopy {
			perCopy[table] -= one[table]
		}
		cut, whole := 0, 2
		rounds := either(40, 8)
		for n := range rounds {
			before := countAll(t, s)
			c := begin(n + 1)
			kills := 1 + n%2 // the third attempt is the last
			for range kills {
				if n%2 == 0 {
					pause(t.Context(), between(0, takes))
				} else {
					for until := within(t, time.Minute); now(c.ID).State == store.CopyQueued && until.Err() == nil; {
						pause(until, 2*time.Millisecond)
					}
					pause(t.Context(), between(0, 100*time.Millisecond))
				}
				if err := victim.Kill9(); err != nil {
					t.Fatal(err)
				}
				if storetest.Count(t, s.DB(), "SELECT count(*) FROM course_copies WHERE id = ? AND state = 'done'", c.ID) == 0 {
					cut++
					if got := countAll(t, s); fmt.Sprint(got) != fmt.Sprint(before) {
						t.Errorf("a copy that is not done left %v, want %v", got, before)
					}
				}
				// The dead worker's lease is over at once instead of after two minutes.
				storetest.Exec(t, s.DB(), "UPDATE course_copies SET lease_until = created_at WHERE id = ? AND ended_at IS NULL", c.ID)
				if _, err := victim.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			c = ended(c.ID)
			if c.State != store.CopyDone || c.NewCourseID == "" || c.Done != len(w.Rooms) || c.AgentsLeft != 0 {
				t.Fatalf("round %d: got %+v", n, c)
			}
			whole++
			if got := hasOf(t, s, c.NewCourseID); got != original {
				t.Errorf("round %d: the copy has %+v, want %+v", n, got, original)
			}
			got := countAll(t, s)
			for table, had := range before {
				if got[table] != had+perCopy[table] {
					t.Errorf("round %d: %d rows came to %s, want %d", n, got[table]-had, table, perCopy[table])
				}
			}
		}
		if cut == 0 {
			t.Error("no kill met a copy before its end: nothing is proved")
		}
		table.add(row{fault: "kill -9 in copies of a course", database: s.Database(), note: fmt.Sprintf("%d copies, %d kills before the end", whole, cut)})
		t.Logf("a copy takes %v; %d copies are whole, and %d kills met one before its end", takes, whole, cut)
	}, "COAGENT_QUOTAS_STORED=1GiB", "COAGENT_QUOTAS_ARTIFACTS=1GiB", "COAGENT_QUOTAS_AGENTS_PER_PROJECT=100000", "COAGENT_QUOTAS_COURSES=1000",
		"COAGENT_TURNS_SWEEP=100ms", "COAGENT_LIMITS_EDITS_PER_MINUTE=100000")
}

// furnish gives a course what a copy can have.
func furnish(t *testing.T, w *proctest.World) {
	t.Helper()
	for n, room := range w.Rooms {
		for i := range 15 {
			var parent struct{ ID string }
			path := "/api/v1/workspaces/" + room + "/artifacts"
			w.Teacher.Call(t, http.MethodPost, path, map[string]any{"type": "task", "title": fmt.Sprintf("Task %d of %d", i, n)}, &parent)
			w.Teacher.Call(t, http.MethodPost, path, map[string]any{"type": "task", "title": fmt.Sprintf("Part of task %d of %d", i, n),
				"parent_artifact_id": parent.ID}, nil)
		}
		w.Teacher.Call(t, http.MethodPost, "/api/v1/announcements/", map[string]string{"course_id": w.CourseID, "title": fmt.Sprintf("News %d", n),
			"content": "Tomorrow"}, nil)
		graph := json.RawMessage(`{"name": "answer", "start_node": "start", "nodes": {"start": {"type": "start"},
			"say": {"type": "agent", "handler": "speaker", "config": {"mode": "say", "output": "answer"}},
			"post": {"type": "action", "handler": "broadcast", "config": {"of": "answer"}}, "end": {"type": "end", "config": {"status": "said"}}},
			"edges": [{"from": "start", "to": "say"}, {"from": "say", "to": "post"}, {"from": "post", "to": "end"}]}`)
		w.Teacher.Call(t, http.MethodPost, "/api/v1/workflows", map[string]any{"course_id": w.CourseID, "name": fmt.Sprintf("Own %d", n),
			"graph": graph}, nil)
	}
}
