//go:build unix

package chaos

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/web/proctest"
)

// TestUploadsKilled: kill -9 in the middle of uploads. What was acknowledged is there, with
// each of its bytes; of all else nothing is left once its time is over.
func TestUploadsKilled(t *testing.T) {
	t.Parallel()
	for _, storage := range []string{"database", "folder", "s3"} {
		t.Run(storage, func(t *testing.T) {
			t.Parallel()
			b, dir := apptest.NewBucket(t), t.TempDir()
			b.Disturb(func(string, bool) bool { pause(t.Context(), between(0, 10*time.Millisecond)); return false })
			s3 := b.S3()
			proctest.Each(t, func(t *testing.T, s *proctest.Site) {
				folder, temp := filepath.Join(dir, s.Database()), t.TempDir()
				s.Set("COAGENT_FILES_DIR="+folder, "COAGENT_FILES_TEMP_DIR="+temp, "COAGENT_FILES_S3_PREFIX="+s.Database()+"/")
				killedUploads(t, s, func(c *config.Config) {
					c.Files.Storage, c.Files.Dir, c.Files.TempDir = storage, folder, temp
					c.Files.S3 = s3
					c.Files.S3.Prefix = s.Database() + "/"
				}, b)
			}, "COAGENT_FILES_STORAGE="+storage, "COAGENT_FILES_S3_ENDPOINT="+s3.Endpoint, "COAGENT_FILES_S3_BUCKET="+s3.Bucket, "COAGENT_FILES_S3_REGION="+s3.Region,
				"COAGENT_FILES_S3_ACCESS_KEY="+s3.AccessKey.Reveal(), "COAGENT_FILES_S3_SECRET_KEY="+s3.SecretKey.Reveal(), "COAGENT_FILES_UPLOADS_PER_MINUTE=100000", "COAGENT_FILES_PER_PERSON=10GiB",
				"COAGENT_FILES_UNPOSTED=10GiB")
		})
	}
}

// attempt is an upload that was tried.
type attempt struct {
	by               *proctest.Person
	clientID, fileID string // fileID is "" when it was not acknowledged
	content          string
}

func killedUploads(t *testing.T, s *proctest.Site, tune func(*config.Config), b *apptest.Bucket) {
	t.Helper()
	serve := s.Serve()
	nodes := proctest.To(false, serve)
	w := s.Populate(nodes, proctest.Plan{Students: 3, Rooms: 1})
	room := w.Rooms[0]
	ctx, stop := context.WithCancel(t.Context())
	var mu sync.Mutex
	var all []attempt
	acks := make(chan struct{}, 1)
	var sending sync.WaitGroup
	for i, p := range w.Students {
		sending.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				a := attempt{by: p, clientID: fmt.Sprint(i, "-", n), content: strings.Repeat(fmt.Sprintf("%d of %d. ", n, i), 60_000+n)}
				if a.fileID = upload(ctx, nodes, room, &a); a.fileID != "" {
					select {
					case acks <- struct{}{}:
					default:
					}
				}
				mu.Lock()
				all = append(all, a)
				mu.Unlock()
			}
		})
	}
	for range either(20, 4) {
		select {
		case <-acks:
		case <-time.After(time.Minute):
			t.Fatal("no upload is acknowledged any more")
		}
		pause(t.Context(), between(0, 500*time.Millisecond))
		if err := serve.Kill9(); err != nil {
			t.Fatal(err)
		}
		if _, err := serve.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	sending.Wait()
	if err := serve.Kill9(); err != nil {
		t.Fatal(err)
	}
	swept(t, s, tune, b, room, all)
	// What was acknowledged comes back from the real process.
	if _, err := serve.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	acked := 0
	for _, a := range all {
		if a.fileID == "" {
			continue
		}
		acked++
		got, err := nodes.Do(t.Context(), http.MethodGet, "/api/v1/files/"+a.fileID, a.by.Token(), "", nil)
		if err != nil || got.Status != http.StatusOK || got.Body != a.content {
			t.Errorf("an upload of %d bytes that was acknowledged came back as %+v (%v)", len(a.content), got.Status, err)
		}
	}
	if acked == 0 {
		t.Error("no upload was acknowledged")
	}
	t.Logf("%d of %d uploads were acknowledged", acked, len(all))
}

// swept lets time go by, has a process of the same installation sweep, and compares what is
// left with the files that there are.
func swept(t *testing.T, s *proctest.Site, tune func(*config.Config), b *apptest.Bucket, room string, all []attempt) {
	t.Helper()
	url := s.DatabaseURL
	if url == "" {
		url = "sqlite:" + filepath.Join(s.DataDir, "coagent.db")
	}
	r := apptest.New(t, url, tune)
	defer r.Stop()
	r.Advance(2 * time.Hour)
	q, err := jobs.New(r.DB, jobs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.DB.InTx(t.Context(), func(tx *store.Tx) error { return q.Add(t.Context(), tx, jobs.Prune{}) }); err != nil {
		t.Fatal(err)
	}
	var want int64
	pieces := 0
	for _, a := range all {
		f, err := r.DB.FileByClientID(t.Context(), room, a.by.ID, a.clientID)
		switch {
		case err == nil:
			want += f.Stored
			pieces++
		case a.fileID != "":
			t.Errorf("the file %s was acknowledged and is lost: %v", a.clientID, err)
		}
	}
	recorded := int64(-1)
	apptest.Await(t, "the sweep", func() bool {
		if recorded, err = r.DB.BlobBytes(t.Context()); err != nil {
			t.Fatal(err)
		}
		return recorded <= want
	})
	if recorded != want {
		t.Errorf("%d bytes are recorded, the files have %d", recorded, want)
	}
	switch r.Config.Files.Storage {
	case "folder":
		if n := lying(t, r.Config.Files.Dir); n != pieces {
			t.Errorf("%d files lie in the folder, want %d", n, pieces)
		}
	case "s3":
		if n := b.Count(r.Config.Files.S3.Prefix); n != pieces {
			t.Errorf("%d objects are stored, want %d", n, pieces)
		}
	}
	if n := lying(t, r.Config.Files.TempDir); n != 0 {
		t.Errorf("%d files are left of uploads", n)
	}
}

// upload sends a file and returns its id, or "" when it was not acknowledged.
func upload(ctx context.Context, nodes *proctest.Nodes, room string, a *attempt) (id string) {
	path := "/api/v1/rooms/" + room + "/files?name=x&client_id=" + a.clientID
	got, err := nodes.Do(ctx, http.MethodPost, path, a.by.Token(), "application/octet-stream", []byte(a.content))
	var f struct{ ID string }
	if err != nil || got.Status != http.StatusCreated && got.Status != http.StatusOK || got.Decode(&f) != nil {
		pause(ctx, 20*time.Millisecond)
		return ""
	}
	return f.ID
}

// lying counts the files below a folder.
func lying(t *testing.T, dir string) (n int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
