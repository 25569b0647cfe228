package web

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/telemetry"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
	"github.com/coagent-studio/coagent/web/apidocs"
	studioui "github.com/coagent-studio/coagent/web/ui"
)

func TestEdge(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	for name, rule := range map[string]func(*testing.T, *world){
		"unknown paths": func(t *testing.T, w *world) {
			for _, path := range []string{"/nope", "/api/v1/nope", "/API/V1/users/me", "//evil.example/", "/api/v1/rooms/x/y/z", "/api/v1/users/me/x"} {
				wantProblem(t, w.as(admin).do(t, get, path), 404, "Not Found")
			}
		},
		"wrong methods": func(t *testing.T, w *world) {
			a := w.as(admin).do(t, "PATCH", v1+"/rooms/"+w.room)
			wantProblem(t, a, 405, "Method Not Allowed")
			if got := a.header.Get("Allow"); got != "GET, PUT, DELETE" {
				t.Errorf("got Allow %q, want GET, PUT, DELETE", got)
			}
			wantProblem(t, w.as(admin).do(t, del, v1+"/users/"), 405, "Method Not Allowed")
			a = w.as(admin).do(t, "BREW", v1+"/rooms/"+w.room)
			wantProblem(t, a, 405, "Method Not Allowed")
			if got := a.header.Get("Allow"); got != "GET, PUT, DELETE" {
				t.Errorf("an unknown method: got Allow %q, want GET, PUT, DELETE", got)
			}
			wantProblem(t, w.as(admin).do(t, "BREW", "/nope"), 404, "Not Found")
		},
		"empty cookies count as absent": func(t *testing.T, w *world) {
			for _, cookie := range []string{"access_token=", "access_token", `access_token=""`, "access_token= ; x=1", "access_token=; refresh_token="} {
				a := w.as(admin).inHeader().with("Cookie", cookie).do(t, get, v1+"/users/me")
				if a.status != 200 {
					t.Errorf("%q beside a token: got %d %.80q", cookie, a.status, a.body)
				}
			}
			a := w.anon().with("Cookie", "refresh_token=").do(t, post, v1+"/login/refresh")
			wantProblem(t, a, 401, "Refresh token missing")
		},
		"the other form of a path is a relative 307": func(t *testing.T, w *world) {
			for path, want := range map[string]string{v1 + "/courses": v1 + "/courses/", v1 + "/rooms?course_id=1": v1 + "/rooms/?course_id=1",
				v1 + "/projects/": v1 + "/projects", v1 + "/users/me/": v1 + "/users/me", v1 + "/rooms/" + w.room + "/": v1 + "/rooms/" + w.room} {
				a := w.as(admin).do(t, get, path)
				if a.status != http.StatusTemporaryRedirect || a.header.Get("Location") != want {
					t.Errorf("%s: got %d to %q, want 307 to %q", path, a.status, a.header.Get("Location"), want)
				}
			}
			if a := w.as(admin).do(t, post, v1+"/courses", body{"title": "x"}); a.status != http.StatusTemporaryRedirect {
				t.Errorf("got %d, want 307 for a post too", a.status)
			}
		},
		"every spelling of an id": func(t *testing.T, w *world) {
			bare := strings.ReplaceAll(w.room, "-", "")
			for _, spelling := range []string{strings.ToUpper(w.room), bare, strings.ToUpper(bare), "%7B" + w.room + "%7D", "{" + w.room + "}", "urn:uuid:" + w.room} {
				if got := w.as(admin).must(t, 200, get, v1+"/rooms/"+spelling).text(t, "id"); got != w.room {
					t.Errorf("%s: got %s, want the canonical id", spelling, got)
				}
			}
			for _, bad := range []string{"x", w.room + "0", w.room[1:], "%00", "(" + w.room + ")", "..%2f", "%F0%9F%92%A9"} {
				if a := w.as(admin).do(t, get, v1+"/rooms/"+bad); a.status != 422 {
					t.Errorf("%s: got %d, want 422", bad, a.status)
				}
			}
		},
		"bodies": func(t *testing.T, w *world) {
			at := v1 + "/courses/"
			c := w.as(owner)
			c.with("Content-Type", "").must(t, 200, post, at, `{"title":"no type"}`)
			c.with("Content-Type", "application/json; charset=utf-8").must(t, 200, post, at, `{"title":"charset"}`)
			wantProblem(t, c.with("Content-Type", "text/plain").do(t, post, at, `{"title":"x"}`), 422, "body: must be JSON, with Content-Type: application/json")
			wantProblem(t, c.do(t, post, at), 422, "body: is missing: send one")
			wantProblem(t, c.do(t, post, at, "null"), 422, "body: must be an object")
			wantProblem(t, c.do(t, post, at, "[]"), 422, "body: must be an object")
			wantProblem(t, c.do(t, post, at, `{"title":`), 422, "body: must be valid JSON: unexpected end of JSON input at byte 9")
			if deep := c.do(t, post, at, strings.Repeat("[", 100_000)); deep.status != 422 || deep.text(t, "detail") != "body: nests more than 64 levels deep: send a flatter one" {
				t.Errorf("got %d %s, want 422 for a body that is nested too deep", deep.status, deep.body)
			}
			wantProblem(t, c.do(t, post, at, `{"title":5,"description":[]}`), 422, "description: must be a text; title: must be a text")
			a := c.do(t, post, at, `{"title":"password-in-a-wrong-place","description":5}`)
			if strings.Contains(a.body, "password-in-a-wrong-place") {
				t.Errorf("the error repeats what was sent: %s", a.body)
			}
			var p struct {
				Errors []fieldError `json:"errors"`
			}
			if err := json.Unmarshal([]byte(a.body), &p); err != nil || len(p.Errors) != 1 || p.Errors[0].Field != "body.description" {
				t.Errorf("got %s, want the wrong member in errors", a.body)
			}
		},
		"a client's request id is kept if it is sane": func(t *testing.T, w *world) {
			if got := w.anon().with(requestIDHeader, "abc-1.2_X").do(t, get, "/nope").text(t, "request_id"); got != "abc-1.2_X" {
				t.Errorf("got %q, want the client's own", got)
			}
			for _, bad := range []string{"a b", "<script>", strings.Repeat("x", 65)} {
				if got := w.anon().with(requestIDHeader, bad).do(t, get, "/nope").text(t, "request_id"); got == bad || len(got) != 36 {
					t.Errorf("got %q for %q, want a new one", got, bad)
				}
			}
		},
		"security headers": func(t *testing.T, w *world) {
			for path, policy := range map[string]string{"/": studioui.Policy, "/nope.txt": plainPolicy, v1 + "/users/me": defaultPolicy, "/favicon.svg": studioui.Policy} {
				a := w.anon().with("Accept", "text/html").do(t, get, path)
				for name, want := range map[string]string{"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff",
					"X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
					"Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()", "Strict-Transport-Security": ""} {
					if got := a.header.Get(name); got != want {
						t.Errorf("%s: got %s %q, want %q", path, name, got, want)
					}
				}
			}
			if got := w.as(admin).do(t, get, v1+"/users/me").header.Get("Cache-Control"); got != "no-store" {
				t.Errorf("got Cache-Control %q, want no-store", got)
			}
		},
		"accept is not negotiated": func(t *testing.T, w *world) {
			for _, accept := range []string{"text/html", "application/cbor", "json", "x/y;q=0"} {
				if got := w.as(admin).with("Accept", accept).must(t, 200, get, v1+"/users/me").header.Get("Content-Type"); got != "application/json" {
					t.Errorf("%s: got %q, want application/json", accept, got)
				}
			}
		},
		"a head full of cookies": func(t *testing.T, w *world) {
			w.as(admin).with("Cookie", cookieAccess+"="+w.as(admin).token+"; x="+strings.Repeat("y", 9000)).must(t, 200, get, v1+"/users/me")
			a := w.as(admin).with("X-Long", strings.Repeat("y", 20_000)).do(t, get, v1+"/users/me")
			wantProblem(t, a, 431, "The header of the request is too large; delete this site's cookies and try again")
		},
	} {
		t.Run(name, func(t *testing.T) {
			rule(t, w)
		})
	}
}

func TestPage(t *testing.T) {
	t.Parallel()
	r := start(t, storetest.SQLite(t))
	t.Run("root", func(t *testing.T) {
		a := r.anon().must(t, 200, get, "/")
		if got := a.text(t, "message"); got != "Welcome to CoAgent Studio API" {
			t.Errorf("got %q", got)
		}
		for _, path := range []string{"/", "/setup", "/setup?token=x", "/reset"} {
			a := r.anon().with("Accept", opensPage).must(t, 200, get, path)
			if !strings.Contains(a.body, "<title>CoAgent Studio</title>") || a.header.Get("Content-Type") != "text/html; charset=utf-8" {
				t.Errorf("%s: got %q %.80q, want the page", path, a.header.Get("Content-Type"), a.body)
			}
		}
		if got := a.header.Get("Vary"); !strings.Contains(got, "Accept") {
			t.Errorf("got Vary %q, want Accept", got)
		}
	})
	t.Run("where the page was before, one gets to it", func(t *testing.T) {
		if a := r.anon().with("Accept", opensPage).do(t, get, "/studio"); a.status != http.StatusTemporaryRedirect || a.header.Get("Location") != "/" {
			t.Errorf("got %d to %q", a.status, a.header.Get("Location"))
		}
	})
	t.Run("files", func(t *testing.T) {
		for path, kind := range map[string]string{"/favicon.svg": "image/svg+xml", "/docs/docs.js": "text/javascript; charset=utf-8", "/docs/swagger-ui.css": "text/css; charset=utf-8",
			"/openapi.json": "application/json"} {
			a := r.anon().must(t, 200, get, path)
			if got := a.header.Get("Content-Type"); got != kind {
				t.Errorf("%s: got type %q, want %q", path, got, kind)
			}
			again := r.anon().with("If-None-Match", a.header.Get("ETag")).do(t, get, path)
			if again.status != http.StatusNotModified || again.body != "" {
				t.Errorf("%s: got %d %.40q for its own ETag, want an empty 304", path, again.status, again.body)
			}
		}
	})
	t.Run("the pages about the API", func(t *testing.T) {
		for _, path := range []string{"/docs", "/redoc"} {
			a := r.anon().must(t, 200, get, path)
			if got := a.header.Get("Content-Security-Policy"); got != apidocs.Policy {
				t.Errorf("%s: got policy %q", path, got)
			}
		}
	})
	t.Run("each text comes in the form that the client takes", func(t *testing.T) {
		unpack := map[string]func([]byte, []byte) ([]byte, error){"br": fasthttp.AppendUnbrotliBytes, "gzip": fasthttp.AppendGunzipBytes}
		for _, at := range []struct{ path, accept, encoding string }{
			{"/docs/redoc.standalone.js", "gzip, br", "br"},
			{"/docs/redoc.standalone.js", "gzip, deflate", "gzip"}, // browsers say so on plain http
			{"/openapi.json", "gzip, br", "gzip"},
			{"/asyncapi.json", "gzip", "gzip"},
		} {
			plain, packed := r.anon().must(t, 200, get, at.path), r.anon().with("Accept-Encoding", at.accept).must(t, 200, get, at.path)
			body, err := unpack[at.encoding](nil, []byte(packed.body))
			if err != nil || string(body) != plain.body || packed.header.Get("Content-Encoding") != at.encoding || plain.header.Get("Content-Encoding") != "" ||
				!strings.Contains(plain.header.Get("Vary"), "Accept-Encoding") || packed.header.Get("ETag") != plain.header.Get("ETag") {
				t.Errorf("%s for %q: got %d bytes plain and %v (%v), want the same text", at.path, at.accept, len(plain.body), packed.header, err)
			}
		}
	})
	t.Run("head", func(t *testing.T) {
		if a := r.anon().do(t, "HEAD", "/"); a.status != 200 || a.body != "" {
			t.Errorf("got %d %q, want an empty 200", a.status, a.body)
		}
	})
}

func TestCORS(t *testing.T) {
	t.Parallel()
	const studio = "http://localhost:5173"
	r := start(t, storetest.SQLite(t), func(c *config.Config) {
		c.HTTP.CORSOrigins = []string{studio}
		c.HTTP.PublicURL = "https://school.example.org"
	})
	c := r.session(t, r.addUser(t, app.RoleTeacher, "ada", true).ID)
	preflight := func(origin string) answer {
		return r.anon().with("Origin", origin).with("Access-Control-Request-Method", "PUT").
			with("Access-Control-Request-Headers", "content-type").do(t, "OPTIONS", v1+"/courses/")
	}
	t.Run("a listed origin may call with cookies", func(t *testing.T) {
		for _, origin := range []string{studio, "https://school.example.org"} {
			a := preflight(origin)
			h := a.header
			if a.status != 204 || h.Get("Access-Control-Allow-Origin") != origin || h.Get("Access-Control-Allow-Credentials") != "true" ||
				!strings.Contains(h.Get("Access-Control-Allow-Methods"), "PUT") || h.Get("Access-Control-Allow-Headers") != "content-type" {
				t.Errorf("%s: got %d %v", origin, a.status, h)
			}
			got := c.with("Origin", origin).with("Sec-Fetch-Site", "cross-site").must(t, 200, post, v1+"/courses/", body{"title": "x"})
			if got.header.Get("Access-Control-Allow-Origin") != origin || !strings.Contains(got.header.Get("Vary"), "Origin") {
				t.Errorf("%s: got %v", origin, got.header)
			}
		}
	})
	t.Run("others may not", func(t *testing.T) {
		for _, origin := range []string{"http://localhost:5174", "http://localhost:5173.evil.example", "https://localhost:5173", "null", "http://school.example.org"} {
			a := preflight(origin)
			if a.status != 403 || a.header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s: got %d %v, want a bare 403", origin, a.status, a.header)
			}
			if a := c.with("Origin", origin).do(t, post, v1+"/courses/", body{"title": "x"}); a.status != 403 {
				t.Errorf("%s: got %d, want 403", origin, a.status)
			}
			if a := c.with("Origin", origin).do(t, get, v1+"/courses/"); a.header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s: its page could read the answer", origin)
			}
		}
	})
}

func TestBodyLimit(t *testing.T) {
	t.Parallel()
	r := start(t, storetest.SQLite(t), func(c *config.Config) { c.HTTP.BodyLimit = 64 << 10 })
	c := r.session(t, r.addUser(t, app.RoleTeacher, "ada", true).ID)
	// The large one is still being sent when it is refused.
	for _, size := range []int{65 << 10, 4 << 20} {
		wantProblem(t, c.do(t, post, v1+"/courses/", `{"title":"`+strings.Repeat("x", size)+`"}`), 413, "The request is too large")
	}
	if a := c.do(t, post, v1+"/courses/", `{"title":"`+strings.Repeat("x", 60<<10)+`"}`); a.status != 422 {
		t.Errorf("got %d %s, want 422 just below the limit", a.status, a.body)
	}
}

func TestTooDeep(t *testing.T) {
	t.Parallel()
	nested := func(n int) string { return strings.Repeat(`{"a":[`, n/2) + "1" + strings.Repeat("]}", n/2) }
	for text, want := range map[string]bool{nested(64): false, nested(66): true, `{"a":"` + strings.Repeat("[", 100) + `"}`: false,
		`{"a":"\\` + `\"` + strings.Repeat("[", 100) + `"}`: false, strings.Repeat("[]", 1000): false, strings.Repeat("]", 100) + "[": false, "": false, `"\`: false} {
		if got := tooDeep([]byte(text)); got != want {
			t.Errorf("%.40q: got %v, want %v", text, got, want)
		}
	}
}

func TestTooMany(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{"[" + strings.Repeat("0,", 98) + "0]": false, "[" + strings.Repeat("0,", 110) + "0]": true,
		"{" + strings.Repeat(`"a":1,`, 110): true, strings.Repeat("[]", 110): true, strings.Repeat("{}", 100): false,
		`{"a":"` + strings.Repeat(",[{", 200) + `"}`: false, `["\"` + strings.Repeat(",", 200): false} {
		if got := tooMany([]byte(text), 100); got != want {
			t.Errorf("%.40q: got %v, want %v", text, got, want)
		}
	}
	var v any
	for _, big := range []string{"[" + strings.Repeat("0,", maxValues) + "0]", "{" + strings.Repeat(`"a":1,`, maxValues) + `"a":1}`} {
		if err := unmarshal([]byte(big), &v); err == nil || !strings.Contains(err.Error(), "holds more than 100000 values") {
			t.Errorf("%.20q: got %v", big, err)
		}
	}
}

// A browser that has once come by https stays with it.
func TestStrictTransport(t *testing.T) {
	t.Parallel()
	for name, tune := range map[string]func(*config.Config){
		"secure cookies": func(c *config.Config) { c.HTTP.SecureCookies = true },
		"public address": func(c *config.Config) { c.HTTP.PublicURL = "https://school.example.org" },
	} {
		r := start(t, storetest.SQLite(t), tune)
		if got := r.anon().do(t, get, "/").header.Get("Strict-Transport-Security"); got != "max-age=31536000" {
			t.Errorf("%s: got %q, want a year", name, got)
		}
	}
}

// Whoever connects and says nothing, or half a head, is let go.
func TestSilentConnections(t *testing.T) {
	t.Parallel()
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := newDrainListener(plain.(*net.TCPListener))
	ln.patience = 50 * time.Millisecond
	f := fiber.New(fiber.Config{DisableStartupMessage: true, ReduceMemoryUsage: true, ReadTimeout: ln.patience})
	go func() { _ = f.Listener(ln) }()
	t.Cleanup(func() { _ = f.Shutdown() })
	for _, said := range []string{"", "G", "GET / HTTP/1.1\r\nX: "} {
		conn, err := net.Dial("tcp", plain.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		_, _ = io.WriteString(conn, said)
		var late net.Error
		if _, err := io.ReadAll(conn); errors.As(err, &late) && late.Timeout() {
			t.Errorf("%q: the connection was kept", said)
		}
		conn.Close()
	}
	r := start(t, storetest.SQLite(t))
	if srv := r.server.fiber.Server(); srv.ReadTimeout != headTimeout || srv.IdleTimeout != idleTimeout || r.server.ln.patience != headTimeout {
		t.Errorf("got timeouts %v, %v and %v", srv.ReadTimeout, srv.IdleTimeout, r.server.ln.patience)
	}
}

// A request that is no HTTP must not take the server down, and gets an answer
// that is no 500.
func TestBrokenHTTP(t *testing.T) {
	t.Parallel()
	r := start(t, storetest.SQLite(t))
	for _, raw := range []string{"GET\r\n\r\n", "FOO / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\nHost: \x00\r\n\r\n",
		"POST /api/v1/login/access-token HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
		"POST /api/v1/login/logout HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"GET /api/v1/rooms/%00%ff%zz?a=%zz&%=%& HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"} {
		conn, err := net.Dial("tcp", r.Addr.String())
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.WriteString(conn, raw); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%q: %v", raw, err)
		} else {
			b, _ := io.ReadAll(res.Body)
			a := answer{res.StatusCode, res.Header, string(b)}
			if a.status < 400 || a.status >= 500 || a.text(t, "detail") == "" {
				t.Errorf("%q: got %d %s, want 4xx in our form", raw, a.status, a.body)
			}
		}
		conn.Close()
	}
	r.anon().must(t, 200, get, pathHealth)
}

func TestLog(t *testing.T) {
	t.Parallel()
	r := start(t, storetest.SQLite(t))
	u := r.addUser(t, app.RoleTeacher, "ada", true)
	c := r.session(t, u.ID)
	c.with(requestIDHeader, "find-me").do(t, get, v1+"/courses/"+store.NewID()+"?token=hunter2")
	r.anon().do(t, post, signInPath, form(u.Email, "hunter2"))
	r.anon().do(t, get, "/setup?token=hunter2")
	var line map[string]any
	apptest.Await(t, "the line of the request", func() bool {
		for text := range strings.Lines(r.log.String()) {
			if strings.Contains(text, `"find-me"`) {
				return json.Unmarshal([]byte(text), &line) == nil
			}
		}
		return false
	})
	for member, want := range map[string]any{"msg": "request", "method": "GET", "route": v1 + "/courses/:course_id", "status": 404.0,
		"user": u.ID, "request_id": "find-me"} {
		if line[member] != want {
			t.Errorf("%s: got %v, want %v", member, line[member], want)
		}
	}
	for _, secret := range []string{"hunter2", c.token, u.PasswordHash, r.cfg.Auth.SecretKey.Reveal()} {
		if strings.Contains(r.log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	installProblems()
	log := new(syncBuffer)
	tell, err := telemetry.New(telemetry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{log: telemetry.Logger(slog.New(slog.NewJSONHandler(log, nil))), telemetry: tell, cfg: config.Default()}
	f := fiber.New(fiber.Config{ErrorHandler: s.failed, DisableStartupMessage: true})
	f.Use(s.observe)
	for path, fail := range map[string]func() error{
		"/panic":   func() error { panic("secret of the stack") },
		"/unknown": func() error { return errors.New("secret of the driver") },
		"/limited": func() error {
			return &app.Error{Kind: app.KindLimited, Message: "Slow down", RetryAfter: 1500 * time.Millisecond}
		},
		"/late":     func() error { return fmt.Errorf("query: %w", context.DeadlineExceeded) },
		"/full":     func() error { return fmt.Errorf("insert: %w", store.ErrFull) },
		"/upstream": func() error { return &app.Error{Kind: app.KindUpstream, Message: "The model failed"} },
	} {
		f.Get(path, func(*fiber.Ctx) error { return fail() })
	}
	for path, want := range map[string]struct {
		status int
		detail string
	}{
		"/panic": {500, "Internal server error"}, "/unknown": {500, "Internal server error"}, "/limited": {429, "Slow down"},
		"/late": {503, "The server took too long. Try again in a moment."}, "/upstream": {502, "The model failed"},
		"/full": {503, "The server has no space left to store this. Tell its operator."},
	} {
		res, err := f.Test(httptest.NewRequest(get, path, nil))
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		a := answer{res.StatusCode, res.Header, string(b)}
		wantProblem(t, a, want.status, want.detail)
		if strings.Contains(a.body, "secret") {
			t.Errorf("%s: the answer tells %s", path, a.body)
		}
		if id := a.text(t, "request_id"); want.status >= 500 && !strings.Contains(log.String(), id) {
			t.Errorf("%s: the log does not name the request", path)
		}
		if got := a.header.Get("Retry-After"); path == "/limited" && got != "2" {
			t.Errorf("got Retry-After %q, want 2", got)
		}
	}
	for _, want := range []string{"secret of the stack", "secret of the driver", "edge_test.go"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not hold %q", want)
		}
	}
}

// Every kind of failure has a status of its own.
func TestStatusTable(t *testing.T) {
	t.Parallel()
	var seen []int
	for kind, status := range statusOf {
		if slices.Contains(seen, status) {
			t.Errorf("%s shares its status %d", kind, status)
		}
		seen = append(seen, status)
	}
	if len(seen) != 11 {
		t.Errorf("got %d kinds, want 11", len(seen))
	}
}

func TestStop(t *testing.T) {
	t.Parallel()
	r := start(t, storetest.SQLite(t))
	if _, err := Start(t.Context(), r.cfg, slog.New(slog.DiscardHandler), "test"); err == nil || !strings.Contains(err.Error(), "another coagent serves") {
		t.Errorf("a second server on one data folder: got %v, want a refusal", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Wait(ctx); err != nil {
		t.Errorf("got %v, want nil when the caller has had enough", err)
	}
}
