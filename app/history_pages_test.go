package app_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func TestHistoryPages(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		// Messages 1 to 9 are said a minute apart. An edit takes the number 10, so that
		// the tenth message has the number 11.
		var said []store.Message
		say := func(text string) {
			p, err := r.PostMessage(t.Context(), c.Student, c.Room.ID, text, "")
			must(t, err)
			said = append(said, *p.Message)
			r.Advance(time.Minute)
		}
		say("one")
		for i := range 8 {
			say(fmt.Sprint(i + 2))
		}
		_, err := r.EditMessage(t.Context(), c.Student, c.Room.ID, said[0].ID, "1")
		must(t, err)
		say("11")
		ask := func(who *app.Actor, h app.HistoryQuery) (*store.MessagePage, string) {
			t.Helper()
			p, err := r.HistoryPage(t.Context(), who, c.Room.ID, h)
			must(t, err)
			var all []string
			for m, err := range p.Messages.Rows(t.Context()) {
				must(t, err)
				all = append(all, m.Content)
			}
			return p, strings.Join(all, " ")
		}
		after := func(n int64) *int64 { return &n }
		fifth := said[4].CreatedAt
		for name, it := range map[string]struct {
			ask                   app.HistoryQuery
			want                  string
			at                    int64
			moreBefore, moreAfter bool
		}{
			"the newest":                  {app.HistoryQuery{Limit: 3}, "8 9 11", 0, true, false},
			"all":                         {app.HistoryQuery{Limit: 10}, "1 2 3 4 5 6 7 8 9 11", 0, false, false},
			"before":                      {app.HistoryQuery{Before: 4, Limit: 2}, "2 3", 0, true, true},
			"before the first":            {app.HistoryQuery{Before: 1, Limit: 2}, "", 0, false, true},
			"after":                       {app.HistoryQuery{After: after(7), Limit: 2}, "8 9", 0, true, true},
			"after to the end":            {app.HistoryQuery{After: after(8), Limit: 2}, "9 11", 0, true, false},
			"from the beginning":          {app.HistoryQuery{After: after(0), Limit: 2}, "1 2", 0, false, true},
			"after all":                   {app.HistoryQuery{After: after(math.MaxInt64), Limit: 2}, "", 0, true, false},
			"around a seq":                {app.HistoryQuery{Around: "5", Limit: 4}, "3 4 5 6", 5, true, true},
			"around one":                  {app.HistoryQuery{Around: "5", Limit: 1}, "5", 5, true, true},
			"around what is no message":   {app.HistoryQuery{Around: "10", Limit: 3}, "8 9 11", 11, true, false},
			"around the beginning":        {app.HistoryQuery{Around: "1", Limit: 3}, "1 2 3", 1, false, true},
			"around the end":              {app.HistoryQuery{Around: "11", Limit: 3}, "8 9 11", 11, true, false},
			"around what is to come":      {app.HistoryQuery{Around: "99", Limit: 2}, "9 11", 11, true, false},
			"around a message":            {app.HistoryQuery{Around: strings.ToUpper(said[6].ID), Limit: 3}, "6 7 8", 7, true, true},
			"around a time":               {app.HistoryQuery{Around: fifth.Add(-time.Second).Format(time.RFC3339Nano), Limit: 3}, "4 5 6", 5, true, true},
			"around a message's time":     {app.HistoryQuery{Around: fifth.Format(time.RFC3339Nano), Limit: 1}, "5", 5, true, true},
			"around a time before all":    {app.HistoryQuery{Around: "0001-01-01T00:00:00Z", Limit: 2}, "1 2", 1, false, true},
			"around a time after all":     {app.HistoryQuery{Around: "9999-12-31T23:59:59Z", Limit: 2}, "9 11", 11, true, false},
			"around a time in a zone":     {app.HistoryQuery{Around: fifth.In(time.FixedZone("", 7*3600)).Format(time.RFC3339Nano), Limit: 1}, "5", 5, true, true},
			"a plus sign that is a blank": {app.HistoryQuery{Around: strings.Replace(fifth.UTC().Format("2006-01-02T15:04:05.999999+00:00"), "+", " ", 1), Limit: 1}, "5", 5, true, true},
		} {
			t.Run(name, func(t *testing.T) {
				p, got := ask(c.Student, it.ask)
				if got != it.want || p.At != it.at || p.MoreBefore != it.moreBefore || p.MoreAfter != it.moreAfter {
					t.Errorf("got %q at %d, more: %v %v, want %q at %d, more: %v %v", got, p.At, p.MoreBefore, p.MoreAfter,
						it.want, it.at, it.moreBefore, it.moreAfter)
				}
			})
		}
		t.Run("the pages meet", func(t *testing.T) {
			var all []string
			p, got := ask(c.Student, app.HistoryQuery{Around: "5", Limit: 3})
			for all = append(all, got); p.MoreAfter; all = append(all, got) {
				p, got = ask(c.Student, app.HistoryQuery{After: &p.Last, Limit: 2})
			}
			p, _ = ask(c.Student, app.HistoryQuery{Around: "5", Limit: 3})
			for p.MoreBefore {
				p, got = ask(c.Student, app.HistoryQuery{Before: p.First, Limit: 2})
				all = append([]string{got}, all...)
			}
			if got, want := strings.Join(all, " "), "1 2 3 4 5 6 7 8 9 11"; strings.TrimSpace(got) != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
		t.Run("long messages make a short page", func(t *testing.T) {
			long := strings.Repeat("é", 15<<10)
			for range 45 {
				say(long)
			}
			p, _ := ask(c.Student, app.HistoryQuery{Around: fmt.Sprint(said[30].Seq), Limit: 200})
			if n := p.Messages.Len(); p.Messages.Size() > 1<<20+64<<10 || n < 20 || !p.MoreBefore || !p.MoreAfter || p.At != said[30].Seq {
				t.Errorf("got %d messages of %d bytes: %+v", n, p.Messages.Size(), p)
			}
		})
		t.Run("nobody reads what is hidden", func(t *testing.T) {
			_, err := r.HideMessage(t.Context(), c.Teacher, c.Room.ID, said[4].ID)
			must(t, err)
			must(t, r.DeleteMessage(t.Context(), c.Student, c.Room.ID, said[5].ID))
			for who, want := range map[*app.Actor]string{c.Student: "4 (hidden by staff) (deleted) 7", c.Teacher: "4 5 (deleted) 7"} {
				if _, got := ask(who, app.HistoryQuery{Around: said[5].ID, Limit: 4}); got != want {
					t.Errorf("%s: got %q, want %q", who.User.Role, got, want)
				}
			}
		})
		t.Run("a point that is none", func(t *testing.T) {
			other, err := r.CreateRoom(t.Context(), c.Teacher, c.Course.ID, app.RoomSettings{Name: app.Some("Other")})
			must(t, err)
			for _, at := range []string{"0", "-1", "monday", "2026-03-02", "99999999999999999999", "2026-13-02T00:00:00Z", "\x00", "5.0"} {
				_, err := r.HistoryPage(t.Context(), c.Student, c.Room.ID, app.HistoryQuery{Around: at, Limit: 1})
				wantKind(t, err, app.KindInvalid, "around: must be a seq, the id of a message, or a time such as 2026-03-02T08:15:00Z")
			}
			_, err = r.HistoryPage(t.Context(), c.Student, other.ID, app.HistoryQuery{Around: said[0].ID, Limit: 1})
			wantKind(t, err, app.KindNotFound, "Message not found")
			_, err = r.HistoryPage(t.Context(), c.Student, c.Room.ID, app.HistoryQuery{Around: "5", Before: 7, Limit: 1})
			wantKind(t, err, app.KindInvalid, "around: send it alone, without before and after")
			_, err = r.HistoryPage(t.Context(), c.Student, c.Room.ID, app.HistoryQuery{After: after(0), Before: 7, Limit: 1})
			wantKind(t, err, app.KindInvalid, "after: send before or after, not both")
			p, err := r.HistoryPage(t.Context(), c.Student, other.ID, app.HistoryQuery{Around: "2026-03-02T00:00:00Z", Limit: 5})
			if must(t, err); p.Messages.Len() != 0 || p.MoreAfter || p.MoreBefore {
				t.Errorf("an empty room: got %+v", p)
			}
		})
	})
}
