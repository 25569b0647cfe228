package web

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store/storetest"
)

// refused sends a request whose answer may have no body, as one to HEAD.
func refused(t *testing.T, c *caller, method, path string) (status int, allow string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+c.r.Addr.String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode, res.Header.Get("Allow")
}

// Fixed paths with and without parameters are found, and no others.
func TestFixedPaths(t *testing.T) {
	t.Parallel()
	s := &Server{table: []registered{{method: get, path: "/a/{id}"}, {method: put, path: "/a/{id}"}, {method: get, path: "/a/me"},
		{method: get, path: "/b/{id}/{name}"}, {method: del, path: "/b/{id}/{name}"}, {method: get, path: "/b/own/{name}"}, {method: get, path: "/c"}}}
	fixed := s.fixedNames()
	for request, want := range map[string]bool{"PUT /a/me": true, "GET /a/me": false, "PUT /a/you": false, "DELETE /b/own/x": true, "GET /b/own/x": false,
		"DELETE /b/1/x": false, "DELETE /b/own": false, "DELETE /b/own/x/y": false, "PUT /c": false} {
		method, path, _ := strings.Cut(request, " ")
		if got := fixed.refuses(method, path); got != want {
			t.Errorf("%s: got %v, want %v", request, got, want)
		}
	}
}

// Every address answers a method that it does not take with 405, whatever a
// wider route would make of it, and names the methods that it does take.
func TestMethods(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	takes := map[string][]string{}
	for _, r := range w.server.table {
		takes[r.path] = append(takes[r.path], r.method)
		if r.head {
			takes[r.path] = append(takes[r.path], http.MethodHead)
		}
	}
	c := w.as(superAdmin)
	for path, own := range takes {
		var values []string
		for range strings.Count(path, "{") {
			values = append(values, w.room)
		}
		for _, method := range []string{get, http.MethodHead, post, put, http.MethodPatch, del, http.MethodOptions, http.MethodTrace, "BREW"} {
			if slices.Contains(own, method) {
				continue
			}
			if status, allow := refused(t, c, method, fill(path, values)); status != http.StatusMethodNotAllowed || allow != strings.Join(own, ", ") {
				t.Errorf("%s %s: got %d with Allow %q, want 405 with %q", method, path, status, allow, strings.Join(own, ", "))
			}
		}
	}
	if a := c.do(t, del, pathQueue+"/api/jobs/1"); a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != "GET, POST, PUT, PATCH" {
		t.Errorf("below the page of the queue: got %d with Allow %q", a.status, a.header.Get("Allow"))
	}
	for _, path := range []string{"/", "/setup", "/reset", "/openapi.json", v1 + "/openapi.json", "/asyncapi.json", pathDocs} {
		if status, _ := refused(t, c, http.MethodHead, path); status != http.StatusOK {
			t.Errorf("HEAD %s: got %d", path, status)
		}
	}
}

// The files of a client in web.ui_dir are asked for and not written.
func TestMethodsOfFiles(t *testing.T) {
	t.Parallel()
	dir := builtClient(t)
	r := start(t, storetest.SQLite(t), func(c *config.Config) { c.Web.UIDir = dir })
	for _, path := range []string{"/", "/robots.txt", "/assets/plain.js", "/index.html"} {
		if a := r.anon().with("Accept", opensPage).do(t, http.MethodHead, path); a.status != http.StatusOK || a.body != "" {
			t.Errorf("HEAD %s: got %d", path, a.status)
		}
		for _, method := range []string{post, put, del, http.MethodPatch, http.MethodOptions} {
			if a := r.anon().do(t, method, path); a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: got %d with Allow %q, want 405 with GET, HEAD", method, path, a.status, a.header.Get("Allow"))
			}
		}
	}
	for _, path := range []string{"/.env", "/assets/up/secret.txt", "/escape.txt", "/assets/.keep", "/assets", "/gone.js", "/api/v1/x"} {
		if a := r.anon().do(t, post, path); a.status != http.StatusNotFound {
			t.Errorf("POST %s: got %d, want 404", path, a.status)
		}
	}
}
