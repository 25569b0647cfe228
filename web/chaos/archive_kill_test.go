//go:build unix

package chaos

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/archive"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
	"github.com/coagent-studio/coagent/web/proctest"
)

// partly ends the name of an archive that is not whole.
const partly = ".coagent-partial"

// archiveKills is how often each command is killed.
func archiveKills() int { return either(50, 4) }

// schoolFile is an archive of a generated school, and what its tables have.
func schoolFile(t *testing.T) (file string, has map[string]string) {
	t.Helper()
	s, file := proctest.New(t, ""), filepath.Join(t.TempDir(), "school.tar.zst")
	done(t, s, "migrate", "up")
	storetest.School(t, s.DB(), storetest.Size{People: 30, Messages: either(10_000, 2000)})
	done(t, s, "migrate", "up") // it gives the accounts the form by which logins are compared
	done(t, s, "backup", file)
	return file, sums(t, file)
}

// done runs a command that must succeed, and returns what it prints.
func done(t *testing.T, s *proctest.Site, args ...string) string {
	t.Helper()
	out, code := s.Run(args...)
	if code != 0 {
		t.Fatalf("%v: exited with %d: %s", args, code, out)
	}
	return out
}

// sums are the rows and the hashes of the tables of an archive, which is whole.
func sums(t *testing.T, file string) map[string]string {
	t.Helper()
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	_, end, err := app.VerifyArchive(t.Context(), in, func(app.Progress) {})
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	all := map[string]string{"files": end.Files.SHA256}
	for _, s := range end.Tables {
		all[s.Name] = s.SHA256
	}
	return all
}

// sameRows makes a backup of a site, whose rows must be those that are wanted.
func sameRows(t *testing.T, s *proctest.Site, want map[string]string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "now")
	done(t, s, "backup", file)
	got := sums(t, file)
	for table := range want {
		if got[table] != want[table] {
			t.Errorf("the table %s has changed", table)
		}
	}
}

// beside is another installation on the same kind of database.
func beside(t *testing.T, s *proctest.Site) *proctest.Site {
	t.Helper()
	if s.Postgres() {
		return proctest.New(t, storetest.Postgres(t))
	}
	return proctest.New(t, "")
}

// half is the command that has filled a site's database in part, and how many people are there.
func half(t *testing.T, s *proctest.Site) (command string, people int) {
	t.Helper()
	url := s.DatabaseURL
	if url == "" {
		path := filepath.Join(s.DataDir, "coagent.db")
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return "", 0
		}
		url = "sqlite:" + path
	}
	db, err := store.Open(t.Context(), store.Options{URL: url, Pool: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if command, err = db.Unfinished(t.Context()); err != nil {
		t.Fatal(err)
	}
	if command == "" && db.CheckSchema(t.Context()) == nil {
		people = storetest.Count(t, db, "SELECT count(*) FROM users")
	}
	return command, people
}

// killed starts a command and kills it at a random point of the time that it takes.
func killed(t *testing.T, s *proctest.Site, took time.Duration, args ...string) {
	t.Helper()
	p := s.Command(args...)
	if err := p.Launch(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(rand.N(took)) // a kill has no signal to wait for
	if err := p.Kill9(); err != nil {
		t.Fatal(err)
	}
}

// refusesHalf runs what must not touch a database that a command has filled in part.
func refusesHalf(t *testing.T, s *proctest.Site, command string) {
	t.Helper()
	dump, err := filepath.Abs("../../app/legacy/testdata/legacy-head.sql")
	if err != nil {
		t.Fatal(err)
	}
	refusing := [][]string{{"serve"}, {"backup", filepath.Join(t.TempDir(), "x")}, {"migrate", "up"}, {"users"}, {"keys", "rotate"}, {"seed-demo"},
		{"import-legacy", "--without-keys", "--from", dump}}
	if s.Postgres() {
		refusing = append(refusing, []string{"worker"})
	}
	for _, args := range refusing {
		out, code := s.Run(args...)
		if code != 1 || !strings.Contains(out, "`coagent "+command+"`") || !strings.Contains(out, "again with the same file, or begin with an empty database") {
			t.Errorf("%v: exited with %d: %s", args, code, out)
		}
	}
}

// TestKilledRestore kills a restore at random points. Nothing works with what it has left,
// and the same command makes it whole.
func TestKilledRestore(t *testing.T) {
	t.Parallel()
	file, want := schoolFile(t)
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		other := beside(t, s)
		began := time.Now()
		done(t, other, "restore", file)
		took := time.Since(began)
		sameRows(t, other, want)
		inPart, nothing, whole := 0, 0, 0
		for i := 0; i < archiveKills() || inPart == 0; i++ {
			if i == 20*archiveKills() {
				t.Fatal("no kill met the restore while it filled the database")
			}
			killed(t, s, took, "restore", file)
			switch command, people := half(t, s); {
			case command == "restore":
				if inPart++; inPart == 1 {
					refusesHalf(t, s, "restore")
				}
			case command != "":
				t.Fatalf("the database is marked by %q", command)
			case people == 0:
				nothing++
			default: // it was done before its end came
				whole++
				took -= took / 5
				sameRows(t, s, want)
				emptied(t, s)
				if err := os.RemoveAll(s.DataDir); err != nil {
					t.Fatal(err)
				}
			}
		}
		t.Logf("%d kills left a part, %d nothing, %d came too late", inPart, nothing, whole)
		table.add(row{fault: "restore killed", database: s.Database(), note: noteOf(inPart, nothing, whole)})
		if command, people := half(t, s); command != "" || people == 0 {
			done(t, s, "restore", file)
		}
		sameRows(t, s, want)
		if out, code := s.Run("restore", file); code != 1 || !strings.Contains(out, "is not empty") {
			t.Errorf("a restore over people: exited with %d: %s", code, out)
		}
		sameRows(t, s, want)
	})
}

// TestKilledBackup kills a backup at random points. The school is what it was, no file has
// the name before it is whole, and the next backup takes away what is left.
func TestKilledBackup(t *testing.T) {
	t.Parallel()
	file, want := schoolFile(t)
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		done(t, s, "restore", file)
		folder := t.TempDir()
		began := time.Now()
		done(t, s, "backup", filepath.Join(folder, "first"))
		took := time.Since(began)
		parts, whole := 0, 0
		for i := range archiveKills() {
			if i%2 == 1 {
				killedOutput(t, s, took, want)
				continue
			}
			name := filepath.Join(folder, "killed")
			killed(t, s, took, "backup", name)
			if _, err := os.Stat(name); err == nil {
				whole++
				took -= took / 5
				if got := sums(t, name); !maps.Equal(got, want) {
					t.Error("the archive is whole and has other rows")
				}
				_ = os.Remove(name)
			}
			_, err := os.Stat(name + partly)
			left := err == nil
			if left {
				parts++
			}
			next := filepath.Join(folder, "next")
			out := done(t, s, "backup", next)
			if got := sums(t, next); !maps.Equal(got, want) {
				t.Error("the rows have changed")
			}
			if left != strings.Contains(out, "removed what a killed backup had left") {
				t.Errorf("a part was left: %v: %s", left, out)
			}
			if all, _ := filepath.Glob(filepath.Join(folder, "*"+partly)); len(all) > 0 {
				t.Errorf("parts are left: %v", all)
			}
			_ = os.Remove(next)
		}
		t.Logf("%d kills left a part of a file, %d a whole one", parts, whole)
		table.add(row{fault: "backup killed", database: s.Database(), note: noteOf(parts, archiveKills()/2-parts-whole, whole)})
	})
}

// killedOutput kills a backup to standard output. What came is whole, or verify says that it
// is not.
func killedOutput(t *testing.T, s *proctest.Site, took time.Duration, want map[string]string) {
	t.Helper()
	to, err := os.Create(filepath.Join(t.TempDir(), "output"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = to.Close() }()
	cmd := exec.CommandContext(t.Context(), proctest.Binary(t), "backup", "-")
	cmd.Dir, cmd.Env, cmd.Stdout = s.Dir, s.Environ(), to
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(rand.N(took)) // a kill has no signal to wait for
	_ = cmd.Process.Kill()   // it may have ended by itself
	_ = cmd.Wait()
	out, code := s.Run("verify", to.Name())
	if code == 0 {
		if got := sums(t, to.Name()); !maps.Equal(got, want) {
			t.Error("the output is whole and has other rows")
		}
	} else if in, err := os.Open(to.Name()); err != nil {
		t.Error(err)
	} else {
		_, _, err := app.VerifyArchive(t.Context(), in, func(app.Progress) {})
		if !errors.As(err, new(*archive.Damage)) {
			t.Errorf("verify says %s: %v", out, err)
		}
		_ = in.Close()
	}
}

// TestKilledReaders kills what only reads. It leaves nothing and changes nothing.
func TestKilledReaders(t *testing.T) {
	t.Parallel()
	file, want := schoolFile(t)
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		temp := t.TempDir()
		s.Set("TMPDIR=" + temp)
		done(t, s, "restore", file)
		if out, code := s.RunEnv([]string{"COAGENT_PASSWORD=correct horse battery"}, "seed-admin", "root@school.example"); code != 0 {
			t.Fatal(out)
		}
		want := maps.Clone(want)
		for _, table := range []string{"users", "settings", "audit_log"} { // the admin is there, and the canary
			delete(want, table)
		}
		before := append(names(t, s.Dir), names(t, temp)...)
		for _, args := range [][]string{{"verify", file}, {"doctor"}, {"users"}, {"keys", "status"}} {
			began := time.Now()
			s.Run(args...)
			took := time.Since(began)
			for range archiveKills() {
				killed(t, s, took, args...)
			}
		}
		if after := append(names(t, s.Dir), names(t, temp)...); strings.Join(after, "\n") != strings.Join(before, "\n") {
			t.Errorf("got %q, want %q", after, before)
		}
		sameRows(t, s, want)
		sums(t, file)
	})
}

// names are the files in a folder and below it, but SQLite's own.
func names(t *testing.T, folder string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		if !strings.HasSuffix(path, "-wal") && !strings.HasSuffix(path, "-shm") {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func noteOf(part, nothing, whole int) string {
	return fmt.Sprintf("%d kills left a part, %d nothing, %d came too late", part, nothing, whole)
}

// TestKilledBackupJob kills a server at random points of the backup that it makes. No file has
// the name of one before it is whole, and the next server makes the backup, or says that it
// failed and makes another. Nothing stays of the dead one.
func TestKilledBackupJob(t *testing.T) {
	t.Parallel()
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		folder := t.TempDir()
		s.Set("COAGENT_BACKUP_TO=" + folder)
		serve := s.Serve()
		w := s.Populate(proctest.To(false, serve), proctest.Plan{Students: 2, Rooms: 1})
		storetest.Exec(t, s.DB(), manyRows(s))
		began := time.Now()
		if b := madeBackup(t, w.Admin); b.State != "done" {
			t.Fatalf("got %+v", b)
		}
		took, parts := time.Since(began), 0
		for range archiveKills() {
			before := rowsOf(t, s)
			var b aBackup
			w.Admin.Call(t, http.MethodPost, "/api/v1/admin/backups", nil, &b)
			time.Sleep(rand.N(took)) // a kill has no signal to wait for
			if err := serve.Kill9(); err != nil {
				t.Fatal(err)
			}
			if after := rowsOf(t, s); after != before {
				t.Errorf("got %s, want %s", after, before)
			}
			if all, _ := filepath.Glob(filepath.Join(folder, "*"+partly)); len(all) > 0 {
				parts++
			}
			wholeFiles(t, folder)
			// The dead process still has the backup for a minute. A test need not wait.
			storetest.Exec(t, s.DB(), "UPDATE backups SET lease_until = '2026-01-01 00:00:00+00:00' WHERE state IN ('queued', 'running')")
			if _, err := serve.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			ended := overBackup(t, w.Admin, b)
			if ended.State == "failed" {
				ended = madeBackup(t, w.Admin)
			}
			if ended.State != "done" {
				t.Errorf("got %+v", ended)
			}
			done(t, s, "verify", filepath.Join(folder, ended.Name))
			if all, _ := filepath.Glob(filepath.Join(folder, "*"+partly)); len(all) > 0 {
				t.Errorf("parts are left: %v", all)
			}
		}
		t.Logf("%d of %d kills left a part", parts, archiveKills())
		table.add(row{fault: "serve killed in its backup", database: s.Database(), note: fmt.Sprintf("%d of %d kills left a part", parts, archiveKills())})
	})
}

// manyRows makes a backup last.
func manyRows(s *proctest.Site) string {
	random := "hex(randomblob(32))"
	if s.Postgres() {
		random = "gen_random_uuid()::text"
	}
	return "INSERT INTO settings (key, value) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT 'filler ' || i, " + random + " FROM n"
}

// rowsOf says how many rows there are of what people have made.
func rowsOf(t *testing.T, s *proctest.Site) string {
	t.Helper()
	var all []string
	for _, table := range []string{"users", "courses", "rooms", "room_members", "messages", "agents"} {
		all = append(all, fmt.Sprint(table, " ", storetest.Count(t, s.DB(), "SELECT count(*) FROM "+table)))
	}
	return strings.Join(all, ", ")
}

// wholeFiles checks each archive of a folder that has its name.
func wholeFiles(t *testing.T, folder string) {
	t.Helper()
	all, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range all {
		if !strings.HasSuffix(one.Name(), partly) {
			sums(t, filepath.Join(folder, one.Name()))
		}
	}
}

// aBackup is what the API says of one.
type aBackup struct{ ID, State, Name, Reason string }

// madeBackup asks a server for a backup and waits for its end.
func madeBackup(t *testing.T, admin *proctest.Person) (b aBackup) {
	t.Helper()
	admin.Call(t, http.MethodPost, "/api/v1/admin/backups", nil, &b)
	return overBackup(t, admin, b)
}

// overBackup waits for the end of a backup.
func overBackup(t *testing.T, admin *proctest.Person, b aBackup) aBackup {
	t.Helper()
	for ctx := within(t, 90*time.Second); b.State != "done" && b.State != "failed"; {
		if ctx.Err() != nil {
			t.Fatalf("the backup is not over: %+v", b)
		}
		pause(ctx, 50*time.Millisecond)
		admin.Call(t, http.MethodGet, "/api/v1/admin/backups/"+b.ID, nil, &b)
	}
	return b
}
