//go:build linux

package chaos

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"

	"github.com/coagent-studio/coagent/web/proctest"
)

// smallDisk gives a site a data folder that fills up. full makes it so that
// no byte fits any more, free makes room.
type smallDisk struct {
	full, free func(t *testing.T, p *proctest.Process)
}

// newSmallDisk mounts a small file system or, where that is not allowed, keeps
// the process from making its files longer.
func newSmallDisk(t *testing.T, s *proctest.Site) smallDisk {
	t.Helper()
	if err := os.Mkdir(s.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", s.DataDir, "tmpfs", 0, "size=24m,mode=0700"); err != nil {
		t.Logf("limiting the size of files, since mounting is not allowed: %v", err)
		limit := func(size uint64) func(*testing.T, *proctest.Process) {
			return func(t *testing.T, p *proctest.Process) {
				t.Helper()
				if err := unix.Prlimit(p.PID(), unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: size, Max: unix.RLIM_INFINITY}, nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		return smallDisk{full: limit(64 << 10), free: limit(unix.RLIM_INFINITY)}
	}
	t.Cleanup(func() {
		if err := unix.Unmount(s.DataDir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	filler := filepath.Join(s.DataDir, "filler")
	return smallDisk{
		full: func(t *testing.T, _ *proctest.Process) {
			t.Helper()
			f, err := os.Create(filler)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = f.Close() }()
			block := make([]byte, 4096)
			for err == nil {
				_, err = f.Write(block)
			}
		},
		free: func(t *testing.T, _ *proctest.Process) {
			t.Helper()
			if err := os.Remove(filler); err != nil {
				t.Fatal(err)
			}
		},
	}
}

// TestDiskFull: with no room left every line is refused aloud, reading goes
// on, and with room again all is as before.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	// The log's file is on the same disk.
	s := proctest.New(t, "", "COAGENT_LOG_FILE=coagent-data/serve.log")
	disk := newSmallDisk(t, s)
	s.Model.Script(answers)
	serve := s.Serve()
	w := s.Populate(proctest.To(false, serve), proctest.Plan{Students: 2, Rooms: 1, Agent: "sk-test"})
	room, poster := w.Rooms[0], w.Students[0]
	members := []*proctest.Member{s.Join(w.Students[1], room), s.Join(w.Teacher, room)}
	var acks []proctest.Ack
	post := func(n int) *proctest.Answer {
		t.Helper()
		ack, a, err := poster.Post(t.Context(), room, uuid.NewString(), fmt.Sprintf("%d %s", n, strings.Repeat("y", 20_000)))
		if err != nil {
			t.Fatal(err)
		}
		if ack != nil {
			acks = append(acks, *ack)
		}
		return a
	}
	for n := range 5 {
		if a := post(n); a.Status != http.StatusCreated {
			t.Fatalf("got %d %s, want 201", a.Status, a.Body)
		}
	}
	disk.full(t, serve)
	var refusal *proctest.Answer
	for n := 5; n < 500 && refusal == nil; n++ {
		if a := post(n); a.Status != http.StatusCreated {
			refusal = a
		}
	}
	if refusal == nil || refusal.Status != http.StatusServiceUnavailable || !strings.Contains(refusal.Body, `"storage_full"`) {
		t.Fatalf("got %+v, want 503 storage_full", refusal)
	}
	for n := range 20 {
		if a := post(1000 + n); a.Status == http.StatusCreated {
			continue // a small hole was left
		} else if a.Status != http.StatusServiceUnavailable {
			t.Errorf("got %d %s, want 503", a.Status, a.Body)
		}
	}
	poster.Call(t, http.MethodGet, "/api/v1/chat/messages/"+room, nil, nil)
	becomes(t, serve, false)
	waiting := make(chan error, 1)
	go func() { waiting <- members[0].Say(within(t, 60*time.Second), "Said while the disk was full") }()
	refused := func() bool {
		for _, f := range members[0].Others() {
			if f.Type == "error" && f.Code == "storage_full" {
				return true
			}
		}
		return false
	}
	if err := members[0].Await(within(t, 10*time.Second), "a refusal by socket", refused); err != nil {
		t.Error(err)
	}
	disk.free(t, serve)
	freed := time.Now()
	if err := <-waiting; err != nil {
		t.Error(err)
	}
	took := time.Since(freed)
	becomes(t, serve, true)
	for n := range 5 {
		if a := post(2000 + n); a.Status != http.StatusCreated {
			t.Errorf("with room again: got %d %s, want 201", a.Status, a.Body)
		}
	}
	if err := s.Settled(within(t, 60*time.Second), room); err != nil {
		t.Error(err)
	}
	// What was stored with the disk full is there after a start as well.
	if err := serve.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	verdict(t, s, row{fault: "disk full", recovery: took}, w.Rooms, acks, members)
	sound(t, filepath.Join(s.DataDir, "coagent.db"))
	logFile := filepath.Join(s.DataDir, "serve.log")
	text, err := os.ReadFile(logFile)
	if err != nil || !strings.Contains(string(text), "the disk takes more again") {
		t.Errorf("the log's file has not gone on with room again (%v): %.2000s", err, text)
	}
	if info, err := os.Stat(logFile); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v (%v), want a file of mode 600", info, err)
	}
}

// becomes waits until a server says that it is ready, or that it is not, as when its disk is
// full.
func becomes(t *testing.T, p *proctest.Process, ready bool) {
	t.Helper()
	ctx := within(t, 30*time.Second)
	for proctest.Ready(ctx, p.URL) != ready {
		if ctx.Err() != nil {
			t.Fatalf("the server does not come to say ready: %v", ready)
		}
		pause(ctx, 100*time.Millisecond)
	}
}

// sound checks a SQLite file as a whole.
func sound(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, check := range []string{"PRAGMA integrity_check", "SELECT coalesce((SELECT 'dangling ' || \"table\" FROM pragma_foreign_key_check LIMIT 1), 'ok')"} {
		var got string
		if err := db.QueryRowContext(t.Context(), check).Scan(&got); err != nil || got != "ok" {
			t.Errorf("%s: got %q (%v), want ok", check, got, err)
		}
	}
}

// TestCopy: a data folder that is copied while people write opens clean and
// has every line that was acknowledged before the copy began.
func TestCopy(t *testing.T) {
	t.Parallel()
	s := proctest.New(t, "")
	s.Model.Script(answers)
	w := s.Populate(proctest.To(false, s.Serve()), proctest.Plan{Students: 8, Rooms: 4, Agent: "sk-test"})
	c := seat(s, w)
	ctx, stop := context.WithCancel(t.Context())
	var talked sync.WaitGroup
	talked.Go(func() { c.talk(t, ctx, 1<<30, 20*time.Millisecond) })
	copies := either(20, 4)
	for range copies {
		pause(ctx, between(300*time.Millisecond, 1500*time.Millisecond))
		copied(t, s, c)
	}
	stop()
	talked.Wait()
	verdict(t, s, row{fault: "data folder copied", note: fmt.Sprintf("%d copies", copies)}, c.rooms, nil, c.members)
}

// copied copies the folder as an operator does, and starts a server on it.
func copied(t *testing.T, s *proctest.Site, c *class) {
	t.Helper()
	before := map[string][]proctest.Ack{}
	for _, m := range c.members {
		before[m.Room] = append(before[m.Room], m.Acks()...)
	}
	twin := proctest.New(t, "", "COAGENT_JOBS_IN_SERVE=")
	if out, err := exec.CommandContext(t.Context(), "cp", "-a", s.DataDir, twin.DataDir).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v: %s", err, out)
	}
	sound(t, filepath.Join(twin.DataDir, "coagent.db"))
	serve := twin.Serve()
	if err := serve.Kill9(); err != nil {
		t.Fatal(err)
	}
	for room, acks := range before {
		o, err := twin.Check(t.Context(), room, acks)
		if err != nil {
			t.Fatal(err)
		}
		if o.Lost+o.Doubled+o.Gaps > 0 {
			t.Errorf("the copy has lost %d of %d lines, doubled %d, gaps %d: %.500q", o.Lost, o.Acked, o.Doubled, o.Gaps, o.Faults)
		}
	}
}
