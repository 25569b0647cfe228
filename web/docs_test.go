package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store"
)

// The papers of the repository are held against the program: what they show is
// run, and what they name is there. The commands of their shell blocks are held
// against the command line in TestCommandsOfThePapers.

// block is one fenced block of a page. Kind is what stands behind the fence,
// such as "json graph": it says what becomes of the block.
type block struct{ page, kind, text string }

var fenced = regexp.MustCompile("(?ms)^ *```([^\n]*)\n(.*?)^ *```$")

// papers are the pages by their paths from the root of the repository.
func papers(t testing.TB) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("../docs/*.md")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	pages := map[string]string{}
	for _, p := range append(paths, "../README.md") {
		text, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		pages[strings.TrimPrefix(filepath.ToSlash(p), "../")] = string(text)
	}
	return pages
}

// blocksOf lists the blocks of a kind, page by page.
func blocksOf(t testing.TB, is func(kind string) bool) (found []block) {
	t.Helper()
	for page, text := range papers(t) {
		if strings.Count(text, "```")%2 != 0 {
			t.Errorf("%s: a fence is not closed", page)
		}
		for _, m := range fenced.FindAllStringSubmatch(text, -1) {
			if is(m[1]) {
				found = append(found, block{page, m[1], m[2]})
			}
		}
	}
	slices.SortStableFunc(found, func(a, b block) int { return strings.Compare(a.page, b.page) })
	return found
}

// jsonRules say how a block of JSON is tried, by what it is.
//
//nolint:gochecknoglobals // a table
var jsonRules = map[string]func(t *testing.T, w *world, text string){
	"trigger_config":  ofAgent("trigger_config"),
	"schedule_config": ofAgent("schedule_config"),
	"settings":        ofAgent("settings"),
	"graph": func(t *testing.T, w *world, text string) {
		made := w.as(owner).must(t, http.StatusCreated, post, v1+"/workflows",
			body{"course_id": w.course, "name": store.NewID(), "graph": json.RawMessage(text)}).text(t, "id")
		w.as(owner).must(t, http.StatusOK, put, v1+"/rooms/"+w.room+"/workflow", body{"workflow_id": made})
		w.as(owner).must(t, http.StatusOK, put, v1+"/rooms/"+w.room+"/workflow", body{"workflow_id": nil})
	},
	"test": func(t *testing.T, w *world, text string) {
		if got := w.as(owner).must(t, http.StatusOK, post, v1+"/users/keys/test", text).object(t); got["ok"] != true {
			t.Errorf("got %v", got)
		}
	},
	"agent": func(t *testing.T, w *world, text string) {
		w.as(owner).must(t, http.StatusOK, put, v1+"/agents/"+w.agent, text)
	},
	"approval": func(t *testing.T, w *world, text string) { // nothing waits, which is said of no other body
		a := w.as(owner).must(t, http.StatusNotFound, post, v1+"/rooms/"+w.room+"/approvals/"+store.NewID(), text)
		wantProblem(t, a, http.StatusNotFound, "Approval not found")
	},
	"frame": func(t *testing.T, w *world, text string) {
		c := w.join(t, student, "", true)
		c.send(text)
		c.next("ack")
	},
}

// ofAgent tries a member of an agent, for the agent itself.
func ofAgent(member string) func(*testing.T, *world, string) {
	return func(t *testing.T, w *world, text string) {
		got := w.as(owner).must(t, http.StatusOK, put, v1+"/agents/"+w.agent, body{member: json.RawMessage(text)}).object(t)[member]
		var want any
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

// Every block has a rule, so that no example goes untried.
func TestBlocksOfThePapersAreKnown(t *testing.T) {
	t.Parallel()
	known := []string{
		"sh",     // commands, see TestCommandsOfThePapers
		"sh run", // requests, see TestExamplesOfThePapers
		"yaml",   // see TestConfigurationsOfThePapers
		"text",   // a drawing
		"bash",   // calls with what only the reader has
		"http",   // what a server of others gets
		"python", // such a server
	}
	for _, words := range []string{"", " serving", " sqlite", " postgres", " sqlite serving", " postgres serving"} {
		known = append(known, "sh recipe"+words) // an operator's commands, see TestRecipes
	}
	for what := range jsonRules {
		known = append(known, "json "+what)
	}
	for _, b := range blocksOf(t, func(kind string) bool { return !slices.Contains(known, kind) }) {
		t.Errorf("%s: no rule knows how to try the block %q, of %s; there are: %s", b.page, b.kind, firstLine(b.text), strings.Join(known, ", "))
	}
}

func firstLine(text string) string { line, _, _ := strings.Cut(text, "\n"); return line }

func TestConfigurationsOfThePapers(t *testing.T) {
	t.Parallel()
	blocks := blocksOf(t, func(kind string) bool { return kind == "yaml" })
	if len(blocks) == 0 {
		t.Error("the papers show no configuration")
	}
	for _, b := range blocks {
		dir := t.TempDir()
		file := filepath.Join(dir, "coagent.yaml")
		if err := os.WriteFile(file, []byte(b.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, notices, err := config.Load(config.Sources{File: file, Dir: dir}); err != nil || len(notices) > 0 {
			t.Errorf("%s: %s: %v %v", b.page, firstLine(b.text), err, notices)
		}
	}
}

// inlineTrigger is a trigger in the middle of a line.
var inlineTrigger = regexp.MustCompile("`({\"type\":[^`]*})`")

func TestExamplesOfThePapers(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"JSON is accepted": func(t *testing.T, w *world) {
			blocks := blocksOf(t, func(kind string) bool { return strings.HasPrefix(kind, "json ") })
			for _, m := range inlineTrigger.FindAllStringSubmatch(papers(t)["docs/agents.md"], -1) {
				blocks = append(blocks, block{"docs/agents.md", "json trigger_config", m[1]})
			}
			tried := map[string]bool{}
			for _, b := range blocks {
				what := strings.TrimPrefix(b.kind, "json ")
				if try := jsonRules[what]; try != nil {
					try(t, w, strings.TrimSpace(b.text))
					tried[what] = true
				}
				if t.Failed() {
					t.Fatalf("%s: %s", b.page, b.text)
				}
			}
			if len(tried) != len(jsonRules) {
				t.Errorf("the papers have examples of %v alone", tried)
			}
		},
		"addresses are there": func(t *testing.T, w *world) { checkAddresses(t, w) },
		"requests work": func(t *testing.T, w *world) {
			if _, _, err := w.opened.Operator().SeedAdmin(t.Context(), "root@school.example", testPassword); err != nil {
				t.Fatal(err)
			}
			runRequests(t, w)
		},
	})
}

// runRequests runs the requests of each page, one block after the other, as
// somebody does who copies them into a terminal.
func runRequests(t *testing.T, w *world) {
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skip("needs " + tool)
		}
	}
	scripts := map[string]string{}
	for _, b := range blocksOf(t, func(kind string) bool { return kind == "sh run" }) {
		scripts[b.page] += b.text
	}
	if len(scripts) == 0 {
		t.Error("the papers show no requests")
	}
	for page, script := range scripts {
		// A terminal shows an error; here it has to end the script.
		const strict = "set -eo pipefail\ncurl() { command curl -sS --fail-with-body \"$@\"; }\n"
		cmd := exec.CommandContext(t.Context(), "bash", "-x")
		cmd.Dir = t.TempDir()
		cmd.Env = append(os.Environ(), "OPENAI_API_KEY=sk-of-the-papers", "no_proxy=*")
		cmd.Stdin = strings.NewReader(strict + strings.ReplaceAll(script, "127.0.0.1:8000", w.Addr.String()))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", page, err, lastLines(string(out), 30))
		}
	}
}

var (
	codeSpan       = regexp.MustCompile("`([^`\n]+)`")
	namedOperation = regexp.MustCompile(`^(GET|POST|PUT|DELETE) (/[^ ?]*)`)
	pathParameter  = regexp.MustCompile(`\{[^}]*\}`)
)

// checkAddresses holds each operation that a page names, such as `GET
// /rooms/{room_id}/runs`, against the OpenAPI document.
func checkAddresses(t *testing.T, w *world) {
	there := map[string]bool{}
	for address, item := range w.server.api.OpenAPI().Paths {
		for _, method := range []string{get, post, put, del} {
			if operationAt(item, method) != nil {
				there[method+" "+pathParameter.ReplaceAllString(address, "{}")] = true
			}
		}
	}
	n := 0
	for page, text := range papers(t) {
		for _, m := range codeSpan.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			op := namedOperation.FindStringSubmatch(m[1])
			if op == nil {
				continue
			}
			n++
			address := strings.TrimSuffix(pathParameter.ReplaceAllString(op[2], "{}"), "/")
			if !slices.ContainsFunc([]string{address, v1 + address, address + "/", v1 + address + "/"}, func(a string) bool { return there[op[1]+" "+a] }) {
				t.Errorf("%s: there is no %s", page, m[1])
			}
		}
	}
	if n < 20 {
		t.Errorf("the papers name %d operations: the test looks for them in the wrong way", n)
	}
}

var pageLink = regexp.MustCompile(`\]\(([^)#\s]+)\)`)

func TestLinksOfThePapers(t *testing.T) {
	t.Parallel()
	for page, text := range papers(t) {
		for _, m := range pageLink.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join("..", path.Dir(page), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", page, m[1], err)
			}
		}
	}
}

var (
	placeOf  = regexp.MustCompile(`^(\.ci|app|web|store|jobs|migrations|docs|deploy)/[\w./@-]*$`)
	fileName = regexp.MustCompile(`^\w+\.(go|js)$`)
)

// Whoever follows a path on the page about the architecture finds a file there.
// A name without a folder is in the folder of the path before it.
func TestPlacesOfTheArchitecture(t *testing.T) {
	t.Parallel()
	for line := range strings.Lines(papers(t)["docs/architecture.md"]) {
		folder := ""
		for _, m := range codeSpan.FindAllStringSubmatch(line, -1) {
			place := m[1]
			switch {
			case placeOf.MatchString(place):
				folder = path.Dir(place + "x") // a folder ends with a slash
			case fileName.MatchString(place):
				place = path.Join(folder, place)
			default:
				continue
			}
			if _, err := os.Stat(filepath.Join("..", place)); err != nil {
				t.Errorf("there is no %s: %s", place, line)
			}
		}
	}
}

var settingName = regexp.MustCompile(`^[a-z]+(\.[a-z_*]+)+$`)

// Every setting that a page names exists: turns.due, limits.model_calls*.
func TestSettingsOfThePapers(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var sections map[string]any
	if err := yaml.Unmarshal(text, &sections); err != nil {
		t.Fatal(err)
	}
	var known []string
	var list func(prefix string, v any)
	list = func(prefix string, v any) {
		known = append(known, prefix)
		if members, ok := v.(map[string]any); ok {
			for name, v := range members {
				list(prefix+"."+name, v)
			}
		}
	}
	for name, v := range sections {
		list(name, v)
	}
	for page, text := range papers(t) {
		for _, m := range codeSpan.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			section, _, _ := strings.Cut(m[1], ".")
			if _, ok := sections[section]; !ok || !settingName.MatchString(m[1]) || fileName.MatchString(m[1]) {
				continue
			}
			if !slices.ContainsFunc(known, func(k string) bool { ok, err := path.Match(m[1], k); return ok && err == nil }) {
				t.Errorf("%s: there is no setting %s", page, m[1])
			}
		}
	}
}
