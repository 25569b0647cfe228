package apptest

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/config"
)

// Bucket is a small S3-compatible store of a test. Signatures are tested in package blob.
type Bucket struct {
	url     string
	mu      sync.Mutex
	objects map[string][]byte
	fault   func(method string, done bool) bool
	hold    func(method string)
}

// NewBucket starts one, until the test ends.
func NewBucket(t *testing.T) *Bucket {
	t.Helper()
	b := &Bucket{objects: map[string][]byte{}}
	srv := httptest.NewServer(b)
	t.Cleanup(srv.Close)
	b.url = srv.URL
	return b
}

// S3 is the configuration of an installation whose files are in the bucket.
func (b *Bucket) S3() config.S3 {
	return config.S3{Endpoint: b.url, Region: "test", Bucket: "files", PathStyle: true, AccessKey: "id", SecretKey: "secret"}
}

// ServeHTTP keeps nothing of a request whose body is cut.
func (b *Bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	b.mu.Lock()
	hold := b.hold
	b.mu.Unlock()
	if hold != nil {
		hold(r.Method)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil || b.fault != nil && b.fault(r.Method, false) {
		panic(http.ErrAbortHandler)
	}
	content, there := b.objects[r.URL.Path]
	switch {
	case r.Method == http.MethodPut:
		b.objects[r.URL.Path] = body
	case r.Method == http.MethodDelete:
		delete(b.objects, r.URL.Path)
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodHead:
	case !there:
		w.WriteHeader(http.StatusNotFound)
	default:
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}
	if b.fault != nil && b.fault(r.Method, true) {
		panic(http.ErrAbortHandler)
	}
}

// Disturb asks fault before and after each request has its effect: true breaks the
// connection. nil ends it.
func (b *Bucket) Disturb(fault func(method string, done bool) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fault = fault
}

// Hold calls hold before each request has its effect, so that a test can keep it there. nil
// ends it.
func (b *Bucket) Hold(hold func(method string)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hold = hold
}

// Count is how many objects have a key that begins so.
func (b *Bucket) Count(prefix string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for path := range b.objects {
		if strings.HasPrefix(path, "/files/"+prefix) {
			n++
		}
	}
	return n
}
