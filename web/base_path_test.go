package web

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store/storetest"
)

// below is a server at /school of a host, behind a proxy that takes the path off or passes
// it on.
type below struct {
	*rig
	proxy  *httptest.Server
	root   string // the address of the installation
	client *http.Client
}

func startBelow(t *testing.T, strips bool) *below {
	t.Helper()
	b := &below{}
	var target *url.URL
	b.proxy = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/school/") && r.URL.Path != "/school" {
			http.Error(w, "another installation", http.StatusTeapot)
			return
		}
		(&httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(target)
			p.Out.Host = p.In.Host
			p.SetXForwarded()
			if strips {
				p.Out.URL.Path, p.Out.URL.RawPath = strings.TrimPrefix(p.In.URL.Path, "/school"), ""
			}
		}}).ServeHTTP(w, r)
	}))
	t.Cleanup(b.proxy.Close)
	b.root = b.proxy.URL + "/school"
	b.rig = start(t, storetest.SQLite(t), func(c *config.Config) {
		c.HTTP.PublicURL, c.HTTP.TrustedProxies = b.root, []string{"127.0.0.1"}
		c.Auth.SuperAdmin, c.Auth.SuperAdminPassword = "root@school.example", "correct horse battery"
	})
	var err error
	if target, err = url.Parse("http://" + b.Addr.String()); err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b.client = &http.Client{Jar: jar, Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return b
}

// ask sends a request as a browser's page of this installation does.
func (b *below) ask(t *testing.T, method, path, kind, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, b.root+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", b.proxy.URL)
	req.Header.Set("Accept", opensPage)
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	res, err := b.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(text)
}

func TestBasePath(t *testing.T) {
	t.Parallel()
	for form, strips := range map[string]bool{"passed on": false, "taken off": true} {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			b := startBelow(t, strips)
			b.pages(t)
			b.signsIn(t)
			b.links(t)
			b.socket(t)
			if res, body := b.ask(t, post, v1+"/login/logout", "", ""); res.StatusCode != 200 {
				t.Errorf("sign-out: got %d %s", res.StatusCode, body)
			}
			if res, _ := b.ask(t, get, v1+"/users/me", "", ""); res.StatusCode != 401 {
				t.Errorf("after it: got %d, want 401", res.StatusCode)
			}
		})
	}
}

var asksFor = regexp.MustCompile(`(?:src|href)="([^"]+)"`)

// pages checks that a page at any depth names files that come, below the path.
func (b *below) pages(t *testing.T) {
	t.Helper()
	for _, at := range []string{"", "/", "/home", "/rooms/0199c0de-7a4b-7c1e-9c55-3d2f6a1b8e90/17?x=1", "/setup?token=x", "/docs", "/redoc"} {
		res, body := b.ask(t, get, at, "", "")
		if res.StatusCode != 200 || !strings.Contains(body, "<html") {
			t.Errorf("%s: got %d %.100s", at, res.StatusCode, body)
		}
		if isStudio := at != "/docs" && at != "/redoc"; isStudio && !strings.Contains(body, `<meta name="coagent-root" content="/school"`) {
			t.Errorf("%s: the page does not learn where it is: %.500s", at, body)
		}
		for _, m := range asksFor.FindAllStringSubmatch(body, -1) {
			path, under := strings.CutPrefix(m[1], "/school")
			if !under {
				t.Errorf("%s: names %s, which is not below the path", at, m[1])
				continue
			}
			if file, _ := b.ask(t, get, path, "", ""); file.StatusCode != 200 {
				t.Errorf("%s: %s: got %d", at, m[1], file.StatusCode)
			}
		}
	}
	if res, body := b.ask(t, get, "/openapi.json", "", ""); res.StatusCode != 200 || !strings.Contains(body, `"url":"/school"`) {
		t.Errorf("openapi.json: got %d, want the path among its servers", res.StatusCode)
	}
	if res, _ := b.ask(t, get, v1+"/users/me/", "", ""); res.StatusCode != 307 || res.Header.Get("Location") != "/school"+v1+"/users/me" {
		t.Errorf("a closing slash: got %d to %q", res.StatusCode, res.Header.Get("Location"))
	}
	if res, _ := b.ask(t, get, "/studio", "", ""); res.StatusCode != 307 || res.Header.Get("Location") != "/school/" {
		t.Errorf("/studio: got %d to %q", res.StatusCode, res.Header.Get("Location"))
	}
	if res, _ := b.ask(t, get, pathQueue+"/", "", ""); res.StatusCode != 303 || res.Header.Get("Location") != "/school/" {
		t.Errorf("the queue without a session: got %d to %q", res.StatusCode, res.Header.Get("Location"))
	}
	if res, body := b.ask(t, get, "/gone.txt", "", ""); res.StatusCode != 404 || !strings.Contains(body, `href="/school/"`) {
		t.Errorf("nothing there: got %d %s", res.StatusCode, body)
	}
}

// signsIn checks the cookies: each is sent below the path alone.
func (b *below) signsIn(t *testing.T) {
	t.Helper()
	res, body := b.ask(t, post, v1+"/login/access-token", "application/x-www-form-urlencoded",
		url.Values{"username": {"root@school.example"}, "password": {"correct horse battery"}}.Encode())
	if res.StatusCode != 200 && res.StatusCode != 204 {
		t.Fatalf("sign-in: got %d %s", res.StatusCode, body)
	}
	paths := map[string]string{}
	for _, c := range res.Cookies() {
		paths[c.Name] = c.Path
	}
	if paths[cookieAccess] != "/school" || paths[cookieRefresh] != "/school"+pathRefresh || paths[cookieDevice] != "/school"+pathSignIn {
		t.Errorf("got cookies for %v", paths)
	}
	for range 2 {
		if res, body := b.ask(t, post, v1+"/login/refresh", "", ""); res.StatusCode >= 300 {
			t.Errorf("refresh: got %d %s", res.StatusCode, body)
		}
	}
	if res, body := b.ask(t, get, pathQueue+"/", "", ""); res.StatusCode != 200 || !strings.Contains(body, "/school"+pathQueue) {
		t.Errorf("the queue's page: got %d %.300s", res.StatusCode, body)
	}
	if res, body := b.ask(t, get, pathQueue+"/api/states", "", ""); res.StatusCode != 200 {
		t.Errorf("what it asks for: got %d %.300s", res.StatusCode, body)
	}
}

// links checks that what is handed on leads here.
func (b *below) links(t *testing.T) {
	t.Helper()
	if got := b.URL; got != b.root {
		t.Errorf("the start prints %s, want %s", got, b.root)
	}
	res, body := b.ask(t, post, v1+"/users/", "application/json", `{"email":"ada@school.example","password":"a long password here","role":"`+app.RoleTeacher+`"}`)
	if res.StatusCode >= 300 {
		t.Fatalf("got %d %s", res.StatusCode, body)
	}
	id := answer{body: body}.text(t, "id")
	_, body = b.ask(t, post, v1+"/users/"+id+"/password-link", "application/json", "{}")
	made := answer{body: body}
	if got := made.text(t, "url"); got != b.root+made.text(t, "url_path") {
		t.Errorf("got the link %q, want it below %s", got, b.root)
	}
}

// socket checks that a socket opens through the proxy.
func (b *below) socket(t *testing.T) {
	t.Helper()
	dialer := websocket.Dialer{Jar: b.client.Jar, HandshakeTimeout: 10 * time.Second, Subprotocols: []string{protocolMe}}
	conn, res, err := dialer.DialContext(t.Context(), strings.Replace(b.root, "http", "ws", 1)+v1+"/users/me/ws", http.Header{"Origin": {b.proxy.URL}})
	if err != nil {
		t.Fatalf("got %v, %v", res, err)
	}
	_ = res.Body.Close()
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
}
