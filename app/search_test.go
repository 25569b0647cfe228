package app_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func searchOften(cfg *config.Config) {
	cfg.Limits.PostsBurst, cfg.Limits.PostsPerMinute, cfg.Limits.SearchesPerMinute = 100_000, 100_000, 100_000
}

// found are the texts that somebody finds, newest first.
func found(t *testing.T, r *apptest.Rig, who *app.Actor, text string, tune ...func(*app.MessageQuery)) []string {
	t.Helper()
	q := app.MessageQuery{Text: text, Zone: time.UTC, Limit: 50}
	for _, f := range tune {
		f(&q)
	}
	out, err := r.SearchMessages(t.Context(), who, q)
	if err != nil {
		t.Errorf("%s looks for %q: %v", who.User.Name(), text, err)
		return nil
	}
	all := []string{}
	for _, m := range out.Messages {
		all = append(all, m.Content)
	}
	return all
}

func wantFound(t *testing.T, r *apptest.Rig, who *app.Actor, text string, want ...string) {
	t.Helper()
	if got := found(t, r, who, text); !slices.Equal(got, want) && len(got)+len(want) > 0 {
		t.Errorf("%s looks for %q: got %q, want %q", who.User.Name(), text, got, want)
	}
}

func TestSearchMessages(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url, searchOften)
		ctx := t.Context()
		t.Run("Words", func(t *testing.T) {
			c := r.Class(t, silentRoom)
			texts := []string{"The second law of thermodynamics", "熱力學第二定律說熵增加", "A Café in Göttingen", "law second", "see https://example.org/a, @Sue"}
			for _, text := range texts {
				post(t, r, c.Student, c.Room.ID, text)
			}
			for looked, want := range map[string][]int{
				"law":                  {3, 0},
				"THERMO":               {0}, // while it is typed
				"thermo ":              {},
				`"second law"`:         {0},
				"second law":           {3, 0},
				"law -thermodynamics":  {3},
				"-law":                 {4, 2, 1},
				"熵":                    {1},
				"定律":                   {1},
				"熱力學第":                 {1},
				"第二律":                  {},
				"cafe gottingen":       {2},
				"has:link":             {4},
				"has:mention example":  {4},
				"-has:link law":        {3, 0},
				"'; DROP TABLE x --":   {},
				"law OR second":        {},
				"after:2000 law":       {3, 0},
				"before:2000 law":      {},
				"after:today -second ": {4, 2, 1},
			} {
				var texted []string
				for _, i := range want {
					texted = append(texted, texts[i])
				}
				wantFound(t, r, c.TA, looked, texted...)
			}
			if got := found(t, r, c.TA, "second law", func(q *app.MessageQuery) { q.Best = true }); !slices.Equal(got, []string{texts[3], texts[0]}) {
				t.Errorf("the best: got %q", got)
			}
		})
		t.Run("Changes", func(t *testing.T) {
			c := r.Class(t, silentRoom)
			m := post(t, r, c.Student, c.Room.ID, "orange")
			wantFound(t, r, c.Student, "orange", "orange")
			must(t, second(r.EditMessage(ctx, c.Student, c.Room.ID, m.ID, "lemon")))
			wantFound(t, r, c.Student, "orange")
			wantFound(t, r, c.Student, "lemon", "lemon")
			must(t, second(r.HideMessage(ctx, c.TA, c.Room.ID, m.ID)))
			wantFound(t, r, c.Student, "lemon")
			wantFound(t, r, c.TA, "lemon")
			must(t, second(r.ShowMessage(ctx, c.TA, c.Room.ID, m.ID)))
			wantFound(t, r, c.Student, "lemon", "lemon")
			must(t, r.DeleteMessage(ctx, c.Student, c.Room.ID, m.ID))
			wantFound(t, r, c.Student, "lemon")
			must(t, second(r.RestoreMessage(ctx, c.Student, c.Room.ID, m.ID)))
			wantFound(t, r, c.Student, "lemon", "lemon")
			must(t, second(r.DeleteRoom(ctx, c.Teacher, c.Room.ID, false)))
			wantFound(t, r, c.Teacher, "lemon")
		})
		t.Run("Rights", func(t *testing.T) {
			c, other := r.Class(t, silentRoom), r.Class(t, silentRoom)
			post(t, r, c.Student, c.Room.ID, "pepper here")
			post(t, r, other.Student, other.Room.ID, "pepper there")
			wantFound(t, r, c.Student, "pepper", "pepper here")
			wantFound(t, r, c.Admin, "pepper", "pepper there", "pepper here")
			guest := r.User(t, app.RoleGuest, "Gus")
			wantFound(t, r, guest, "pepper")
			must(t, second(r.AssignToRoom(ctx, c.Teacher, c.Room.ID, app.Person{ID: guest.User.ID})))
			wantFound(t, r, guest, "pepper", "pepper here")
			must(t, r.RemoveMember(ctx, c.Teacher, c.Course.ID, c.Student.User.ID))
			wantFound(t, r, c.Student, "pepper")
			_, err := r.SearchMessages(ctx, c.Student, app.MessageQuery{Text: "pepper", RoomID: c.Room.ID, Zone: time.UTC, Limit: 5})
			if err == nil {
				t.Error("a room that is not the person's is searched")
			}
			_, err = r.SearchMessages(ctx, c.Admin, app.MessageQuery{Text: "pepper", CourseID: store.NewID(), Zone: time.UTC, Limit: 5})
			refused(t, err, app.KindNotFound, "not_found", "course_id: Course not found")
			_, err = r.CreateThread(ctx, c.Teacher, c.Project.ID, c.TeacherAgent.ID, app.ThreadSettings{})
			must(t, err)
			if got := found(t, r, c.Admin, "pepper", func(q *app.MessageQuery) { q.CourseID = other.Course.ID }); !slices.Equal(got, []string{"pepper there"}) {
				t.Errorf("of a course: got %q", got)
			}
		})
		t.Run("PeopleAndRooms", func(t *testing.T) {
			c := r.Class(t, silentRoom)
			lab, err := r.CreateRoom(ctx, c.Teacher, c.Course.ID, app.RoomSettings{Name: app.Some("Lab 12"), AIMode: app.Some(store.ModeOff)})
			must(t, err)
			post(t, r, c.Student, c.Room.ID, "salt by Sue")
			post(t, r, c.TA, lab.ID, "salt by Tom")
			wantFound(t, r, c.Student, "from:me salt", "salt by Sue")
			wantFound(t, r, c.TA, "from:@sue", "salt by Sue")
			wantFound(t, r, c.TA, "from:"+c.Student.User.ID, "salt by Sue")
			wantFound(t, r, c.TA, "-from:sue salt", "salt by Tom")
			wantFound(t, r, c.TA, "from:nobody")
			wantFound(t, r, c.TA, "from:agent")
			wantFound(t, r, c.TA, "in:lab salt", "salt by Tom")
			wantFound(t, r, c.TA, `in:"lab 12"`, "salt by Tom")
			wantFound(t, r, c.TA, "in:"+lab.ID, "salt by Tom")
			wantFound(t, r, c.TA, "-in:lab salt", "salt by Sue")
			wantFound(t, r, c.TA, "in:elsewhere salt")
		})
		// Whose name is the one that was written is meant, however many have it in theirs.
		t.Run("NamesWithinOthers", func(t *testing.T) {
			c := r.Class(t, silentRoom)
			for i := range 60 {
				p := r.User(t, app.RoleStudent, fmt.Sprintf("Anna%d Zimmermann", i))
				must(t, second(r.Enrol(ctx, c.Teacher, c.Course.ID, app.Person{ID: p.User.ID}, "")))
				must(t, second(r.CreateRoom(ctx, c.Teacher, c.Course.ID, app.RoomSettings{Name: app.Some(fmt.Sprintf("Hall 1%d", i)), AIMode: app.Some(store.ModeOff)})))
			}
			ann := r.User(t, app.RoleStudent, "Ann Zimmer")
			must(t, second(r.Enrol(ctx, c.Teacher, c.Course.ID, app.Person{ID: ann.User.ID}, "")))
			hall, err := r.CreateRoom(ctx, c.Teacher, c.Course.ID, app.RoomSettings{Name: app.Some("Hall 1"), AIMode: app.Some(store.ModeOff)})
			must(t, err)
			post(t, r, ann, hall.ID, "thyme by Ann")
			for _, who := range []*app.Actor{c.TA, c.Admin} {
				wantFound(t, r, who, `in:"hall 1" thyme`, "thyme by Ann")
				wantFound(t, r, who, `from:ann thyme`, "thyme by Ann")
				for _, many := range []string{"in:hall thyme", "from:zimmermann thyme"} {
					if _, err := r.SearchMessages(ctx, who, app.MessageQuery{Text: many, Zone: time.UTC, Limit: 5}); err == nil || !strings.Contains(err.Error(), "means more than 50") {
						t.Errorf("%s: got %v", many, err)
					}
				}
			}
		})
		t.Run("Pages", func(t *testing.T) {
			c := r.Class(t, silentRoom)
			var want []string
			for i := range 23 {
				text := strings.Repeat("sugar ", i%3+1) + strings.Repeat("x", i)
				post(t, r, c.Student, c.Room.ID, text)
				want = append([]string{text}, want...)
			}
			for _, best := range []bool{false, true} {
				var got []string
				q := app.MessageQuery{Text: "sugar ", Zone: time.UTC, Limit: 5, Best: best}
				for {
					out, err := r.SearchMessages(ctx, c.Student, q)
					must(t, err)
					for _, m := range out.Messages {
						got = append(got, m.Content)
					}
					if out.Next == nil {
						break
					}
					q.Below = *out.Next
					post(t, r, c.Student, c.Room.ID, "sugar between")
				}
				if best {
					slices.Sort(got)
					slices.Sort(want)
					got = slices.DeleteFunc(got, func(s string) bool { return s == "sugar between" })
				}
				if !slices.Equal(got, want) {
					t.Errorf("best %v: got %q, want %q", best, got, want)
				}
			}
		})
	})
}

func TestSearchOfAgents(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url, searchOften)
		c := r.Class(t, func(s *app.RoomSettings) { s.AIFrequency = app.Some(0.0) })
		r.Model.Script(llmtest.Say("Entropy grows."))
		post(t, r, c.TA, c.Room.ID, "@teacher does entropy shrink?")
		r.Messages(t, c.Room.ID, 2)
		wantFound(t, r, c.Student, "entropy from:agent", "Entropy grows.")
		wantFound(t, r, c.Student, "entropy from:"+c.TeacherAgent.ID, "Entropy grows.")
		wantFound(t, r, c.Student, `entropy from:"`+c.TeacherAgent.Name+`"`, "Entropy grows.")
		wantFound(t, r, c.Student, "entropy -from:agent", "@teacher does entropy shrink?")
	})
}

// Messages from before there was a search are found once they are in the index, and a
// search says how far that is.
func TestSearchOfEarlierMessages(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url, searchOften)
		c := r.Class(t, silentRoom)
		for _, text := range []string{"ginger one", "ginger two", "ginger three", "ginger four"} {
			post(t, r, c.Student, c.Room.ID, text)
			r.Advance(time.Second) // those of one millisecond may come in any order
		}
		hidden := post(t, r, c.Student, c.Room.ID, "ginger hidden")
		must(t, second(r.HideMessage(t.Context(), c.TA, c.Room.ID, hidden.ID)))
		r.Exec(t, "UPDATE messages SET search_pos = NULL")
		if r.DB.Postgres() {
			r.Exec(t, "UPDATE messages SET words = NULL")
		}
		r.Exec(t, `INSERT INTO settings (key, value) VALUES ('search_backfill', '{"total":5}')`)
		wantFound(t, r, c.Student, "ginger")
		post(t, r, c.Student, c.Room.ID, "ginger new")
		wantFound(t, r, c.Student, "ginger", "ginger new")
		step := func() (done bool) {
			must(t, r.DB.InTx(t.Context(), func(tx *store.Tx) (err error) {
				done, err = tx.IndexMessages(t.Context(), 2)
				return err
			}))
			return done
		}
		step()
		out, err := r.SearchMessages(t.Context(), c.Student, app.MessageQuery{Text: "ginger", Zone: time.UTC, Limit: 5})
		must(t, err)
		if out.Backfill == nil || out.Backfill.Total != 5 || out.Backfill.Done != 2 {
			t.Errorf("got %+v, want 2 of 5", out.Backfill)
		}
		for !step() {
		}
		wantFound(t, r, c.Student, "ginger", "ginger new", "ginger four", "ginger three", "ginger two", "ginger one")
		must(t, second(r.ShowMessage(t.Context(), c.TA, c.Room.ID, hidden.ID)))
		wantFound(t, r, c.Student, "ginger", "ginger new", "ginger hidden", "ginger four", "ginger three", "ginger two", "ginger one")
		if out, err = r.SearchMessages(t.Context(), c.Student, app.MessageQuery{Text: "ginger", Zone: time.UTC, Limit: 5}); err != nil || out.Backfill != nil {
			t.Errorf("got %+v, %v, want a complete index", out.Backfill, err)
		}
	})
}
