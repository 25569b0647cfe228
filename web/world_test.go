package web

import (
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func httpStatus(code int) string { return strconv.Itoa(code) }

// world is a course with a room and a project with an agent in it, and one
// caller for each way to stand to them. Tests that change something make their
// own things in it.
type world struct {
	*rig
	users                        map[string]store.User
	callers                      map[string]*caller
	course, room, project, agent string
}

// The callers of a world.
const (
	anonymous    = "anonymous"
	guest        = "guest"
	student      = "student"  // linked to the course
	assigned     = "assigned" // linked to the room alone
	otherStudent = "other course's student"
	ta           = "ta"
	coTeacher    = "co-teacher" // linked to the course as teacher
	owner        = "owner"      // a teacher who owns the course and is admin of the project
	otherTeacher = "another teacher"
	viewer       = "project viewer"
	editor       = "project editor"
	projectAdmin = "project admin"
	admin        = "admin"
	superAdmin   = "super admin"
	inactive     = "inactive"
	endedSession = "ended session"
	expiredToken = "expired token"
)

func newWorld(t testing.TB, url string) *world { return newWorldOf(t, url) }

// newWorldOf is newWorld on a server whose configuration tune has changed.
func newWorldOf(t testing.TB, url string, tune ...func(*config.Config)) *world {
	t.Helper()
	w := &world{rig: start(t, url, tune...), users: map[string]store.User{}, callers: map[string]*caller{}}
	w.callers[anonymous] = w.anon()
	for name, role := range map[string]string{guest: app.RoleGuest, student: app.RoleStudent, assigned: app.RoleStudent,
		otherStudent: app.RoleStudent, ta: app.RoleTA, coTeacher: app.RoleTeacher, owner: app.RoleTeacher, otherTeacher: app.RoleTeacher, viewer: app.RoleStudent,
		editor: app.RoleStudent, projectAdmin: app.RoleStudent,
		admin: app.RoleAdmin, superAdmin: app.RoleSuperAdmin, inactive: app.RoleAdmin, endedSession: app.RoleAdmin, expiredToken: app.RoleAdmin} {
		w.users[name] = w.addUser(t, role, nameOf(name), name != inactive)
		w.callers[name] = w.session(t, w.users[name].ID)
	}
	w.callers[endedSession].must(t, http.StatusOK, post, v1+"/login/logout")
	w.callers[expiredToken] = w.callers[expiredToken].expired(t)

	w.course, w.room = w.newRoom(t, owner)
	other, _ := w.newRoom(t, otherTeacher)
	enrol := func(course, by, who, role string) {
		w.as(by).must(t, http.StatusOK, post, v1+"/courses/"+course+"/enroll", body{"user_id": w.users[who].ID, "role": role})
	}
	enrol(w.course, owner, student, "student")
	enrol(w.course, owner, ta, "ta")
	enrol(w.course, owner, coTeacher, "teacher")
	enrol(other, otherTeacher, otherStudent, "student")
	w.as(owner).must(t, http.StatusOK, post, v1+"/rooms/"+w.room+"/assign", body{"user_id": w.users[assigned].ID})

	org := w.as(owner).must(t, http.StatusOK, post, v1+"/organizations", body{"name": "School"}).text(t, "id")
	w.project = w.as(owner).must(t, http.StatusOK, post, v1+"/projects", body{"name": "Project", "organization_id": org}).text(t, "id")
	if err := w.opened.DB.InTx(t.Context(), func(tx *store.Tx) error {
		for who, role := range map[string]string{viewer: "viewer", editor: "editor", projectAdmin: "admin"} {
			if err := tx.AddProjectMember(t.Context(), &store.ProjectMember{ProjectID: w.project, UserID: w.users[who].ID, Role: role,
				CreatedAt: w.users[who].CreatedAt}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	w.agent = w.newAgent(t)
	w.as(owner).must(t, http.StatusOK, post, v1+"/rooms/"+w.room+"/agents/"+w.agent)
	return w
}

// nameOf makes a user name of a caller's description.
func nameOf(caller string) string {
	b := []byte(caller)
	for i, c := range b {
		if c < 'a' || c > 'z' {
			b[i] = '-'
		}
	}
	return string(b)
}

type body map[string]any

// newTurn adds a turn of the world's agent, which waits for another one and
// which somebody has asked for.
func (w *world) newTurn(t testing.TB, askedBy string) string {
	t.Helper()
	turn := store.Turn{ID: store.NewID(), RoomID: w.room, AgentID: w.agent, TriggerSeq: -time.Now().UnixNano(), State: store.TurnParked, Attempt: 1,
		AskedBy: w.users[askedBy].ID, CreatedAt: time.Now().UTC().Truncate(time.Microsecond)}
	if err := w.opened.DB.InTx(t.Context(), func(tx *store.Tx) error { return tx.CreateTurns(t.Context(), []store.Turn{turn}) }); err != nil {
		t.Fatal(err)
	}
	return turn.ID
}

func (w *world) as(who string) *caller { return w.callers[who] }

// newRoom makes a course and a silent room in it.
func (w *world) newRoom(t testing.TB, by string) (course, room string) {
	t.Helper()
	course = w.as(by).must(t, http.StatusOK, post, v1+"/courses/", body{"title": "Course"}).text(t, "id")
	room = w.as(by).must(t, http.StatusOK, post, v1+"/rooms/", body{"name": "Room", "course_id": course, "ai_mode": "off"}).text(t, "id")
	return course, room
}

// livelyRoom makes a room of the world's course in which its agent is and
// somebody has spoken; the agent does not answer by itself.
func (w *world) livelyRoom(t testing.TB) string {
	t.Helper()
	room := w.as(owner).must(t, http.StatusOK, post, v1+"/rooms/", body{"name": "Lively", "course_id": w.course, "ai_frequency": 0}).text(t, "id")
	w.as(owner).must(t, http.StatusOK, post, v1+"/rooms/"+room+"/agents/"+w.agent)
	w.as(student).must(t, http.StatusCreated, post, v1+"/rooms/"+room+"/messages", body{"text": "hello", "client_id": store.NewID()})
	return room
}

// newMember makes an account and enrols it in the world's course.
func (w *world) newMember(t testing.TB) string {
	t.Helper()
	u := w.addUser(t, app.RoleStudent, "member", true)
	w.as(owner).must(t, http.StatusOK, post, v1+"/courses/"+w.course+"/enroll", body{"user_id": u.ID})
	return u.ID
}

// newPupil makes an account that joins the world's course by its code.
func (w *world) newPupil(t testing.TB) string {
	t.Helper()
	u := w.addUser(t, app.RoleStudent, "pupil", true)
	code := w.as(owner).must(t, http.StatusOK, put, v1+"/courses/"+w.course+"/join-code").text(t, "code")
	w.session(t, u.ID).must(t, http.StatusOK, post, v1+"/courses/join", body{"code": code})
	return u.ID
}

// organization is that of the world's project.
func (w *world) organization(t testing.TB) string {
	t.Helper()
	return w.as(owner).must(t, http.StatusOK, get, v1+"/projects/"+w.project).text(t, "organization_id")
}

// newTemplate makes a template of somebody's own, with a key.
func (w *world) newTemplate(t testing.TB, by string) string {
	t.Helper()
	return w.as(by).must(t, http.StatusOK, post, v1+"/agents/global", body{"type": "teacher", "name": "Mine", "system_prompt": "Teach well.",
		"model_provider": "offline", "api_key": apptest.CanaryKey}).text(t, "id")
}

// newAgent makes an agent with a key in the world's project.
func (w *world) newAgent(t testing.TB) string {
	t.Helper()
	return w.as(owner).must(t, http.StatusOK, post, v1+"/agents/"+w.project, body{"type": "teacher", "name": "Agent " + store.NewID(),
		"system_prompt": "Teach.", "model_provider": "offline", "is_active": true, "api_key": apptest.CanaryKey}).text(t, "id")
}

// newArtifact makes an artifact in the world's room.
func (w *world) newArtifact(t testing.TB, kind string) string {
	t.Helper()
	return w.as(owner).must(t, http.StatusCreated, post, v1+"/workspaces/"+w.room+"/artifacts",
		body{"type": kind, "title": "Something", "content": body{"status": "todo", "order": 1}}).text(t, "id")
}

// analyst gives the system an analytics agent that works offline.
func (w *world) analyst(t testing.TB) {
	t.Helper()
	w.as(admin).must(t, http.StatusOK, put, v1+"/agents/system/analytics", body{"type": "analytics", "model_provider": "offline", "is_active": true})
}

// wantMembers fails unless an object has exactly these members.
func wantMembers(t testing.TB, got map[string]any, want ...string) {
	t.Helper()
	names := slices.Sorted(maps.Keys(got))
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("got members %q, want %q", names, want)
	}
}

// wantProblem fails unless the answer is this error.
func wantProblem(t testing.TB, a answer, status int, detail string) {
	t.Helper()
	if a.status != status || a.text(t, "detail") != detail {
		t.Errorf("got %d %s, want %d %q", a.status, a.body, status, detail)
	}
}

// text is a JSON value as text, to compare by.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

var zTime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$`)

func wantTime(t testing.TB, v any) {
	t.Helper()
	if s, ok := v.(string); !ok || !zTime.MatchString(s) {
		t.Errorf("got time %v, want RFC 3339 with Z and at most microseconds", v)
	}
}

// eachWorld runs rules on both databases. The rules of a world take turns: a
// subtest that waits for its turn would keep a whole server busy meanwhile.
func eachWorld(t *testing.T, rules map[string]func(*testing.T, *world)) {
	t.Helper()
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		for name, rule := range rules {
			t.Run(name, func(t *testing.T) { rule(t, w) })
		}
	})
}
