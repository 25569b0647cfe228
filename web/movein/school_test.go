//go:build unix

// Package movein proves with real processes that a school of the existing system moves over
// whole: every dump, on both databases, through the API that its people use.
package movein

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/coagent-studio/coagent/store/dump"
	"github.com/coagent-studio/coagent/web/proctest"
)

func TestMain(m *testing.M) { os.Exit(proctest.Main(m)) }

// long tells whether the long forms are asked for, see `make prove`.
func long() bool { return os.Getenv("COAGENT_CHAOS") != "" }

const testdata = "../../app/legacy/testdata/"

// legacyKey is the old system's ENCRYPTION_KEY, as the environment gives it.
const legacyKey = "COAGENT_LEGACY_ENCRYPTION_KEY=bGVnYWN5LWZlcm5ldC10ZXN0LWtleS0wMDAwMDAwMDE="

// school is one installation of the existing system.
type school struct{ dump, static, ids string }

func schools() map[string]school {
	return map[string]school{
		"ce8":      {"legacy-ce8dc8d.sql", "static-ce8dc8d", "ids-ce8dc8d.json"},
		"migrated": {"legacy-ce8dc8d-migrated.sql", "static-ce8dc8d", "ids-ce8dc8d.json"},
		"head":     {"legacy-head.sql", "static-head", "ids-head.json"},
	}
}

// path is where a file of the test data is, for a process in another folder.
func path(t *testing.T, name string) string {
	t.Helper()
	abs, err := filepath.Abs(testdata + name)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

// args are those of the command.
func (s school) args(t *testing.T, more ...string) []string {
	return append([]string{"import-legacy", "--from", path(t, s.dump), "--static", path(t, s.static)}, more...)
}

// names are the short names of legacy.md with their ids.
type names struct {
	Rooms, Agents, Users, Courses, Projects, Orgs, Threads, Keys map[string]string
	Artifacts                                                    map[string]*string
	Root                                                         string
}

func (s school) names(t *testing.T) (n names) {
	t.Helper()
	text, err := os.ReadFile(testdata + s.ids)
	if err == nil {
		err = json.Unmarshal(text, &n)
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// source opens the dump itself, to compare with.
func (s school) source(t *testing.T) dump.Source {
	t.Helper()
	f, err := os.Open(testdata + s.dump)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	src, err := dump.Open(t.Context(), f, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = src.Close() })
	return src
}

// rows lists a table of the source.
func rows(t *testing.T, src dump.Source, table string, order ...string) (list []map[string]string) {
	t.Helper()
	err := src.Scan(t.Context(), table, order, nil, func(r dump.Row) error {
		one := map[string]string{}
		for name, value := range r.All() {
			if value != nil {
				one[name] = *value
			}
		}
		list = append(list, one)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// passwords are those of legacy.md, by what one signs in with after the import.
func passwords() map[string]string {
	return map[string]string{
		"root@school.example": "Legacy-Root-2026!", "admin": "Legacy-Root-2026!", "marta": "Pw-marta-2026!", "mei": "Pw-mei-2026!",
		"søren": "Pw-soren-2026!", "zoe": "Pw-zoe-2026!", "小明": "Pw-ming-2026!", "fox🦊": "Pw-fox-2026!", "sean": "Pw-sean-2026!",
		"ann@school.example": "Pw-ann-2026!", "Ann_2": "Pw-ANN-2026!", "visitor": "Pw-guest-2026!", "blank@school.example": "Pw-blank-2026!",
		"ext": "Pw-ext-2026!", "hana@school.example": "パスワード花子2026",
		"noor": "A-very-long-pass-phrase-that-runs-past-the-seventy-two-bytes-which-bcrypt-reads-æøå-0123456789",
	}
}

// secrets are the clear texts that must be nowhere after an import.
func secrets() []string {
	return []string{"sk-legacy-mei-openai-0001", "AIza-legacy-mei-gemini-0002", "sk-legacy-soren-0003", "sk-ant-legacy-marta-0005",
		"sk-legacy-agent-teacher-0101", "sk-legacy-agent-fjord-0102", "sk-legacy-agent-pupil-0103", "AIza-legacy-agent-two-0104",
		"sk-legacy-room-0201", "sk-legacy-global-0202", "sk-legacy-backup-0203", "sk-legacy-fjord-room-0204", "sk-legacy-odd-0205",
		"sk-legacy-pupil-room-0206", "0208", "AIza-legacy-system-design-0301", "AIza-legacy-system-analytics-0302", "tok-legacy-bearer-0401",
		"secret-legacy-0402", "sk-legacy-template-0501", "hook-secret-legacy", "bGVnYWN5LWZlcm5ldC10ZXN0LWtleS0wMDAwMDAwMDE="}
}
