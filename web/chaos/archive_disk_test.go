//go:build linux

package chaos

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/coagent-studio/coagent/web/proctest"
)

// tightDisk is a folder on a small disk of its own.
type tightDisk struct{ folder string }

// newTightDisk mounts a disk of that many KiB at a folder, which is made. Where that is not
// allowed the test is skipped, but in CI.
func newTightDisk(t *testing.T, folder string, kib int) tightDisk {
	t.Helper()
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", folder, "tmpfs", 0, fmt.Sprintf("size=%dk,mode=0700", kib)); err != nil {
		t.Skip("SKIPPED, NOT TESTED ON A FULL DISK: mounting one is not allowed: ", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(folder, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return tightDisk{folder}
}

// grow makes room on the disk.
func (d tightDisk) grow(t *testing.T) {
	t.Helper()
	if err := unix.Mount("tmpfs", d.folder, "tmpfs", unix.MS_REMOUNT, "size=200m,mode=0700"); err != nil {
		t.Fatal(err)
	}
}

// fill leaves no room on the disk until free is called.
func (d tightDisk) fill(t *testing.T) (free func()) {
	t.Helper()
	name := filepath.Join(d.folder, "filler")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	return func() {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

// full runs a command that must fail since the disk of a file is full, and names it.
func full(t *testing.T, s *proctest.Site, file, says string, args ...string) {
	t.Helper()
	out, code := s.Run(args...)
	if code != 1 || !strings.Contains(out, file) || !strings.Contains(out, "no space is left; make room there") || !strings.Contains(out, says) ||
		innerWords.MatchString(out) {
		t.Errorf("%v: exited with %d, want 1, %s and %q: %s", args, code, file, says, out)
	}
}

// nothingIn checks that a folder has no file.
func nothingIn(t *testing.T, folder string) {
	t.Helper()
	if all, err := os.ReadDir(folder); err != nil || len(all) > 0 {
		t.Errorf("%s has %v (%v), want nothing", folder, all, err)
	}
}

// TestBackupDiskFull: a backup for which there is no room is told and leaves nothing. With
// room again the same command succeeds.
func TestBackupDiskFull(t *testing.T) {
	t.Parallel()
	file, want := schoolFile(t)
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		done(t, s, "restore", file)
		disk := newTightDisk(t, filepath.Join(s.Dir, "small"), 32)
		name := filepath.Join(disk.folder, "school")
		full(t, s, name, "the backup was not made", "backup", name)
		nothingIn(t, disk.folder)
		sameRows(t, s, want)
		disk.grow(t)
		done(t, s, "backup", name)
		done(t, s, "verify", name)
	})
}

// TestBackupJobDiskFull: the backup that serve makes fails aloud when its disk is full, and
// the next one is whole.
func TestBackupJobDiskFull(t *testing.T) {
	t.Parallel()
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		disk := newTightDisk(t, filepath.Join(s.Dir, "small"), 4)
		serve := s.Serve("COAGENT_BACKUP_TO=" + disk.folder)
		w := s.Populate(proctest.To(false, serve), proctest.Plan{Students: 1, Rooms: 1})
		if b := madeBackup(t, w.Admin); b.State != "failed" || !strings.Contains(b.Reason, disk.folder) || !strings.Contains(b.Reason, "no space is left; make room there") {
			t.Errorf("got %+v", b)
		}
		nothingIn(t, disk.folder)
		if !proctest.Ready(t.Context(), serve.URL) {
			t.Error("the server is not ready any more")
		}
		disk.grow(t)
		b := madeBackup(t, w.Admin)
		if b.State != "done" {
			t.Fatalf("got %+v", b)
		}
		done(t, s, "verify", filepath.Join(disk.folder, b.Name))
	})
}

// TestRestoreDiskFull: a restore onto SQLite for which there is no room is told, leaves a
// database that nothing takes for whole, and succeeds with room again.
func TestRestoreDiskFull(t *testing.T) {
	t.Parallel()
	file, want := schoolFile(t)
	s := proctest.New(t, "")
	disk := newTightDisk(t, s.DataDir, 6000)
	full(t, s, "coagent-data/coagent.db", "run the restore again", "restore", file)
	disk.grow(t)
	if command, _ := half(t, s); command != "restore" {
		t.Errorf("the database is marked by %q", command)
	}
	refusesHalf(t, s, "restore")
	done(t, s, "restore", file)
	sameRows(t, s, want)
}

// TestRotationDiskFull: keys are changed on a full disk. Every secret is readable, and with
// room again the rotation goes on.
func TestRotationDiskFull(t *testing.T) {
	t.Parallel()
	s := proctest.New(t, "")
	disk := newTightDisk(t, s.DataDir, 50_000)
	older, newer := proctest.EncryptionKey(), proctest.EncryptionKey()
	s.Set("COAGENT_AUTH_ENCRYPTION_KEYS=" + older)
	serve := s.Serve()
	w := s.Populate(proctest.To(false, serve), proctest.Plan{Students: 1, Rooms: 1})
	for i := range 45 {
		w.Teacher.Call(t, http.MethodPost, "/api/v1/users/keys", map[string]string{"provider": "openai", "alias": fmt.Sprint(i), "api_key": "sk-" + fmt.Sprint(i) + "-of-a-person"}, nil)
	}
	if code, _, err := serve.Term(drainLimit); code != 0 || err != nil {
		t.Fatalf("serve exited with %d (%v)", code, err)
	}
	s.Set("COAGENT_AUTH_ENCRYPTION_KEYS=" + newer + "," + older)
	free := disk.fill(t)
	full(t, s, "coagent-data/coagent.db", "run it again", "keys", "rotate")
	free()
	if out := done(t, s, "keys", "status", "--json"); !strings.Contains(out, `"unreadable_ids":[]`) {
		t.Errorf("got %s", out)
	}
	if out := done(t, s, "keys", "rotate"); !strings.Contains(out, "can be taken out") {
		t.Errorf("got %s", out)
	}
	s.Set("COAGENT_AUTH_ENCRYPTION_KEYS=" + newer)
	done(t, s, "keys", "status")
	sound(t, filepath.Join(s.DataDir, "coagent.db"))
}
