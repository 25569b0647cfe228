package app_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// given are the reactions to a message: what its row says, which all its rows must say.
func given(t *testing.T, r *apptest.Rig, m *store.Message) string {
	t.Helper()
	var all []string
	n := 0
	for _, it := range event.ReactionsOf(messageNow(t, r, m)) {
		all = append(all, fmt.Sprintf("%s%d", it.Emoji, it.Count))
		n += it.Count
	}
	if rows, _, err := r.DB.CountReactions(t.Context(), m.ID); err != nil || rows != n {
		t.Errorf("the message says %q, and has %d reactions (%v)", all, rows, err)
	}
	return strings.Join(all, " ")
}

// reactionsTold are the events of reactions in a room, each with what it says.
func reactionsTold(t *testing.T, r *apptest.Rig, room string) (all []string) {
	t.Helper()
	events, err := r.DB.Events(t.Context(), room, 0, 1000)
	must(t, err)
	for i := range events {
		if events[i].Type != event.TypeReaction {
			continue
		}
		var frame event.Reactions
		must(t, json.Unmarshal(event.Frame(event.Live(&events[i]), event.VariantFor(true, false)), &frame))
		said := ""
		for _, it := range frame.Reactions {
			said += fmt.Sprintf("%s%d", it.Emoji, it.Count)
		}
		all = append(all, said)
		if event.Frame(event.Live(&events[i]), event.VariantFor(false, true)) != nil {
			t.Error("the plain protocol gets reactions")
		}
	}
	return all
}

func TestReactions(t *testing.T) {
	t.Parallel()
	unlimited := func(cfg *config.Config) { cfg.Limits.PostsBurst, cfg.Limits.PostsPerMinute = 1000, 1000 }
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url, unlimited)
		ctx := t.Context()
		react := func(who *app.Actor, m *store.Message, emoji string, on bool) error {
			return second(r.React(ctx, who, m.RoomID, m.ID, emoji, on))
		}
		t.Run("OnceEach", func(t *testing.T) {
			c := r.Class(t, silentRoom)
			m := post(t, r, c.Teacher, c.Room.ID, "ready?")
			for _, who := range []*app.Actor{c.Student, c.Student, c.TA} {
				must(t, react(who, m, "👍", true))
			}
			must(t, react(c.Student, m, "❤", true))
			must(t, react(c.TA, m, "❤️", true))
			if got := given(t, r, m); got != "👍2 ❤️2" {
				t.Errorf("got %q", got)
			}
			must(t, react(c.Student, m, "👍", false))
			must(t, react(c.Student, m, "👍", false))
			must(t, react(c.Teacher, m, "🎉", false))
			if got := given(t, r, m); got != "👍1 ❤️2" {
				t.Errorf("got %q", got)
			}
			page, err := r.History(ctx, c.Student, c.Room.ID, 0, 10)
			rows, err := storetest.All(page, err)
			if err != nil || len(rows) != 1 || strings.Join(rows[0].Mine, " ") != "❤️" {
				t.Errorf("got %+v, %v", rows, err)
			}
			who, err := r.Reactions(ctx, c.Student, c.Room.ID, m.ID, "❤", store.Page{Limit: 10})
			if err != nil || len(who) != 2 || who[0].UserID != c.Student.User.ID || who[1].User.Name() != "Tom" {
				t.Errorf("got %+v, %v", who, err)
			}
			for _, bad := range []string{"", "x", "👍👍", "\x00", strings.Repeat("👍", 100), "\xff"} {
				refused(t, react(c.Student, m, bad, true), app.KindInvalid, "invalid", "emoji: must be one emoji")
			}
			refused(t, react(c.Outsider, m, "👍", true), app.KindForbidden, "", "")
			refused(t, second(r.React(ctx, c.Student, c.Room.ID, store.NewID(), "👍", true)), app.KindNotFound, "", "Message not found")
		})
		t.Run("Gone", func(t *testing.T) {
			c := r.Class(t, silentRoom)
			m := post(t, r, c.Teacher, c.Room.ID, "one")
			must(t, react(c.Student, m, "👍", true))
			must(t, second(r.HideMessage(ctx, c.TA, c.Room.ID, m.ID)))
			refused(t, react(c.TA, m, "👍", true), app.KindConflict, "deleted", "")
			refused(t, react(c.Student, m, "👍", false), app.KindConflict, "deleted", "")
			page, err := r.History(ctx, c.Student, c.Room.ID, 0, 10)
			rows, err := storetest.All(page, err)
			if err != nil || len(event.ReactionsOf(&rows[0])) != 0 {
				t.Errorf("a hidden message shows %+v, %v", rows, err)
			}
			if who, err := r.Reactions(ctx, c.Student, c.Room.ID, m.ID, "", store.Page{}); err != nil || len(who) != 0 {
				t.Errorf("got %+v, %v", who, err)
			}
		})
		t.Run("Bounds", func(t *testing.T) {
			c := r.Class(t, silentRoom)
			m := post(t, r, c.Teacher, c.Room.ID, "one")
			for i := range 20 {
				must(t, react(c.Student, m, string(rune(0x1F600+i)), true))
			}
			refused(t, react(c.TA, m, "👍", true), app.KindConflict, "too_many", "")
			must(t, react(c.TA, m, "😀", true))
		})
		t.Run("ManyAtOnce", func(t *testing.T) {
			c := r.Class(t, silentRoom)
			m := post(t, r, c.Teacher, c.Room.ID, "one")
			var wait sync.WaitGroup
			for i := range 20 {
				who := []*app.Actor{c.Student, c.TA, c.Teacher, c.Admin}[i%4]
				wait.Go(func() {
					if err := react(who, m, string(rune(0x1F600+i/4)), true); err != nil {
						t.Error(err)
					}
				})
			}
			wait.Wait()
			full := given(t, r, m)
			apptest.Await(t, "the room to be told", func() bool {
				all := reactionsTold(t, r, c.Room.ID)
				return len(all) > 0 && strings.Count(all[len(all)-1], "4") == 5
			})
			if all := reactionsTold(t, r, c.Room.ID); len(all) > 10 || strings.Count(full, "4") != 5 {
				t.Errorf("%d events for 20 reactions: %q", len(all), full)
			}
			room, err := r.DB.Room(ctx, c.Room.ID)
			if err != nil || room.Undecided() {
				t.Errorf("reactions leave agents something to decide: %+v, %v", room, err)
			}
		})
		t.Run("DeletedAccount", func(t *testing.T) {
			c := r.Class(t, silentRoom)
			m := post(t, r, c.Teacher, c.Room.ID, "one")
			must(t, react(c.Student, m, "👍", true))
			must(t, react(c.Student, m, "🎉", true))
			must(t, react(c.TA, m, "👍", true))
			_, _, err := r.DeleteUser(ctx, c.Admin, c.Student.User.ID, false)
			must(t, err)
			if got := given(t, r, m); got != "👍1" {
				t.Errorf("got %q", got)
			}
		})
	})
}

func TestPins(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url, func(cfg *config.Config) { cfg.Limits.PostsBurst, cfg.Limits.PostsPerMinute = 1000, 1000 })
		ctx, c := t.Context(), r.Class(t, silentRoom)
		pinned := func(who *app.Actor) (all []string) {
			rows, err := r.Pins(ctx, who, c.Room.ID)
			must(t, err)
			for _, p := range rows {
				all = append(all, p.Excerpt)
			}
			return all
		}
		one, two := post(t, r, c.Student, c.Room.ID, "one"), post(t, r, c.Student, c.Room.ID, "two")
		refused(t, r.PinMessage(ctx, c.Student, c.Room.ID, one.ID, true), app.KindForbidden, "", "")
		must(t, r.PinMessage(ctx, c.TA, c.Room.ID, one.ID, true))
		must(t, r.PinMessage(ctx, c.Teacher, c.Room.ID, two.ID, true))
		must(t, r.PinMessage(ctx, c.Teacher, c.Room.ID, two.ID, true))
		want(t, "pins", pinned(c.Student), []string{"two", "one"})
		refused(t, second(r.Pins(ctx, c.Outsider, c.Room.ID)), app.KindForbidden, "", "")
		must(t, r.DeleteMessage(ctx, c.Student, c.Room.ID, two.ID))
		want(t, "without what is deleted", pinned(c.Student), []string{"one"})
		refused(t, r.PinMessage(ctx, c.TA, c.Room.ID, two.ID, true), app.KindConflict, "deleted", "")
		must(t, r.PinMessage(ctx, c.TA, c.Room.ID, two.ID, false))
		must(t, second(r.RestoreMessage(ctx, c.Student, c.Room.ID, two.ID)))
		want(t, "restored, and not pinned any more", pinned(c.Student), []string{"one"})
		var told []bool
		events, err := r.DB.Events(ctx, c.Room.ID, 0, 100)
		must(t, err)
		for _, e := range events {
			var body event.Pin
			if e.Type == event.TypePin && json.Unmarshal([]byte(e.Body), &body) == nil {
				told = append(told, body.Pinned)
			}
		}
		if fmt.Sprint(told) != "[true true false]" || audited(t, r, app.ActPinMessage, two.ID) != 2 {
			t.Errorf("the room was told %v", told)
		}
		for i := range 49 {
			must(t, r.PinMessage(ctx, c.TA, c.Room.ID, post(t, r, c.Teacher, c.Room.ID, fmt.Sprint(i)).ID, true))
		}
		refused(t, r.PinMessage(ctx, c.TA, c.Room.ID, two.ID, true), app.KindConflict, "too_many", "")
	})
}

func TestBookmarks(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		ctx, c := t.Context(), r.Class(t, silentRoom)
		kept := func(who *app.Actor, s store.BookmarkSearch) (all []string) {
			s.Limit = 10
			rows, err := r.Bookmarks(ctx, who, s)
			must(t, err)
			for _, b := range rows {
				all = append(all, b.Excerpt+":"+b.Bookmark.Note)
			}
			return all
		}
		one, two := post(t, r, c.Teacher, c.Room.ID, "one"), post(t, r, c.Teacher, c.Room.ID, "two")
		must(t, r.Bookmark(ctx, c.Student, two.ID, new("")))
		must(t, r.Bookmark(ctx, c.Student, one.ID, new("read")))
		must(t, r.Bookmark(ctx, c.Student, two.ID, new("again")))
		must(t, r.Bookmark(ctx, c.Student, two.ID, nil)) // keeps the note
		all := store.BookmarkSearch{}
		want(t, "Sue", kept(c.Student, all), []string{"one:read", "two:again"})
		want(t, "another room", kept(c.Student, store.BookmarkSearch{RoomID: store.NewID()}), nil)
		want(t, "Tom", kept(c.TA, all), nil)
		refused(t, r.Bookmark(ctx, c.Outsider, one.ID, new("")), app.KindNotFound, "", "Message not found")
		refused(t, r.Bookmark(ctx, c.Student, one.ID, new(strings.Repeat("x", 501))), app.KindInvalid, "", "")
		must(t, second(r.HideMessage(ctx, c.TA, c.Room.ID, one.ID)))
		want(t, "without what is hidden", kept(c.Student, all), []string{"two:again"})
		refused(t, r.Bookmark(ctx, c.TA, one.ID, new("")), app.KindNotFound, "", "")
		must(t, r.DeleteBookmark(ctx, c.Student, two.ID))
		must(t, r.DeleteBookmark(ctx, c.Student, two.ID))
		must(t, second(r.ShowMessage(ctx, c.TA, c.Room.ID, one.ID)))
		want(t, "deleted", kept(c.Student, all), []string{"one:read"})
		must(t, r.RemoveMember(ctx, c.Teacher, c.Course.ID, c.Student.User.ID))
		want(t, "somebody who left", kept(c.Student, all), nil)
	})
}
