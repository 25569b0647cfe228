//go:build unix

package chaos

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app/doctor"
	"github.com/coagent-studio/coagent/store/storetest"
	"github.com/coagent-studio/coagent/web/proctest"
)

// examine runs the command and returns its findings by their checks.
func examine(t *testing.T, s *proctest.Site, env []string, wantCode int, args ...string) map[string][]doctor.FindingOut {
	t.Helper()
	out, code := s.RunEnv(env, append([]string{"doctor", "--json"}, args...)...)
	var report doctor.DiagnosisOut
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("exit code %d: %v: %s", code, err, out)
	}
	if code != wantCode {
		t.Errorf("got exit code %d, want %d: %s", code, wantCode, out)
	}
	found := map[string][]doctor.FindingOut{}
	for _, f := range report.Findings {
		found[f.Check] = append(found[f.Check], f)
	}
	return found
}

// tells wants a finding of a check in a state that says something.
func tells(t *testing.T, found map[string][]doctor.FindingOut, check string, state doctor.State, says string) {
	t.Helper()
	for _, f := range found[check] {
		if f.State == state && strings.Contains(f.Text, says) {
			return
		}
	}
	t.Errorf("%s: got %v, want %s with %q", check, found[check], state, says)
}

// unsafeServer tells whether the database of the tests, which nobody will miss, runs without
// fsync. A real one must not.
func unsafeServer(t *testing.T, s *proctest.Site) bool {
	t.Helper()
	if !s.Postgres() {
		return false
	}
	server, err := s.DB().Server(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return !server.Fsync || !server.FullPageWrites
}

// TestDoctor: the command makes nothing in an empty folder, finds a serving process and what
// is wrong with it, and ends with the code of the worst.
func TestDoctor(t *testing.T) {
	t.Parallel()
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		fault, well := doctor.ExitFault, doctor.ExitOK
		if unsafeServer(t, s) {
			well = fault
		}
		if !s.Postgres() {
			found := examine(t, s, nil, well)
			tells(t, found, "database", doctor.Skipped, "no database yet")
			if _, err := os.Stat(s.DataDir); !os.IsNotExist(err) {
				t.Errorf("the data folder was made, or %v", err)
			}
		}
		serve := s.Serve("COAGENT_HTTP_INTERNAL_ADDR=127.0.0.1:0")
		w := s.Populate(proctest.To(false, serve), proctest.Plan{Students: 1, Rooms: 1, Agent: canary})
		found := examine(t, s, nil, well, "--providers")
		tells(t, found, "database", doctor.OK, "answers")
		tells(t, found, "schema", doctor.OK, "")
		tells(t, found, "encryption", doctor.OK, "")
		tells(t, found, "queue", doctor.OK, "")
		tells(t, found, "nodes", doctor.OK, "serve")
		tells(t, found, "providers", doctor.OK, " keys and providers answer")
		if out, _ := s.Run("doctor"); strings.Contains(out, canary) || strings.Contains(out, "\x1b") || !strings.Contains(out, " in order, ") {
			t.Errorf("got %s, want a report without keys and colours", out)
		}
		examine(t, s, []string{"COAGENT_HTTP_ADDR=nowhere"}, fault)
		found = examine(t, s, []string{"COAGENT_AUTH_ENCRYPTION_KEYS=" + proctest.EncryptionKey()}, fault)
		tells(t, found, "encryption", doctor.Fault, "not those of this database")
		var report doctor.DiagnosisOut
		w.Admin.Call(t, "GET", "/api/v1/admin/doctor", nil, &report)
		if len(report.Findings) < 10 || report.Version == "" {
			t.Errorf("got %+v", report)
		}
		if err := serve.Kill9(); err != nil {
			t.Fatal(err)
		}
		if !s.Postgres() { // there it is told for a minute that the process lives
			tells(t, examine(t, s, nil, well), "nodes", doctor.Skipped, "Nothing serves")
			if err := os.Chmod(filepath.Join(s.DataDir, "secrets.yaml"), 0o644); err != nil { //nolint:gosec // that is the fault
				t.Fatal(err)
			}
			tells(t, examine(t, s, nil, fault), "folders", doctor.Fault, "secrets.yaml is open")
		}
	}, "COAGENT_TIMEZONE=Asia/Taipei")
}

// TestDoctorBehindPooler: a pooler that hands sessions on is recognised.
func TestDoctorBehindPooler(t *testing.T) {
	t.Parallel()
	s := proctest.New(t, storetest.Postgres(t))
	env := []string{"COAGENT_DATABASE_URL=" + pooled(t, s.DatabaseURL).URL}
	tells(t, examine(t, s, env, doctor.ExitFault), "listening", doctor.Fault, "PgBouncer")
}
