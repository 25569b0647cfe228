package web

import (
	"net/http"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func TestRequestLimits(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		wantLimited := func(t *testing.T, a answer, detail string) {
			t.Helper()
			wantProblem(t, a, http.StatusTooManyRequests, detail)
			if got := a.header.Get("Retry-After"); got != "60" || a.text(t, "code") != "rate_limited" {
				t.Errorf("got Retry-After %q, code %q, want 60 and rate_limited", got, a.text(t, "code"))
			}
		}
		t.Run("of a person, whatever they come with", func(t *testing.T) {
			r := start(t, url, func(c *config.Config) { c.Limits.RequestsPerMinute, c.Limits.RequestsBurst = 1, 4 })
			u := r.addUser(t, app.RoleTeacher, "tess", true)
			first, second := r.session(t, u.ID), r.session(t, u.ID)
			first.must(t, 200, get, v1+"/users/me")
			second.must(t, 200, get, v1+"/courses/")
			first.must(t, 404, get, v1+"/courses/"+store.NewID())
			second.must(t, 200, post, v1+"/login/test-token")
			const detail = "You send very many requests. Try again in 60 s."
			for _, path := range []string{v1 + "/users/me", v1 + "/rooms/" + store.NewID() + "/events", "/admin/queue/"} {
				wantLimited(t, first.do(t, get, path), detail)
			}
			wantLimited(t, second.with("Accept", "text/event-stream").do(t, get, v1+"/rooms/"+store.NewID()+"/events"), detail)
			wantLimited(t, second.do(t, post, v1+"/login/test-token"), detail)
			r.session(t, r.addUser(t, app.RoleTeacher, "tom", true).ID).must(t, 200, get, v1+"/users/me")
		})
		t.Run("of an address", func(t *testing.T) {
			r := start(t, url, func(c *config.Config) {
				c.Limits.AddressRequestsPerMinute, c.Limits.AddressRequestsBurst = 1, 4
				c.HTTP.TrustedProxies = []string{"127.0.0.1"}
			})
			from := func(address string) *caller { return r.anon().with("X-Forwarded-For", address) }
			for range 4 {
				from("203.0.113.7").must(t, 401, get, v1+"/users/me")
			}
			wantLimited(t, from("203.0.113.7").do(t, get, v1+"/users/me"), "Very many requests come from your address. Try again in 60 s.")
			from("203.0.113.8").must(t, 401, get, v1+"/users/me")
			from("203.0.113.7").must(t, 200, get, pathHealth)
			from("203.0.113.7").must(t, 200, get, "/")
		})
	})
}
