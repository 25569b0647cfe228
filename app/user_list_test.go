package app_test

import (
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func TestListedUsers(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		teacher := r.User(t, app.RoleTeacher, "Tess\x1b[2J")
		for range 250 { // more than a page
			r.User(t, app.RoleStudent, "Sue")
		}
		list := func(f store.UserFilter, asJSON bool) (string, int) {
			t.Helper()
			var b strings.Builder
			n, err := r.Operator().Users(t.Context(), &b, f, asJSON)
			must(t, err)
			return b.String(), n
		}
		if text, n := list(store.UserFilter{}, false); n != 251 || strings.Count(text, "\n") != 252 || strings.Count(text, "last seen") != 1 || strings.Contains(text, "\x1b") {
			t.Errorf("got %d accounts: %.400q", n, text)
		}
		text, n := list(store.UserFilter{Role: app.RoleTeacher}, true)
		if n != 1 || !strings.Contains(text, teacher.User.ID) || !strings.Contains(text, `"role":"teacher"`) || strings.Contains(text, "hash") {
			t.Errorf("got %d: %s", n, text)
		}
		if text, n := list(store.UserFilter{Text: "nobody at all"}, false); n != 0 || text != "" {
			t.Errorf("got %d: %s", n, text)
		}
	})
}
