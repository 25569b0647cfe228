//go:build unix

package chaos

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/web/proctest"
)

// realProxy is a proxy with its example in deploy/ for an installation below a path.
type realProxy struct {
	program, example string
	// edits turn the example into one for this test: plain http at an address, before a server.
	edits func(addr, server string) []string
	// wrap makes the whole configuration of the example.
	wrap func(example, dir string) string
	args func(file, dir string) []string
}

var realProxies = map[string]realProxy{
	"nginx": {"nginx", "nginx-path.conf",
		func(addr, server string) []string {
			return []string{`listen 443 ssl http2;`, "listen " + addr + ";", `127\.0\.0\.1:8000`, server, `ssl_certificate.*;`, ""}
		},
		func(example, dir string) string {
			temp := ""
			for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
				temp += kind + "_temp_path " + dir + "/" + kind + "; "
			}
			return "pid " + dir + "/pid;\nerror_log stderr;\ndaemon off;\nmaster_process off;\nevents {}\nhttp { access_log off; " + temp + example + "}\n"
		},
		func(file, dir string) []string { return []string{"-p", dir, "-c", file} }},
	"caddy": {"caddy", "Caddyfile-path",
		func(addr, server string) []string {
			return []string{`127\.0\.0\.1:8000`, server, `(?m)^school\.example \{`, "http://" + addr + " {"}
		},
		func(example, _ string) string { return "{\n\tadmin off\n}\n" + example },
		func(file, _ string) []string { return []string{"run", "--adapter", "caddyfile", "--config", file} }},
}

// start runs the proxy until the test ends.
func (p realProxy) start(t *testing.T, addr, server string) {
	t.Helper()
	program, err := exec.LookPath(p.program)
	if err != nil {
		if _, none := os.Stat("/usr/sbin/" + p.program); none == nil {
			program, err = "/usr/sbin/"+p.program, nil
		}
	}
	if err != nil && os.Getenv("CI") != "true" {
		t.Skip("SKIPPED, NOT TESTED BEHIND A PROXY: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join("../../deploy", p.example))
	if err != nil {
		t.Fatal(err)
	}
	example, edits := string(text), p.edits(addr, server)
	for i := 0; i < len(edits); i += 2 {
		edited := regexp.MustCompile(edits[i]).ReplaceAllLiteralString(example, edits[i+1])
		if edited == example {
			t.Fatalf("%s has no %s", p.example, edits[i])
		}
		example = edited
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "configuration")
	if err := os.WriteFile(file, []byte(p.wrap(example, dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, p.args(file, dir)...) //nolint:gosec // a program of this machine and a file of this test
	said := new(strings.Builder)
	cmd.Stdout, cmd.Stderr = said, said
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // nginx without a master says by its code that it got a signal
		if t.Failed() {
			t.Logf("%s said: %s", p.program, said)
		}
	})
}

// TestBelowAPathOfRealProxies: behind the proxies of the examples the page, its files, the
// API, the cookies, links and sockets work below a path.
func TestBelowAPathOfRealProxies(t *testing.T) {
	t.Parallel()
	for name, p := range realProxies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			addr := ln.Addr().String()
			root := "http://" + addr + "/coagent"
			s := proctest.New(t, "", "COAGENT_HTTP_PUBLIC_URL="+root, "COAGENT_HTTP_TRUSTED_PROXIES=127.0.0.1")
			s.Model.Script(answers)
			serve := s.Serve()
			if err := ln.Close(); err != nil { // the proxy takes its place
				t.Fatal(err)
			}
			p.start(t, addr, strings.TrimPrefix(serve.URL, "http://"))
			proxied := &proctest.Process{URL: root}
			ctx := within(t, 60*time.Second)
			for !proctest.Ready(ctx, root) {
				if ctx.Err() != nil {
					t.Fatal("the proxy does not lead to the server")
				}
				pause(ctx, 50*time.Millisecond)
			}
			page := fetch(t, root+"/", "text/html")
			script := regexp.MustCompile(`src="(/coagent/assets/[^"]+\.js)"`).FindStringSubmatch(page)
			if script == nil {
				t.Fatalf("the page names no script below the path: %.1000s", page)
			}
			fetch(t, "http://"+addr+script[1], "")
			if got := fetch(t, root, "text/html"); got != page {
				t.Error("the path without its last slash leads to another page")
			}
			w := s.Populate(proctest.To(false, proxied), proctest.Plan{Students: 2, Rooms: 1, Agent: "sk-test"})
			members := []*proctest.Member{s.Join(w.Students[0], w.Rooms[0]), s.Join(w.Students[1], w.Rooms[0])}
			for i := range 2 {
				if err := members[i].Say(within(t, 30*time.Second), fmt.Sprintf("Line %d through %s", i, name)); err != nil {
					t.Fatal(err)
				}
			}
			for _, m := range members {
				if err := m.Await(within(t, 30*time.Second), "both lines", func() bool { return m.Last() >= 2 }); err != nil {
					t.Error(err)
				}
				if faults := m.Faults(); len(faults) > 0 {
					t.Errorf("%s: %v", m.Person.Name, faults)
				}
			}
			cookiesBelow(t, root, w.Teacher)
		})
	}
}

// fetch gets a page or a file, over redirects, as a program that accepts this does.
func fetch(t *testing.T, address, accept string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: got %d %.500s (%v)", address, res.StatusCode, body, err)
	}
	return string(body)
}

// cookiesBelow signs somebody in and out: the cookies belong to the path alone.
func cookiesBelow(t *testing.T, root string, p *proctest.Person) {
	t.Helper()
	form := strings.NewReader(url.Values{"username": {p.Email}, "password": {p.Password}}.Encode())
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, root+"/api/v1/login/access-token", form)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", strings.TrimSuffix(root, "/coagent"))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK || len(res.Cookies()) == 0 {
		t.Fatalf("sign-in: got %d with %d cookies", res.StatusCode, len(res.Cookies()))
	}
	for _, c := range res.Cookies() {
		if c.Path != "/coagent" && !strings.HasPrefix(c.Path, "/coagent/") {
			t.Errorf("the cookie %s is for %s", c.Name, c.Path)
		}
	}
}
