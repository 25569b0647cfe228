package app_test

import (
	"errors"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// In an archived course everybody reads, nobody writes, no agent speaks; and it opens again.
func TestArchiveCourse(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		ctx := t.Context()
		said := post(t, r, c.Student, c.Room.ID, "before")
		turn := store.Turn{ID: store.NewID(), RoomID: c.Room.ID, AgentID: c.TeacherAgent.ID, TriggerSeq: said.Seq, State: store.TurnQueued, CreatedAt: r.Now()}
		if err := r.DB.InTx(ctx, func(tx *store.Tx) error { return tx.CreateTurns(ctx, []store.Turn{turn}) }); err != nil {
			t.Fatal(err)
		}
		code, err := r.SetJoinCode(ctx, c.Teacher, c.Course.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, who := range []*app.Actor{c.Student, c.TA, c.Outsider} {
			_, err := r.ArchiveCourse(ctx, who, c.Course.ID)
			refused(t, err, app.KindForbidden, "", "")
		}
		for range 2 {
			if got, err := r.ArchiveCourse(ctx, c.Teacher, c.Course.ID); err != nil || got.ArchivedAt.IsZero() {
				t.Fatalf("got %+v, %v", got, err)
			}
		}
		if got := audited(t, r, app.ActArchiveCourse, c.Course.ID); got != 1 {
			t.Errorf("it is in the audit log %d times, want once", got)
		}
		if got, err := r.DB.Turn(ctx, turn.ID); err != nil || got.State != store.TurnStopped {
			t.Errorf("got %+v, %v, want the turn stopped", got, err)
		}
		newcomer := r.User(t, app.RoleStudent, "Nora")
		for name, write := range map[string]func() error{
			"a post":            func() error { _, err := r.PostMessage(ctx, c.Student, c.Room.ID, "x", store.NewID()); return err },
			"a post of staff":   func() error { _, err := r.PostMessage(ctx, c.Teacher, c.Room.ID, "x", store.NewID()); return err },
			"a post of admins":  func() error { _, err := r.PostMessage(ctx, c.Admin, c.Room.ID, "x", store.NewID()); return err },
			"an edit":           func() error { _, err := r.EditMessage(ctx, c.Student, c.Room.ID, said.ID, "y"); return err },
			"a deletion":        func() error { return r.DeleteMessage(ctx, c.Student, c.Room.ID, said.ID) },
			"hiding":            func() error { _, err := r.HideMessage(ctx, c.Teacher, c.Room.ID, said.ID); return err },
			"a room's settings": func() error { _, err := r.UpdateRoom(ctx, c.Teacher, c.Room.ID, app.RoomSettings{}); return err },
			"a course's":        func() error { _, err := r.UpdateCourse(ctx, c.Teacher, c.Course.ID, app.CourseSettings{}); return err },
			"a new room": func() error {
				_, err := r.CreateRoom(ctx, c.Teacher, c.Course.ID, app.RoomSettings{Name: app.Opt[string]{Sent: true, Value: "n"}})
				return err
			},
			"an agent": func() error { _, err := r.AttachAgent(ctx, c.Teacher, c.Room.ID, c.TeacherAgent.ID); return err },
			"joining":  func() error { _, err := r.JoinCourse(ctx, newcomer, code.Code); return err },
		} {
			var refusal *app.Error
			if err := write(); !errors.As(err, &refusal) || refusal.Kind != app.KindConflict || refusal.Code != wording.Archived {
				t.Errorf("%s: got %v, want that the course is archived", name, err)
			}
		}
		_, err = r.PostMessage(ctx, c.Outsider, c.Room.ID, "x", store.NewID())
		refused(t, err, app.KindForbidden, "", "")
		if _, err := r.MarkRead(ctx, c.Student, c.Room.ID, said.Seq); err != nil {
			t.Errorf("marking as read: %v", err)
		}
		if got := r.Messages(t, c.Room.ID, 0); len(got) != 1 {
			t.Errorf("got %d messages, want the one from before", len(got))
		}
		if agents, err := r.CourseAgents(ctx, c.TA, c.Course.ID); err != nil || len(agents) != 2 || agents[0].Rule != "room_off" {
			t.Errorf("got %+v, %v, want an agent that may not speak", agents, err)
		}
		shown := func(archived bool) (courses, rooms int) {
			all, err := storetest.All(r.Courses(ctx, c.Student, archived, store.Page{Limit: 10}))
			if err != nil {
				t.Fatal(err)
			}
			mine, err := r.MyRooms(ctx, c.Student, store.MyRoomSearch{Limit: 10})
			if err != nil {
				t.Fatal(err)
			}
			return len(all), len(mine)
		}
		if courses, rooms := shown(false); courses != 0 || rooms != 0 {
			t.Errorf("the lists have %d courses and %d rooms, want none", courses, rooms)
		}
		if courses, _ := shown(true); courses != 1 {
			t.Errorf("the list of archived ones has %d courses, want 1", courses)
		}
		if mine, err := r.MyRooms(ctx, c.Student, store.MyRoomSearch{CourseID: c.Course.ID, Limit: 10}); err != nil || len(mine) != 1 || mine[0].Can.Post {
			t.Errorf("got %+v, %v, want the room, in which nobody posts", mine, err)
		}
		if got, err := r.ReopenCourse(ctx, c.Teacher, c.Course.ID); err != nil || !got.ArchivedAt.IsZero() {
			t.Fatalf("got %+v, %v", got, err)
		}
		post(t, r, c.Student, c.Room.ID, "after")
		if _, err := r.JoinCourse(ctx, newcomer, code.Code); err != nil {
			t.Error(err)
		}
		if courses, rooms := shown(false); courses != 1 || rooms != 1 {
			t.Errorf("the lists have %d courses and %d rooms, want one each", courses, rooms)
		}
		if room, err := r.DB.Room(ctx, c.Room.ID); err != nil || !room.ArchivedAt.IsZero() {
			t.Errorf("got %+v, %v, want the room open", room, err)
		}
	})
}
