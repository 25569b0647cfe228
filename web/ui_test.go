package web

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store/storetest"
	studioui "github.com/coagent-studio/coagent/web/ui"
)

// builtClient is a small client as Vite leaves one, with files beside it that
// are nobody's business.
func builtClient(t testing.TB) string {
	t.Helper()
	outside := t.TempDir()
	dir := filepath.Join(outside, "dist")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "client"))); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"../secret.txt": "outside", ".env": "hidden", ".git/config": "hidden", "assets/.keep": "hidden",
		"assets/plain.js": "1", "robots.txt": "User-agent: *", "assets/logo-1024x1024.svg": "<svg/>", "static/client.css": "a{}"} {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"escape.txt": "../secret.txt", "absolute.txt": filepath.Join(outside, "secret.txt"), "assets/up": "../.."} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const opensPage = "text/html,application/xhtml+xml,*/*;q=0.8"

func TestUI(t *testing.T) {
	t.Parallel()
	dir := builtClient(t)
	r := start(t, storetest.SQLite(t), func(c *config.Config) { c.Web.UIDir = dir })
	browser, script := r.anon().with("Accept", opensPage), r.anon().with("Accept", "*/*")
	isClient := func(a answer) bool { return a.status == 200 && strings.Contains(a.body, `<div id="app">`) }

	t.Run("every address of a page is the client", func(t *testing.T) {
		for _, path := range []string{"/", "/login", "/rooms/0199c0de-7a4b-7c1e-9c55-3d2f6a1b8e90", "/courses/1/settings?tab=x", "/deep/er/", "/index.html", "/apidocs", "/%E8%AA%B2"} {
			a := browser.do(t, get, path)
			if !isClient(a) || a.header.Get("Content-Type") != "text/html; charset=utf-8" || a.header.Get("Cache-Control") != "no-cache" || a.header.Get("ETag") == "" {
				t.Errorf("%s: got %d %v %.60q, want the client's page", path, a.status, a.header, a.body)
			}
		}
		if got := script.must(t, 200, get, "/").text(t, "message"); got != "Welcome to CoAgent Studio API" {
			t.Errorf("a program got %q at /", got)
		}
	})
	t.Run("what is not there is 404", func(t *testing.T) {
		for _, path := range []string{"/api/v1/nope", "/api", "/api/", "/api/v2/x", "/%61pi/v1/nope", "/static/avatars/x"} {
			wantProblem(t, browser.do(t, get, path), 404, "Not Found")
		}
		for _, path := range []string{"/assets/gone-0a1B2c3D.js", "/favicon.ico", "/static/x.png"} {
			wantProblem(t, script.do(t, get, path), 404, "Not Found")
			if a := browser.do(t, get, path); a.status != 404 || !strings.Contains(a.body, "This page does not exist") {
				t.Errorf("%s: a person got %d %.60q", path, a.status, a.body)
			}
		}
		for accept, want := range map[string]int{"*/*": 200, "text/*": 200, "": 200, "application/json": 404, "image/png": 404} {
			if a := r.anon().with("Accept", accept).do(t, get, "/login"); a.status != want || isClient(a) != (want == 200) {
				t.Errorf("Accept %q: got %d %.60q, want %d", accept, a.status, a.body, want)
			}
		}
		wantProblem(t, browser.do(t, post, "/login"), 404, "Not Found")
	})
	t.Run("nothing outside, nothing hidden", func(t *testing.T) {
		for _, path := range []string{"/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/assets/..%5c..%5csecret.txt", "/escape.txt", "/absolute.txt",
			"/assets/up/secret.txt", "/.env", "/.git/config", "/assets/.keep", "/%2eenv", "//etc/passwd", "/index.html%00.txt", "/assets//plain.js", "/./.env"} {
			if a := script.do(t, get, path); a.status != 404 {
				t.Errorf("%s: got %d %.60q, want 404", path, a.status, a.body)
			}
		}
	})
	t.Run("types and caches", func(t *testing.T) {
		for path, want := range map[string][2]string{
			"/assets/index-Dk3xB9aZ.js":  {"text/javascript; charset=utf-8", "public, max-age=31536000, immutable"},
			"/assets/index-Cq7LmN2p.css": {"text/css; charset=utf-8", "public, max-age=31536000, immutable"},
			"/assets/plain.js":           {"text/javascript; charset=utf-8", "no-cache"},
			"/assets/logo-1024x1024.svg": {"image/svg+xml", "no-cache"},
			"/robots.txt":                {"text/plain; charset=utf-8", "no-cache"},
			"/static/client.css":         {"text/css; charset=utf-8", "no-cache"},
		} {
			a := script.must(t, 200, get, path)
			if got := [2]string{a.header.Get("Content-Type"), a.header.Get("Cache-Control")}; got != want {
				t.Errorf("%s: got %q, want %q", path, got, want)
			}
			again := script.with("If-None-Match", a.header.Get("ETag")).do(t, get, path)
			if again.status != 304 || again.body != "" {
				t.Errorf("%s: got %d %q for its own ETag, want an empty 304", path, again.status, again.body)
			}
			if head := script.must(t, 200, "HEAD", path); head.body != "" {
				t.Errorf("%s: got %q for HEAD", path, head.body)
			}
		}
	})
	t.Run("a new build is seen at once", func(t *testing.T) {
		old := browser.do(t, get, "/").header.Get("ETag")
		at := filepath.Join(dir, "index.html")
		text, err := os.ReadFile(at)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(strings.Replace(string(text), "Tiny", "Fine", 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		if a := browser.with("If-None-Match", old).do(t, get, "/"); !isClient(a) || a.header.Get("ETag") == old {
			t.Errorf("got %d %.60q, want the new page", a.status, a.body)
		}
	})
	t.Run("a compressed form is preferred", func(t *testing.T) {
		f, err := os.Create(filepath.Join(dir, "assets", "plain.js.gz"))
		if err != nil {
			t.Fatal(err)
		}
		z := gzip.NewWriter(f)
		_, _ = io.WriteString(z, "compressed")
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		for accept, want := range map[string]string{"gzip, deflate, br": "gzip", "gzip;q=0": "", "identity": "", "": ""} {
			a := script.with("Accept-Encoding", accept).must(t, 200, get, "/assets/plain.js")
			if got := a.header.Get("Content-Encoding"); got != want || !strings.Contains(a.header.Get("Vary"), "Accept-Encoding") {
				t.Errorf("%q: got encoding %q and Vary %q, want %q", accept, got, a.header.Get("Vary"), want)
			}
			if got := a.header.Get("Content-Type"); got != "text/javascript; charset=utf-8" {
				t.Errorf("%q: got type %q", accept, got)
			}
		}
	})
	t.Run("the policy lets it reach its own socket", func(t *testing.T) {
		policy := browser.do(t, get, "/").header.Get("Content-Security-Policy")
		for _, want := range []string{"connect-src 'self' ws://" + r.Addr.String() + " wss://" + r.Addr.String(), "script-src 'self'", "style-src 'self' 'unsafe-inline'",
			"img-src 'self' data: blob: https:", "frame-ancestors 'none'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("got %q, want %q in it", policy, want)
			}
		}
		for host, want := range map[string]string{"a.example:1": "connect-src 'self' ws://a.example:1; x", "[::1]:80": "connect-src 'self' ws://[::1]:80; x",
			"a; script-src *": "connect-src 'self'; x", "a b": "connect-src 'self'; x", "": "connect-src 'self'; x"} {
			if got := policyFor("connect-src 'self' ws://{host}; x", host); got != want {
				t.Errorf("%q: got %q, want %q", host, got, want)
			}
		}
	})
	t.Run("the studio stays beside it, and the links that lead to it", func(t *testing.T) {
		for _, path := range []string{"/studio", "/studio/setup?token=x", "/studio/rooms/0199c0de-7a4b-7c1e-9c55-3d2f6a1b8e90"} {
			if a := browser.must(t, 200, get, path); !strings.Contains(a.body, "<title>CoAgent Studio</title>") || a.header.Get("Content-Security-Policy") != studioui.Policy {
				t.Errorf("%s: got %.60q, want the studio", path, a.body)
			}
		}
		for path, want := range map[string]string{"/setup?token=x": "/studio/setup?token=x", "/reset": "/studio/reset"} {
			if a := browser.do(t, get, path); a.status != 307 || a.header.Get("Location") != want {
				t.Errorf("%s: got %d to %q, want %s", path, a.status, a.header.Get("Location"), want)
			}
		}
		if a := script.must(t, 200, get, "/"+asset(t, ".js.br")); a.header.Get("Content-Security-Policy") != studioui.Policy {
			t.Errorf("got %v for a script of the studio", a.header)
		}
	})
}

// Who works on the studio serves what Vite has built, and the links that the program prints
// lead there too.
func TestUIOfTheStudioItself(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(title string) {
		page := `<meta name="coagent-root" content="" /><title>` + title + `</title><script src="./assets/index-0a1B2c3D.js"></script>`
		if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte(page), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("Built")
	r := start(t, storetest.SQLite(t), func(c *config.Config) { c.Web.UIDir = dir })
	browser := r.anon().with("Accept", opensPage)
	for _, path := range []string{"/", "/setup?token=x", "/reset", "/sign-in", "/rooms/0199c0de-7a4b-7c1e-9c55-3d2f6a1b8e90"} {
		a := browser.must(t, 200, get, path)
		if !strings.Contains(a.body, "<title>Built</title>") || !strings.Contains(a.body, `src="/assets/index-0a1B2c3D.js"`) || a.header.Get("Content-Security-Policy") != studioui.Policy {
			t.Errorf("%s: got %v %q, want the studio of the folder", path, a.header, a.body)
		}
	}
	write("Built anew")
	if a := browser.must(t, 200, get, "/setup"); !strings.Contains(a.body, "<title>Built anew</title>") {
		t.Errorf("got %q after a new build", a.body)
	}
}

func TestUIRefuses(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	for dir, want := range map[string]string{
		filepath.Join(empty, "gone"): "is no folder that can be read: build the client first, or leave the setting empty",
		empty:                        "has no index.html: name the folder that the client was built into, often dist",
		filepath.Join("testdata", "openapi.json"): "is no folder that can be read",
	} {
		if _, err := openUI(dir, "", ""); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "web.ui_dir: ") {
			t.Errorf("%s: got %v, want %q", dir, err, want)
		}
	}
}
