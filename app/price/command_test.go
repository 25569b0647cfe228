package price_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/price"
)

// An import prints what differs and the new list, and writes nothing. With that list in the
// configuration nothing differs any more.
func TestDifference(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "list.json")
	if err := os.WriteFile(path, []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := &config.Config{Prices: []config.Price{{Model: "gpt-4o-mini", Input: rate(t, "0.2"), Output: rate(t, "0.6"), Currency: "USD"}}}
	var notes strings.Builder
	text, err := price.Difference(cfg, path, false, &notes)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"- gpt-4o-mini: input 0.2,", "+ gpt-4o-mini: input 0.15,", "+ claude-x: input 3,", "1 prices in the configuration"} {
		if !strings.Contains(notes.String(), want) {
			t.Errorf("got the notes %q, want %q in them", notes.String(), want)
		}
	}
	if !strings.Contains(string(text), "model: claude-x") || strings.Contains(string(text), "0.2\n") {
		t.Errorf("got %s", text)
	}
	if cfg.Prices[0].Input != rate(t, "0.2") {
		t.Error("the configuration was changed")
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("got the files %v (%v), want the list alone", files, err)
	}
	if now, err := os.ReadFile(path); err != nil || string(now) != list {
		t.Errorf("the list was changed (%v)", err)
	}
	if _, err := price.Difference(cfg, filepath.Join(dir, "none"), false, &notes); err == nil {
		t.Error("a file that is not there: got no error")
	}
}
