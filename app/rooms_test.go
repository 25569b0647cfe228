package app_test

import (
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func TestRooms(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		ctx := t.Context()
		guest := r.User(t, app.RoleGuest, "Gus")
		t.Run("Create", func(t *testing.T) {
			room, err := r.CreateRoom(ctx, c.TA, c.Course.ID, app.RoomSettings{Name: app.Some(" Lab ")})
			if err != nil || room.Name != "Lab" || room.Description != nil || !room.IsAIActive || room.IsAnalyticsActive || room.AIFrequency != 0.5 || room.AIMode != store.ModeTeacherOnly {
				t.Errorf("got %+v, %v, want the defaults", room, err)
			}
			_, err = r.CreateRoom(ctx, c.TA, c.Course.ID, app.RoomSettings{})
			refused(t, err, app.KindInvalid, "", "name: must not be empty")
			for _, who := range []*app.Actor{c.Student, c.Outsider} {
				_, err = r.CreateRoom(ctx, who, c.Course.ID, app.RoomSettings{Name: app.Some("Mine")})
				refused(t, err, app.KindForbidden, "", "Not enough permissions")
			}
			_, err = r.CreateRoom(ctx, c.Admin, store.NewID(), app.RoomSettings{Name: app.Some("x")})
			refused(t, err, app.KindNotFound, "", "Course not found")
		})
		t.Run("ModeOfTheConfiguration", func(t *testing.T) {
			r := apptest.NewStopped(t, storeOf(t, url), func(c *config.Config) { c.Rooms.AIMode = store.ModeOff })
			c := r.Class(t)
			for want, mode := range map[string]app.Opt[string]{store.ModeOff: {}, store.ModeBoth: app.Some(store.ModeBoth)} {
				room, err := r.CreateRoom(ctx, c.TA, c.Course.ID, app.RoomSettings{Name: app.Some("Lab"), AIMode: mode})
				if err != nil || room.AIMode != want {
					t.Errorf("got %+v, %v, want %s", room, err, want)
				}
			}
		})
		t.Run("Update", func(t *testing.T) {
			text := "what it is for"
			update := func(s app.RoomSettings) (*store.Room, error) { return r.UpdateRoom(ctx, c.TA, c.Room.ID, s) }
			room, err := update(app.RoomSettings{Description: app.Some(text), AIFrequency: app.Some(0.25), IsAnalyticsActive: app.Some(true)})
			if err != nil || *room.Description != text || room.AIFrequency != 0.25 || !room.IsAnalyticsActive || room.Name != "Cells" || room.AIMode != store.ModeBoth {
				t.Errorf("got %+v, %v, want the unsent members as they were", room, err)
			}
			room, err = update(app.RoomSettings{})
			if err != nil || *room.Description != text || room.AIFrequency != 0.25 {
				t.Errorf("nothing sent: got %+v, %v", room, err)
			}
			if room, err = update(app.RoomSettings{Description: app.Opt[string]{Sent: true, Null: true}}); err != nil || room.Description != nil {
				t.Errorf("null: got %+v, %v, want no description", room, err)
			}
			for name, s := range map[string]app.RoomSettings{
				"NullName":  {Name: app.Opt[string]{Sent: true, Null: true}},
				"NullMode":  {AIMode: app.Opt[string]{Sent: true, Null: true}},
				"NullBool":  {IsAIActive: app.Opt[bool]{Sent: true, Null: true}},
				"NullFloat": {AIFrequency: app.Opt[float64]{Sent: true, Null: true}},
				"BlankName": {Name: app.Some(" ")}, "LongName": {Name: app.Some(strings.Repeat("x", 201))}, "NUL": {Name: app.Some("a\x00")},
				"Mode": {AIMode: app.Some("loud")}, "Below": {AIFrequency: app.Some(-0.01)}, "Above": {AIFrequency: app.Some(1.01)}, "NaN": {AIFrequency: app.Some(math.NaN())},
				"LongText": {Description: app.Some(strings.Repeat("x", 20_001))},
			} {
				if _, err := update(s); app.KindOf(err) != app.KindInvalid {
					t.Errorf("%s: got %v, want an invalid error", name, err)
				}
			}
			stored, err := r.OpenRoom(ctx, c.Student, c.Room.ID, app.RoomParts{})
			if err != nil || stored.Room.Name != "Cells" || stored.Room.AIFrequency != 0.25 || stored.Room.AIMode != store.ModeBoth {
				t.Errorf("after the refusals: got %+v, %v", stored, err)
			}
			_, err = r.UpdateRoom(ctx, c.Student, c.Room.ID, app.RoomSettings{})
			refused(t, err, app.KindForbidden, "", "Not enough permissions")
			_, err = r.UpdateRoom(ctx, c.Admin, store.NewID(), app.RoomSettings{})
			refused(t, err, app.KindNotFound, "", "Room not found")
		})
		t.Run("TwoAtOnceBothStand", func(t *testing.T) {
			var both sync.WaitGroup
			for _, s := range []app.RoomSettings{{Name: app.Some("Renamed")}, {AIFrequency: app.Some(0.75)}, {AIMode: app.Some(store.ModeOff)}} {
				both.Go(func() {
					if _, err := r.UpdateRoom(ctx, c.Teacher, c.Room.ID, s); err != nil {
						t.Error(err)
					}
				})
			}
			both.Wait()
			if got, err := r.OpenRoom(ctx, c.Teacher, c.Room.ID, app.RoomParts{}); err != nil || got.Room.Name != "Renamed" || got.Room.AIFrequency != 0.75 || got.Room.AIMode != store.ModeOff {
				t.Errorf("got %+v, %v, want all changes", got, err)
			}
		})
		t.Run("Assign", func(t *testing.T) {
			got, err := r.AssignToRoom(ctx, c.TA, c.Room.ID, app.Person{Email: guest.User.Email})
			said(t, got, err, "User Gus assigned to room")
			got, err = r.AssignToRoom(ctx, c.TA, c.Room.ID, app.Person{ID: guest.User.ID})
			said(t, got, err, "User already assigned to room")
			_, err = r.AssignToRoom(ctx, c.TA, c.Room.ID, app.Person{ID: store.NewID()})
			refused(t, err, app.KindNotFound, "", "User not found")
			_, err = r.AssignToRoom(ctx, c.TA, store.NewID(), app.Person{ID: guest.User.ID})
			refused(t, err, app.KindNotFound, "", "Room not found")
			for _, who := range []*app.Actor{guest, c.Student, c.Outsider} {
				_, err = r.AssignToRoom(ctx, who, c.Room.ID, app.Person{ID: c.Outsider.User.ID})
				refused(t, err, app.KindForbidden, "", "Not enough permissions")
			}
		})
		t.Run("List", func(t *testing.T) {
			for who, n := range map[*app.Actor]int{c.Admin: 2, c.Teacher: 2, c.TA: 2, c.Student: 2, guest: 1} {
				if got, err := storetest.All(r.Rooms(ctx, who, c.Course.ID, store.Page{})); err != nil || len(got) != n {
					t.Errorf("%s: got %d rooms, %v, want %d", who.User.Role, len(got), err, n)
				}
			}
			_, err := r.Rooms(ctx, c.Outsider, c.Course.ID, store.Page{})
			refused(t, err, app.KindNotFound, "", "Course not found")
			_, err = r.Rooms(ctx, c.Admin, store.NewID(), store.Page{})
			refused(t, err, app.KindNotFound, "", "Course not found")
		})
		t.Run("Read", func(t *testing.T) {
			for _, who := range []*app.Actor{c.Admin, c.Teacher, c.TA, c.Student, guest} {
				if _, err := r.OpenRoom(ctx, who, c.Room.ID, app.RoomParts{}); err != nil {
					t.Errorf("%s: %v", who.User.Role, err)
				}
			}
			for _, id := range []string{c.Room.ID, store.NewID()} { // one cannot tell them apart
				_, err := r.OpenRoom(ctx, c.Outsider, id, app.RoomParts{})
				refused(t, err, app.KindNotFound, "not_found", "Room not found")
			}
		})
	})
}

func TestRoomAgents(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c, other := r.Class(t), r.Class(t)
		ctx := t.Context()
		t.Run("Attach", func(t *testing.T) {
			got, err := r.AttachAgent(ctx, c.Teacher, c.Room.ID, c.TeacherAgent.ID)
			said(t, got, err, "Agent already assigned to room")
			if err := r.DetachAgent(ctx, c.Teacher, c.Room.ID, c.TeacherAgent.ID); err != nil {
				t.Fatal(err)
			}
			err = r.DetachAgent(ctx, c.Teacher, c.Room.ID, c.TeacherAgent.ID)
			refused(t, err, app.KindNotFound, "", "Agent not assigned to this room")
			got, err = r.AttachAgent(ctx, c.Teacher, c.Room.ID, c.TeacherAgent.ID)
			said(t, got, err, "Agent assigned to room")
		})
		t.Run("NeedsBothRights", func(t *testing.T) {
			_, err := r.AttachAgent(ctx, c.Teacher, c.Room.ID, other.TeacherAgent.ID)
			refused(t, err, app.KindNotFound, "", "Agent not found")
			_, err = r.AttachAgent(ctx, c.TA, c.Room.ID, c.TeacherAgent.ID)
			refused(t, err, app.KindNotFound, "", "Agent not found")
			_, err = r.AttachAgent(ctx, c.Teacher, other.Room.ID, c.TeacherAgent.ID)
			refused(t, err, app.KindForbidden, "", "Not enough permissions")
			_, err = r.AttachAgent(ctx, c.Student, c.Room.ID, c.TeacherAgent.ID)
			refused(t, err, app.KindForbidden, "", "Not enough permissions")
			_, err = r.AttachAgent(ctx, c.Admin, c.Room.ID, store.NewID())
			refused(t, err, app.KindNotFound, "", "Agent not found")
			_, err = r.AttachAgent(ctx, c.Admin, store.NewID(), c.TeacherAgent.ID)
			refused(t, err, app.KindNotFound, "", "Room not found")
			refused(t, r.DetachAgent(ctx, c.Student, c.Room.ID, c.TeacherAgent.ID), app.KindForbidden, "", "Not enough permissions")
			if err := r.DetachAgent(ctx, c.TA, c.Room.ID, c.StudentAgent.ID); err != nil {
				t.Errorf("taking out needs no right to the agent: %v", err)
			}
		})
		t.Run("WhoSeesHowMuch", func(t *testing.T) {
			for who, full := range map[*app.Actor]bool{c.Admin: true, c.Teacher: true, c.TA: true, c.Student: false} {
				agents, got, err := r.RoomAgents(ctx, who, c.Room.ID)
				if err != nil || len(agents.IDs()) != 1 || got != full {
					t.Errorf("%s: got %d agents, full %v, %v, want full %v", who.User.Role, len(agents.IDs()), got, err, full)
				}
			}
			_, _, err := r.RoomAgents(ctx, c.Outsider, c.Room.ID)
			refused(t, err, app.KindNotFound, "", "Room not found")
		})
	})
}

func TestDeleteRoom(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		c := r.Class(t)
		ctx := t.Context()
		t.Run("WhoMay", func(t *testing.T) {
			for _, who := range []*app.Actor{c.Student, c.Outsider} {
				_, err := r.DeleteRoom(ctx, who, c.Room.ID, false)
				refused(t, err, app.KindForbidden, "", "Not enough permissions")
			}
		})
		t.Run("WhileAnAgentSpeaks", func(t *testing.T) {
			gate := llmtest.NewGate(3)
			r.Model.Script(gated(gate))
			s := r.Join(t, c.Student, c.Room.ID, true, -1)
			post(t, r, c.Student, c.Room.ID, "@teacher hello")
			reached(t, gate)
			counts, err := r.DeleteRoom(ctx, c.TA, c.Room.ID, true)
			if err != nil || counts["messages"] != 1 || counts["agents"] != 2 || counts["turns"] != 1 {
				t.Errorf("dry run: got %v, %v", counts, err)
			}
			if counts, err := r.DeleteRoom(ctx, c.TA, c.Room.ID, false); err != nil || counts != nil {
				t.Fatalf("got %v, %v", counts, err)
			}
			if got := s.AwaitClose(t); got != realtime.CloseNotMember {
				t.Errorf("the socket was closed with %d, want 4003", got)
			}
			gate.Release()
			_, err = r.DeleteRoom(ctx, c.TA, c.Room.ID, false)
			refused(t, err, app.KindNotFound, "", "Room not found")
			// The worker is free again, and the agent speaks elsewhere.
			other := r.Class(t)
			post(t, r, other.Student, other.Room.ID, "@teacher hello")
			r.Messages(t, other.Room.ID, 2)
			if strings.Contains(r.Log(), "level=ERROR") {
				t.Error("the end of the turn was an error")
			}
		})
	})
}
