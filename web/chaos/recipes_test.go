//go:build unix

package chaos

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/store/storetest"
	"github.com/coagent-studio/coagent/web/proctest"
)

// recipe is what one section of docs/operate.md shows to be typed, from its first block to
// its last. The words behind "sh recipe" say how it is tried.
type recipe struct {
	section, script string
	serving         bool            // a server runs meanwhile
	only            map[string]bool // the databases that it is for; none means both
}

var (
	sectionOfPage = regexp.MustCompile(`(?m)^## (.+)$`)
	recipeBlock   = regexp.MustCompile("(?ms)^ *```sh recipe([a-z ]*)\n(.*?)^ *```$")
)

// recipesOf are the recipes of a page, by its sections.
func recipesOf(page string) (all []recipe) {
	starts := sectionOfPage.FindAllStringSubmatchIndex(page, -1)
	for i, at := range starts {
		end := len(page)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		r := recipe{section: page[at[2]:at[3]], only: map[string]bool{}}
		for _, block := range recipeBlock.FindAllStringSubmatch(page[at[0]:end], -1) {
			for word := range strings.FieldsSeq(block[1]) {
				if word == "serving" {
					r.serving = true
				} else {
					r.only[word] = true
				}
			}
			r.script += block[2]
		}
		if r.script != "" {
			all = append(all, r)
		}
	}
	return all
}

// TestRecipes types what the operator's page shows, on an installation with a class, as the
// page says: in the folder of coagent.yaml, with the program in the search path.
//
// In a recipe stand for what the reader has instead: 127.0.0.1:8000 for the running server,
// the address of the papers' Postgres for another database, which is empty, and
// /var/backups and /var/lib/coagent-restored for folders.
func TestRecipes(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/operate.md")
	if err != nil {
		t.Fatal(err)
	}
	recipes := recipesOf(string(page))
	if len(recipes) == 0 {
		t.Fatal("the page has no recipes")
	}
	for _, r := range recipes {
		t.Run(r.section, func(t *testing.T) {
			t.Parallel()
			proctest.Each(t, func(t *testing.T, s *proctest.Site) {
				if len(r.only) > 0 && !r.only[s.Database()] {
					return // the section says so
				}
				r.try(t, s)
			})
		})
	}
}

func (r *recipe) try(t *testing.T, s *proctest.Site) {
	serve := s.Serve()
	s.Populate(proctest.To(false, serve), proctest.Plan{Students: 2, Rooms: 1})
	if !r.serving {
		if code, _, err := serve.Term(drainLimit); code != 0 || err != nil {
			t.Fatalf("serve exited with %d, %v", code, err)
		}
	}
	tools := t.TempDir()
	if err := os.Symlink(proctest.Binary(t), filepath.Join(tools, "coagent")); err != nil {
		t.Fatal(err)
	}
	script := r.script
	for shown, has := range map[string]string{
		"127.0.0.1:8000":            strings.TrimPrefix(serve.URL, "http://"),
		"/var/backups":              t.TempDir(),
		"/var/lib/coagent-restored": filepath.Join(t.TempDir(), "restored"),
		"postgres://coagent:a-password@db.school.example:5432/coagent": storetest.Postgres(t),
	} {
		script = strings.ReplaceAll(script, shown, has)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-x")
	cmd.Dir = s.Dir
	cmd.Env = append(s.Environ("COAGENT_PASSWORD=correct horse battery"), "PATH="+tools+string(os.PathListSeparator)+os.Getenv("PATH"))
	cmd.Stdin = strings.NewReader("set -eo pipefail\n" + script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
}
