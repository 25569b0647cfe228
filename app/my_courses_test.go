package app_test

import (
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// A course and its rooms say how a person stands to them and what is new there, and the
// numbers are those of the list of rooms.
func TestMyCourses(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		ctx := t.Context()
		other, err := r.CreateRoom(ctx, c.Teacher, c.Course.ID, app.RoomSettings{Name: app.Opt[string]{Sent: true, Value: "Other"}})
		if err != nil {
			t.Fatal(err)
		}
		r.Advance(time.Second)
		said := post(t, r, c.Teacher, c.Room.ID, "one")
		post(t, r, c.Teacher, other.ID, "two")
		post(t, r, c.Teacher, other.ID, "three @Sue")
		post(t, r, c.Student, c.Room.ID, "mine")
		if _, err := r.HideMessage(ctx, c.Teacher, c.Room.ID, said.ID); err != nil {
			t.Fatal(err)
		}
		for _, tc := range []struct {
			who              *app.Actor
			role             string
			unread, mentions int
			edit, enrol      bool
		}{{c.Student, "student", 2, 1, false, false}, {c.TA, "ta", 3, 0, false, true}, {c.Teacher, "owner", 1, 0, true, true}, {c.Admin, "admin", 0, 0, true, true}} {
			mine, err := r.MyCourses(ctx, tc.who, []string{c.Course.ID, store.NewID()})
			m := mine[c.Course.ID]
			if err != nil || len(mine) != 1 || m.Role != tc.role || m.Unread != tc.unread || m.Mentions != tc.mentions || m.Rooms != 2 || m.Members != 3 ||
				m.Can.Edit != tc.edit || m.Can.Enrol != tc.enrol {
				t.Errorf("%s: got %+v, %v, want %+v", tc.role, mine, err, tc)
			}
			rooms, err := r.RoomStandings(ctx, tc.who, []string{c.Room.ID, other.ID})
			if err != nil || len(rooms) != 2 || rooms[c.Room.ID].Unread+rooms[other.ID].Unread != tc.unread || rooms[other.ID].Mentions != tc.mentions ||
				rooms[other.ID].Members != 3 || rooms[other.ID].Role != tc.role || rooms[other.ID].Can.Edit != (tc.role != "student") {
				t.Errorf("%s: got %+v, %v, want %+v", tc.role, rooms, err, tc)
			}
			o, err := r.CourseOverview(ctx, tc.who, c.Course.ID)
			if err != nil || len(o.Rooms) != 2 || o.Mine.Unread != tc.unread || o.Announcement != nil || len(o.Approvals) != 0 {
				t.Fatalf("%s: got %+v, %v", tc.role, o, err)
			}
			sum := 0
			for _, room := range o.Rooms {
				sum += room.Unread
			}
			if sum != tc.unread && tc.who != c.Admin { // who is not in the course; the list of rooms counts for them too
				t.Errorf("%s: the rooms have %d unread messages, want %d", tc.role, sum, tc.unread)
			}
		}
		if mine, err := r.MyCourses(ctx, c.Outsider, []string{c.Course.ID}); err != nil || len(mine) != 0 {
			t.Errorf("an outsider got %v, %v", mine, err)
		}
		if rooms, err := r.RoomStandings(ctx, c.Outsider, []string{c.Room.ID}); err != nil || len(rooms) != 0 {
			t.Errorf("an outsider got %v, %v", rooms, err)
		}
		_, err = r.CourseOverview(ctx, c.Outsider, c.Course.ID)
		refused(t, err, app.KindForbidden, "", "")
		if _, err := r.Announce(ctx, c.Teacher, c.Course.ID, app.AnnouncementTexts{Title: app.Opt[string]{Sent: true, Value: "Exam"}, Content: app.Opt[string]{Sent: true, Value: "On Friday"}}); err != nil {
			t.Fatal(err)
		}
		if o, err := r.CourseOverview(ctx, c.Student, c.Course.ID); err != nil || o.Announcement == nil || o.Announcement.Title != "Exam" {
			t.Errorf("got %+v, %v", o, err)
		}
	})
}

// One list says of all agents of a course what they do, and why they are silent.
func TestCourseAgents(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		ctx := t.Context()
		if err := r.DetachAgent(ctx, c.Teacher, c.Room.ID, c.StudentAgent.ID); err != nil {
			t.Fatal(err)
		}
		list, err := r.CourseAgents(ctx, c.TA, c.Course.ID)
		if err != nil || len(list) != 1 || list[0].Agent.Name != c.TeacherAgent.Name || list[0].RoomName != c.Room.Name || list[0].Rule != "" || list[0].Turn != nil {
			t.Fatalf("got %+v, %v, want the one agent, which may speak", list, err)
		}
		turn := store.Turn{ID: store.NewID(), RoomID: c.Room.ID, AgentID: c.TeacherAgent.ID, TriggerSeq: 1, State: store.TurnQueued, CreatedAt: r.Now()}
		if err := r.DB.InTx(ctx, func(tx *store.Tx) error { return tx.CreateTurns(ctx, []store.Turn{turn}) }); err != nil {
			t.Fatal(err)
		}
		if _, err := r.UpdateRoom(ctx, c.Teacher, c.Room.ID, app.RoomSettings{AIMode: app.Opt[string]{Sent: true, Value: store.ModeOff}}); err != nil {
			t.Fatal(err)
		}
		list, err = r.CourseAgents(ctx, c.Admin, c.Course.ID)
		if err != nil || len(list) != 1 || list[0].Turn == nil || list[0].Turn.State != store.TurnQueued || list[0].Rule != "room_off" {
			t.Errorf("got %+v, %v, want a queued turn in a room that is off", list, err)
		}
		for _, who := range []*app.Actor{c.Student, c.Outsider} {
			_, err := r.CourseAgents(ctx, who, c.Course.ID)
			refused(t, err, app.KindForbidden, "", "")
		}
	})
}
