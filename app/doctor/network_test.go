package doctor

import (
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app/config"
)

// TestNetworkFileSystem: SQLite's folder on a disk that other machines share is a fault;
// nothing else minds.
func TestNetworkFileSystem(t *testing.T) {
	t.Parallel()
	c := config.Default()
	c.DataDir, c.Files.Storage, c.Files.Dir = t.TempDir(), "folder", t.TempDir()
	var asked []string
	in := &Installation{Config: c, usage: func(path string) (usage, error) {
		asked = append(asked, path)
		return usage{total: 1 << 40, free: 1 << 39, network: "NFS"}, nil
	}}
	var faults []Finding
	for _, f := range disks(t.Context(), in) {
		if f.State == Fault {
			faults = append(faults, f)
		}
	}
	if len(faults) != 1 || !strings.Contains(faults[0].Text.String(), "network file system (NFS)") || faults[0].Remedy.String() == "" {
		t.Errorf("got %v, want one fault of data_dir alone", faults)
	}
	if len(asked) != 2 || asked[0] != c.DataDir || asked[1] != c.Files.Dir {
		t.Errorf("got %v, want both folders", asked)
	}
	c.Database.URL = "postgres://db.school.example/coagent"
	for _, f := range disks(t.Context(), in) {
		if f.State == Fault {
			t.Errorf("got %v, want none on Postgres", f)
		}
	}
}
