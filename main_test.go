package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/secret"
)

// The file of the log gets what the terminal gets, and why the command has ended.
func TestLogFile(t *testing.T) {
	t.Parallel()
	cfg := new(config.Config)
	cfg.Log = config.Log{Level: "info", Format: "json", File: filepath.Join(t.TempDir(), "logs", "serve.log"), FileBytes: 1 << 20, FileKeep: 1}
	log, err := logger(cfg, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	both, end := alsoToFile(cfg, log)
	both.Info("serving", "key", secret.Text("sk-canary"))
	end(errors.New("listen on 127.0.0.1:8000: address already in use"))
	text, err := os.ReadFile(cfg.Log.File)
	if err != nil || strings.Count(string(text), "\n") != 2 || !strings.Contains(string(text), `"msg":"serving"`) ||
		!strings.Contains(string(text), "address already in use") || strings.Contains(string(text), "sk-canary") {
		t.Errorf("got %s (%v)", text, err)
	}
	t.Run("a file that cannot be", func(t *testing.T) {
		cfg := *cfg
		cfg.Log.File = filepath.Dir(cfg.Log.File)
		var said strings.Builder
		log, err := logger(&cfg, &said)
		if err != nil {
			t.Fatal(err)
		}
		if same, end := alsoToFile(&cfg, log); same != log || !strings.Contains(said.String(), "log.file") {
			end(nil)
			t.Errorf("got another logger, or no word of it: %q", said.String())
		}
	})
}

// --set takes whatever stands behind the first equals sign.
func TestSet(t *testing.T) {
	t.Chdir(t.TempDir())
	load := func(t *testing.T, args ...string) (*config.Config, error) {
		t.Helper()
		var c cli
		parser, err := kong.New(&c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parser.Parse(append(args, "config")); err != nil {
			t.Fatal(err)
		}
		cfg, _, err := c.load(nil)
		return cfg, err
	}
	for name, c := range map[string]struct {
		args []string
		get  func(*config.Config) any
		want string
	}{
		"equals signs":       {[]string{"--set", "telemetry.otlp_endpoint=http://h:1/p?a=b&c=d"}, func(c *config.Config) any { return c.Telemetry.OTLPEndpoint }, "http://h:1/p?a=b&c=d"},
		"semicolons":         {[]string{"--set", "web.ui_csp=default-src 'self'; img-src data:"}, func(c *config.Config) any { return c.Web.UICSP }, "default-src 'self'; img-src data:"},
		"commas":             {[]string{"--set", "http.cors_origins=http://a.example,http://b.example"}, func(c *config.Config) any { return c.HTTP.CORSOrigins }, "[http://a.example http://b.example]"},
		"JSON":               {[]string{"--set", `http.cors_origins=["http://a.example","http://b.example"]`}, func(c *config.Config) any { return c.HTTP.CORSOrigins }, "[http://a.example http://b.example]"},
		"empty":              {[]string{"--set", "timezone=", "--set", "http.cors_origins="}, func(c *config.Config) any { return c.Timezone + fmt.Sprint(c.HTTP.CORSOrigins) }, "[]"},
		"a leading dash":     {[]string{"--set", "auth.super_admin=-root"}, func(c *config.Config) any { return c.Auth.SuperAdmin }, "-root"},
		"quotes":             {[]string{`--set=auth.super_admin="it's"`}, func(c *config.Config) any { return c.Auth.SuperAdmin }, `"it's"`},
		"backslashes":        {[]string{"--set", `data_dir=C:\new\;x`}, func(c *config.Config) any { return c.DataDir }, `C:\new\;x`},
		"the last one holds": {[]string{"--set", "log.level=info", "--set", "log.level=debug"}, func(c *config.Config) any { return c.Log.Level }, "debug"},
		"a secret":           {[]string{"--set", "auth.super_admin_password=a=b;c,d"}, func(c *config.Config) any { return c.Auth.SuperAdminPassword.Reveal() }, "a=b;c,d"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := load(t, c.args...)
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(c.get(cfg)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	for _, bad := range []string{"log.level", "=debug", ""} {
		if _, err := load(t, "--set="+bad); err == nil || !strings.Contains(err.Error(), "PATH=VALUE") {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}

// What the command line says is for a person: no codes, no chains of calls.
func TestExplain(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&app.Error{Kind: app.KindRejected, Code: "user_exists", Message: "User already exists"}, "User already exists"},
		{fmt.Errorf("auth.super_admin: %w", &app.Error{Kind: app.KindInvalid, Message: "password: use at least 8 characters"}), "password: use at least 8 characters"},
		{&config.Error{Problems: []string{"log.level (flag) must be one of debug"}}, "the configuration is not valid:\n  log.level (flag) must be one of debug"},
		{errors.Join(errors.New("one"), errors.New("two"), errors.New("one")), "one\ntwo"},
		{fmt.Errorf("listen on 127.0.0.1:80: listen tcp 127.0.0.1:80: bind: %w", syscall.EADDRINUSE),
			"listen on 127.0.0.1:80: address already in use. Stop the other program, or choose another address with --addr."},
		{fmt.Errorf("data_dir: %w", &fs.PathError{Op: "mkdir", Path: "/x", Err: syscall.EACCES}), "/x: this user may not read or write it"},
	} {
		if got := app.Explain(c.err); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

var (
	shellBlock = regexp.MustCompile("(?ms)^ *```sh\n(.*?)^ *```$")
	// inText are commands in the middle of a line, such as `coagent migrate up`.
	inText = regexp.MustCompile("`((?:coagent|make) [^`]+)`")
	words  = regexp.MustCompile(`"[^"]*"|[^\s"]+(?:"[^"]*")?`)
	target = regexp.MustCompile(`(?m)^([a-z0-9]+):.*## `)
)

// Each command that the papers show can be given: coagent's by its command
// line, make's by its targets, and of others the files of ours that they name. The recipes
// of docs/operate.md are run, see web/chaos.TestRecipes.
func TestCommandsOfThePapers(t *testing.T) {
	t.Parallel()
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	var targets []string
	for _, m := range target.FindAllStringSubmatch(string(makefile), -1) {
		targets = append(targets, m[1])
	}
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, page := range append(pages, "README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, m := range shellBlock.FindAllStringSubmatch(string(text), -1) {
			lines = append(lines, strings.Split(strings.TrimSpace(m[1]), "\n")...)
		}
		for _, m := range inText.FindAllStringSubmatch(string(text), -1) {
			lines = append(lines, m[1])
		}
		for _, line := range lines {
			shown++
			if err := checkCommand(words.FindAllString(line, -1), targets); err != nil {
				t.Errorf("%s: %s: %v", page, line, err)
			}
		}
	}
	if shown < 40 {
		t.Errorf("the papers show %d commands: the test looks for them in the wrong way", shown)
	}
}

func checkCommand(line, targets []string) error {
	if len(line) > 1 && line[0] == "sudo" {
		line = line[1:]
	}
	switch line[0] {
	case "coagent":
		parser, err := kong.New(new(cli), kong.Writers(io.Discard, io.Discard), kong.Exit(func(int) {}))
		if err == nil {
			_, err = parser.Parse(line[1:])
		}
		return err
	case "make":
		if len(line) < 2 || !slices.Contains(targets, line[1]) {
			return fmt.Errorf("the Makefile has no such target, it has %v", targets)
		}
	case "pg_dump": // of Postgres
	case "cp", "docker", "install", "podman", "systemctl", "useradd":
		for _, word := range line {
			if strings.HasPrefix(word, "deploy/") && !strings.HasSuffix(word, ".env") { // those are the reader's
				if _, err := os.Stat(word); err != nil {
					return err
				}
			}
		}
	default:
		return errors.New("no rule knows this command")
	}
	return nil
}

// The top level of the repository is agreed: what is new there has a place
// below one of these, or is agreed first.
func TestTopLevel(t *testing.T) {
	t.Parallel()
	agreed := []string{".ci", ".containerignore", ".gitattributes", ".gitignore", ".golangci.yml", "CHANGELOG.md", "Containerfile", "LICENSE", "Makefile", "README.md",
		"app", "config.example.yaml", "deploy", "docs", "go.mod", "go.sum", "jobs", "main.go", "main_test.go", "migrations", "store", "web"}
	// What Git does not know, and what is made by running things here.
	made := []string{".git", ".env", "bin", "dist", "coagent-data", "coagent.yaml"}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, e := range entries {
		name := e.Name()
		there[name] = true
		aside := slices.Contains([]string{".test", ".prof", ".out"}, filepath.Ext(name))
		if !slices.Contains(agreed, name) && !slices.Contains(made, name) && !aside {
			t.Errorf("%s is not among what was agreed for the top level", name)
		}
	}
	for _, name := range agreed {
		if !there[name] && !strings.HasPrefix(name, ".") { // a container's build leaves some of those out
			t.Errorf("%s is missing", name)
		}
	}
}
