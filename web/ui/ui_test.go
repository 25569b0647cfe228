package ui_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/coagent-studio/coagent/web/ui"
)

// notBuilt are the names of what does not reach the build; scripts/pack.mjs says the same.
var notBuilt = []string{"build", "dist", "node_modules", "SOURCES", "ui.go", "ui_test.go", "e2e", "schema.d.ts"}

// What is embedded was built from the sources beside it.
func TestSources(t *testing.T) {
	t.Parallel()
	var names []string
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || path == ".":
			return err
		case slices.Contains(notBuilt, d.Name()) && d.IsDir():
			return fs.SkipDir
		case !slices.Contains(notBuilt, d.Name()) && !d.IsDir():
			names = append(names, filepath.ToSlash(path))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	sum := sha256.New()
	for _, name := range names {
		body, err := os.ReadFile(filepath.FromSlash(name))
		if err != nil {
			t.Fatal(err)
		}
		sum.Write(slices.Concat([]byte(name+"\x00"), body, []byte{0}))
	}
	kept, err := os.ReadFile("SOURCES")
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != strings.TrimSpace(string(kept)) {
		t.Error("the sources of the studio are not those that dist was built from: run make ui")
	}
}

// Everything that the page loads is there, nothing comes from another address, and no
// script or style sheet stands in the page itself.
func TestFiles(t *testing.T) {
	t.Parallel()
	page := text(t, "index.html.br")
	loaded := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(page, -1)
	if len(loaded) < 3 {
		t.Fatalf("the page loads %q", loaded)
	}
	for _, l := range loaded {
		if _, err := fs.Stat(ui.Files(), strings.TrimPrefix(l[1], "./")+".br"); err != nil {
			t.Errorf("the page loads %s: %v", l[1], err)
		}
	}
	if regexp.MustCompile(`<script(?:>|[^>]*[^/]>[^<])|<style|\son\w+=`).MatchString(page) {
		t.Error("the page has a script or a style of its own")
	}
}

func text(t *testing.T, name string) string {
	t.Helper()
	packed, err := fs.ReadFile(ui.Files(), name)
	if err != nil {
		t.Fatal(err)
	}
	body, err := fasthttp.AppendUnbrotliBytes(nil, packed)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// What a browser loads for the sign-in, home and then a room stays small, in few files: a
// class may share one slow connection. Nothing imports the entry, which names every page: an
// edit of one page would rename them all.
func TestScripts(t *testing.T) {
	t.Parallel()
	const (
		most     = 250_000 // bytes, compressed
		mostEach = 10      // files for a page
	)
	page := text(t, "index.html.br")
	entry := regexp.MustCompile(`src="\./(assets/[^"]*\.js)"`).FindStringSubmatch(page)[1]
	all := map[string]int{}
	for _, name := range []string{"SignIn", "Home", "RoomPage"} {
		loaded := map[string]int{}
		load(t, entry, loaded)
		load(t, script(t, "en"), loaded)
		load(t, script(t, name), loaded)
		if len(loaded) > mostEach {
			t.Errorf("%s needs %d scripts, at most %d are possible: %v", name, len(loaded), mostEach, loaded)
		}
		maps.Copy(all, loaded)
	}
	sum := 0
	for _, size := range all {
		sum += size
	}
	t.Logf("%d scripts, %d bytes", len(all), sum)
	if sum > most {
		t.Errorf("sign-in, home and a room load %d bytes of script, at most %d are possible: %v", sum, most, all)
	}
	scripts, err := fs.Glob(ui.Files(), "assets/*.js.br")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range scripts {
		if strings.Contains(text(t, name), strings.TrimPrefix(entry, "assets/")) {
			t.Errorf("%s imports the entry", name)
		}
	}
}

// script is the one script of a page or a language.
func script(t *testing.T, name string) string {
	t.Helper()
	found, err := fs.Glob(ui.Files(), "assets/"+name+"-????????.js.br")
	if err != nil || len(found) != 1 {
		t.Fatalf("%s has the scripts %q, %v", name, found, err)
	}
	return strings.TrimSuffix(found[0], ".br")
}

// imported are the scripts that one loads before it runs.
var imported = regexp.MustCompile(`(?:from|import)\s*"\./([^"]+\.js)"`)

func load(t *testing.T, name string, loaded map[string]int) {
	t.Helper()
	if _, ok := loaded[name]; ok {
		return
	}
	info, err := fs.Stat(ui.Files(), name+".br")
	if err != nil {
		t.Fatal(err)
	}
	loaded[name] = int(info.Size())
	for _, m := range imported.FindAllStringSubmatch(text(t, name+".br"), -1) {
		load(t, "assets/"+m[1], loaded)
	}
}
