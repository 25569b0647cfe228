package app_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// ended waits until a backup is over.
func ended(t *testing.T, r *apptest.Rig, id string) *store.Backup {
	t.Helper()
	var b *store.Backup
	apptest.Await(t, "the backup", func() (over bool) {
		var err error
		if b, err = r.DB.Backup(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		return b.Over()
	})
	return b
}

func TestBackups(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		ctx, dir := t.Context(), filepath.Join(t.TempDir(), "backups")
		r := apptest.New(t, url, func(c *config.Config) { c.Backup.To, c.Backup.Keep = dir, 2 })
		super := r.User(t, app.RoleSuperAdmin, "Sam")
		class := r.Class(t)
		if _, err := r.MakeBackup(ctx, class.Admin); app.KindOf(err) != app.KindForbidden {
			t.Errorf("an admin made a backup: %v", err)
		}
		var all []*store.Backup
		for range 3 {
			b, err := r.MakeBackup(ctx, super)
			if err != nil {
				t.Fatal(err)
			}
			if b = ended(t, r, b.ID); b.State != store.BackupDone || b.Bytes == 0 || b.Done == 0 || b.Done != b.Total || len(b.SHA256) != 64 {
				t.Fatalf("got %+v", b)
			}
			all = append(all, b)
		}
		apptest.Await(t, "the oldest to go", func() bool {
			names, err := os.ReadDir(dir)
			return err == nil && len(names) == 2
		})
		if _, err := os.Stat(filepath.Join(dir, all[0].Name)); err == nil {
			t.Error("the oldest is there, and the newer ones are beyond backup.keep")
		}
		if newest, err := r.DB.NewestBackup(ctx, store.BackupDone); err != nil || newest.ID != all[2].ID {
			t.Errorf("got %v, %v", newest, err)
		}
		// What serve made is what restore takes.
		to := place(t, "")
		restored(t, to, filepath.Join(dir, all[2].Name))
		if u, err := migrated(t, to).User(ctx, super.User.ID); err != nil || u.Email != super.User.Email {
			t.Errorf("got %v, %v", u, err)
		}
		if err := errors.Join(r.DeleteBackup(ctx, super, all[1].ID)); err != nil {
			t.Fatal(err)
		}
		if list, err := r.Backups(ctx, super); err != nil || len(list.List) != 1 || list.Settings.Keep != 2 || list.Place != dir {
			t.Errorf("got %+v, %v", list, err)
		}
		if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
			t.Errorf("got %v, %v, want one file", names, err)
		}
	})
}

// A backup that fails is told, keeps the good ones, and leaves nothing.
func TestBackupsFail(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		ctx, dir := t.Context(), t.TempDir()
		r := apptest.New(t, url, func(c *config.Config) { c.Backup.To, c.Backup.Keep, c.Backup.Every = dir, 1, time.Hour })
		super := r.User(t, app.RoleSuperAdmin, "Sam")
		var good *store.Backup
		apptest.Await(t, "the backup that is due", func() bool {
			var err error
			good, err = r.DB.NewestBackup(ctx, store.BackupDone)
			return err == nil
		})
		if good.AskedBy != "" {
			t.Errorf("got %+v, want one that nobody asked for", good)
		}
		if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
			t.Fatal(err)
		}
		r.Advance(time.Second)
		if err := os.Chmod(dir, 0o500); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(dir, 0o700) }) // the folder goes with the test
		if os.Geteuid() != 0 {
			b, err := r.MakeBackup(ctx, super)
			if err != nil {
				t.Fatal(err)
			}
			if b = ended(t, r, b.ID); b.State != store.BackupFailed || !strings.Contains(b.Reason, "permission") {
				t.Errorf("got %+v", b)
			}
		}
		if _, err := os.Stat(filepath.Join(dir, good.Name)); err != nil {
			t.Errorf("the good one is gone: %v", err)
		}
	})
}

// lost stores a backup that a process of earlier has begun and not ended, with the part that
// it wrote.
func lost(t *testing.T, r *apptest.Rig, dir string, tries int) *store.Backup {
	t.Helper()
	b := &store.Backup{ID: store.NewID(), State: store.BackupQueued, Name: "lost", Place: dir, Tries: tries, CreatedAt: r.Now().UTC(), LeaseUntil: r.Now().UTC()}
	err := r.DB.InTx(t.Context(), func(tx *store.Tx) error {
		err := tx.CreateBackup(t.Context(), b)
		_, err2 := tx.ClaimBackup(t.Context(), b.ID, 1, dir, r.Now().UTC().Add(-time.Second))
		return errors.Join(err, err2)
	})
	if err := errors.Join(err, os.WriteFile(filepath.Join(dir, "lost.1.coagent-partial"), []byte("half"), 0o600)); err != nil {
		t.Fatal(err)
	}
	return b
}

// A backup whose process has died is made by the next attempt, which removes what the first
// one left. One that loses its process again and again fails.
func TestLostBackups(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		ctx, dir := t.Context(), t.TempDir()
		r := apptest.New(t, url, func(c *config.Config) { c.Backup.To = dir })
		super := r.User(t, app.RoleSuperAdmin, "Sam")
		first := lost(t, r, dir, 0)
		if _, err := r.MakeBackup(ctx, super); app.KindOf(err) != app.KindConflict {
			t.Errorf("a second one at the same time: got %v", err)
		}
		if b := ended(t, r, first.ID); b.State != store.BackupDone || b.Attempt != 2 || b.Tries != 1 {
			t.Errorf("got %+v, want it done by the second attempt", b)
		}
		if got := files(t, dir); !slices.Equal(got, []string{"lost"}) {
			t.Errorf("got %v, want the whole file alone", got)
		}
		if err := r.DeleteBackup(ctx, super, first.ID); err != nil {
			t.Fatal(err)
		}
		if b := ended(t, r, lost(t, r, dir, 2).ID); b.State != store.BackupFailed || !strings.Contains(b.Reason, "several times") {
			t.Errorf("got %+v, want a failure", b)
		}
		if got := files(t, dir); len(got) != 0 {
			t.Errorf("got %v, want nothing", got)
		}
	})
}

// files are the names in a folder.
func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range all {
		names = append(names, one.Name())
	}
	return names
}

// A worker that was thought dead does not end a backup that another attempt has, and gives no
// file its name.
func TestBackupIsFenced(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, now := t.Context(), time.Now().UTC()
		b := &store.Backup{ID: store.NewID(), State: store.BackupQueued, Name: "b", Place: "p", CreatedAt: now, LeaseUntil: now}
		err := db.InTx(ctx, func(tx *store.Tx) error {
			err := tx.CreateBackup(ctx, b)
			mine, err2 := tx.ClaimBackup(ctx, b.ID, 1, "q", now)
			if err2 == nil && (mine.Place != "q" || mine.State != store.BackupRunning) {
				t.Errorf("got %+v", mine)
			}
			return errors.Join(err, err2, tx.RetryBackup(ctx, b, 2, 1, now))
		})
		if err != nil {
			t.Fatal(err)
		}
		for what, fn := range map[string]func(*store.Tx) error{
			"claim": func(tx *store.Tx) error { _, err := tx.ClaimBackup(ctx, b.ID, 1, "p", now); return err },
			"renew": func(tx *store.Tx) error { return tx.RenewBackup(ctx, b, 1, 1, now) },
			"retry": func(tx *store.Tx) error { return tx.RetryBackup(ctx, b, 2, 1, now) },
			"end":   func(tx *store.Tx) error { return tx.EndBackup(ctx, b) },
		} {
			if err := db.InTx(ctx, fn); !errors.Is(err, store.ErrStale) {
				t.Errorf("%s by the first attempt: got %v, want ErrStale", what, err)
			}
		}
	})
}

// However many processes start, one backup is made when it is due; one that fell due while no
// process ran is made once after the start.
func TestDueBackups(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		ctx, dir := t.Context(), t.TempDir()
		tune := func(c *config.Config) { c.Backup.To, c.Backup.Every = dir, time.Hour }
		nodes := 1
		if strings.HasPrefix(url, "postgres") {
			nodes = 3
		}
		// start starts all nodes at a time, and waits until there are so many backups and no
		// job for more.
		start := func(ahead time.Duration, want int) (all []*apptest.Rig) {
			t.Helper()
			for range nodes {
				r := apptest.NewStopped(t, url, tune)
				r.Advance(ahead)
				all = append(all, r)
			}
			for _, r := range all {
				if err := r.Start(ctx); err != nil {
					t.Fatal(err)
				}
			}
			apptest.Await(t, "the backups", func() bool {
				n := storetest.Count(t, all[0].DB, "SELECT count(*) FROM backups WHERE state = 'done'")
				open := storetest.Count(t, all[0].DB, `SELECT count(*) FROM river_job WHERE state IN ('available', 'running', 'retryable')
					AND kind IN ('back_up', 'make_backup')`)
				return n >= want && open == 0
			})
			if n := storetest.Count(t, all[0].DB, "SELECT count(*) FROM backups"); n != want {
				t.Errorf("%d backups, want %d", n, want)
			}
			if n := storetest.Count(t, all[0].DB, "SELECT count(*) FROM river_job WHERE state = 'scheduled' AND kind = 'back_up'"); n != 1 {
				t.Errorf("%d jobs wait for the time of the next, want 1", n)
			}
			begun := 0
			for _, r := range all {
				begun += strings.Count(r.Log(), "a backup begins")
			}
			if begun != 1 {
				t.Errorf("%d processes began one, want 1", begun)
			}
			return all
		}
		stop := func(all []*apptest.Rig) {
			for _, r := range all {
				r.Stop()
			}
		}
		first := start(0, 1)
		stop(first)
		// The queue has a clock of its own, which does not go on by Advance.
		storetest.Exec(t, first[0].DB, "UPDATE river_job SET scheduled_at = ? WHERE kind = 'back_up' AND state = 'scheduled'", time.Now().UTC().Add(-4*time.Hour))
		late := start(5*time.Hour, 2)
		// The next one comes an hour after the last.
		last, err := late[0].DB.NewestBackup(ctx, store.BackupDone)
		if err != nil {
			t.Fatal(err)
		}
		if n := storetest.Count(t, late[0].DB, "SELECT count(*) FROM river_job WHERE kind = 'back_up' AND state = 'scheduled' AND CAST(args AS TEXT) LIKE ?",
			"%"+last.CreatedAt.Add(time.Hour).UTC().Format("2006-01-02T15:04:05")+"%"); n != 1 {
			t.Errorf("%d jobs wait for the hour after the last backup, want 1", n)
		}
	})
}

// A process that is stopped in the middle of a backup gives it back, and the next process
// makes it.
func TestBackupOverAStop(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		dir := t.TempDir()
		bucket := apptest.NewBucket(t)
		s3 := bucket.S3()
		tune := func(c *config.Config) {
			c.Files.S3, c.Files.TempDir, c.Backup.To = s3, dir, "s3://"+s3.Bucket+"/nightly"
			c.Jobs.DrainTimeout = time.Millisecond
		}
		r := apptest.New(t, url, tune)
		super := r.User(t, app.RoleSuperAdmin, "Sam")
		reached, goOn := make(chan struct{}), make(chan struct{})
		once := sync.OnceFunc(func() { close(reached) })
		bucket.Hold(func(method string) {
			if method == "PUT" {
				once()
				<-goOn
			}
		})
		b, err := r.MakeBackup(t.Context(), super)
		if err != nil {
			t.Fatal(err)
		}
		<-reached
		r.Stop()
		bucket.Hold(nil)
		close(goOn)
		next := apptest.New(t, url, tune)
		if b = ended(t, next, b.ID); b.State != store.BackupDone || b.Attempt != 2 || b.Tries != 0 {
			t.Errorf("got %+v, want it done by the second attempt, and no try lost", b)
		}
		if n := bucket.Count(""); n != 1 {
			t.Errorf("%d objects, want 1", n)
		}
	})
}

func TestBackupsInABucket(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		bucket := apptest.NewBucket(t)
		s3 := bucket.S3()
		r := apptest.New(t, url, func(c *config.Config) {
			c.Files.S3, c.Files.TempDir = s3, t.TempDir()
			c.Backup.To, c.Backup.Keep = "s3://"+s3.Bucket+"/nightly", 1
		})
		super := r.User(t, app.RoleSuperAdmin, "Sam")
		for range 2 {
			b, err := r.MakeBackup(t.Context(), super)
			if err != nil {
				t.Fatal(err)
			}
			if b = ended(t, r, b.ID); b.State != store.BackupDone {
				t.Fatalf("got %+v", b)
			}
		}
		apptest.Await(t, "the older one to go", func() bool { return bucket.Count("") == 1 })
	})
	for to, words := range map[string]string{"s3://": "name a bucket", "s3://b?x=y": "name a bucket", "s3://bucket/p": "set files.s3.endpoint"} {
		cfg := apptest.Config("", "")
		cfg.Backup.To = to
		cfg.DataDir = t.TempDir()
		cfg.Auth.SecretKey = secret.Text(strings.Repeat("k", 48))
		if _, err := app.Open(t.Context(), cfg, noLog, app.Mode{}); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: got %v, want an error with %q", to, err, words)
		}
	}
}
