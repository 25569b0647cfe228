package web

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store/storetest"
)

// A flood of wrong passwords from one address makes nobody elsewhere wait for
// more than a turn or two, nor a device there that is known.
func TestSignInUnderFlood(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := start(t, url, func(c *config.Config) {
			c.HTTP.TrustedProxies, c.Auth.HashConcurrency = []string{"127.0.0.1"}, 1
			c.Auth.HashCheaply(false) // what people wait for here are the hashes
		})
		u, teacher := r.addUser(t, app.RoleStudent, "ada", true), r.addUser(t, app.RoleTeacher, "tess", true)
		from := func(address string) *caller { return r.anon().with("X-Forwarded-For", address) }
		const school = "192.0.2.1"
		in := from(school).must(t, http.StatusOK, post, signInPath, form(teacher.Email, testPassword))
		note := in.cookies()[cookieDevice]
		if !strings.HasSuffix(note, "; Path=/api/v1/login/access-token; Max-Age=31536000; HttpOnly; SameSite=Lax") {
			t.Fatalf("got cookie %q", note)
		}
		known := from(school).with("Cookie", cookieDevice+"="+cookieValue(t, in, cookieDevice))

		var stop atomic.Bool
		var answered atomic.Int64
		var flood sync.WaitGroup
		for i := range 130 {
			flood.Go(func() {
				for n := 0; !stop.Load(); n++ {
					a := from(school).do(t, post, signInPath, form(fmt.Sprintf("guess-%d-%d@example.org", i, n), "wrong"))
					if a.status == http.StatusBadRequest {
						answered.Add(1)
					} else if a.header.Get("Retry-After") == "" && !stop.Load() {
						t.Errorf("got %d %s", a.status, a.body)
					}
				}
			})
		}
		defer flood.Wait()
		defer stop.Store(true)
		apptest.Await(t, "the flood to fill the line", func() bool { return answered.Load() > 3 })
		for name, good := range map[string]func() answer{
			"from elsewhere": func() answer { return from("192.0.2.2").do(t, post, signInPath, form(u.Email, testPassword)) },
			"known there":    func() answer { return known.do(t, post, signInPath, form(teacher.Email, testPassword)) },
		} {
			before := answered.Load()
			a := good()
			// One turn was running, and another one's answer may be on its way.
			if got := answered.Load() - before; a.status != http.StatusOK || got > 10 {
				t.Errorf("%s: got %d after %d turns of others, want 200 after a few", name, a.status, got)
			}
		}
	})
}
