package app_test

import (
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// Nobody takes the name of an agent that they meet; of people who have it
// anyway the staff is told.
func TestNobodyIsCalledLikeAnAgent(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		ctx := t.Context()
		c := r.Class(t)
		r.Exec(t, "UPDATE agents SET name = ? WHERE id = ?", "Socrates", c.TeacherAgent.ID)
		called := func(actor *app.Actor, name string) error {
			_, err := r.UpdateSelf(ctx, actor, app.UserChanges{FullName: app.Some(name)})
			return err
		}
		t.Run("Renamed", func(t *testing.T) {
			for _, name := range []string{"Socrates", "SOCRATES", "Ｓocrates", "socrates.", "S0crates"} {
				for _, who := range []*app.Actor{c.Student, c.TA, c.Teacher} {
					refused(t, called(who, name), app.KindInvalid, "", "")
				}
				_, err := r.UpdateUser(ctx, c.Admin, c.Student.User.ID, app.UserChanges{FullName: app.Some(name)})
				refused(t, err, app.KindInvalid, "", "")
			}
			// Without a full name the user name is what others see.
			_, err := r.UpdateSelf(ctx, c.Student, app.UserChanges{FullName: app.Opt[string]{Sent: true, Null: true}, Username: app.Some("Socrates")})
			refused(t, err, app.KindInvalid, "", "")
			for _, name := range []string{"Socrates Kumar", "Sokrates"} {
				if err := called(c.Student, name); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
		t.Run("NamedBeforeJoining", func(t *testing.T) {
			if err := called(c.Outsider, "Socrates"); err != nil {
				t.Fatalf("who meets no such agent: %v", err)
			}
			code, err := r.SetJoinCode(ctx, c.Teacher, c.Course.ID)
			if err != nil {
				t.Fatal(err)
			}
			outsider := fresh(t, r, c.Outsider)
			_, err = r.JoinCourse(ctx, outsider, code.Code)
			refused(t, err, app.KindRejected, "name_of_agent", "")
			if err := called(outsider, "Phaedo"); err != nil {
				t.Fatal(err)
			}
			if _, err := r.JoinCourse(ctx, fresh(t, r, outsider), code.Code); err != nil {
				t.Error(err)
			}
		})
		t.Run("StaffIsTold", func(t *testing.T) {
			problems := func() string {
				t.Helper()
				s, err := r.RoomAgentSettings(ctx, c.Teacher, c.Room.ID, c.TeacherAgent.ID)
				if err != nil {
					t.Fatal(err)
				}
				return strings.Join(s.Problems, "; ")
			}
			if got := problems(); got != "" {
				t.Errorf("got %q", got)
			}
			namesake := r.User(t, app.RoleStudent, "Socrates")
			said, err := r.Enrol(ctx, c.Teacher, c.Course.ID, app.Person{ID: namesake.User.ID}, app.RoleStudent)
			if err != nil || !strings.Contains(said, `the agent or bot "Socrates"`) {
				t.Errorf("enrolled: got %q, %v", said, err)
			}
			if got := problems(); !strings.Contains(got, `the person "Socrates"`) {
				t.Errorf("the agent's settings: got %q", got)
			}
			rows, err := r.ImportMembers(ctx, c.Teacher, c.Course.ID, []byte("email,full_name\n"+store.NewID()+"@x.org,SOCRATES\n"+store.NewID()+"@x.org,Crito\n"), false)
			if err != nil || len(rows) != 2 || !strings.Contains(rows[0].Message, `the agent or bot "Socrates"`) || strings.Contains(rows[1].Message, "agent") {
				t.Errorf("got %+v, %v", rows, err)
			}
		})
	})
}

// fresh is an actor as the next request finds the account.
func fresh(t *testing.T, r *apptest.Rig, actor *app.Actor) *app.Actor {
	t.Helper()
	u, err := r.DB.User(t.Context(), actor.User.ID)
	if err != nil {
		t.Fatal(err)
	}
	return &app.Actor{User: *u, SessionID: actor.SessionID}
}

// A person whose name has the letters AI is no agent to the existing client.
func TestCapitalsAreNoAgent(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		c := r.Class(t)
		if _, err := r.UpdateSelf(t.Context(), c.Student, app.UserChanges{FullName: app.Some("KAI LEE")}); err != nil {
			t.Fatal(err)
		}
		plain, v2 := r.Join(t, c.TA, c.Room.ID, false, 0), r.Join(t, c.TA, c.Room.ID, true, 0)
		if _, err := r.PostMessage(t.Context(), fresh(t, r, c.Student), c.Room.ID, "hello", ""); err != nil {
			t.Fatal(err)
		}
		hello := func(f apptest.Frame) bool { return f.Fields["content"] == "hello" }
		if got := plain.Await(t, "the line", hello).Fields["sender"]; got != "KA\u2060I LEE" {
			t.Errorf("the plain protocol: got %+q", got)
		}
		if got := v2.Await(t, "the line", hello).Fields["sender"]; got != "KAI LEE" {
			t.Errorf("coagent.v2: got %+q", got)
		}
	})
}
