package web

import (
	"io/fs"
	"net/http"
	"path"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/coagent-studio/coagent/store/storetest"
	studioui "github.com/coagent-studio/coagent/web/ui"
)

func TestStudio(t *testing.T) {
	t.Parallel()
	r := start(t, storetest.SQLite(t))
	browser, program := r.anon().with("Accept", opensPage), r.anon().with("Accept", "*/*")
	script := asset(t, ".js.br")

	t.Run("a browser gets the page at every address of one", func(t *testing.T) {
		for _, at := range []string{"/sign-in", "/join/ABC-123", "/rooms/0199c0de-7a4b-7c1e-9c55-3d2f6a1b8e90/17", "/courses/1?tab=x", "/%E8%AA%B2"} {
			a := browser.must(t, 200, get, at)
			if !strings.Contains(a.body, `<div id="app">`) || a.header.Get("Content-Security-Policy") != studioui.Policy || a.header.Get("Cache-Control") != "no-cache" {
				t.Errorf("%s: got %v %.60q", at, a.header, a.body)
			}
		}
	})
	t.Run("nothing else does", func(t *testing.T) {
		for _, at := range []string{"/api", "/api/v1/nope", "/%61pi/v1/nope"} {
			wantProblem(t, browser.do(t, get, at), 404, "Not Found")
		}
		for _, at := range []string{"/assets/gone-0a1B2c3D.js", "/.env", "/a/.git/config", "/a//b", "/static/x", "/assets/../index.html.br", "/index.html.br"} {
			if a := browser.do(t, get, at); a.status != 404 || strings.Contains(a.body, `<div id="app">`) {
				t.Errorf("%s: got %d %.60q", at, a.status, a.body)
			}
		}
		wantProblem(t, program.do(t, get, "/sign-in"), 404, "Not Found")
		if a := browser.do(t, post, "/"+script); a.status != http.StatusMethodNotAllowed {
			t.Errorf("POST of a script: got %d", a.status)
		}
	})
	t.Run("files come in the form that the client takes, and are never asked for again", func(t *testing.T) {
		plain := r.anon().with("Accept-Encoding", "identity").must(t, 200, get, "/"+script)
		etag := plain.header.Get("ETag")
		if etag == "" || plain.header.Get("Content-Encoding") != "" || !strings.Contains(plain.header.Get("Content-Type"), "javascript") ||
			plain.header.Get("Cache-Control") != "public, max-age=31536000, immutable" {
			t.Errorf("got %v", plain.header)
		}
		for encoding, unpack := range map[string]func([]byte, []byte) ([]byte, error){"br": fasthttp.AppendUnbrotliBytes, "gzip": fasthttp.AppendGunzipBytes} {
			a := r.anon().with("Accept-Encoding", encoding).must(t, 200, get, "/"+script)
			body, err := unpack(nil, []byte(a.body))
			if err != nil || string(body) != plain.body || a.header.Get("Content-Encoding") != encoding || !strings.Contains(a.header.Get("Vary"), "Accept-Encoding") {
				t.Errorf("%s: got %v, %v", encoding, a.header, err)
			}
			r.anon().with("Accept-Encoding", encoding).with("If-None-Match", etag).must(t, 304, get, "/"+script)
		}
	})
}

// A page asks for dozens of files; the log tells of none of them, not even at debug, as the
// tests log.
func TestFilesOfPagesAreNotLogged(t *testing.T) {
	t.Parallel()
	script := asset(t, ".js.br")
	r := start(t, storetest.SQLite(t))
	for _, path := range []string{"/" + script, "/favicon.svg", "/docs/swagger-ui.css"} {
		r.anon().must(t, 200, get, path)
	}
	r.anon().with("Accept", "text/html").must(t, 200, get, "/home")
	r.anon().must(t, 404, get, "/assets/none.js")
	for path, want := range map[string]int{"/" + script: 0, "/favicon.svg": 0, "/docs/swagger-ui.css": 0, "/home": 1, "/assets/none.js": 1} {
		if n := strings.Count(r.log.String(), `"path":"`+path+`"`); n != want {
			t.Errorf("the log tells %d times of %s, want %d", n, path, want)
		}
	}
}

// asset is the path of an asset of the studio.
func asset(t *testing.T, suffix string) string {
	t.Helper()
	found, err := fs.Glob(studioui.Files(), "assets/*"+suffix)
	if err != nil || len(found) == 0 {
		t.Fatalf("no asset *%s: %v", suffix, err)
	}
	return strings.TrimSuffix(found[0], path.Ext(suffix))
}
