package app_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
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

// A backup that fails is told, keeps the good ones, and leaves nothing; one whose process has
// died is given up.
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
		dead := &store.Backup{ID: store.NewID(), State: store.BackupQueued, Name: "dead", Place: dir, CreatedAt: r.Now().UTC()}
		err := r.DB.InTx(ctx, func(tx *store.Tx) error {
			return errors.Join(tx.CreateBackup(ctx, dead), tx.ClaimBackup(ctx, dead.ID, r.Now().UTC().Add(-time.Second)))
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.MakeBackup(ctx, super); app.KindOf(err) != app.KindConflict {
			t.Errorf("a second one at the same time: got %v", err)
		}
		if b := ended(t, r, dead.ID); b.State != store.BackupFailed || b.Reason == "" {
			t.Errorf("got %+v", b)
		}
		if _, err := os.Stat(filepath.Join(dir, good.Name)); err != nil {
			t.Errorf("the good one is gone: %v", err)
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
