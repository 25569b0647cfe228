package app_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// inbox is whom the messages in somebody's inbox are from and what they say, newest first.
func inbox(t *testing.T, r *apptest.Rig, who *app.Actor, s store.MentionSearch) (all []string) {
	t.Helper()
	if s.Limit == 0 {
		s.Limit = 100
	}
	rows, err := r.Mentions(t.Context(), who, s)
	must(t, err)
	for _, m := range rows {
		all = append(all, m.Sender+": "+m.Excerpt)
	}
	return all
}

func wantInbox(t *testing.T, r *apptest.Rig, who *app.Actor, s store.MentionSearch, want ...string) {
	t.Helper()
	if got := inbox(t, r, who, s); !slices.Equal(got, want) {
		t.Errorf("the inbox of %s: got %q, want %q", who.User.Name(), got, want)
	}
}

// called are the kinds and names that a message mentions.
func called(m *store.Message) string {
	var all []string
	for _, it := range event.MentionsOf(m) {
		all = append(all, strings.TrimSpace(it.Kind+" "+it.Name))
	}
	return strings.Join(all, ", ")
}

func silentRoom(s *app.RoomSettings) { s.AIMode = app.Some(store.ModeOff) }

func TestMentionsOfPeople(t *testing.T) {
	t.Parallel()
	unlimited := func(cfg *config.Config) { cfg.Limits.PostsBurst, cfg.Limits.PostsPerMinute = 1000, 1000 }
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url, unlimited)
		ctx := t.Context()
		t.Run("WhoIsCalled", func(t *testing.T) {
			c := r.Class(t, silentRoom)
			enrol := func(name string) *app.Actor {
				a := r.User(t, app.RoleStudent, name)
				must(t, second(r.Enrol(ctx, c.Teacher, c.Course.ID, app.Person{ID: a.User.ID}, "")))
				return a
			}
			for _, name := range []string{"Sue Ann", "王小明", "Teacher Tim"} {
				enrol(name)
			}
			for text, want := range map[string]string{
				"hello @Sue":                            "person Sue",
				"@sue ann and ＠SUE":                     "person Sue Ann, person Sue",
				"@Sue @Sue":                             "person Sue",
				"老師，@王小明你好":                             "person 王小明",
				"@Teacher Tim, not the agent":           "person Teacher Tim",
				"@Teacher and @Tom":                     "agent Teacher, person Tom",
				"sue@Sue.example.org `@Sue`\n> @Sue":    "",
				"@Suela @Nobody @ Sue":                  "",
				"@everyone: @Sue":                       "everyone, person Sue",
				"@所有人請看":                                "everyone",
				"@Otto":                                 "", // is not in the course
				"@Ada":                                  "", // an admin without a link
				strings.Repeat("@", 40_000) + " @Tess":  "person Tess",
				strings.Repeat("@Su", 20_000) + " @Tom": "person Tom",
			} {
				if got := called(post(t, r, c.Teacher, c.Room.ID, text)); got != want {
					t.Errorf("%.40q: got %q, want %q", text, got, want)
				}
			}
		})
		t.Run("Inbox", func(t *testing.T) {
			c := r.Class(t, silentRoom)
			first := post(t, r, c.Teacher, c.Room.ID, "@Sue one")
			second := post(t, r, c.TA, c.Room.ID, "@Sue   two\n"+strings.Repeat("long ", 100))
			post(t, r, c.Student, c.Room.ID, "@Sue myself")
			long := "Tom: @Sue two " + strings.Repeat("long ", 100)
			got := inbox(t, r, c.Student, store.MentionSearch{})
			if len(got) != 2 || !strings.HasPrefix(long, strings.TrimSuffix(got[0], "…")) || got[1] != "Tess: @Sue one" {
				t.Fatalf("got %q", got)
			}
			wantInbox(t, r, c.Student, store.MentionSearch{Before: second.ID}, "Tess: @Sue one")
			wantInbox(t, r, c.Student, store.MentionSearch{RoomID: store.NewID()})
			if n, err := r.ReadMentions(ctx, c.Student, []string{first.ID, first.ID, store.NewID()}, ""); n != 1 || err != nil {
				t.Errorf("got %d, %v, want 1 marked", n, err)
			}
			if got := inbox(t, r, c.Student, store.MentionSearch{Unread: true}); len(got) != 1 {
				t.Errorf("got %q, want the second", got)
			}
			if n, err := r.ReadMentions(ctx, c.Student, nil, second.ID); n != 1 || err != nil {
				t.Errorf("got %d, %v, want 1 marked", n, err)
			}
			if n, err := r.ReadMentions(ctx, c.TA, []string{second.ID}, second.ID); n != 0 || err != nil {
				t.Errorf("somebody else's: got %d, %v", n, err)
			}
			_, err := r.ReadMentions(ctx, c.Student, nil, "")
			refused(t, err, app.KindInvalid, "", "")
		})
		t.Run("OnlyWhatMayBeRead", func(t *testing.T) {
			c := r.Class(t, silentRoom)
			m := post(t, r, c.Teacher, c.Room.ID, "@Sue secret")
			all := store.MentionSearch{}
			must(t, second(r.HideMessage(ctx, c.TA, c.Room.ID, m.ID)))
			wantInbox(t, r, c.Student, all)
			must(t, second(r.ShowMessage(ctx, c.TA, c.Room.ID, m.ID)))
			must(t, r.DeleteMessage(ctx, c.Teacher, c.Room.ID, m.ID))
			wantInbox(t, r, c.Student, all)
			must(t, second(r.RestoreMessage(ctx, c.Teacher, c.Room.ID, m.ID)))
			wantInbox(t, r, c.Student, all, "Tess: @Sue secret")
			must(t, r.RemoveMember(ctx, c.Teacher, c.Course.ID, c.Student.User.ID))
			wantInbox(t, r, c.Student, all)
			if got := called(post(t, r, c.Teacher, c.Room.ID, "@Sue are you there?")); got != "" {
				t.Errorf("who was removed is called: %s", got)
			}
			must(t, second(r.AssignToRoom(ctx, c.Teacher, c.Room.ID, app.Person{ID: c.Student.User.ID})))
			wantInbox(t, r, c.Student, all, "Tess: @Sue secret")
			if got := called(post(t, r, c.Teacher, c.Room.ID, "@Sue again")); got != "person Sue" {
				t.Errorf("a guest of the room: got %q", got)
			}
			must(t, second(r.DeleteRoom(ctx, c.Teacher, c.Room.ID, false)))
			wantInbox(t, r, c.Student, all)
		})
		t.Run("Edit", func(t *testing.T) {
			c := r.Class(t, silentRoom)
			m := post(t, r, c.Teacher, c.Room.ID, "@Sue hello")
			must(t, second(r.ReadMentions(ctx, c.Student, []string{m.ID}, "")))
			edit := func(text, want string) {
				t.Helper()
				got, err := r.EditMessage(ctx, c.Teacher, c.Room.ID, m.ID, text)
				must(t, err)
				if called(got) != want {
					t.Errorf("got %q, want %q", called(got), want)
				}
			}
			edit("@Sue and @Tom hello", "person Sue, person Tom")
			wantInbox(t, r, c.TA, store.MentionSearch{Unread: true}, "Tess: @Sue and @Tom hello")
			wantInbox(t, r, c.Student, store.MentionSearch{Unread: true})
			edit("@Tom hello", "person Tom")
			wantInbox(t, r, c.Student, store.MentionSearch{})
			must(t, second(r.UpdateUser(ctx, c.TA, c.TA.User.ID, app.UserChanges{FullName: app.Some("Thomas")})))
			edit("@Tom, hello", "person Thomas")
			wantInbox(t, r, c.TA, store.MentionSearch{}, "Tess: @Tom, hello")
			if got := called(post(t, r, c.Teacher, c.Room.ID, "@Tom @Thomas")); got != "person Thomas" {
				t.Errorf("got %q, want the new name alone", got)
			}
			edit("nobody", "")
			wantInbox(t, r, c.TA, store.MentionSearch{}, "Tess: @Tom @Thomas")
		})
		t.Run("Namesakes", func(t *testing.T) {
			c := r.Class(t, silentRoom)
			other := r.User(t, app.RoleStudent, "sue")
			must(t, second(r.Enrol(ctx, c.Teacher, c.Course.ID, app.Person{ID: other.User.ID}, "")))
			if got := called(post(t, r, c.Teacher, c.Room.ID, "@Sue?")); got != "person Sue, person sue" && got != "person sue, person Sue" {
				t.Errorf("got %q, want both", got)
			}
			p, err := r.PostMessage(ctx, c.Teacher, c.Room.ID, "@Sue!", "", app.PostWith{Mentions: []event.MentionID{
				{Kind: "person", ID: strings.ToUpper(other.User.ID)}, {Kind: "person", ID: c.TA.User.ID}}})
			must(t, err)
			if called(p.Message) != "person sue" || len(p.NotCalled) != 1 || p.NotCalled[0].ID != c.TA.User.ID {
				t.Errorf("got %q, not called %v", called(p.Message), p.NotCalled)
			}
			wantInbox(t, r, c.Student, store.MentionSearch{}, "Tess: @Sue?")
			for _, bad := range [][]event.MentionID{{{Kind: "everyone"}}, {{Kind: "person", ID: "x"}}, make([]event.MentionID, 51)} {
				_, err := r.PostMessage(ctx, c.Teacher, c.Room.ID, "@Sue", "", app.PostWith{Mentions: bad})
				refused(t, err, app.KindInvalid, "", "")
			}
		})
		t.Run("Everyone", func(t *testing.T) {
			c := r.Class(t, silentRoom)
			p, err := r.PostMessage(ctx, c.Student, c.Room.ID, "@everyone look", "")
			must(t, err)
			if called(p.Message) != "" || len(p.NotCalled) != 1 || p.NotCalled[0].Kind != "everyone" {
				t.Errorf("a student: got %q, not called %v", called(p.Message), p.NotCalled)
			}
			wantInbox(t, r, c.TA, store.MentionSearch{})
			for range 2 {
				post(t, r, c.TA, c.Room.ID, "@大家 @Sue look")
			}
			for _, who := range []*app.Actor{c.Teacher, c.Student} {
				wantInbox(t, r, who, store.MentionSearch{}, "Tom: @大家 @Sue look", "Tom: @大家 @Sue look")
			}
			for _, who := range []*app.Actor{c.TA, c.Outsider, c.Admin} {
				wantInbox(t, r, who, store.MentionSearch{})
			}
		})
		t.Run("ManyAtOnce", func(t *testing.T) {
			c := r.Class(t, silentRoom)
			var text strings.Builder
			for i := range 60 {
				a := r.User(t, app.RoleStudent, fmt.Sprintf("Pupil %d", i))
				must(t, second(r.Enrol(ctx, c.Teacher, c.Course.ID, app.Person{ID: a.User.ID}, "")))
				fmt.Fprintf(&text, "@Pupil %d, ", i)
			}
			p, err := r.PostMessage(ctx, c.Teacher, c.Room.ID, text.String(), "")
			must(t, err)
			if n := len(event.MentionsOf(p.Message)); n != 50 || len(p.NotCalled) != 10 {
				t.Errorf("got %d mentions and %d not called", n, len(p.NotCalled))
			}
		})
		t.Run("Bots", func(t *testing.T) {
			c := r.Class(t, silentRoom)
			_, bot := newBot(t, r, c, "Quiz")
			if got := called(post(t, r, c.Student, c.Room.ID, "@Quiz start")); got != "person Quiz" {
				t.Errorf("got %q", got)
			}
			wantInbox(t, r, bot, store.MentionSearch{}, "Sue: @Quiz start")
			p, err := r.PostMessage(ctx, bot, c.Room.ID, "@Sue @everyone", "")
			must(t, err)
			if called(p.Message) != "person Sue" || len(p.NotCalled) != 1 {
				t.Errorf("got %q, not called %v", called(p.Message), p.NotCalled)
			}
		})
		t.Run("Frames", func(t *testing.T) {
			c := r.Class(t, silentRoom)
			staff, pupil := r.Join(t, c.Teacher, c.Room.ID, true, -1), r.Join(t, c.Student, c.Room.ID, true, -1)
			plain := r.Join(t, c.Student, c.Room.ID, false, -1)
			staff.Seat.Post(ctx, "@Sue @Otto", "1", app.PostWith{Mentions: []event.MentionID{{Kind: "person", ID: c.Outsider.User.ID}}})
			staff.Await(t, "the ack", func(f apptest.Frame) bool {
				return f.Is("ack") && strings.Contains(f.Text, `"not_called":[{"kind":"person","id":"`+c.Outsider.User.ID+`"}]`)
			})
			want := `"mentions":[{"kind":"person","id":"` + c.Student.User.ID + `","name":"Sue"}]`
			m := pupil.Await(t, "the message", func(f apptest.Frame) bool { return f.Is("message") && strings.Contains(f.Text, want) })
			if f := plain.Await(t, "the plain message", func(f apptest.Frame) bool { return f.Is("message") }); strings.Contains(f.Text, "mentions") {
				t.Errorf("a plain client gets %s", f.Text)
			}
			id, _ := m.Fields["id"].(string)
			must(t, second(r.HideMessage(ctx, c.TA, c.Room.ID, id)))
			staff.Await(t, "the hidden message", func(f apptest.Frame) bool { return f.Is("message_hidden") && strings.Contains(f.Text, want) })
			if f := pupil.Await(t, "the hidden message", func(f apptest.Frame) bool { return f.Is("message_hidden") }); strings.Contains(f.Text, "mentions") {
				t.Errorf("a pupil gets %s", f.Text)
			}
			if got := seen(t, r, c.Student, c.Room.ID); strings.Contains(got, "mentions") {
				t.Errorf("a pupil reads %s", got)
			}
		})
	})
}

// An agent calls people as people do, and never everybody.
func TestMentionsByAgents(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		c := r.Class(t, func(s *app.RoomSettings) { s.AIFrequency = app.Some(0.0) })
		r.Model.Script(llmtest.Say("@Sue, have you seen this? @everyone @Otto"))
		post(t, r, c.TA, c.Room.ID, "@teacher whom would you ask?")
		m := r.Messages(t, c.Room.ID, 2)[1]
		if got := called(&m); got != "person Sue" {
			t.Errorf("got %q", got)
		}
		wantInbox(t, r, c.Student, store.MentionSearch{}, "Teacher AI: @Sue, have you seen this? @everyone @Otto")
		wantInbox(t, r, c.Teacher, store.MentionSearch{})
	})
}

// What a node knows of the people of a room is forgotten when they change on another.
func TestMentionsOnTwoNodes(t *testing.T) {
	t.Parallel()
	url := storetest.Postgres(t)
	one, two := apptest.New(t, url), (*apptest.Rig)(nil)
	two = apptest.New(t, url, func(cfg *config.Config) { *cfg = *one.Config })
	c := one.Class(t, silentRoom)
	post(t, two, c.Teacher, c.Room.ID, "@Nina")
	nina := one.User(t, app.RoleStudent, "Nina")
	must(t, second(one.Enrol(t.Context(), c.Teacher, c.Course.ID, app.Person{ID: nina.User.ID}, "")))
	apptest.Await(t, "the other node to know her", func() bool {
		p, err := two.PostMessage(t.Context(), c.Teacher, c.Room.ID, "@Nina", "")
		return err == nil && called(p.Message) == "person Nina"
	})
}
