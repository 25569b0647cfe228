package app_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func second[T any](_ T, err error) error { return err }

// codeOf is the code of an error that a client gets, "" for any other.
func codeOf(err error) string {
	var known *app.Error
	if errors.As(err, &known) {
		return string(known.Code)
	}
	return ""
}

// newBot makes a bot in the room of a class, and what it comes with when it uses its token.
func newBot(t *testing.T, r *apptest.Rig, c *apptest.Class, name string) (*app.Bot, *app.Actor) {
	t.Helper()
	b, token, err := r.CreateBot(t.Context(), c.Teacher, c.Course.ID, app.NewBot{Name: name, RoomIDs: []string{c.Room.ID},
		Token: &app.NewAccessToken{Name: "program", Days: 30}})
	must(t, err)
	as, err := r.Authenticate(t.Context(), token.Secret.Reveal())
	must(t, err)
	return b, as
}

// A bot is answered when it calls an agent, and cannot keep agents talking for ever.
func TestBotsAndAgents(t *testing.T) {
	t.Parallel()
	quiet := func(s *app.RoomSettings) { s.AIFrequency = app.Some(0.0) }
	storetest.EachURL(t, func(t *testing.T, url string) {
		t.Run("WithinTheGuard", func(t *testing.T) {
			r := apptest.New(t, url, func(cfg *config.Config) { cfg.Turns.MaxStreak = 4 })
			c := r.Class(t, quiet)
			_, bot := newBot(t, r, c, "Quiz")
			r.Model.Script(counted)
			socket := r.Join(t, bot, c.Room.ID, true, -1)
			post(t, r, c.Student, c.Room.ID, "good morning")
			answers := func(from int) (n int) {
				for i := range 6 {
					post(t, r, bot, c.Room.ID, fmt.Sprintf("@teacher question %d?", from+i))
					r.Idle(t, c.Room.ID)
				}
				for _, m := range r.Messages(t, c.Room.ID, 0) {
					if m.ByAgent() {
						n++
					}
				}
				return n
			}
			if got := answers(0); got != 2 {
				t.Errorf("got %d answers, want those to the first two questions: %q", got, contents(t, r, c.Room.ID))
			}
			toldOf(t, socket, "Teacher", "")
			d := decisions(t, r, c, app.DecisionFilter{})[0]
			if d.Cause != "agent_lines" || d.Guard != "agent_row" {
				t.Errorf("the last decision: got %+v", d)
			}
			post(t, r, c.Student, c.Room.ID, "go on, please")
			if got := answers(10); got != 4 {
				t.Errorf("got %d answers after a person spoke, want two more: %q", got, contents(t, r, c.Room.ID))
			}
			for _, turn := range turns(t, r, c.Room.ID) {
				if turn.AskedBy != bot.User.ID || turn.Cause != "agent_lines" {
					t.Errorf("got the turn %+v, want that the bot asked for it", turn)
				}
			}
			for _, q := range r.Model.Requests() {
				if !strings.Contains(fmt.Sprint(q.Messages), "Quiz (bot)") {
					t.Errorf("the agent does not read that a bot speaks: %v", q.Messages)
				}
			}
		})
		t.Run("CallsNobody", func(t *testing.T) {
			r := apptest.New(t, url)
			c := r.Class(t) // its agents answer each message of a person
			_, bot := newBot(t, r, c, "Bell")
			post(t, r, bot, c.Room.ID, "the lesson begins")
			want(t, "messages", contents(t, r, c.Room.ID), []string{"the lesson begins"})
			room, err := r.DB.Room(t.Context(), c.Room.ID)
			must(t, err)
			if room.PersonSeq != 0 || !room.PersonAt.IsZero() || room.Undecided() {
				t.Errorf("got the room %+v, want it decided and no person", room)
			}
		})
		t.Run("DoesNotCount", func(t *testing.T) {
			r := apptest.New(t, url)
			c := r.Class(t, quiet)
			_, bot := newBot(t, r, c, "Bell")
			_, err := r.UpdateAgent(t.Context(), c.Teacher, c.TeacherAgent.ID,
				app.AgentSettings{TriggerConfig: app.Some(json.RawMessage(`{"type":"message_count","value":2}`))})
			must(t, err)
			r.Model.Script(counted)
			for i := range 4 {
				post(t, r, bot, c.Room.ID, fmt.Sprint("bell ", i))
			}
			r.Idle(t, c.Room.ID)
			if got := turns(t, r, c.Room.ID); len(got) > 0 {
				t.Errorf("got turns %+v", got)
			}
		})
		t.Run("Unheard", func(t *testing.T) {
			r := apptest.New(t, url)
			c := r.Class(t, quiet)
			_, bot := newBot(t, r, c, "Quiz")
			socket := r.Join(t, bot, c.Room.ID, true, -1)
			_, err := r.MuteAgent(t.Context(), c.Teacher, c.Room.ID, c.TeacherAgent.ID, app.Opt[time.Time]{}, app.Some(5))
			must(t, err)
			post(t, r, bot, c.Room.ID, "@Teacher hello")
			toldOf(t, socket, "Teacher", "")
			must(t, r.DetachAgent(t.Context(), c.Teacher, c.Room.ID, c.StudentAgent.ID))
			post(t, r, bot, c.Room.ID, "@student hello")
			toldOf(t, socket, "Student AI", "")
		})
		t.Run("RoomOff", func(t *testing.T) {
			r := apptest.New(t, url)
			c := r.Class(t, func(s *app.RoomSettings) { s.AIMode = app.Some(store.ModeOff) })
			_, bot := newBot(t, r, c, "Quiz")
			socket := r.Join(t, bot, c.Room.ID, true, -1)
			post(t, r, bot, c.Room.ID, "@Teacher hello")
			toldOf(t, socket, "Teacher", "")
		})
		t.Run("PeopleFirst", func(t *testing.T) {
			r := apptest.NewStopped(t, url)
			c := r.Class(t, quiet)
			_, bot := newBot(t, r, c, "Quiz")
			r.Model.Script(counted)
			post(t, r, bot, c.Room.ID, "@student one")
			post(t, r, c.Student, c.Room.ID, "@teacher two")
			must(t, r.Start(t.Context()))
			r.Messages(t, c.Room.ID, 4)
			r.Idle(t, c.Room.ID)
			for _, turn := range turns(t, r, c.Room.ID) {
				asked := map[string]string{c.TeacherAgent.ID: c.Student.User.ID, c.StudentAgent.ID: bot.User.ID}[turn.AgentID]
				if turn.AskedBy != asked || turn.Cause != "post" {
					t.Errorf("got %+v, want it asked by %s", turn, asked)
				}
			}
		})
	})
}

// Nobody can make a person of a bot, or give it more than its rooms.
func TestBotsStayBots(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		b, bot := newBot(t, r, c, "Quiz")
		ctx, super := t.Context(), r.User(t, app.RoleSuperAdmin, "Root")
		other, err := r.CreateCourse(ctx, c.Teacher, "Chemistry", nil)
		must(t, err)
		elsewhere, err := r.CreateRoom(ctx, c.Teacher, other.ID, app.RoomSettings{Name: app.Some("Lab")})
		must(t, err)
		org, err := r.CreateOrganization(ctx, c.Teacher, "Club", nil)
		must(t, err)
		for what, do := range map[string]func() error{
			"enrolled in its own course": func() error { _, err := r.Enrol(ctx, c.Teacher, c.Course.ID, app.Person{ID: b.ID}, ""); return err },
			"enrolled elsewhere": func() error {
				_, err := r.Enrol(ctx, c.Teacher, other.ID, app.Person{Email: b.Email}, "ta")
				return err
			},
			"let into another room": func() error { _, err := r.AssignToRoom(ctx, c.Teacher, elsewhere.ID, app.Person{ID: b.ID}); return err },
			"made the owner":        func() error { _, err := r.TransferCourse(ctx, c.Teacher, c.Course.ID, b.ID); return err },
			"in an organization": func() error {
				_, err := r.AddOrganizationMember(ctx, super, org.ID, app.Person{ID: b.ID}, "member")
				return err
			},
			"in a project": func() error {
				_, err := r.AddProjectMember(ctx, super, c.Project.ID, app.Person{ID: b.ID}, "viewer")
				return err
			},
			"given a role": func() error {
				_, err := r.UpdateUser(ctx, super, b.ID, app.UserChanges{Role: app.Some("admin")})
				return err
			},
			"given a password": func() error {
				_, err := r.UpdateUser(ctx, super, b.ID, app.UserChanges{Password: app.Some(secret.Text("correct horse battery"))})
				return err
			},
			"given a link":    func() error { _, err := r.MakePasswordLink(ctx, super, b.ID); return err },
			"acted as":        func() error { _, err := r.Impersonate(ctx, super, b.ID, app.Client{}); return err },
			"deleted as such": func() error { _, _, err := r.DeleteUser(ctx, super, b.ID, false); return err },
			"given a password by the operator": func() error {
				return r.Operator().SetPassword(ctx, b.Email, "correct horse battery")
			},
		} {
			if got := codeOf(do()); got != "is_bot" {
				t.Errorf("%s: got %q, want is_bot", what, got)
			}
		}
		listed, err := r.ImportMembers(ctx, c.Teacher, c.Course.ID, []byte("email\n"+b.Email+"\n"), false)
		must(t, err)
		if len(listed) != 1 || listed[0].Status != app.ImportError {
			t.Errorf("in a class list: got %+v", listed)
		}
		if _, err := r.SignIn(ctx, b.Email, "", app.Client{}); err == nil {
			t.Error("it signed in")
		}
		for what, err := range map[string]error{
			"joins by a code":    second(r.JoinCourse(ctx, bot, "ABCD-EFGH")),
			"makes a course":     second(r.CreateCourse(ctx, bot, "Mine", nil)),
			"makes a club":       second(r.CreateOrganization(ctx, bot, "Mine", nil)),
			"renames itself":     second(r.UpdateSelf(ctx, bot, app.UserChanges{FullName: app.Some("Tess")})),
			"reads the course":   second(r.Course(ctx, bot, c.Course.ID)),
			"reads the members":  second(r.CourseMembers(ctx, bot, c.Course.ID, store.Page{})),
			"finds people":       second(r.SearchUsers(ctx, bot, "sue", 10)),
			"reads its tokens":   second(r.AccessTokens(ctx, bot)),
			"lists the bots":     second(r.Bots(ctx, bot, c.Course.ID, store.Page{Limit: 10})),
			"exports the room":   second(r.ExportRoom(ctx, bot, c.Room.ID)),
			"changes the room":   second(r.UpdateRoom(ctx, bot, c.Room.ID, app.RoomSettings{Name: app.Some("Mine")})),
			"reads another room": second(r.OpenRoom(ctx, bot, elsewhere.ID, app.RoomParts{})),
		} {
			if kind := app.KindOf(err); kind != app.KindForbidden && kind != app.KindNotFound {
				t.Errorf("it %s: got %v", what, err)
			}
		}
		if found, err := r.SearchUsers(ctx, c.Teacher, "quiz", 10); err != nil || len(found) > 0 {
			t.Errorf("a search for people: got %+v (%v)", found, err)
		}
		// No statement can make a bot anything else: the database refuses it too.
		for _, set := range []string{"kind = 'person'", "role = 'admin'", "password_hash = 'x'", "bot_course_id = NULL", "username = 'quiz'"} {
			if err := storetest.TryExec(ctx, r.DB, "UPDATE users SET "+set+" WHERE id = ?", b.ID); err == nil {
				t.Errorf("the database took %s", set)
			}
		}
	})
}

// A bot's name is its own in the course.
func TestBotNames(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		ctx := t.Context()
		newBot(t, r, c, "Quiz")
		for _, called := range []string{"", " ", "Teacher", "TEACHER", "Тeacher", "student", "Sue", "S u e", "5ue AI", "[Quiz]", "quiz", "QUlZ", "System", "deleted user", "a@b",
			"＠teacher", "🙂", "Quiz\u202e", strings.Repeat("x", 300)} {
			if _, _, err := r.CreateBot(ctx, c.Teacher, c.Course.ID, app.NewBot{Name: called}); app.KindOf(err) != app.KindInvalid {
				t.Errorf("%q: got %v, want it refused", called, err)
			}
		}
		b, _, err := r.CreateBot(ctx, c.Teacher, c.Course.ID, app.NewBot{Name: " Bell "})
		must(t, err)
		if b.Name() != "Bell" {
			t.Errorf("got %q", b.Name())
		}
		if _, err := r.UpdateBot(ctx, c.Teacher, c.Course.ID, b.ID, app.BotChanges{Name: app.Some("Sue")}); app.KindOf(err) != app.KindInvalid {
			t.Errorf("renamed to a person: got %v", err)
		}
		if _, err := r.UpdateBot(ctx, c.Teacher, c.Course.ID, b.ID, app.BotChanges{Name: app.Some("BELL")}); err != nil {
			t.Errorf("its own name: got %v", err)
		}
		if _, err := r.UpdateSelf(ctx, c.Student, app.UserChanges{FullName: app.Some("Quiz")}); app.KindOf(err) != app.KindInvalid {
			t.Errorf("a person named like a bot: got %v", err)
		}
	})
}

// What a bot has said stays under its name when it goes; the bot goes with its course.
func TestBotsGo(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url, func(cfg *config.Config) { cfg.Quotas.BotsPerCourse, cfg.Quotas.Bots = 2, 3 })
		c := r.Class(t)
		ctx := t.Context()
		b, bot := newBot(t, r, c, "Quiz")
		post(t, r, bot, c.Room.ID, "hello")
		socket, watch := r.Join(t, bot, c.Room.ID, true, -1), r.Join(t, c.Student, c.Room.ID, true, 0)
		watch.Await(t, "that a bot spoke", func(f apptest.Frame) bool { return f.Is("message") && f.Fields["sender_kind"] == "bot" })
		watch.Await(t, "that a bot is here", func(f apptest.Frame) bool {
			return f.Is("presence") && strings.Contains(f.Text, `"name":"Quiz","kind":"bot"`)
		})
		_, err := r.UpdateBot(ctx, c.Teacher, c.Course.ID, b.ID, app.BotChanges{IsActive: app.Some(false)})
		must(t, err)
		if got := socket.AwaitClose(t); got != 4001 {
			t.Errorf("the socket was closed with %d", got)
		}
		if _, err := r.Recheck(ctx, bot); err == nil {
			t.Error("its token is valid although it is inactive")
		}
		_, err = r.UpdateBot(ctx, c.Teacher, c.Course.ID, b.ID, app.BotChanges{IsActive: app.Some(true), RoomIDs: app.Some([]string{})})
		must(t, err)
		if _, err := r.OpenRoom(ctx, bot, c.Room.ID, app.RoomParts{}); app.KindOf(err) != app.KindNotFound {
			t.Errorf("out of the room: got %v", err)
		}
		if _, err := r.UpdateBot(ctx, c.Teacher, c.Course.ID, b.ID, app.BotChanges{RoomIDs: app.Some([]string{store.NewID()})}); app.KindOf(err) != app.KindInvalid {
			t.Errorf("into an unknown room: got %v", err)
		}
		must(t, r.DeleteBot(ctx, c.Teacher, c.Course.ID, b.ID))
		all, err := storetest.All(r.History(ctx, c.Student, c.Room.ID, 0, 0))
		must(t, err)
		if len(all) != 1 || all[0].BotName != "Quiz" || all[0].Sender != nil || all[0].SenderID != "" {
			t.Errorf("got %+v", all)
		}
		again := r.Join(t, c.Student, c.Room.ID, true, 0)
		again.Await(t, "the message", func(f apptest.Frame) bool {
			return f.Is("message") && f.Fields["sender"] == "Quiz" && f.Fields["sender_kind"] == "bot" && !strings.Contains(f.Text, b.ID)
		})
		if _, err := r.Recheck(ctx, bot); app.KindOf(err) != app.KindUnauthenticated {
			t.Errorf("its token: got %v", err)
		}
		other, err := r.CreateCourse(ctx, c.Teacher, "Chemistry", nil)
		must(t, err)
		for _, at := range []struct {
			course, name string
			ok           bool
		}{{c.Course.ID, "One", true}, {c.Course.ID, "Two", true}, {c.Course.ID, "Three", false}, {other.ID, "One", true}, {other.ID, "Two", false}} {
			_, _, err := r.CreateBot(ctx, c.Teacher, at.course, app.NewBot{Name: at.name})
			if (err == nil) != at.ok || err != nil && codeOf(err) != "quota" {
				t.Errorf("%s: got %v", at.name, err)
			}
		}
		_, _, err = r.DeleteCourse(ctx, c.Teacher, c.Course.ID, false)
		must(t, err)
		if left, err := r.DB.Bots(ctx, c.Course.ID, store.Page{Limit: 10}); err != nil || len(left) > 0 {
			t.Errorf("bots of a deleted course: got %+v (%v)", left, err)
		}
	})
}
