package config_test

import (
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
