package web

import (
	"encoding/json"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store/storetest"
)

func TestAddresses(t *testing.T) {
	t.Parallel()
	at := func(text string) net.Addr {
		a, err := net.ResolveTCPAddr("tcp", text)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	for _, c := range []struct {
		public, listen string
		want           []string
	}{
		{"", "127.0.0.1:8000", []string{"http://127.0.0.1:8000"}},
		{"", "[::1]:8000", []string{"http://[::1]:8000"}},
		{"", "192.0.2.7:8000", []string{"http://192.0.2.7:8000"}},
		{"https://school.example/", "127.0.0.1:8000", []string{"https://school.example"}},
	} {
		cfg := &config.Config{}
		cfg.HTTP.PublicURL = c.public
		if got := Addresses(cfg, at(c.listen)); !slices.Equal(got, c.want) {
			t.Errorf("%s, %s: got %q, want %q", c.public, c.listen, got, c.want)
		}
	}
	for _, listen := range []string{"0.0.0.0:8000", "[::]:8000"} {
		got := Addresses(&config.Config{}, at(listen))
		if got[0] != "http://127.0.0.1:8000" || slices.ContainsFunc(got[1:], localOnly) || slices.ContainsFunc(got, func(u string) bool { return !strings.HasSuffix(u, ":8000") }) {
			t.Errorf("%s: got %q", listen, got)
		}
	}
	for address, want := range map[string]bool{"http://127.0.0.1:8000": true, "http://[::1]:8000": true, "http://localhost": true, "http://127.8.0.1": true,
		"http://192.168.1.5:8000": false, "https://localhost.example": false, "https://school.example": false, "http://[2001:db8::1]:80": false} {
		if got := localOnly(address); got != want {
			t.Errorf("%s: got %v", address, got)
		}
	}
}

// Whoever shows a join code to a class shows where it is typed in.
func TestJoinCodeAddresses(t *testing.T) {
	t.Parallel()
	for listen, public := range map[string]string{"only here": "", "behind a proxy": "https://school.example"} {
		t.Run(listen, func(t *testing.T) {
			t.Parallel()
			w := newWorldOf(t, storetest.SQLite(t), func(c *config.Config) { c.HTTP.PublicURL = public })
			var got struct{ Addresses []string }
			a := w.as(owner).must(t, 200, put, v1+"/courses/"+w.course+"/join-code")
			if err := json.Unmarshal([]byte(a.body), &got); err != nil {
				t.Fatal(err)
			}
			want := []string{}
			if public != "" {
				want = append(want, public)
			}
			if got.Addresses == nil || !slices.Equal(got.Addresses, want) {
				t.Errorf("got %q, want %q", got.Addresses, want)
			}
		})
	}
}
