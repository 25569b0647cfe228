package app_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func TestPreferences(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		ctx := t.Context()
		who := r.User(t, app.RoleStudent, "Sue")
		set := func(c app.PreferencesChange) (app.Preferences, error) { return r.SetPreferences(ctx, who, c) }
		stored := func() app.Preferences {
			t.Helper()
			u, err := r.DB.User(ctx, who.User.ID)
			must(t, err)
			return app.PreferencesOf(u)
		}
		want := app.Preferences{Theme: "system", Density: "comfortable", SendKey: "enter", Notify: "all"}
		if got := stored(); got != want {
			t.Errorf("got %+v before anything was set, want %+v", got, want)
		}
		_, err := set(app.PreferencesChange{Locale: app.Some("zh-TW"), TimeZone: app.Some("Asia/Taipei"), Sound: app.Some(true)})
		must(t, err)
		want.Locale, want.TimeZone, want.Sound = "zh-TW", "Asia/Taipei", true
		if got := stored(); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		_, err = set(app.PreferencesChange{Locale: app.Opt[string]{Sent: true, Null: true}, Theme: app.Some("dark")})
		must(t, err)
		want.Locale, want.Theme = "", "dark"
		if got := stored(); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		for name, c := range map[string]app.PreferencesChange{
			"Local": {TimeZone: app.Some("Local")}, "NoZone": {TimeZone: app.Some("")}, "Path": {TimeZone: app.Some("../../etc/passwd")},
			"LongZone": {TimeZone: app.Some(strings.Repeat("A", 10_000))}, "Nowhere": {TimeZone: app.Some("Asia/Nowhere")}, "NUL": {TimeZone: app.Some("Asia/Taipei\x00")},
			"Locale": {Locale: app.Some("tlh")}, "Theme": {Theme: app.Some("")}, "Null": {Density: app.Opt[string]{Sent: true, Null: true}},
			"SendKey": {SendKey: app.Some("tab")}, "Notify": {Notify: app.Some("loud")},
		} {
			if _, err := set(c); app.KindOf(err) != app.KindInvalid {
				t.Errorf("%s: got %v, want it refused", name, err)
			}
		}
		if got := stored(); got != want {
			t.Errorf("got %+v after what was refused, want %+v", got, want)
		}
		t.Run("DevicesAtOnce", func(t *testing.T) {
			var all sync.WaitGroup
			for _, c := range []app.PreferencesChange{{Theme: app.Some("light")}, {Density: app.Some("compact")}, {SendKey: app.Some("ctrl_enter")},
				{Notify: app.Some("none")}, {Sound: app.Some(false)}, {Locale: app.Some("en")}} {
				all.Go(func() { _, err := set(c); must(t, err) })
			}
			all.Wait()
			if got, want := stored(), (app.Preferences{"en", "Asia/Taipei", "light", "compact", "ctrl_enter", "none", false}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	})
}

func TestRoomPeople(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		ctx := t.Context()
		c := r.Class(t, silentRoom)
		other, err := r.CreateRoom(ctx, c.Teacher, c.Course.ID, app.RoomSettings{Name: app.Some("Roots")})
		must(t, err)
		must(t, second(r.AssignToRoom(ctx, c.Teacher, c.Room.ID, app.Person{ID: c.Outsider.User.ID})))
		must(t, second(r.AssignToRoom(ctx, c.Teacher, c.Room.ID, app.Person{ID: c.Student.User.ID}))) // is in the course too
		list := func(who *app.Actor, room string, p store.Page) (all []string) {
			t.Helper()
			rows, err := r.RoomPeople(ctx, who, room, p)
			must(t, err)
			for _, p := range rows {
				all = append(all, fmt.Sprintf("%s %s %t %t %t", p.Name(), p.Role, p.Online, p.Here, !p.SeenAt.IsZero()))
			}
			return all
		}
		s := r.Join(t, c.Student, other.ID, true, 0)
		s.Await(t, "presence", func(f apptest.Frame) bool { return f.Is("presence") })
		want := "Tess owner false false true, Tom ta false false true, Sue student true false true, Otto guest false false true"
		if got := strings.Join(list(c.Outsider, c.Room.ID, store.Page{}), ", "); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if got := list(c.Student, c.Room.ID, store.Page{Skip: 1, Limit: 1}); len(got) != 1 || !strings.HasPrefix(got[0], "Tom ") {
			t.Errorf("got %q on the second page, want Tom", got)
		}
		if got := list(c.TA, other.ID, store.Page{}); len(got) != 3 || got[2] != "Sue student true true true" {
			t.Errorf("got %q in the other room", got)
		}
		if m := mine(t, r, c.TA, other.ID); len(m.Online) != 1 || m.Online[0].UserID != c.Student.User.ID || m.Role != app.RoleTA || !m.Can.Hide || m.Can.Approve != true {
			t.Errorf("got %+v", m)
		}
		if m := mine(t, r, c.Student, other.ID); m.Role != app.RoleStudent || !m.Can.Post || m.Can.Hide || m.Can.Edit || m.Can.CallEveryone {
			t.Errorf("a student: got %s %+v", m.Role, m.Can)
		}
		_, err = r.RoomPeople(ctx, c.Outsider, other.ID, store.Page{})
		refused(t, err, app.KindNotFound, "", "Room not found")
	})
}

// What waits for staff comes in one list, and the runs of a course in another, without
// those of courses that one does not run.
func TestListsOverRooms(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		ctx := t.Context()
		c, foreign := r.Class(t, silentRoom), r.Class(t, silentRoom)
		two, err := r.CreateRoom(ctx, c.Teacher, c.Course.ID, app.RoomSettings{Name: app.Some("Roots")})
		must(t, err)
		park := func(room, agent string) (turnID string) {
			t.Helper()
			at := r.Now().UTC().Truncate(1e6)
			turn := store.Turn{ID: store.NewID(), RoomID: room, AgentID: agent, Cause: "post", State: store.TurnParked, Workflow: "review", CreatedAt: at}
			step := store.TurnStep{ID: store.NewID(), TurnID: turn.ID, N: 1, Kind: store.StepTool, Name: "manage_artifacts", State: store.StepPending,
				Input: `{"arguments":{"action":"create"}}`, StartedAt: at, DueAt: at.Add(1e12)}
			must(t, r.DB.InTx(ctx, func(tx *store.Tx) error {
				if err := tx.CreateTurns(ctx, []store.Turn{turn}); err != nil {
					return err
				}
				return tx.SaveSteps(ctx, []store.TurnStep{step})
			}))
			return turn.ID
		}
		first := park(c.Room.ID, c.TeacherAgent.ID)
		then := park(two.ID, c.TeacherAgent.ID)
		park(foreign.Room.ID, foreign.TeacherAgent.ID)
		approvals := func(who *app.Actor, p store.Page) (all []string) {
			t.Helper()
			l, err := r.MyApprovals(ctx, who, p)
			must(t, err)
			rows, err := storetest.All(l, nil)
			must(t, err)
			for _, a := range rows {
				all = append(all, a.Room.Name+" "+a.Turn.ID)
			}
			return all
		}
		for _, who := range []*app.Actor{c.Teacher, c.TA} {
			if got := strings.Join(approvals(who, store.Page{}), ", "); got != "Cells "+first+", Roots "+then {
				t.Errorf("%s: got %s", who.User.Name(), got)
			}
		}
		if got := approvals(c.Teacher, store.Page{Skip: 1}); len(got) != 1 {
			t.Errorf("got %q behind the first", got)
		}
		for _, who := range []*app.Actor{c.Student, c.Admin, c.Outsider} {
			if got := approvals(who, store.Page{}); len(got) != 0 {
				t.Errorf("%s: got %q, want none", who.User.Name(), got)
			}
		}
		runs, err := r.CourseRuns(ctx, c.TA, c.Course.ID, "", 0)
		must(t, err)
		if len(runs) != 2 || runs[0].ID != then || runs[1].ID != first || runs[0].AgentName == "" {
			t.Errorf("got %+v, want both runs, newest first", runs)
		}
		if runs, err = r.CourseRuns(ctx, c.TA, c.Course.ID, then, 10); err != nil || len(runs) != 1 || runs[0].ID != first {
			t.Errorf("got %v, %v before the newest", runs, err)
		}
		refused(t, second(r.CourseRuns(ctx, c.Student, c.Course.ID, "", 0)), app.KindForbidden, "", "")
	})
}
