package config

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDotEnv holds the reader against python-dotenv 1.2.4, which made
// testdata/dotenv.json from texts by hand and at random, with
// dotenv_values(interpolate=True) and HOME=/home/u, E=env in the environment.
func TestDotEnv(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("testdata", "dotenv.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Text    string
		Refused bool
		Values  map[string]string
	}
	if err := json.Unmarshal(text, &cases); err != nil || len(cases) < 200 {
		t.Fatalf("got %d cases and error %v", len(cases), err)
	}
	environ := map[string]string{"HOME": "/home/u", "E": "env"}
	for _, c := range cases {
		got, err := parseDotEnv([]byte(c.Text), environ)
		switch {
		case c.Refused && err == nil:
			t.Errorf("%q: got %q, want a refusal", c.Text, got)
		case !c.Refused && (err != nil || !maps.Equal(got, c.Values)):
			t.Errorf("%q: got %q and error %v, want %q", c.Text, got, err, c.Values)
		}
	}
}

func TestDotEnvRefusals(t *testing.T) {
	t.Parallel()
	const canary = "hunter2"
	for text, want := range map[string]string{
		"A=1\n# why\nTWO WORDS=" + canary:                     "line 3: must be NAME=value",
		"A=\"two\nlines\"\n\nB=\"" + canary + "\nC=3":         "line 4: the quote is not closed",
		"A=1\r\nB='" + canary + "' " + canary:                 "line 2: must be NAME=value",
		"\n\n=" + canary:                                      "line 3: the name before = is missing",
		"A=1\n'" + canary:                                     "line 2: the quote around the name must be closed",
		"A=1\nB=2\nSECRET_KEY=" + canary + "\xff\xfe" + "\nC": "line 3 is not UTF-8",
	} {
		_, _, err := Load(Sources{Dir: configDir(t, map[string]string{".env": text})})
		if err == nil || !strings.Contains(err.Error(), filepath.Join("", ".env")+": "+want) {
			t.Errorf("%q: got %v, want the file and %q", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("%q: the error repeats what stands in the file: %v", text, err)
		}
	}
}
