package app_test

import (
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func TestSessions(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		ctx := t.Context()
		actor := func(t *testing.T, tokens *app.Tokens) *app.Actor {
			t.Helper()
			who, err := r.Authenticate(ctx, tokens.Access)
			must(t, err)
			return who
		}
		ids := func(t *testing.T, who *app.Actor) (ids []string) {
			t.Helper()
			rows, err := r.Sessions(ctx, who, store.Page{})
			must(t, err)
			for _, s := range rows {
				ids = append(ids, s.ID)
			}
			return ids
		}
		t.Run("ListNewestFirst", func(t *testing.T) {
			u := account(t, r, app.RoleStudent)
			first, second := actor(t, signIn(t, r, u)), actor(t, signIn(t, r, u))
			want(t, "sessions", ids(t, first), []string{second.SessionID, first.SessionID})
			must(t, r.SignOut(ctx, signIn(t, r, u).Access))
			want(t, "sessions", ids(t, first), []string{second.SessionID, first.SessionID})
		})
		t.Run("EndOne", func(t *testing.T) {
			u := account(t, r, app.RoleStudent)
			here, lost := actor(t, signIn(t, r, u)), signIn(t, r, u)
			must(t, r.EndSession(ctx, here, actor(t, lost).SessionID))
			_, err := r.Authenticate(ctx, lost.Access)
			refused(t, err, app.KindUnauthenticated, "", "Could not validate credentials")
			want(t, "sessions", ids(t, here), []string{here.SessionID})
		})
		t.Run("NotThoseOfOthers", func(t *testing.T) {
			here, other := actor(t, signIn(t, r, account(t, r, app.RoleStudent))), actor(t, signIn(t, r, account(t, r, app.RoleStudent)))
			refused(t, r.EndSession(ctx, here, other.SessionID), app.KindNotFound, "", "Session not found")
			refused(t, r.EndSession(ctx, here, store.NewID()), app.KindNotFound, "", "Session not found")
			want(t, "sessions", ids(t, other), []string{other.SessionID})
		})
		t.Run("EndAllOthers", func(t *testing.T) {
			u, super := account(t, r, app.RoleStudent), r.User(t, app.RoleSuperAdmin, "Root")
			here, lost := actor(t, signIn(t, r, u)), signIn(t, r, u)
			as, err := r.Impersonate(ctx, super, u.ID, app.Client{})
			must(t, err)
			if got := ids(t, here); len(got) != 3 {
				t.Errorf("got %d sessions, want 3: a super admin acts as the person", len(got))
			}
			must(t, r.EndOtherSessions(ctx, here))
			for _, tokens := range []*app.Tokens{lost, as} {
				_, err = r.Authenticate(ctx, tokens.Access)
				refused(t, err, app.KindUnauthenticated, "", "")
			}
			want(t, "sessions", ids(t, here), []string{here.SessionID})
			want(t, "the super admin's", ids(t, super), []string{super.SessionID})
		})
	})
}
