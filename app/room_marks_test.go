package app_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// mine is a room as somebody has it, nil when it is not among theirs.
func mine(t *testing.T, r *apptest.Rig, who *app.Actor, roomID string) *app.MyRoom {
	t.Helper()
	rows, err := r.MyRooms(t.Context(), who, store.MyRoomSearch{Limit: 100})
	must(t, err)
	for i := range rows {
		if rows[i].Room.ID == roomID {
			return &rows[i]
		}
	}
	return nil
}

// wantNew checks the read seq, the unread messages and the unread mentions of somebody.
func wantNew(t *testing.T, r *apptest.Rig, who *app.Actor, roomID string, want string) {
	t.Helper()
	m := mine(t, r, who, roomID)
	if m == nil {
		t.Fatalf("%s does not have the room", who.User.Name())
	}
	if got := fmt.Sprintf("%d %d %d", m.ReadSeq(), m.Unread, m.Mentions); got != want {
		t.Errorf("%s: got read seq, unread and mentions %s, want %s", who.User.Name(), got, want)
	}
}

func TestRoomMarks(t *testing.T) {
	t.Parallel()
	unlimited := func(cfg *config.Config) { cfg.Limits.PostsBurst, cfg.Limits.PostsPerMinute = 1000, 1000 }
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url, unlimited)
		ctx := t.Context()
		read := func(who *app.Actor, room string, seq int64) *app.MyRoom {
			t.Helper()
			m, err := r.MarkRead(ctx, who, room, seq)
			must(t, err)
			return m
		}
		t.Run("ReadingGoesUpOnly", func(t *testing.T) {
			c := r.Class(t, silentRoom)
			id := c.Room.ID
			for n := range 4 {
				post(t, r, c.Teacher, id, fmt.Sprint(n))
			}
			wantNew(t, r, c.Student, id, "0 4 0")
			wantNew(t, r, c.Teacher, id, "0 0 0") // the teacher's own
			if m := read(c.Student, id, 3); m.Unread != 1 || m.ReadSeq() != 3 {
				t.Errorf("got %d unread after %d, want 1 after 3", m.Unread, m.ReadSeq())
			}
			read(c.Student, id, 1)
			wantNew(t, r, c.Student, id, "3 1 0")
			read(c.Student, id, 1<<62)
			wantNew(t, r, c.Student, id, "4 0 0")
			post(t, r, c.TA, id, "five")
			wantNew(t, r, c.Student, id, "4 1 0")
			wantNew(t, r, c.TA, id, "0 4 0")
		})
		t.Run("UnreadFromHere", func(t *testing.T) {
			c := r.Class(t, silentRoom)
			id := c.Room.ID
			_, err := r.MarkUnread(ctx, c.Student, id, 1)
			refused(t, err, app.KindInvalid, "", "")
			for range 3 {
				post(t, r, c.Teacher, id, "@Sue look")
			}
			read(c.Student, id, 3)
			wantNew(t, r, c.Student, id, "3 0 0")
			m, err := r.MarkUnread(ctx, c.Student, id, 2)
			must(t, err)
			if m.Unread != 2 || m.Mentions != 2 || m.Mark.UnreadAt.IsZero() {
				t.Errorf("got %d unread, %d mentions, marked at %v", m.Unread, m.Mentions, m.Mark.UnreadAt)
			}
			must(t, second(r.MarkUnread(ctx, c.Student, id, 99)))
			wantNew(t, r, c.Student, id, "2 1 2")
			if m := read(c.Student, id, 3); !m.Mark.UnreadAt.IsZero() || m.Mentions != 0 {
				t.Errorf("got marked unread at %v with %d mentions after reading", m.Mark.UnreadAt, m.Mentions)
			}
		})
		t.Run("Mentions", func(t *testing.T) {
			c := r.Class(t, silentRoom)
			id := c.Room.ID
			first := post(t, r, c.Teacher, id, "@Sue one")
			post(t, r, c.Teacher, id, "@Sue two")
			wantNew(t, r, c.Student, id, "0 2 2")
			read(c.Student, id, first.Seq)
			wantNew(t, r, c.Student, id, "1 1 1")
			read(c.TA, id, 2) // another person's marks stay
			wantNew(t, r, c.Student, id, "1 1 1")
		})
		t.Run("HiddenAndDeletedDoNotCount", func(t *testing.T) {
			c := r.Class(t, silentRoom)
			id := c.Room.ID
			hidden, deleted := post(t, r, c.Teacher, id, "@Sue one"), post(t, r, c.Teacher, id, "@Sue two")
			must(t, second(r.HideMessage(ctx, c.TA, id, hidden.ID)))
			must(t, r.DeleteMessage(ctx, c.Teacher, id, deleted.ID))
			wantNew(t, r, c.Student, id, "0 0 0")
			if m := mine(t, r, c.Admin, id); m != nil {
				t.Errorf("an admin without a place in the course has the room")
			}
			if m := mine(t, r, c.TA, id); m.Last != nil {
				t.Errorf("the last message is %q, want none", m.Last.Excerpt)
			}
		})
		t.Run("WhatWasSaidBeforeOneCame", func(t *testing.T) {
			c := r.Class(t, silentRoom)
			id := c.Room.ID
			post(t, r, c.Teacher, id, "before")
			r.Advance(time.Minute)
			must(t, second(r.Enrol(ctx, c.Teacher, c.Course.ID, app.Person{ID: c.Outsider.User.ID}, "")))
			wantNew(t, r, c.Outsider, id, "0 0 0")
			post(t, r, c.Teacher, id, "after")
			wantNew(t, r, c.Outsider, id, "0 1 0")
			must(t, second(r.MarkUnread(ctx, c.Outsider, id, 1)))
			wantNew(t, r, c.Outsider, id, "0 2 0")
			r.Exec(t, "UPDATE rooms SET unread_after = 1 WHERE id = ?", id)
			wantNew(t, r, c.Student, id, "1 1 0")
			read(c.Student, id, 1)
			wantNew(t, r, c.Student, id, "1 1 0")
		})
		t.Run("CountsAreBounded", func(t *testing.T) {
			c := r.Class(t, silentRoom)
			id := c.Room.ID
			for range store.MaxUnread + 5 {
				post(t, r, c.Teacher, id, "@Sue")
			}
			wantNew(t, r, c.Student, id, "0 100 100")
			read(c.Student, id, 6)
			wantNew(t, r, c.Student, id, "6 99 99")
		})
		t.Run("NotifyAndPin", func(t *testing.T) {
			c := r.Class(t, silentRoom)
			id := c.Room.ID
			set := func(s app.MyRoomSettings) *app.MyRoom {
				t.Helper()
				m, err := r.SetMyRoom(ctx, c.Student, id, s)
				must(t, err)
				return m
			}
			pinned := set(app.MyRoomSettings{Pinned: app.Some(true)}).Mark.PinnedAt
			r.Advance(time.Minute)
			m := set(app.MyRoomSettings{Pinned: app.Some(true), Notify: app.Some(store.NotifyNone)})
			if !m.Mark.PinnedAt.Equal(pinned) || m.Mark.Notify != store.NotifyNone || m.Mark.ReadSeq != nil {
				t.Errorf("got %+v", m.Mark)
			}
			if m = set(app.MyRoomSettings{}); m.Mark.Notify != store.NotifyNone || m.Mark.PinnedAt.IsZero() {
				t.Errorf("what was not sent changed: %+v", m.Mark)
			}
			if m = set(app.MyRoomSettings{Notify: app.Opt[string]{Sent: true, Null: true}, Pinned: app.Some(false)}); m.Mark.Notify != "" || !m.Mark.PinnedAt.IsZero() {
				t.Errorf("got %+v, want the defaults", m.Mark)
			}
			_, err := r.SetMyRoom(ctx, c.Student, id, app.MyRoomSettings{Notify: app.Some("loud")})
			refused(t, err, app.KindInvalid, "", "")
			_, err = r.SetMyRoom(ctx, c.Student, id, app.MyRoomSettings{Pinned: app.Opt[bool]{Sent: true, Null: true}})
			refused(t, err, app.KindInvalid, "", "")
			must(t, second(r.SetMyRoom(ctx, c.Admin, id, app.MyRoomSettings{Pinned: app.Some(true)})))
			if mine(t, r, c.Admin, id) == nil {
				t.Error("an admin does not have the room that they have pinned")
			}
		})
		t.Run("WhoIsOutMarksNothing", func(t *testing.T) {
			c := r.Class(t, silentRoom)
			post(t, r, c.Teacher, c.Room.ID, "hello")
			for _, err := range []error{second(r.MarkRead(ctx, c.Outsider, c.Room.ID, 1)), second(r.MarkUnread(ctx, c.Outsider, c.Room.ID, 1)),
				second(r.SetMyRoom(ctx, c.Outsider, c.Room.ID, app.MyRoomSettings{})), second(r.MarkRead(ctx, c.Student, store.NewID(), 1))} {
				refused(t, err, app.KindNotFound, "", "Room not found")
			}
			must(t, r.RemoveMember(ctx, c.Teacher, c.Course.ID, c.Student.User.ID))
			refused(t, second(r.MarkRead(ctx, c.Student, c.Room.ID, 1)), app.KindNotFound, "", "Room not found")
			if mine(t, r, c.Student, c.Room.ID) != nil {
				t.Error("who was removed still has the room")
			}
		})
		t.Run("GoesWithTheRoomAndThePerson", func(t *testing.T) {
			c := r.Class(t, silentRoom)
			post(t, r, c.Teacher, c.Room.ID, "hello")
			read(c.Student, c.Room.ID, 1)
			read(c.TA, c.Room.ID, 1)
			_, _, err := r.DeleteUser(ctx, c.Admin, c.TA.User.ID, false)
			must(t, err)
			must(t, second(r.DeleteRoom(ctx, c.Teacher, c.Room.ID, false)))
			_, marks, found := strings.Cut(r.Dump(t), "== room_marks")
			marks, _, _ = strings.Cut(marks, "== ")
			if !found || strings.Contains(marks, c.Room.ID) {
				t.Errorf("a mark is left of a room that is gone: %s", marks)
			}
		})
		t.Run("DevicesAtOnce", func(t *testing.T) {
			c := r.Class(t, silentRoom)
			for range 20 {
				post(t, r, c.Teacher, c.Room.ID, "hello")
			}
			var all sync.WaitGroup
			for seq := range int64(20) {
				all.Go(func() {
					if m, err := r.MarkRead(ctx, c.Student, c.Room.ID, 20-seq); err != nil || m.ReadSeq() < 20-seq {
						t.Errorf("got %v, %v after reading up to %d", m, err, 20-seq)
					}
				})
			}
			all.Wait()
			wantNew(t, r, c.Student, c.Room.ID, "20 0 0")
		})
	})
}
