package web

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store/storetest"
)

// rawAnswers sends bytes and returns all that the server answers until it
// closes the connection, or is silent for a while.
func (r *rig) rawAnswers(t testing.TB, raw string) (answers []answer, closed bool) {
	t.Helper()
	nc, err := net.Dial("tcp", r.Addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = nc.Close() }()
	_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(nc, raw); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(nc)
	for {
		_ = nc.SetReadDeadline(time.Now().Add(10 * time.Second))
		if len(answers) > 0 {
			_ = nc.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		}
		if _, err := in.Peek(1); err != nil {
			return answers, !errors.Is(err, os.ErrDeadlineExceeded)
		}
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatalf("%.200q: %v", raw, err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatalf("%.200q: %v", raw, err)
		}
		answers = append(answers, answer{res.StatusCode, res.Header, string(body)})
	}
}

// A head that two programs on the way could read in different ways is refused,
// and nothing that comes behind it is taken for a request.
func TestAmbiguousHeads(t *testing.T) {
	t.Parallel()
	r := start(t, storetest.SQLite(t))
	const at, behind = v1 + "/login/logout", "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
	post := func(fields, body string) string { return "POST " + at + " HTTP/1.1\r\n" + fields + "\r\n" + body }
	for name, raw := range map[string]string{
		"length and chunks":            post("Host: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
		"chunks and length":            post("Host: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"),
		"identity and length":          post("Host: x\r\nTransfer-Encoding: identity\r\nContent-Length: 0\r\n", ""),
		"identity":                     post("Host: x\r\nTransfer-Encoding: identity\r\n", ""),
		"packed chunks":                post("Host: x\r\nTransfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
		"odd name of chunks":           post("Host: x\r\nTransfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
		"chunks twice":                 post("Host: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
		"chunks of HTTP/1.0":           "POST " + at + " HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"two lengths":                  post("Host: x\r\nContent-Length: 0\r\nContent-Length: 5\r\n", ""),
		"the same length twice":        post("Host: x\r\nContent-Length: 0\r\nContent-Length: 0\r\n", ""),
		"a list of lengths":            post("Host: x\r\nContent-Length: 0, 0\r\n", ""),
		"a length with a sign":         post("Host: x\r\nContent-Length: +0\r\n", ""),
		"a length in hex":              post("Host: x\r\nContent-Length: 0x0\r\n", ""),
		"a negative length":            post("Host: x\r\nContent-Length: -1\r\n", ""),
		"an endless length":            post("Host: x\r\nContent-Length: 99999999999999999999\r\n", ""),
		"no length in the length":      post("Host: x\r\nContent-Length:\r\n", ""),
		"two hosts":                    "GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
		"the same host twice":          "GET /healthz HTTP/1.1\r\nHost: x\r\nhost: x\r\n\r\n",
		"no host":                      "GET /healthz HTTP/1.1\r\nAccept: */*\r\n\r\n",
		"no headers":                   "GET /healthz HTTP/1.1\r\n\r\n",
		"an empty host":                "GET /healthz HTTP/1.1\r\nHost:\r\n\r\n",
		"a host with a path":           "GET /healthz HTTP/1.1\r\nHost: x/y\r\n\r\n",
		"a host with a user":           "GET /healthz HTTP/1.1\r\nHost: u@x\r\n\r\n",
		"a list of hosts":              "GET /healthz HTTP/1.1\r\nHost: x, y\r\n\r\n",
		"another host in the target":   "GET http://y/healthz HTTP/1.1\r\nHost: x\r\n\r\n",
		"a user in the target":         "GET http://u@x/healthz HTTP/1.1\r\nHost: x\r\n\r\n",
		"another scheme in the target": "GET ftp://x/healthz HTTP/1.1\r\nHost: x\r\n\r\n",
		"a target without a slash":     "GET healthz HTTP/1.1\r\nHost: x\r\n\r\n",
		"a folded line":                "GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c\r\n\r\n",
		"a folded length":              post("Host: x\r\nContent-Length:\r\n 0\r\n", ""),
		"a first line that is folded":  "GET /healthz HTTP/1.1\r\n Host: x\r\nHost: x\r\n\r\n",
		"a line end without CR":        "GET /healthz HTTP/1.1\r\nHost: x\nX-A: b\r\n\r\n",
		"a first line without CR":      "GET /healthz HTTP/1.1\nHost: x\r\n\r\n",
		"all lines without CR":         "GET /healthz HTTP/1.1\nHost: x\n\n",
		"a CR in the first line":       "GET /health\rz HTTP/1.1\r\nHost: x\r\n\r\n",
		"a line end before the first":  "\r\nGET /healthz HTTP/1.1\nHost: x\r\n\r\n",
		"a first line of HTTP/1.0":     "GET /healthz HTTP/1.0\n\r\n",
		"a body's first line":          "POST " + at + " HTTP/1.1\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
		"a head's end without CR":      post("Host: x\r\nX: y\r\n\nTransfer-Encoding: chunked\r\n", ""),
		"a CR alone":                   "GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: b\rTransfer-Encoding: chunked\r\n\r\n",
		"a NUL":                        "GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: b\x00c\r\n\r\n",
		"a blank before the colon":     post("Host: x\r\nContent-Length : 0\r\n", ""),
		"a blank in a name":            post("Host: x\r\nContent Length: 0\r\n", ""),
		"no name":                      "GET /healthz HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n",
		"no colon":                     "GET /healthz HTTP/1.1\r\nHost: x\r\nGET /readyz HTTP/1.1\r\n\r\n",
		"two types":                    post("Host: x\r\nContent-Type: application/json\r\nContent-Type: text/csv\r\nContent-Length: 0\r\n", ""),
		"two tokens":                   "GET /healthz HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n",
		"two origins":                  post("Host: x\r\nOrigin: http://x\r\nOrigin: http://y\r\nContent-Length: 0\r\n", ""),
		"another version":              "GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n",
		"no version":                   "GET /healthz\r\nHost: x\r\n\r\n",
		"two blanks":                   "GET  /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, closed := r.rawAnswers(t, raw+behind)
			if len(got) != 1 || got[0].status != http.StatusBadRequest || !closed {
				t.Fatalf("got %+v, closed %v, want one 400 and an end", got, closed)
			}
			if got[0].text(t, "detail") == "" || got[0].text(t, "request_id") == "" {
				t.Errorf("got %s, want an error in our form", got[0].body)
			}
		})
	}
}

// A first line without CR is found wherever it stands among the requests of one
// connection and however its bytes come; a body may hold what it likes.
func TestBareFirstLines(t *testing.T) {
	t.Parallel()
	r := start(t, storetest.SQLite(t))
	const good, bad = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "GET /readyz HTTP/1.1\nHost: x\r\n\r\n"
	got, closed := r.rawAnswers(t, good+good+bad+good)
	if len(got) != 3 || got[1].status != http.StatusOK || got[2].status != http.StatusBadRequest || !closed {
		t.Errorf("behind two others: got %+v, closed %v, want 200, 200, 400 and an end", got, closed)
	}
	body := "GET /healthz HTTP/1.1\nGET /readyz HTTP/1.1\n"
	post := fmt.Sprintf("POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	if got, _ := r.rawAnswers(t, post+good); len(got) != 2 || got[0].status != http.StatusMethodNotAllowed || got[1].status != http.StatusOK {
		t.Errorf("in a body: got %+v, want 405 and 200", got)
	}
	var whole, pieces bareLines
	whole.see([]byte(good + bad + body))
	for _, b := range []byte(good + bad + body) {
		pieces.see([]byte{b})
	}
	if want := []int{20, 21, 20}; !slices.Equal(whole.found, want) || !slices.Equal(pieces.found, want) {
		t.Errorf("got %v at once and %v in pieces, want %v", whole.found, pieces.found, want)
	}
	for range 1000 {
		pieces.see([]byte(bad))
	}
	if len(pieces.found) > maxBare {
		t.Errorf("%d lines are kept", len(pieces.found))
	}
}

// Bodies in chunks that are not as RFC 9112 has them end the connection with 400.
func TestBrokenChunks(t *testing.T) {
	t.Parallel()
	r := start(t, storetest.SQLite(t))
	const head = "POST " + v1 + "/login/password-link HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, chunks := range []string{"zz\r\n", "5x\r\n{\"a\":\r\n0\r\n\r\n", "-1\r\n", "+2\r\n{}\r\n0\r\n\r\n", "0x2\r\n{}\r\n0\r\n\r\n", "2\n{}\r\n0\r\n\r\n", "2\r\n{}0\r\n\r\n",
		"2;a\nb\r\n{}\r\n0\r\n\r\n", "\r\n{}\r\n0\r\n\r\n", "ffffffffffffffffff\r\n{}", "2\r\n{}\n0\r\n\r\n", " 2\r\n{}\r\n0\r\n\r\n", "2 x\r\n{}\r\n0\r\n\r\n",
		"2\r\n{}\r\n0\r\nHost: y\r\n\r\n", "2\r\n{}\r\n0\r\nContent-Length: 3\r\n\r\n"} {
		got, closed := r.rawAnswers(t, head+chunks+"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		if len(got) != 1 || got[0].status != http.StatusBadRequest || !closed {
			t.Errorf("%q: got %+v, closed %v, want one 400 and an end", chunks, got, closed)
		}
	}
	for _, chunks := range []string{"2\r\n{}\r\n0\r\n\r\n", "02\r\n{}\r\n000\r\n\r\n", "1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", "2;a=b\r\n{}\r\n0\r\n\r\n", "2\r\n{}\r\n0\r\nX-Trailer: y\r\n\r\n"} {
		got, _ := r.rawAnswers(t, head+chunks+"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		if len(got) != 2 || got[0].status != http.StatusUnprocessableEntity || got[1].status != http.StatusOK {
			t.Errorf("%q: got %+v, want 422 for the empty object and 200 behind it", chunks, got)
		}
	}
}

// What belongs to HTTP although few send it goes on working, on one connection.
func TestPlainHeads(t *testing.T) {
	t.Parallel()
	r := start(t, storetest.SQLite(t))
	host := r.Addr.String()
	for _, raw := range []string{"GET /healthz HTTP/1.1\r\nhOST: coagent_web:8000\r\n\r\n", "GET http://" + host + "/healthz HTTP/1.1\r\nHost: " + host + "\r\n\r\n",
		"GET /healthz HTTP/1.1\r\nHost: [::1]:8000\r\nCookie: a=b\r\nCookie: c=d\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 1.2.3.5\r\n\r\n",
		"\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost:x \r\nX-Empty:\r\nX-Tab:\ta\tb\r\n\r\n",
		"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde", "GET /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
		"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Encoding: identity\r\nContent-Length: 0\r\n\r\n"} {
		got, _ := r.rawAnswers(t, raw+raw)
		if len(got) != 2 || got[0].status != http.StatusOK || got[1].status != http.StatusOK {
			t.Errorf("%q twice: got %+v, want 200 twice", raw, got)
		}
	}
	if got, closed := r.rawAnswers(t, "GET /healthz HTTP/1.0\r\n\r\n"); len(got) != 1 || got[0].status != http.StatusOK || !closed {
		t.Errorf("HTTP/1.0 without a host: got %+v, closed %v", got, closed)
	}
}

// No route unpacks a body, whoever sends it.
func TestPackedBodies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	for _, at := range append(w.server.table, registered{method: post, path: "/nowhere"}, registered{method: get, path: "/"}) {
		for i, encoding := range []string{"br", "gzip", "deflate", "zstd", "compress", "x-gzip", "GZIP", "gzip, identity", "identity, br", "br, br", "nonsense"} {
			if at.method == get && i > 0 {
				break
			}
			var values []string
			for range strings.Count(at.path, "{") {
				values = append(values, w.room)
			}
			a := w.as(superAdmin).with("Content-Encoding", encoding).do(t, at.method, fill(at.path, values), "\x1b\x03")
			if a.status != http.StatusUnsupportedMediaType || a.text(t, "code") != "unsupported_media_type" || a.header.Get("Accept-Encoding") != "identity" {
				t.Errorf("%s %s in %s: got %d %s, want 415", at.method, at.path, encoding, a.status, a.body)
			}
		}
	}
	c := w.as(superAdmin)
	c.with("Content-Encoding", "identity").must(t, http.StatusOK, post, v1+"/courses/", `{"title":"plain"}`)
	lines, _ := w.rawAnswers(t, fmt.Sprintf("POST %s/courses/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Encoding: identity\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", v1, c.token))
	if len(lines) != 1 || lines[0].status != http.StatusUnsupportedMediaType {
		t.Errorf("got %+v for the second of two lines, want 415", lines)
	}
}

// Whatever sets a cookie: once the request came by https, the cookie does not
// go over anything else.
func TestCookiesOverHTTPS(t *testing.T) {
	t.Parallel()
	secure := func(t *testing.T, c *caller, want bool) {
		t.Helper()
		u := c.r.addUser(t, app.RoleSuperAdmin, "ada", true)
		other := c.r.addUser(t, app.RoleStudent, "bob", true)
		signed := &caller{r: c.r, token: c.r.session(t, u.ID).token, extra: c.extra}
		for _, a := range []answer{c.do(t, post, signInPath, form(u.Email, testPassword)), c.do(t, post, v1+"/login/test-token"),
			c.do(t, post, v1+"/login/logout"), c.do(t, post, v1+"/login/refresh"), signed.do(t, post, v1+"/login/impersonate/"+other.ID)} {
			if len(a.cookies()) == 0 {
				t.Errorf("got no cookies in %+v", a)
			}
			for _, line := range a.header.Values("Set-Cookie") {
				if got := strings.Count(strings.ToLower(line), "; secure"); (got == 1) != want || got > 1 {
					t.Errorf("got %s, want it secure: %v", line, want)
				}
			}
		}
	}
	start := func(t *testing.T, tune func(*config.Config)) *caller {
		return start(t, storetest.SQLite(t), tune).anon()
	}
	t.Run("public address", func(t *testing.T) {
		secure(t, start(t, func(c *config.Config) { c.HTTP.PublicURL = "HTTPS://school.example.org" }), true)
	})
	t.Run("setting", func(t *testing.T) {
		secure(t, start(t, func(c *config.Config) { c.HTTP.SecureCookies = true }), true)
	})
	t.Run("plain", func(t *testing.T) {
		secure(t, start(t, func(c *config.Config) { c.HTTP.PublicURL = "http://school.example.org" }), false)
	})
	t.Run("trusted proxy", func(t *testing.T) {
		c := start(t, func(c *config.Config) { c.HTTP.TrustedProxies = []string{"127.0.0.1"} })
		secure(t, c.with("X-Forwarded-Proto", "https"), true)
		secure(t, c.with("X-Forwarded-Proto", "http"), false)
	})
	t.Run("anybody's word", func(t *testing.T) {
		secure(t, start(t, func(*config.Config) {}).with("X-Forwarded-Proto", "https"), false)
	})
}
