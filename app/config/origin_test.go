package config_test

import (
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app/config"
)

func TestCanonicalOrigin(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"https://school.example": "https://school.example", "HTTPS://School.Example:443/": "https://school.example", "http://school.example:80": "http://school.example",
		"https://school.example:80": "https://school.example:80", "http://school.example:443": "http://school.example:443", "https://school.example:0443": "https://school.example",
		"https://school.example.": "https://school.example", "https://school.example.:443/x?y#z": "https://school.example", "https://school.example:": "https://school.example",
		"https://schule-münchen.example": "https://xn--schule-mnchen-3ob.example", "https://SCHULE-MÜNCHEN.example": "https://xn--schule-mnchen-3ob.example",
		"https://xn--schule-mnchen-3ob.example": "https://xn--schule-mnchen-3ob.example", "http://學校.example:8000": "http://xn--n9so80a.example:8000",
		"http://LOCALHOST:5173": "http://localhost:5173", "http://my_box:80": "http://my_box", "http://127.0.0.1:80": "http://127.0.0.1",
		"http://[::1]:80": "http://[::1]", "https://[2001:DB8::0:1]:443": "https://[2001:db8::1]", "chrome-extension://abcdef": "chrome-extension://abcdef",
		"": "", "null": "", "school.example": "", "https://": "", "//school.example": "", "https://a b": "", "mailto:a@b": "", "https://%zz": "",
	} {
		if got := config.CanonicalOrigin(address); got != want {
			t.Errorf("%q: got %q, want %q", address, got, want)
		}
	}
}

func TestBasePath(t *testing.T) {
	t.Parallel()
	for public, want := range map[string]string{"": "", "https://school.example": "", "https://school.example/": "", "https://school.example/coagent/": "/coagent",
		"http://school.example:8080/a/b-c": "/a/b-c"} {
		cfg, _, err := config.Load(config.Sources{Dir: t.TempDir(), Flags: map[string]string{"http.public_url": public}})
		if err != nil {
			t.Errorf("%s: %v", public, err)
		} else if got := cfg.BasePath(); got != want {
			t.Errorf("%s: got %q, want %q", public, got, want)
		}
	}
	for _, public := range []string{"https://school.example/api", "https://school.example/rooms/x", "https://school.example/a b", "https://school.example/../x",
		"https://school.example/a?b=c", "https://school.example/a#b", "https://school.example/a//b", "https://school.example/%2e%2e/x"} {
		if _, _, err := config.Load(config.Sources{Dir: t.TempDir(), Flags: map[string]string{"http.public_url": public}}); err == nil || !strings.Contains(err.Error(), "http.public_url") {
			t.Errorf("%s: got %v, want a refusal", public, err)
		}
	}
	_, notices, err := config.Load(config.Sources{Dir: t.TempDir(), Flags: map[string]string{"http.public_url": "https://school.example/x", "web.ui_dir": "dist"}})
	if err != nil || !strings.Contains(strings.Join(notices, "\n"), "needs the root of a host") {
		t.Errorf("a client of the operator below a path: got %v, %v", notices, err)
	}
}
