package app_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/event"
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

// What has passed Check when its course is archived is refused where it is stored: behind
// the event of the archiving, the log of a room has no change by anybody.
func TestArchiveEndsWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		ctx := t.Context()
		said := post(t, r, c.Student, c.Room.ID, "first")
		doc := makeArtifact(t, r, c.Student, c.Room.ID, "doc", `{"blocks":[]}`)
		writes := []func(i int) error{
			func(int) error { _, err := r.PostMessage(ctx, c.Student, c.Room.ID, "x", store.NewID()); return err },
			func(int) error {
				_, err := r.PostMessage(ctx, c.Teacher, c.Room.ID, "y", "", app.PostWith{ReplyTo: said.ID})
				return err
			},
			func(i int) error {
				_, err := r.EditMessage(ctx, c.Student, c.Room.ID, said.ID, fmt.Sprint(i))
				return err
			},
			func(i int) error { _, err := r.React(ctx, c.TA, c.Room.ID, said.ID, "👍", i%2 == 0); return err },
			func(i int) error { return r.PinMessage(ctx, c.TA, c.Room.ID, said.ID, i%2 == 0) },
			func(i int) error {
				_, err := r.UpdateArtifact(ctx, c.TA, doc.ID, app.ArtifactChange{Title: app.Some(fmt.Sprint("title ", i))})
				return err
			},
			func(i int) error {
				_, err := r.UpdateRoom(ctx, c.TA, c.Room.ID, app.RoomSettings{Name: app.Some(fmt.Sprint("room ", i))})
				return err
			},
			func(i int) error {
				_, err := r.SetRoomAgent(ctx, c.TA, c.Room.ID, c.TeacherAgent.ID, app.RoomAgentSettings{IsActive: app.Some(i%2 == 0)})
				return err
			},
			func(i int) error {
				_, err := r.Announce(ctx, c.TA, c.Course.ID, app.AnnouncementTexts{Title: app.Some(fmt.Sprint(i)), Content: app.Some("x")})
				return err
			},
		}
		var all, begun sync.WaitGroup
		begun.Add(len(writes))
		for n, write := range writes {
			all.Go(func() {
				var once sync.Once
				defer once.Do(begun.Done)
				for i := 0; ; i++ {
					err := write(i)
					if i == 3 {
						once.Do(begun.Done)
					}
					var refusal *app.Error
					switch {
					case err == nil, app.KindOf(err) == app.KindLimited:
						r.Advance(time.Second)
					case errors.As(err, &refusal) && refusal.Code == wording.Archived:
						return
					default:
						t.Errorf("write %d: got %v", n, err)
						return
					}
				}
			})
		}
		begun.Wait()
		if _, err := r.ArchiveCourse(ctx, c.Teacher, c.Course.ID); err != nil {
			t.Fatal(err)
		}
		kept := func() (tables []string) {
			for _, table := range strings.Split(r.Dump(t), "== ") {
				switch name, _, _ := strings.Cut(table, "\n"); name {
				case "artifacts", "announcements", "room_agents", "pins", "reactions":
					tables = append(tables, table)
				}
			}
			return tables
		}
		before := kept()
		all.Wait()
		events, err := r.DB.Events(ctx, c.Room.ID, 0, 5000)
		if err != nil {
			t.Fatal(err)
		}
		at := slices.IndexFunc(events, func(e store.Event) bool { return e.Type == event.TypeArchived })
		if at < 8 || events[at].Body != `{"archived":true}` {
			t.Fatalf("the archiving is event %d of %d", at, len(events))
		}
		for _, e := range events[at+1:] {
			if e.Type != event.TypeReaction { // of reactions before, told after a pause
				t.Errorf("got %s %s behind the archiving", e.Type, e.Body)
			}
		}
		want(t, "what is stored", kept(), before)
	})
}

// An agent that speaks when its course is archived says nothing more, and its turn ends.
func TestArchiveStopsAnAnswer(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		c := r.Class(t)
		turn, gate, watch := speaking(t, r, c, "@teacher")
		if _, err := r.ArchiveCourse(t.Context(), c.Teacher, c.Course.ID); err != nil {
			t.Fatal(err)
		}
		gate.Release()
		watch.Await(t, "the end", func(f apptest.Frame) bool { return f.Is("turn") && f.Fields["state"] == "stopped" })
		r.Idle(t, c.Room.ID)
		want(t, "messages", contents(t, r, c.Room.ID), []string{"@teacher"})
		if got, err := r.DB.Turn(t.Context(), turn.ID); err != nil || got.State != store.TurnStopped {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

// Who has a room open learns that its course was archived, or opened again.
func TestArchiveIsTold(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		c := r.Class(t)
		ctx := t.Context()
		old, open := r.Join(t, c.Student, c.Room.ID, false, -1), r.Join(t, c.Student, c.Room.ID, true, -1)
		said := func(archived bool) func(apptest.Frame) bool {
			return func(f apptest.Frame) bool { return f.Is("archived") && f.Fields["archived"] == archived }
		}
		if _, err := r.ArchiveCourse(ctx, c.Teacher, c.Course.ID); err != nil {
			t.Fatal(err)
		}
		open.Await(t, "the archiving", said(true))
		late := r.Join(t, c.TA, c.Room.ID, true, 0)
		joined := late.Await(t, "how the room is", func(f apptest.Frame) bool { return f.Is("joined") })
		if joined.Fields["archived"] != true || joined.Fields["can"].(map[string]any)["post"] != false {
			t.Errorf("got %s", joined.Text)
		}
		late.Await(t, "what it missed", said(true))
		refusal := func(f apptest.Frame) bool { return f.Is("error") && f.Fields["code"] == string(wording.Archived) }
		apptest.Await(t, "that nobody types any more", func() bool {
			r.Advance(time.Second)
			open.Seat.Typing(ctx)
			for _, f := range open.Frames("error") {
				if refusal(f) {
					return true
				}
			}
			return false
		})
		before := len(open.Frames("error"))
		open.Seat.Editing(ctx, event.Edit{ArtifactID: store.NewID()})
		apptest.Await(t, "that nobody is shown to edit any more", func() bool {
			all := open.Frames("error")
			return len(all) > before && refusal(all[len(all)-1])
		})
		if _, err := r.ReopenCourse(ctx, c.Teacher, c.Course.ID); err != nil {
			t.Fatal(err)
		}
		late.Await(t, "the opening", said(false))
		apptest.Await(t, "that people type again", func() bool {
			r.Advance(time.Second)
			late.Seat.Typing(ctx)
			return len(open.Frames("typing")) > 0
		})
		open.Seat.Post(ctx, "after", "c1")
		old.Await(t, "the message", func(f apptest.Frame) bool { return f.Is("message") && f.Fields["content"] == "after" })
		if got := old.Text(); strings.Contains(got, "archived") {
			t.Errorf("a client of the plain protocol got %s", got)
		}
	})
}
