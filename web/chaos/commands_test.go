//go:build unix

package chaos

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/web/proctest"
)

// innerWords are what a person at a terminal has no use for.
var innerWords = regexp.MustCompile(`code=|SQLSTATE|kind=|(rejected|invalid|not_found|conflict|internal): |%!`)

// TestCommands uses the command line as an operator does, in an order that
// nobody has thought of, with a class connected while the server stops.
func TestCommands(t *testing.T) {
	t.Parallel()
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		run := func(want int, says string, args ...string) {
			t.Helper()
			out, code := s.RunEnv([]string{"COAGENT_PASSWORD=correct horse battery"}, args...)
			if code != want || !strings.Contains(out, says) || innerWords.MatchString(out) {
				t.Errorf("%v: exited with %d, want %d: %s", args, code, want, out)
			}
		}
		nobody := "no coagent serves" // the data folder; on Postgres there is none before the first start
		if s.Postgres() {
			nobody = "no coagent answers"
		}
		run(1, "User not found", "set-password", "nobody@example.org")
		run(1, nobody, "health")
		for _, says := range []string{"made the super admin", "is a super admin already"} {
			run(0, says, "seed-admin", "head@school.example")
		}
		for _, says := range []string{"made the demo course", "is there already"} {
			run(0, says, "seed-demo")
		}
		run(1, "is no active super admin", "seed-admin", "student")
		run(0, "signed out everywhere", "set-password", "head@school.example")
		serve := s.Serve()
		run(0, "ready", "health")
		run(0, "ready", "health", "--set", "http.addr=127.0.0.1:1")
		run(1, "no coagent answers at", "health", "--url", "http://127.0.0.1:1")
		run(1, "PATH=VALUE", "health", "--set=log.level")
		w := s.Populate(proctest.To(false, serve), proctest.Plan{Students: 2, Rooms: 1})
		for _, p := range w.Students {
			m := s.Join(p, w.Rooms[0])
			if err := m.Say(within(t, 20*time.Second), "Good morning"); err != nil {
				t.Fatal(err)
			}
		}
		if !strings.Contains(serve.Log(), "demo.txt") {
			t.Error("the start does not tell of the demo's accounts")
		}
		if code, _, err := serve.Term(drainLimit); code != 0 || err != nil {
			t.Errorf("serve exited with %d (%v)", code, err)
		}
		for line := range strings.Lines(serve.Log()) {
			if strings.Contains(line, "WARN") || strings.Contains(line, "ERROR") || strings.Contains(line, "error when serving") {
				t.Errorf("logged %s", line)
			}
		}
		run(1, "no coagent serves", "health")
	})
}
