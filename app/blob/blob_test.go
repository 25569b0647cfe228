package blob_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/blob"
)

const (
	accessKey = "AKIDEXAMPLE"
	secretKey = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

// bucket is an S3-compatible store with one bucket. It refuses what is not signed as
// Signature Version 4 wants, and bodies that are not what was signed.
type bucket struct {
	mu      sync.Mutex
	objects map[string][]byte
	fail    func(r *http.Request) (status int, code string) // nil or 0: nothing fails
}

func (b *bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, code string) {
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", code, secretKey)
	}
	if b.fail != nil {
		if status, code := b.fail(r); status != 0 {
			refuse(status, code)
			return
		}
	}
	body, err := io.ReadAll(r.Body)
	hash := sha256.Sum256(body)
	switch sent := r.Header.Get("X-Amz-Content-Sha256"); {
	case err != nil:
		return // the client is gone: nothing is kept
	case sent != hex.EncodeToString(hash[:]):
		refuse(400, "XAmzContentSHA256Mismatch")
		return
	case !signed(r, sent):
		refuse(403, "SignatureDoesNotMatch")
		return
	}
	key, inside := strings.CutPrefix(r.URL.Path, "/files")
	if !inside {
		refuse(404, "NoSuchBucket")
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch content, there := b.objects[key]; {
	case r.Method == http.MethodHead && key == "":
	case r.Method == http.MethodPut:
		b.objects[key] = body
	case r.Method == http.MethodDelete:
		delete(b.objects, key)
		w.WriteHeader(http.StatusNoContent)
	case !there:
		refuse(404, "NoSuchKey")
	default:
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}
}

// signed checks a request as the documentation of Signature Version 4 says.
func signed(r *http.Request, hash string) bool {
	rest, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	parts := map[string]string{}
	for p := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		parts[name] = value
	}
	id, scope, _ := strings.Cut(parts["Credential"], "/")
	names := strings.Split(parts["SignedHeaders"], ";")
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if !ok || id != accessKey || err != nil || time.Since(at).Abs() > 15*time.Minute || !slices.Contains(names, "host") || !slices.Contains(names, "x-amz-content-sha256") {
		return false
	}
	canonical := r.Method + "\n" + r.URL.EscapedPath() + "\n" + r.URL.RawQuery + "\n"
	for _, name := range names {
		value := strings.Join(r.Header.Values(name), ",")
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = fmt.Sprint(r.ContentLength)
		}
		canonical += name + ":" + strings.TrimSpace(value) + "\n"
	}
	canonical += "\n" + parts["SignedHeaders"] + "\n" + hash
	sum := sha256.Sum256([]byte(canonical))
	text := "AWS4-HMAC-SHA256\n" + r.Header.Get("X-Amz-Date") + "\n" + scope + "\n" + hex.EncodeToString(sum[:])
	key := []byte("AWS4" + secretKey)
	for _, step := range append(strings.Split(scope, "/"), text) {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(step))
		key = mac.Sum(nil)
	}
	return hex.EncodeToString(key) == parts["Signature"] && scope == at.Format("20060102")+"/eu-test-1/s3/aws4_request"
}

func newS3(t *testing.T, b *bucket, secret string) *blob.S3 {
	t.Helper()
	srv := httptest.NewServer(b)
	t.Cleanup(srv.Close)
	s, err := blob.NewS3(blob.S3Config{Endpoint: srv.URL + "/", Region: "eu-test-1", Bucket: "files", Prefix: "co/agent/", PathStyle: true,
		Key: func() (string, string) { return accessKey, secret }, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func contentOf(data []byte) blob.Content {
	return blob.Content{Reader: bytes.NewReader(data), Size: int64(len(data)), SHA256: sha256.Sum256(data)}
}

func TestStores(t *testing.T) {
	folder, objects := t.TempDir(), &bucket{objects: map[string][]byte{}}
	left := map[string]func() int{
		"folder": func() int {
			n := 0
			err := filepath.WalkDir(folder, func(_ string, d os.DirEntry, err error) error {
				if err == nil && !d.IsDir() {
					n++
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return n
		},
		"s3": func() int { return len(objects.objects) },
	}
	for name, s := range map[string]blob.Store{"folder": blob.NewFolder(folder), "s3": newS3(t, objects, secretKey)} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			if err := s.Check(ctx); err != nil {
				t.Fatal(err)
			}
			data := bytes.Repeat([]byte("0123456789"), 50_000)
			if err := s.Put(ctx, "01a2-key", contentOf(data)); err != nil {
				t.Fatal(err)
			}
			for _, part := range [][2]int64{{0, 500_000}, {0, 1}, {499_999, 1}, {123_456, 70_000}} {
				r, err := s.Open(ctx, "01a2-key", part[0], part[1])
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(r)
				if err := errors.Join(err, r.Close()); err != nil || !bytes.Equal(got, data[part[0]:part[0]+part[1]]) {
					t.Errorf("%v: got %d bytes, %v", part, len(got), err)
				}
			}
			cut := blob.Content{Reader: io.MultiReader(bytes.NewReader(data[:1000]), broken{}), Size: int64(len(data)), SHA256: sha256.Sum256(data)}
			if err := s.Put(ctx, "01a2-cut", cut); err == nil {
				t.Error("half of the content was taken for all")
			}
			if n := left[name](); n != 1 {
				t.Errorf("%d things are left, want the one that is whole", n)
			}
			if _, err := s.Open(ctx, "01a2-cut", 0, 1); !errors.Is(err, blob.ErrGone) {
				t.Errorf("got %v, want ErrGone", err)
			}
			for range 2 { // what is gone can be deleted again
				if err := s.Delete(ctx, "01a2-key"); err != nil {
					t.Error(err)
				}
			}
			if n := left[name](); n != 0 {
				t.Errorf("%d things are left", n)
			}
		})
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("the disk fails") }

// What a kill leaves of content that was not whole goes when its key is deleted.
func TestFolderAfterAKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := blob.NewFolder(dir)
	at := filepath.Join(dir, "ey", "some-key.part")
	if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o700), os.WriteFile(at, []byte("half"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Open(t.Context(), "some-key", 0, 1); !errors.Is(err, blob.ErrGone) {
		t.Errorf("got %v, want ErrGone", err)
	}
	if err := f.Delete(t.Context(), "some-key"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(at); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the half is left: %v", err)
	}
}

func TestS3Refuses(t *testing.T) {
	t.Parallel()
	b := &bucket{objects: map[string][]byte{}}
	if err := newS3(t, b, "another secret").Check(t.Context()); !errors.Is(err, blob.ErrRefused) || strings.Contains(err.Error(), secretKey) {
		t.Errorf("a wrong secret: got %v, want ErrRefused without the secret", err)
	}
	s := newS3(t, b, secretKey)
	for _, c := range []struct {
		status int
		code   string
		want   error
	}{{403, "AccessDenied", blob.ErrRefused}, {404, "NoSuchBucket", blob.ErrGone}, {507, "XMinioStorageFull", blob.ErrFull}, {403, "QuotaExceeded", blob.ErrFull},
		{503, "SlowDown", nil}, {307, "TemporaryRedirect", blob.ErrRefused}} {
		b.fail = func(*http.Request) (int, string) { return c.status, c.code }
		err := s.Put(t.Context(), "k", contentOf([]byte("x")))
		if err == nil || c.want != nil && !errors.Is(err, c.want) || strings.Contains(err.Error(), secretKey) || len(b.objects) != 0 {
			t.Errorf("%d %s: got %v, want %v", c.status, c.code, err, c.want)
		}
	}
	b.fail = nil
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Put(ctx, "k", contentOf([]byte("x"))); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
