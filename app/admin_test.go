package app_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func TestAdminUsers(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		ctx := t.Context()
		for i := range 7 {
			r.User(t, app.RoleGuest, fmt.Sprintf("Guest %d", i))
		}
		off := r.User(t, app.RoleGuest, "Guest off")
		if _, err := r.UpdateUser(ctx, c.Admin, off.User.ID, app.UserChanges{IsActive: app.Some(false)}); err != nil {
			t.Fatal(err)
		}
		bot, _, err := r.CreateBot(ctx, c.Teacher, c.Course.ID, app.NewBot{Name: "Quiz"})
		if err != nil {
			t.Fatal(err)
		}
		pages := func(f store.UserFilter) (names []string, total int64) {
			t.Helper()
			f.Limit = 3
			for after := ""; ; {
				page, err := r.AdminUsers(ctx, c.Admin, app.AdminUsersQuery{UserFilter: f, After: after})
				if err != nil {
					t.Fatal(err)
				}
				for i := range page.Users {
					names = append(names, page.Users[i].Name())
				}
				if len(page.Users) < f.Limit {
					return names, page.Total
				}
				after = page.Users[f.Limit-1].ID
			}
		}
		yes := true
		for what, step := range map[string]struct {
			f    store.UserFilter
			want int
		}{
			"all": {store.UserFilter{}, 14}, "guests": {store.UserFilter{Role: app.RoleGuest, Kind: store.KindPerson}, 8},
			"active guests": {store.UserFilter{Role: app.RoleGuest, Kind: store.KindPerson, Active: &yes}, 7}, "bots": {store.UserFilter{Kind: store.KindBot}, 1},
			"course": {store.UserFilter{CourseID: c.Course.ID}, 4}, "search": {store.UserFilter{Text: "gUEST"}, 8}, "nobody": {store.UserFilter{Text: "%"}, 0},
		} {
			var orders [][]string
			for _, order := range []string{store.UsersNewest, store.UsersOldest, store.UsersByEmail} {
				step.f.Order = order
				names, total := pages(step.f)
				slices.Sort(names)
				if len(names) != step.want || total != int64(step.want) || len(slices.Compact(slices.Clone(names))) != step.want {
					t.Errorf("%s by %s: got %d accounts %v and total %d, want %d", what, order, len(names), names, total, step.want)
				}
				orders = append(orders, names)
			}
			if !slices.Equal(orders[0], orders[1]) || !slices.Equal(orders[1], orders[2]) {
				t.Errorf("%s: the orders list other accounts: %v", what, orders)
			}
		}
		if names, _ := pages(store.UserFilter{Order: store.UsersNewest}); names[0] != bot.Name() {
			t.Errorf("got %v, want the newest first", names)
		}
		page, err := r.AdminUsers(ctx, c.Admin, app.AdminUsersQuery{UserFilter: store.UserFilter{Text: c.Student.User.Email, Limit: 1}})
		if err != nil || len(page.Users) != 1 || page.Sessions[c.Student.User.ID].Open != 1 || page.Sessions[c.Student.User.ID].SeenAt.IsZero() {
			t.Errorf("got %+v, %v, want one session that was seen", page, err)
		}
		_, err = r.AdminUsers(ctx, c.Admin, app.AdminUsersQuery{After: store.NewID()})
		refused(t, err, app.KindInvalid, "", "")
		_, err = r.AdminUsers(ctx, c.Teacher, app.AdminUsersQuery{})
		refused(t, err, app.KindForbidden, "", "")
	})
}

func TestSessionsOfOthers(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		ctx, super, other := t.Context(), r.User(t, app.RoleSuperAdmin, "Sam"), r.User(t, app.RoleAdmin, "Abe")
		open := func(of *app.Actor) []store.Session {
			t.Helper()
			list, err := r.SessionsOf(ctx, super, of.User.ID, store.Page{Limit: 10})
			if err != nil {
				t.Fatal(err)
			}
			return list
		}
		for _, of := range []*app.Actor{other, super} {
			_, err := r.SessionsOf(ctx, c.Admin, of.User.ID, store.Page{Limit: 10})
			refused(t, err, app.KindForbidden, "", "Only Super Admins can modify other Admins")
			refused(t, r.EndSessionsOf(ctx, c.Admin, of.User.ID, ""), app.KindForbidden, "", "")
			refused(t, r.EndSessionsOf(ctx, c.Admin, of.User.ID, open(of)[0].ID), app.KindForbidden, "", "")
		}
		mine, theirs := open(c.Student), open(c.TA)
		refused(t, r.EndSessionsOf(ctx, c.Admin, c.Student.User.ID, theirs[0].ID), app.KindNotFound, "", "Session not found")
		if err := r.EndSessionsOf(ctx, c.Admin, c.Student.User.ID, mine[0].ID); err != nil || len(open(c.Student)) != 0 {
			t.Errorf("got %v and %v, want no session left", err, open(c.Student))
		}
		refused(t, r.EndSessionsOf(ctx, c.Admin, c.Student.User.ID, mine[0].ID), app.KindNotFound, "", "Session not found")
		if err := r.EndSessionsOf(ctx, c.Admin, c.TA.User.ID, ""); err != nil || len(open(c.TA)) != 0 {
			t.Errorf("got %v, want no session left", err)
		}
		refused(t, r.EndSessionsOf(ctx, c.Teacher, c.Outsider.User.ID, ""), app.KindForbidden, "", "")
		refused(t, r.EndSessionsOf(ctx, c.Admin, store.NewID(), ""), app.KindNotFound, "", "User not found")
	})
}

func TestSearchAudit(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		ctx := t.Context()
		for i := range 5 {
			title := fmt.Sprintf("Zoology %d", i)
			if _, err := r.UpdateCourse(ctx, c.Teacher, c.Course.ID, app.CourseSettings{Title: app.Some(title)}); err != nil {
				t.Fatal(err)
			}
		}
		for _, oldest := range []bool{false, true} {
			var ids []string
			for after := ""; ; {
				page, err := r.SearchAudit(ctx, c.Admin, app.AuditFilter{Text: "zOOLOGY", Action: string(app.ActUpdateCourse), Oldest: oldest}, after, 2)
				if err != nil {
					t.Fatal(err)
				}
				entries, err := storetest.All(page.Entries, nil)
				if err != nil || page.Total != 5 || page.AtLeast {
					t.Fatalf("got total %d, %v", page.Total, err)
				}
				for _, e := range entries {
					ids = append(ids, e.ID)
				}
				if len(entries) < 2 {
					break
				}
				after = entries[1].ID
			}
			if len(ids) != 5 || slices.IsSorted(ids) != oldest {
				t.Errorf("oldest first %v: got %v", oldest, ids)
			}
		}
		if page, err := r.SearchAudit(ctx, c.Admin, app.AuditFilter{Text: "nothing of this"}, "", 10); err != nil || page.Total != 0 {
			t.Errorf("got %+v, %v", page, err)
		}
		_, err := r.SearchAudit(ctx, c.Teacher, app.AuditFilter{}, "", 10)
		refused(t, err, app.KindForbidden, "", "")
	})
}

func TestSystem(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		c := r.Class(t)
		sys, err := r.System(t.Context(), c.Admin)
		if err != nil {
			t.Fatal(err)
		}
		if len(sys.Nodes) != 1 || !sys.Alive(&sys.Nodes[0]) || !sys.Nodes[0].Works || sys.Bytes < 100_000 || len(sys.Tables) == 0 || sys.Tables[0].Bytes == 0 {
			t.Errorf("got %+v", sys)
		}
		_, err = r.System(t.Context(), c.Teacher)
		refused(t, err, app.KindForbidden, "", "")
	})
}
