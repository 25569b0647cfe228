package doctor_test

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/coagent-studio/coagent/app/doctor"
	"github.com/coagent-studio/coagent/store/storetest"
)

// TestDiskFull fills a small file system, first its bytes and then its inodes.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	in := installation(t, storetest.SQLite(t))
	in.Config.Files.Storage, in.Config.Files.Dir = "folder", t.TempDir()
	if err := unix.Mount("tmpfs", in.Config.Files.Dir, "tmpfs", 0, "size=8m,nr_inodes=200,mode=0700"); err != nil {
		t.Skip("SKIPPED, mounting is not allowed: ", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(in.Config.Files.Dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	wants(t, in, "disk", doctor.OK, "files.dir")
	filler := filepath.Join(in.Config.Files.Dir, "filler")
	fill := func(n int) {
		t.Helper()
		if err := os.WriteFile(filler, make([]byte, n), 0o600); err != nil && n < 8<<20 {
			t.Fatal(err)
		}
	}
	fill(7500 << 10)
	wants(t, in, "disk", doctor.Warning, "nearly full")
	fill(8 << 20)
	wants(t, in, "disk", doctor.Fault, "is full")
	wants(t, in, "folders", doctor.OK, "") // a file without bytes still fits
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	for n := range 195 {
		if err := os.WriteFile(filepath.Join(in.Config.Files.Dir, strconv.Itoa(n)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	wants(t, in, "disk", doctor.Fault, "takes no more files")
}
