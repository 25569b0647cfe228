package page_test

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/web/page"
)

func TestFiles(t *testing.T) {
	t.Parallel()
	texts := map[string]string{}
	names, err := fs.Glob(page.Files, "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		body, err := fs.ReadFile(page.Files, name)
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(body)
	}

	// A missing module leaves the whole page blank.
	t.Run("every file that is named exists", func(t *testing.T) {
		t.Parallel()
		named := regexp.MustCompile(`(?:href="/studio/|src="/studio/|from "\./)([\w.-]+\.\w+)"`)
		for name, text := range texts {
			for _, match := range named.FindAllStringSubmatch(text, -1) {
				if _, ok := texts[match[1]]; !ok {
					t.Errorf("%s names %s, which is not embedded", name, match[1])
				}
			}
		}
	})

	t.Run("every module is preloaded", func(t *testing.T) {
		t.Parallel()
		for name := range texts {
			if strings.HasSuffix(name, ".js") && !strings.Contains(texts["index.html"], `"/studio/`+name+`"`) {
				t.Errorf("index.html does not name /studio/%s", name)
			}
		}
	})

	// The browser would drop these silently under Policy.
	t.Run("nothing needs a looser policy", func(t *testing.T) {
		t.Parallel()
		inline := regexp.MustCompile(`(?i)<script(?:\s[^>]*)?>\s*[^<\s]|<style|\sstyle=|\son\w+=|javascript:`)
		if got := inline.FindString(texts["index.html"]); got != "" {
			t.Errorf("index.html has %q inline", got)
		}
		outside := regexp.MustCompile(`(?:https?:)?//[a-z0-9-]+\.[a-z]`)
		for name, text := range texts {
			if got := outside.FindString(strings.ReplaceAll(text, "http://www.w3.org/2000/svg", "")); got != "" {
				t.Errorf("%s names an outside address: %q", name, got)
			}
		}
	})

	t.Run("no text is read as markup", func(t *testing.T) {
		t.Parallel()
		markup := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function`)
		for name, text := range texts {
			if got := markup.FindString(text); got != "" {
				t.Errorf("%s uses %s", name, got)
			}
		}
	})
}
