package apidocs_test

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/coagent-studio/coagent/web/apidocs"
)

// sums are of swagger-ui-dist 5.35.0 and redoc 2.5.1 as pack.sh leaves them.
var sums = map[string]string{
	"licences.txt":         "ad52101b7dc52cd738a76dda6582851e308540f1ae32b7451182c467d3a9eca6",
	"redoc.standalone.js":  "673325b4fc9dcdd6243fc82a106c4c89ab4fbba8c2268b59458969b771c9c8ed",
	"swagger-ui-bundle.js": "e6a898692f2d768e807c3ba4626068a69a2c5dd960dd6c76f3e4d3a3de180af2",
	"swagger-ui.css":       "5ed08757e53da3e026d6cbecc61fe5d43585c9560b302d534ad56692519a273d",
}

func TestPacked(t *testing.T) {
	t.Parallel()
	for name, want := range sums {
		packed, err := apidocs.Files.ReadFile(name + ".br")
		if err != nil {
			t.Fatal(err)
		}
		body, err := fasthttp.AppendUnbrotliBytes(nil, packed)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		sum := sha256.Sum256(body)
		if got := hex.EncodeToString(sum[:]); got != want {
			t.Errorf("%s: got the sum %s, want %s: run pack.sh, and put new sums here when the version is meant to change", name, got, want)
		}
	}
}

// The browser would drop these silently under Policy.
func TestPages(t *testing.T) {
	t.Parallel()
	bad := regexp.MustCompile(`(?i)<script(?:\s[^>]*)?>\s*[^<\s]|<style|\sstyle=|\son\w+=|https?:|"//`)
	for _, name := range []string{"docs.html", "redoc.html", "docs.js", "redoc.js"} {
		body, err := apidocs.Files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := bad.FindString(string(body)); got != "" {
			t.Errorf("%s has %q", name, got)
		}
	}
}
