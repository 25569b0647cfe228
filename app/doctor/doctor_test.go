package doctor_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/doctor"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// installation is a healthy one on a database.
func installation(t *testing.T, url string, tune ...func(*config.Config)) *doctor.Installation {
	t.Helper()
	r := apptest.NewStopped(t, url, func(c *config.Config) {
		c.DataDir, c.Files.TempDir = t.TempDir(), ""
		if err := os.Chmod(c.DataDir, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, f := range tune {
			f(c)
		}
	})
	if !r.DB.Postgres() {
		r.Config.Database.URL = ""
	}
	if err := r.Operator().CheckEncryption(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := r.DB.InTx(t.Context(), func(tx *store.Tx) error {
		_, _, err := apptest.AddPerson(t.Context(), tx, app.RoleSuperAdmin, "Root")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return &doctor.Installation{Config: r.Config, DB: r.DB, Now: r.Now, ServedAt: "http://127.0.0.1:8000", Version: "test"}
}

// examined are the findings of one check.
func examined(t *testing.T, in *doctor.Installation, check string) (found []doctor.Finding) {
	t.Helper()
	for _, f := range new(doctor.Doctor).Examine(t.Context(), in).Findings {
		if f.Check == check {
			found = append(found, f)
		}
	}
	return found
}

// wants checks that one of the findings of a check has a state and says something, with a
// remedy unless all is well.
func wants(t *testing.T, in *doctor.Installation, check string, state doctor.State, says string) {
	t.Helper()
	found := examined(t, in, check)
	for _, f := range found {
		if f.State == state && strings.Contains(f.Text.String(), says) {
			if remedy := f.Remedy.String(); remedy == "" && (state == doctor.Warning || state == doctor.Fault) {
				t.Errorf("%s: %q has no remedy", check, f.Text)
			}
			return
		}
	}
	t.Errorf("%s: got %v, want %s with %q", check, found, state, says)
}

func TestHealthy(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		in := installation(t, url)
		for _, f := range new(doctor.Doctor).Examine(t.Context(), in).Findings {
			if f.State != doctor.OK && f.State != doctor.Skipped && f.Check != "disk" && !strings.Contains(f.Text.String(), "fsync") {
				t.Errorf("%s: %s: %s", f.Check, f.State, f.Text)
			}
		}
	})
}

// TestChinese: what an examination says, and what helps, is in the reader's language.
func TestChinese(t *testing.T) {
	t.Parallel()
	in := installation(t, storetest.SQLite(t))
	in.ServedAt, in.Config.HTTP.InternalAddr = "", ":9090"
	han := func(text string) bool {
		return strings.ContainsFunc(text, func(r rune) bool { return unicode.Is(unicode.Han, r) })
	}
	out := new(doctor.Doctor).Examine(t.Context(), in).In(wording.TraditionalChinese)
	if len(out.Findings) < 10 {
		t.Fatalf("got only %d findings", len(out.Findings))
	}
	for _, f := range out.Findings {
		if !han(f.Text) || f.Remedy != "" && !han(f.Remedy) {
			t.Errorf("%s: got %q, %q", f.Check, f.Text, f.Remedy)
		}
	}
}

func TestConfiguration(t *testing.T) {
	t.Parallel()
	in := installation(t, storetest.SQLite(t))
	in.Problems, in.Notices = []string{"http.addr (coagent.yaml) must be host:port"}, []string{"COAGENT_TYPO is ignored"}
	wants(t, in, "configuration", doctor.Fault, "http.addr")
	wants(t, in, "configuration", doctor.Warning, "COAGENT_TYPO")
	in.Problems, in.Notices = nil, nil
	for says, tune := range map[string]func(*config.Config){
		"nobody can sign in":        func(c *config.Config) { c.HTTP.SecureCookies, c.HTTP.PublicURL = true, "http://school.example" },
		"http.trusted_proxies":      func(c *config.Config) { c.HTTP.PublicURL = "https://school.example" },
		"http.internal_addr":        func(c *config.Config) { c.HTTP.InternalAddr = ":9090" },
		"http.bodies_limit":         func(c *config.Config) { c.HTTP.UploadLimit = 64 << 20 },
		"needs the root":            func(c *config.Config) { c.Web.UIDir, c.HTTP.PublicURL = "dist", "https://school.example/coagent" },
		"auth.super_admin_password": func(c *config.Config) { c.Auth.SuperAdminPassword = "a long password" },
	} {
		changed := *in.Config
		tune(&changed)
		other := *in
		other.Config = &changed
		found := false
		for _, f := range examined(t, &other, "configuration") {
			found = found || strings.Contains(f.Text.String(), says) && f.Remedy.String() != "" && f.State != doctor.OK
			if strings.Contains(f.Text.String()+f.Remedy.String(), "a long password") {
				t.Errorf("%s: the password is told", says)
			}
		}
		if !found {
			t.Errorf("%s: got %v", says, examined(t, &other, "configuration"))
		}
	}
}

func TestTimezone(t *testing.T) {
	t.Parallel()
	in := installation(t, storetest.SQLite(t))
	wants(t, in, "timezone", doctor.OK, "Asia/Taipei")
	if _, offset := time.Now().Zone(); offset == 0 {
		in.Config.Timezone = ""
		wants(t, in, "timezone", doctor.Warning, "timezone is not set")
	}
}

func TestFolders(t *testing.T) {
	t.Parallel()
	in := installation(t, storetest.SQLite(t))
	wants(t, in, "folders", doctor.OK, "")
	if err := os.WriteFile(in.Config.SecretsPath(), []byte("secret_key: x\n"), 0o644); err != nil { //nolint:gosec // that is the fault
		t.Fatal(err)
	}
	wants(t, in, "folders", doctor.Fault, in.Config.SecretsPath()+" is open")
	if err := os.Chmod(in.Config.SecretsPath(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(in.Config.DataDir, 0o755); err != nil { //nolint:gosec // that is the fault
		t.Fatal(err)
	}
	wants(t, in, "folders", doctor.Fault, in.Config.DataDir+" is open")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	in.Config.Files.Storage, in.Config.Files.Dir = "folder", file
	wants(t, in, "folders", doctor.Fault, "is a file")
	in.Config.Files.Dir = "/proc/nothing/here"
	wants(t, in, "folders", doctor.Fault, "cannot be made")
	in.Config.Files.Dir = "/proc/1"
	wants(t, in, "folders", doctor.Fault, "Nothing can be written")
}

func TestDatabase(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		in := installation(t, url)
		storetest.Exec(t, in.DB, "CREATE TABLE coagent_unfinished AS SELECT 'restore' AS command")
		wants(t, in, "database", doctor.Fault, "restore")
		storetest.Exec(t, in.DB, "DROP TABLE coagent_unfinished")
		storetest.Exec(t, in.DB, "DELETE FROM schema_migrations WHERE name = (SELECT max(name) FROM schema_migrations)")
		state := doctor.Fault
		if !in.DB.Postgres() {
			state = doctor.Warning // the next start brings it up
		}
		wants(t, in, "schema", state, "older than this program")
		wants(t, in, "accounts", doctor.Skipped, "schema")
		storetest.Exec(t, in.DB, "INSERT INTO schema_migrations (name, group_id, migrated_at) VALUES ('9999', 1, CURRENT_TIMESTAMP)")
		wants(t, in, "schema", doctor.Fault, "newer version")
	})
}

func TestNoDatabase(t *testing.T) {
	t.Parallel()
	in := installation(t, storetest.SQLite(t))
	in.DB, in.DBErr = nil, doctor.ErrNoDatabase
	wants(t, in, "database", doctor.Skipped, "no database yet")
	wants(t, in, "queue", doctor.Skipped, "cannot be opened")
	in.DBErr = os.ErrNotExist
	wants(t, in, "database", doctor.Fault, "secrets")
	in.DBErr = context.DeadlineExceeded
	wants(t, in, "database", doctor.Fault, "cannot be opened")
}

func TestClock(t *testing.T) {
	t.Parallel()
	in := installation(t, storetest.Postgres(t))
	wants(t, in, "clock", doctor.OK, "agrees")
	for off, state := range map[time.Duration]doctor.State{5 * time.Second: doctor.Warning, -time.Hour: doctor.Fault} {
		in.Now = func() time.Time { return time.Now().Add(off) }
		wants(t, in, "clock", state, "away from the database's")
	}
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	in := installation(t, storetest.Postgres(t))
	in.Config.Database.Pool = 1000
	wants(t, in, "postgres", doctor.Warning, "at the peak requests fail")
	in.Config.Database.Pool = 2
	server, err := in.DB.Server(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if server.Fsync {
		wants(t, in, "postgres", doctor.OK, server.Name)
	} else {
		wants(t, in, "postgres", doctor.Fault, "fsync")
	}
	storetest.Exec(t, in.DB, "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$")
	in.DB = storetest.Open(t, store.Options{URL: in.Config.Database.URL.Reveal(), Pool: 4})
	wants(t, in, "postgres", doctor.Fault, "takes no changes")
}

func TestSQLite(t *testing.T) {
	t.Parallel()
	in := installation(t, storetest.SQLite(t))
	wants(t, in, "sqlite", doctor.OK, "sound")
	path := filepath.Join(t.TempDir(), "damaged.db")
	storetest.Exec(t, in.DB, "VACUUM INTO ?", path)
	page := storetest.Count(t, storetest.Open(t, store.Options{URL: "sqlite:" + path}), "SELECT rootpage FROM sqlite_master WHERE name = 'messages'")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := (page - 1) * 4096; i < page*4096; i++ {
		text[i] ^= 0x5a
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	in.DB = storetest.Open(t, store.Options{URL: "sqlite:" + path})
	wants(t, in, "sqlite", doctor.Fault, "damaged")
}

func TestEncryption(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		in := installation(t, url)
		wants(t, in, "encryption", doctor.OK, "")
		in.Config.Auth.EncryptionKeys = []secret.Text{"enl4d3Z1dHNycXBvbm1sa2ppaGdmZWRjYmE5ODc2NTQ="}
		wants(t, in, "encryption", doctor.Fault, "not those of this database")
		in.Config.Auth.EncryptionKeys = nil
		wants(t, in, "encryption", doctor.Fault, "cannot be used")
		storetest.Exec(t, in.DB, "DELETE FROM settings")
		in.Config.Auth.EncryptionKeys = []secret.Text{"enl4d3Z1dHNycXBvbm1sa2ppaGdmZWRjYmE5ODc2NTQ="}
		wants(t, in, "encryption", doctor.Skipped, "")
	})
}

func TestOldKeys(t *testing.T) {
	t.Parallel()
	in := installation(t, storetest.SQLite(t))
	older, unreadable, fails := 3, 0, error(nil)
	in.Keys = func(context.Context) (int, int, error) { return older, unreadable, fails }
	wants(t, in, "encryption", doctor.Warning, "3 stored secrets are encrypted with an older key")
	unreadable = 2
	wants(t, in, "encryption", doctor.Fault, "2 stored secrets cannot be read")
	older, unreadable = 0, 0
	wants(t, in, "encryption", doctor.OK, "are those of this database")
	in.Config.Auth.EncryptionKeys = append(in.Config.Auth.EncryptionKeys, in.Config.Auth.EncryptionKeys[0])
	wants(t, in, "encryption", doctor.OK, "the others can be taken out")
	fails = errors.New("a broken row")
	wants(t, in, "encryption", doctor.Fault, "a broken row")
}

func TestBackups(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		in := installation(t, url)
		now := in.Now().UTC()
		made := func(state, reason string, ago time.Duration) {
			t.Helper()
			b := &store.Backup{ID: store.NewID(), State: state, Name: "a.tar.zst", Place: "/var/backups", Reason: reason, CreatedAt: now.Add(-ago), EndedAt: now.Add(-ago)}
			if err := in.DB.InTx(t.Context(), func(tx *store.Tx) error { return tx.CreateBackup(t.Context(), b) }); err != nil {
				t.Fatal(err)
			}
		}
		wants(t, in, "backups", doctor.Skipped, "backup.every is not set") // one's own machine
		in.Config.HTTP.Addr = "0.0.0.0:8000"
		wants(t, in, "backups", doctor.Warning, "backup.every is not set")
		in.Config.Backup.Every = 24 * time.Hour
		wants(t, in, "backups", doctor.Skipped, "no backup yet")
		made(store.BackupDone, "", 50*time.Hour)
		wants(t, in, "backups", doctor.Fault, "is 50h0m0s old")
		made(store.BackupDone, "", 26*time.Hour)
		wants(t, in, "backups", doctor.Warning, "is 26h0m0s old")
		made(store.BackupFailed, "the disk is full", 2*time.Hour)
		wants(t, in, "backups", doctor.Fault, "has failed: the disk is full")
		made(store.BackupDone, "", time.Hour)
		if found := examined(t, in, "backups"); len(found) != 1 {
			t.Errorf("got %v, want the failure forgotten after a good one", found)
		}
		wants(t, in, "backups", doctor.OK, "is 1h0m0s old")
	})
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		in := installation(t, url)
		in.DemoLogins = func(context.Context) ([]string, error) { return []string{"teacher", "student"}, nil }
		wants(t, in, "accounts", doctor.OK, "") // the person at the machine alone reaches them
		in.Config.HTTP.Addr = "0.0.0.0:8000"
		wants(t, in, "accounts", doctor.Warning, "teacher, student")
		storetest.Exec(t, in.DB, "UPDATE users SET role = 'admin'")
		wants(t, in, "accounts", doctor.Warning, "no super admin")
	})
}

func TestNodes(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		in := installation(t, url)
		if !in.DB.Postgres() {
			wants(t, in, "nodes", doctor.OK, "serves")
			in.ServedVersion = "0.9"
			wants(t, in, "nodes", doctor.Warning, "of version 0.9, and this program is of version test")
			in.ServedAt = ""
			wants(t, in, "nodes", doctor.Skipped, "Nothing serves")
			return
		}
		wants(t, in, "nodes", doctor.Skipped, "Nothing serves")
		tell := func(version string, serves, works bool, seen time.Time) {
			n := store.Node{ID: store.NewID(), Version: version, Serves: serves, Works: works, StartedAt: seen, SeenAt: seen}
			if err := in.DB.Single().TellNode(t.Context(), &n); err != nil {
				t.Fatal(err)
			}
		}
		now := in.Now().UTC()
		tell("1", true, false, now)
		tell("1", true, true, now.Add(-time.Hour))
		wants(t, in, "nodes", doctor.Fault, "No process works off jobs")
		tell("1", false, true, now)
		wants(t, in, "nodes", doctor.Warning, "of version 1, and this program is of version test")
		in.Version = "1"
		wants(t, in, "nodes", doctor.OK, "1 processes serve")
		tell("2", false, true, now)
		wants(t, in, "nodes", doctor.Warning, "1, 2")
		storetest.Exec(t, in.DB, "UPDATE nodes SET serves = FALSE, version = '1'")
		wants(t, in, "nodes", doctor.Warning, "No process serves")
	})
}

func TestQueue(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		in := installation(t, url)
		wants(t, in, "queue", doctor.OK, "0 jobs wait")
		add := func(state string, at time.Time) {
			cast, ended := "?", any(nil)
			if in.DB.Postgres() {
				cast = "CAST(CAST(? AS TEXT) AS river_job_state)"
			}
			if state == "discarded" {
				ended = at
			}
			storetest.Exec(t, in.DB, "INSERT INTO river_job (state, args, kind, max_attempts, queue, priority, scheduled_at, finalized_at) VALUES ("+cast+", '{}', 'x', 1, 'turns', 1, ?, ?)",
				state, at, ended)
		}
		now := in.Now().UTC()
		add("discarded", now)
		wants(t, in, "queue", doctor.Warning, "1 jobs were given up")
		add("available", now.Add(-2*time.Minute))
		wants(t, in, "queue", doctor.Warning, "1 jobs wait, the oldest for 2m")
		add("available", now.Add(-time.Hour))
		wants(t, in, "queue", doctor.Fault, "2 jobs wait, the oldest for 1h")
	})
}

// TestLog: a log of changes beside SQLite's file that has grown without end is told of.
func TestLog(t *testing.T) {
	t.Parallel()
	url := storetest.SQLite(t)
	in := installation(t, url)
	f, err := os.OpenFile(strings.TrimPrefix(url, "sqlite:")+"-wal", os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if err := f.Truncate(513 << 20); err != nil { // without blocks on the disk
		t.Fatal(err)
	}
	wants(t, in, "sqlite", doctor.Warning, "513.0 MiB")
}

func TestProviderKeys(t *testing.T) {
	t.Parallel()
	in := installation(t, storetest.SQLite(t))
	if got := examined(t, in, "providers"); len(got) != 0 {
		t.Errorf("got %v, want nothing unless it is asked for", got)
	}
	in.TestKeys = func(context.Context) ([]doctor.KeyResult, error) {
		return []doctor.KeyResult{{Provider: "openai", Name: "Ada"}, {Provider: "openai", Name: "Bob", Kind: "bad_key", Fault: "refused"},
			{Provider: "openai", Name: "Cid", Kind: "bad_key", Fault: "refused"}}, nil
	}
	wants(t, in, "providers", doctor.Warning, "openai (Bob, Cid): refused")
	wants(t, in, "providers", doctor.OK, "1 of 3")
}

func TestExitCode(t *testing.T) {
	t.Parallel()
	for want, states := range map[int][]doctor.State{0: {doctor.OK, doctor.Skipped}, 1: {doctor.Warning, doctor.Fault, doctor.OK}, 2: {doctor.Warning, doctor.Skipped}} {
		r := doctor.Report{}
		for _, s := range states {
			r.Findings = append(r.Findings, doctor.Finding{State: s})
		}
		if got := r.ExitCode(); got != want {
			t.Errorf("%v: got %d, want %d", states, got, want)
		}
	}
}
