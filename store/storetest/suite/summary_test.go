package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

const tests = `{"Action":"start","Package":"p"}
{"Action":"output","Package":"p","Test":"TestA/postgres","Output":"    storetest.go:1: SKIPPED (no Postgres): none\n"}
{"Action":"skip","Package":"p","Test":"TestA/postgres"}
{"Action":"pass","Package":"p","Test":"TestA/sqlite"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestPage","Output":"    x.go:1: SKIPPED (no Chromium): the page\n"}
{"Action":"skip","Package":"p","Test":"TestPage"}
{"Action":"output","Package":"p","Test":"TestWindows","Output":"    x.go:1: no file modes on Windows\n"}
{"Action":"skip","Package":"p","Test":"TestWindows"}
{"Action":"skip","Package":"q"}
`

func TestLastLine(t *testing.T) {
	t.Parallel()
	again := `{"Action":"fail","Package":"p","Test":"TestB"}` + "\n" + `{"Action":"pass","Package":"p","Test":"TestB"}` + "\n"
	for name, tt := range map[string]struct {
		events, want string
		lacks        []string
		failed       bool
		ok, strict   bool
	}{
		"ATool":      {tests, "2 passed, 0 failed, 1 skipped: no Chromium, 1 skipped: no Postgres", nil, false, true, false},
		"NoCompiler": {"", "0 passed, 0 failed; without -race: no C compiler", []string{"without -race: no C compiler"}, false, true, false},
		"Again":      {again, "0 passed, 1 failed", nil, true, false, false},
		"Failed":     {`{"Action":"fail","Package":"p","Test":"TestB"}`, "0 passed, 1 failed", nil, true, false, false},
		"NoBuild":    {"", "0 passed, 0 failed, go test failed (see above)", nil, true, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := summary{lacks: tt.lacks}
			if err := s.add(strings.NewReader(tt.events), tt.failed); err != nil {
				t.Fatal(err)
			}
			if got := s.line(); got != tt.want {
				t.Errorf("line: got %q, want %q", got, tt.want)
			}
			if s.ok(false) != tt.ok || s.ok(true) != tt.strict {
				t.Errorf("ok, and ok under CI: got %v %v, want %v %v", s.ok(false), s.ok(true), tt.ok, tt.strict)
			}
		})
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := &progress{to: &out, packages: 3}
	p.beat(15 * time.Second)
	if _, err := p.Write([]byte("go: downloading\n✓  app (1s)\n")); err != nil {
		t.Fatal(err)
	}
	p.beat(30 * time.Second)
	p.beat(45 * time.Second)
	const want = "… compiling and testing, 15s, 0 of 3 packages done\ngo: downloading\n✓  app (1s)\n… compiling and testing, 45s, 1 of 3 packages done\n"
	if got := out.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
