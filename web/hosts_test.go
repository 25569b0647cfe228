package web

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store/storetest"
)

// askAs sends a request with a Host header as it stands here.
func askAs(t *testing.T, r *rig, host, path, head string) (status int, header http.Header, body string) {
	t.Helper()
	conn, err := net.Dial("tcp", r.Addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n%sConnection: close\r\n\r\n", path, host, head); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(text)
}

func TestWrongHost(t *testing.T) {
	t.Parallel()
	const browser = "Accept: text/html\r\n"
	r := start(t, storetest.SQLite(t), func(c *config.Config) {
		c.HTTP.PublicURL, c.HTTP.Hosts = "https://Schule-München.example/", []string{"Other.example", "學校.example"}
	})
	for host, named := range map[string]string{ // "" for a name that is known
		"schule-münchen.example": "", "XN--Schule-Mnchen-3ob.example": "", "xn--schule-mnchen-3ob.example.": "", "xn--schule-mnchen-3ob.example:8443": "",
		"other.example": "", "OTHER.example.:80": "", "xn--n9so80a.example": "", "127.0.0.1": "", "192.168.1.5:8000": "", "[::1]": "", "[fe80::1]:8000": "",
		"localhost:8000": "", "lab-3.local": "", "coagent": "",
		"evil.example": "evil.example", "EVIL.example.": "evil.example", "evil.example:8000": "evil.example",
		"xn--schule-mnchen-3ob.example.evil.example": "xn--schule-mnchen-3ob.example.evil.example", "münchen.example": "xn--mnchen-3ya.example",
		"other.example@evil.example": "no name", "<script>alert(1)</script>": "no name", "evil.example\"><b>": "no name", "a/b.example": "no name", "[::1": "no name",
	} {
		for _, head := range []string{browser, "Accept: application/json\r\n"} {
			status, header, body := askAs(t, r, host, "/", head)
			if named == "" {
				if status != http.StatusOK {
					t.Errorf("%q: got %d %.300s, want 200", host, status, body)
				}
				continue
			}
			if status == http.StatusBadRequest {
				continue // it is refused as no request at all
			}
			isPage := strings.HasPrefix(header.Get("Content-Type"), "text/html")
			if status != http.StatusMisdirectedRequest || !strings.Contains(body, named) || isPage != (head == browser) ||
				!strings.Contains(body, "http.public_url") || strings.Contains(strings.ToLower(body), "<script") || strings.Contains(body, "<b>") {
				t.Errorf("%q: got %d %v %.600s, want 421 that names %s", host, status, header, body, named)
			}
			if isPage && (!strings.Contains(body, `lang="zh-TW"`) || !strings.Contains(body, "伺服器")) {
				t.Errorf("%q: the page does not say it in both languages: %s", host, body)
			}
			if !isPage && !strings.Contains(body, `"code":"unknown_host"`) {
				t.Errorf("%q: got %s", host, body)
			}
			if strings.Contains(body, "chule") && !strings.Contains(host, "chule") {
				t.Errorf("%q: whoever asks is told the right name: %s", host, body)
			}
		}
	}
	t.Run("probes pass, the API does not", func(t *testing.T) {
		for path, want := range map[string]int{pathHealth: 200, pathReady: 200, v1 + "/meta": 421} {
			if status, _, body := askAs(t, r, "evil.example", path, ""); status != want {
				t.Errorf("%s: got %d %s, want %d", path, status, body, want)
			}
		}
	})
	t.Run("nobody says a name that a stranger forwards", func(t *testing.T) {
		if status, _, _ := askAs(t, r, "evil.example", "/", browser+"X-Forwarded-Host: other.example\r\n"); status != http.StatusMisdirectedRequest {
			t.Errorf("got %d, want 421", status)
		}
	})
	t.Run("behind a proxy", func(t *testing.T) {
		r := start(t, storetest.SQLite(t), func(c *config.Config) {
			c.HTTP.PublicURL, c.HTTP.TrustedProxies = "https://school.example", []string{"127.0.0.1"}
		})
		for forwarded, want := range map[string]int{"": 200, "X-Forwarded-Host: school.example\r\n": 200, "X-Forwarded-Host: school.example, inner\r\n": 200,
			"X-Forwarded-Host: evil.example\r\n": 421} {
			if status, _, body := askAs(t, r, "inner.example", "/", browser+forwarded); status != want {
				t.Errorf("%q: got %d %.300s, want %d", forwarded, status, body, want)
			}
		}
	})
	t.Run("without public_url or with a star every name is one", func(t *testing.T) {
		for _, tune := range []func(*config.Config){func(*config.Config) {}, func(c *config.Config) {
			c.HTTP.PublicURL, c.HTTP.Hosts = "https://school.example", []string{"*"}
		}} {
			if status, _, body := askAs(t, start(t, storetest.SQLite(t), tune), "any.example", "/", browser); status != http.StatusOK {
				t.Errorf("got %d %.300s, want 200", status, body)
			}
		}
	})
}
