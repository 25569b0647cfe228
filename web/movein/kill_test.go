//go:build unix

package movein

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/coagent-studio/coagent/store/storetest"
	"github.com/coagent-studio/coagent/web/proctest"
)

const endMark = "--\n-- PostgreSQL database dump complete\n--\n"

// grown is the first school with more messages, as a dump with COPY.
func grown(t *testing.T, more int) string {
	t.Helper()
	one := schools()["ce8"]
	text, err := os.ReadFile(testdata + one.dump)
	if err != nil {
		t.Fatal(err)
	}
	whole, _, ok := strings.Cut(string(text), endMark)
	if !ok {
		t.Fatal("the dump has no end")
	}
	file := filepath.Join(t.TempDir(), "grown.sql")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	_, _ = w.WriteString(whole)
	_, _ = w.WriteString("COPY public.message (content, room_id, id, sender_id, agent_type, created_at) FROM stdin;\n")
	n := one.names(t)
	var rooms, people []string
	for _, short := range []string{"off1", "t1", "b1", "off2", "t2", "b2", "off3", "t3", "b3"} {
		rooms = append(rooms, n.Rooms[short])
	}
	for _, short := range []string{"mei", "ming", "fox", "sean", "hana", "ann", "long"} {
		people = append(people, n.Users[short])
	}
	at := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range more {
		id := uuid.NewSHA1(uuid.NameSpaceURL, fmt.Appendf(nil, "message %d", i))
		sender, kind := people[i%len(people)], `\N`
		if i%5 == 4 {
			sender, kind = `\N`, "teacher"
		}
		fmt.Fprintf(w, "Message %d: 為什麼葉子是綠色的？ Chlorophyll absorbs red and blue light, so what is left is green.\t%s\t%s\t%s\t%s\t%s\n",
			i, rooms[i*7%len(rooms)], id, sender, kind, at.Add(time.Duration(i/3)*7*time.Second).Format("2006-01-02 15:04:05.999999"))
	}
	_, _ = w.WriteString("\\.\n\n" + endMark)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return file
}

// state is what an import has made, without what differs between two imports: times of the
// import, and what is encrypted.
func state(t *testing.T, s *proctest.Site) map[string]string {
	t.Helper()
	made := map[string]string{}
	for _, table := range tables(t, s) {
		if !strings.HasPrefix(table, "river") {
			made[table] = fmt.Sprint(storetest.Count(t, s.DB(), "SELECT count(*) FROM "+table))
		}
	}
	for table, columns := range map[string]string{"messages": "id, room_id, seq, sender_id, agent_id, agent_type, agent_name, content, created_at, day, word_count, answers",
		"talk_days": "room_id, day, kind, who, messages, words", "rooms": "id, name, event_seq, looked_seq, unread_after, row_from",
		"artifacts": "id, room_id, parent_id, event_seq, title, version", "users": "id, email, username, role, password_hash, avatar_url, created_at",
		"agents": "id, name, type, category, parent_id, is_active", "room_agents": "room_id, agent_id, read_seq, broke_seq", "avatars": "id, user_id"} {
		made[table+" in full"] = sum(t, s, "SELECT "+columns+" FROM "+table)
	}
	if s.Postgres() {
		made["words"] = fmt.Sprint(storetest.Count(t, s.DB(), "SELECT count(*) FROM messages WHERE words IS NOT NULL"))
	} else {
		made["words"] = fmt.Sprint(storetest.Count(t, s.DB(), "SELECT count(*) FROM message_words"))
	}
	return made
}

// sum is a hash of the rows of a query in any order.
func sum(t *testing.T, s *proctest.Site, query string) string {
	t.Helper()
	rows, err := s.DB().Reader().QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	columns, _ := rows.Columns()
	var total [32]byte
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		one := sha256.Sum256(fmt.Appendf(nil, "%v", values))
		for i := range total {
			total[i] ^= one[i]
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(total[:8])
}

// TestKilled kills an import at random points. The next run goes on, and the end is that of
// an import that nobody has killed.
func TestKilled(t *testing.T) {
	t.Parallel()
	kills, more := 5, 12_000
	if long() {
		kills, more = 50, 60_000
	}
	file := grown(t, more)
	args := []string{"import-legacy", "--from", file, "--static", path(t, schools()["ce8"].static)}
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		other := proctest.New(t, map[bool]string{true: freshPostgres(t, s)}[s.Postgres()], legacyKey)
		proctest.Binary(t) // built before the clock runs
		began := time.Now()
		if out, code := other.Run(args...); code != 0 {
			t.Fatalf("exited with %d: %s", code, out)
		}
		took := time.Since(began)
		left := t.TempDir()
		s.Set(legacyKey, "TMPDIR="+left)
		killed := 0
		for range kills {
			p := s.Command(args...)
			if err := p.Launch(); err != nil {
				t.Fatal(err)
			}
			// The first batches are there; each run gets about as far as an equal part of the whole.
			before := howFar(t, s)
			for deadline := time.Now().Add(10 * time.Second); howFar(t, s) == before && time.Now().Before(deadline); {
				if strings.Contains(p.Log(), "The school is here") || strings.Contains(p.Log(), "nothing was changed") {
					break
				}
				time.Sleep(5 * time.Millisecond)
			}
			time.Sleep(rand.N(took/time.Duration(kills) + time.Millisecond))
			if err := p.Kill9(); err != nil {
				t.Fatal(err)
			}
			if command, err := s.DB().Unfinished(t.Context()); err == nil && command != "" {
				killed++
			}
		}
		t.Logf("%d of %d kills left a database that was filled in part", killed, kills)
		if killed == 0 {
			t.Error("no kill met the import while it filled the database")
		}
		if command, _ := s.DB().Unfinished(t.Context()); command != "" {
			if out, code := s.Run("serve"); code == 0 || !strings.Contains(out, "import-legacy") {
				t.Errorf("serve exited with %d: %s", code, out)
			}
		}
		if out, code := s.Run(args...); code != 0 {
			t.Fatalf("the last run exited with %d: %s", code, out)
		}
		got, want := state(t, s), state(t, other)
		for what := range want {
			if got[what] != want[what] {
				t.Errorf("%s: got %s, want %s", what, got[what], want[what])
			}
		}
		files, err := os.ReadDir(left)
		files = slices.DeleteFunc(files, func(f os.DirEntry) bool { return !strings.HasPrefix(f.Name(), "coagent") })
		if err != nil || len(files) > 0 {
			t.Errorf("%d temporary files are left (%v)", len(files), err)
		}
	})
}

// TestConnectionCut cuts an import from its database. It says so, and goes on when it is run
// again.
func TestConnectionCut(t *testing.T) {
	t.Parallel()
	cuts, more := 4, 3000
	if long() {
		cuts, more = 50, 60_000
	}
	file := grown(t, more)
	args := []string{"import-legacy", "--from", file, "--static", path(t, schools()["ce8"].static)}
	s, other := proctest.New(t, storetest.Postgres(t), legacyKey), proctest.New(t, storetest.Postgres(t), legacyKey)
	proctest.Binary(t) // built before the clock runs
	began := time.Now()
	if out, code := other.Run(args...); code != 0 {
		t.Fatalf("exited with %d: %s", code, out)
	}
	took := time.Since(began)
	conn, err := pgx.Connect(t.Context(), s.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	met := 0
	for i := 0; i < cuts || met == 0; i++ {
		if i == 20*cuts {
			t.Fatal("no cut met the import while it filled the database")
		}
		over := make(chan error, 1)
		go func() {
			time.Sleep(rand.N(took)) // a cut has no signal to wait for
			_, err := conn.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
			over <- err
		}()
		out, code := s.Run(args...)
		if err := <-over; err != nil {
			t.Fatal(err)
		}
		if code == 0 && met > 0 {
			break
		}
		if code == 0 { // it came too early or too late
			if _, err := conn.Exec(t.Context(), "DROP SCHEMA public CASCADE; CREATE SCHEMA public"); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if !strings.Contains(out, "the connection to the database was lost") && !strings.Contains(out, "cannot be reached") {
			t.Errorf("exited with %d: %s", code, out)
		}
		if command, err := s.DB().Unfinished(t.Context()); err == nil && command != "" {
			if met++; !strings.Contains(out, "run the import again with the same file, and it goes on") {
				t.Errorf("got %s", out)
			}
		}
	}
	t.Logf("%d cuts met the import", met)
	if out, code := s.Run(args...); code != 0 {
		t.Fatalf("the last run exited with %d: %s", code, out)
	}
	got, want := state(t, s), state(t, other)
	for what := range want {
		if got[what] != want[what] {
			t.Errorf("%s: got %s, want %s", what, got[what], want[what])
		}
	}
}

// howFar is the row that says how far an import is, "" before there is one.
func howFar(t *testing.T, s *proctest.Site) string {
	t.Helper()
	if _, err := os.Stat(filepath.Join(s.Dir, "coagent-data", "coagent.db")); err != nil && !s.Postgres() {
		return ""
	}
	value, err := s.DB().Setting(t.Context(), "legacy_import")
	if err != nil {
		return "" // the schema is not there yet
	}
	return value
}

func freshPostgres(t *testing.T, s *proctest.Site) string {
	if s.Postgres() {
		return storetest.Postgres(t)
	}
	return ""
}

// maxMemory is what an import may take, however large the school is, in bytes.
const maxMemory = 512 << 20

// TestLarge imports a million messages in bounded memory.
func TestLarge(t *testing.T) {
	if !long() {
		t.Skip("COAGENT_CHAOS=1 asks for it")
	}
	file := grown(t, 1_000_000)
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		s.Set(legacyKey)
		cmd := exec.CommandContext(t.Context(), proctest.Binary(t), "import-legacy", "--from", file)
		cmd.Dir = s.Dir
		cmd.Env = append(os.Environ(), legacyKey, "COAGENT_DATABASE_URL="+s.DatabaseURL, "COAGENT_AUTH_SECRET_KEY="+strings.Repeat("s", 40),
			"COAGENT_AUTH_ENCRYPTION_KEYS="+proctest.EncryptionKey())
		began := time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		peak := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss * 1024 //nolint:forcetypeassert // unix
		t.Logf("a million messages took %v and %d MiB", time.Since(began).Round(time.Second), peak>>20)
		if peak > maxMemory {
			t.Errorf("took %d MiB, at most %d are allowed", peak>>20, maxMemory>>20)
		}
		if n := storetest.Count(t, s.DB(), "SELECT count(*) FROM messages"); n < 1_000_000 {
			t.Errorf("got %d messages", n)
		}
	})
}
