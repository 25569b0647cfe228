package web

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store/storetest"
)

// Origins are the same whatever way they are written.
func TestOrigins(t *testing.T) {
	t.Parallel()
	r := start(t, storetest.SQLite(t), func(c *config.Config) {
		c.HTTP.PublicURL = "HTTPS://Schule-München.example:443/"
		c.HTTP.CORSOrigins = []string{"http://Partner.example:80", "https://other.example.:8443"}
	})
	for _, row := range []struct {
		host, origin string
		want         bool
	}{
		{"x", "https://schule-münchen.example", true}, {"x", "https://xn--schule-mnchen-3ob.example", true}, {"x", "https://XN--schule-mnchen-3ob.example:443", true},
		{"x", "http://partner.example", true}, {"x", "http://partner.example:80", true}, {"x", "https://partner.example", false},
		{"x", "https://other.example:8443", true}, {"x", "https://other.example", false},
		{"school.example:443", "https://school.example", true}, {"school.example", "https://school.example:443", true}, {"school.example:80", "http://school.example", true},
		{"School.Example", "https://school.example", true}, {"school.example.", "https://school.example", true}, {"school.example:8000", "http://school.example:8000", true},
		{"xn--n9so80a.example", "http://學校.example", true}, {"[::1]:80", "http://[::1]", true},
		{"school.example:443", "http://school.example", false}, {"school.example:8000", "http://school.example", false}, {"school.example", "http://evil.example", false},
		{"school.example", "http://school.example.evil.example", false}, {"school.example", "null", false}, {"", "http://", false}, {"school.example", "http://school.example@evil.example", false},
	} {
		c := r.server.fiber.AcquireCtx(new(fasthttp.RequestCtx))
		c.Request().Header.SetHost(row.host)
		c.Request().Header.Set(fiber.HeaderOrigin, row.origin)
		if got := r.server.originAllowed(c); got != row.want {
			t.Errorf("host %q, origin %q: got %v, want %v", row.host, row.origin, got, row.want)
		}
		r.server.fiber.ReleaseCtx(c)
	}
	t.Run("a refusal names the remedies, and is logged once", func(t *testing.T) {
		for range 3 {
			a := r.anon().with("Origin", "https://Foreign.example:443").do(t, post, v1+"/login/access-token", body{})
			if a.status != http.StatusForbidden || a.text(t, "code") != "foreign_origin" || !strings.Contains(a.text(t, "detail"), "http.public_url") ||
				!strings.Contains(a.text(t, "detail"), "http.cors_origins") {
				t.Errorf("got %d %s", a.status, a.body)
			}
		}
		if n := strings.Count(r.log.String(), `"origin":"https://foreign.example"`); n != 1 {
			t.Errorf("it is in the log %d times, want once", n)
		}
		f := &foreignOrigins{}
		for i := range 10 * maxForeign {
			f.first(strings.Repeat("x", i))
		}
		if len(f.seen) != maxForeign {
			t.Errorf("%d origins are remembered", len(f.seen))
		}
	})
}
