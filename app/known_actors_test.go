package app_test

import (
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// TestKnownCallers: who has just been asked about is known without the database, and
// whatever ends or changes a caller counts at once on this node, soon on another, and
// after five seconds where nobody was told.
func TestKnownCallers(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		nodes := []*apptest.Rig{r}
		if r.DB.Postgres() {
			other := apptest.NewStopped(t, url, func(c *config.Config) { *c = *r.Config })
			must(t, other.Start(t.Context()))
			nodes = append(nodes, other)
		}
		ctx := t.Context()
		super := r.User(t, app.RoleSuperAdmin, "Root")
		type caller struct {
			*store.User
			session, token, tokenID string
			actor                   *app.Actor
		}
		arrive := func(t *testing.T) caller {
			u := account(t, r, app.RoleTeacher)
			tokens := signIn(t, r, u)
			who, err := r.Authenticate(ctx, tokens.Access)
			must(t, err)
			id, plain, _ := token(t, r, who, app.ScopeRead)
			c := caller{u, tokens.Access, plain.Reveal(), id, who}
			for _, node := range nodes {
				for _, credential := range []string{c.session, c.token} {
					_, err := node.Authenticate(ctx, credential)
					must(t, err)
				}
			}
			return c
		}
		ended := func(node *apptest.Rig, credential string) bool {
			_, err := node.Authenticate(ctx, credential)
			return err != nil
		}
		for name, c := range map[string]struct {
			change  func(c caller) error
			session bool // the session ends
			token   bool // the token ends
		}{
			"SignOut":          {func(c caller) error { return r.SignOut(ctx, c.session) }, true, false},
			"EndSession":       {func(c caller) error { return r.EndSession(ctx, c.actor, c.actor.SessionID) }, true, false},
			"EndOtherSessions": {func(c caller) error { return r.EndOtherSessions(ctx, actorOf(t, r, signIn(t, r, c.User))) }, true, false},
			"Password": {func(c caller) error {
				_, err := r.UpdateUser(ctx, super, c.ID, app.UserChanges{Password: app.Some(secret.Text("another battery"))})
				return err
			}, true, false},
			"Inactive": {func(c caller) error {
				_, err := r.UpdateUser(ctx, super, c.ID, app.UserChanges{IsActive: app.Some(false)})
				return err
			}, true, true},
			"Deleted": {func(c caller) error {
				_, _, err := r.DeleteUser(ctx, super, c.ID, false)
				return err
			}, true, true},
			"RevokeToken":  {func(c caller) error { return r.RevokeAccessToken(ctx, c.actor, c.tokenID) }, false, true},
			"RevokeTokens": {func(c caller) error { return r.RevokeAccessTokensOf(ctx, super, c.ID) }, false, true},
		} {
			t.Run(name, func(t *testing.T) {
				who := arrive(t)
				must(t, c.change(who))
				if ended(r, who.session) != c.session || ended(r, who.token) != c.token {
					t.Errorf("here: the session has ended: %v, the token: %v; want %v, %v", ended(r, who.session), ended(r, who.token), c.session, c.token)
				}
				for _, node := range nodes {
					apptest.Await(t, "the other node", func() bool { return ended(node, who.session) == c.session && ended(node, who.token) == c.token })
				}
			})
		}
		t.Run("Role", func(t *testing.T) {
			who := arrive(t)
			_, err := r.UpdateUser(ctx, super, who.ID, app.UserChanges{Role: app.Some(app.RoleGuest)})
			must(t, err)
			for _, node := range nodes {
				apptest.Await(t, "the new role", func() bool {
					a, err := node.Authenticate(ctx, who.session)
					return err == nil && a.User.Role == app.RoleGuest
				})
			}
			if a, err := r.Authenticate(ctx, who.token); err != nil || a.User.Role != app.RoleGuest {
				t.Errorf("got %+v, %v", a, err)
			}
		})
		t.Run("NobodyWasTold", func(t *testing.T) {
			who := arrive(t)
			untold(t, r, "UPDATE users SET is_active = FALSE WHERE id = '"+who.ID+"'")
			if ended(r, who.session) || ended(r, who.token) {
				t.Error("the database was asked again at once")
			}
			for _, node := range nodes {
				node.Advance(5 * time.Second)
				if !ended(node, who.session) || !ended(node, who.token) {
					t.Error("still known after five seconds")
				}
			}
		})
	})
}

// TestKnownCourses: how a caller stands to a course is known without the database, and
// each change of the course or of its people counts as those of the caller do.
func TestKnownCourses(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		nodes := []*apptest.Rig{r}
		if r.DB.Postgres() {
			other := apptest.NewStopped(t, url, func(c *config.Config) { *c = *r.Config })
			must(t, other.Start(t.Context()))
			nodes = append(nodes, other)
		}
		ctx := t.Context()
		super := r.User(t, app.RoleSuperAdmin, "Root")
		// ask reads the reports of a course, which its staff may do.
		ask := func(node *apptest.Rig, session, course string) (int64, error) {
			actor, err := node.Authenticate(ctx, session)
			must(t, err)
			ctx, reads := store.CountReads(ctx)
			_, err = node.Reports(ctx, actor, course, store.Page{})
			return reads.Count(), err
		}
		// arrive returns a TA of a new course, whom every node knows.
		arrive := func(t *testing.T) (owner *app.Actor, ta *store.User, session, course string) {
			owner, ta = r.User(t, app.RoleTeacher, "Owner"), account(t, r, app.RoleStudent)
			c, err := r.CreateCourse(ctx, owner, "Course", nil)
			must(t, err)
			_, err = r.Enrol(ctx, owner, c.ID, app.Person{ID: ta.ID}, "ta")
			must(t, err)
			session = signIn(t, r, ta).Access
			for _, node := range nodes {
				apptest.Await(t, "a list for one query", func() bool {
					reads, err := ask(node, session, c.ID)
					return err == nil && reads == 1
				})
			}
			return owner, ta, session, c.ID
		}
		for name, change := range map[string]func(owner *app.Actor, ta *store.User, course string) error{
			"Role": func(owner *app.Actor, ta *store.User, course string) error {
				return r.ChangeMemberRole(ctx, owner, course, ta.ID, "student")
			},
			"Removed": func(owner *app.Actor, ta *store.User, course string) error {
				return r.RemoveMember(ctx, owner, course, ta.ID)
			},
			"Course": func(owner *app.Actor, _ *store.User, course string) error {
				_, _, err := r.DeleteCourse(ctx, owner, course, false)
				return err
			},
		} {
			t.Run(name, func(t *testing.T) {
				owner, ta, session, course := arrive(t)
				must(t, change(owner, ta, course))
				if _, err := ask(r, session, course); err == nil {
					t.Error("here: still allowed")
				}
				for _, node := range nodes {
					apptest.Await(t, "the other node", func() bool { _, err := ask(node, session, course); return err != nil })
				}
			})
		}
		t.Run("Owner", func(t *testing.T) {
			owner, ta, session, course := arrive(t)
			must(t, r.RemoveMember(ctx, owner, course, ta.ID))
			if _, err := ask(r, session, course); err == nil {
				t.Error("still allowed")
			}
			_, err := r.Enrol(ctx, owner, course, app.Person{ID: ta.ID}, "teacher")
			must(t, err)
			if _, err := ask(r, session, course); err != nil {
				t.Errorf("after the enrolment: %v", err)
			}
			_, err = r.TransferCourse(ctx, owner, course, ta.ID)
			must(t, err)
			must(t, r.RemoveMember(ctx, super, course, owner.User.ID))
			for _, node := range nodes {
				apptest.Await(t, "the new owner", func() bool { _, err := ask(node, session, course); return err == nil })
			}
		})
		t.Run("NobodyWasTold", func(t *testing.T) {
			_, ta, session, course := arrive(t)
			untold(t, r, "DELETE FROM course_members WHERE user_id = '"+ta.ID+"'")
			if _, err := ask(r, session, course); err != nil {
				t.Error("the database was asked again at once")
			}
			for _, node := range nodes {
				node.Advance(5 * time.Second)
				if _, err := ask(node, session, course); err == nil {
					t.Error("still known after five seconds")
				}
			}
		})
	})
}

// untold changes rows past the program, as another program does.
func untold(t *testing.T, r *apptest.Rig, query string) {
	t.Helper()
	var err error
	if r.DB.Postgres() {
		_, err = r.DB.Pool().Exec(t.Context(), query)
	} else {
		_, err = r.DB.Writer().ExecContext(t.Context(), query)
	}
	must(t, err)
}
