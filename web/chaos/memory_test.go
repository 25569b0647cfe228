//go:build linux

package chaos

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
	"golang.org/x/sys/unix"

	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/web/proctest"
)

const (
	// moreMemory is what strangers may make a process use beside what it uses
	// anyway, and what a collector without a turn has left lying.
	moreMemory = 80 << 20
	// softMemory is beyond what a process needs that holds to its totals. Go collects its
	// garbage before it takes more, so beyond it is what is in use. Without it the memory
	// of a process depends on when the collector gets its turn on a busy machine.
	softMemory = "64MiB"
	// moreAddresses is what the process may take from the system at all: whoever
	// allocates what a head promises or a body unpacks to is ended by it.
	moreAddresses = 512 << 20
	// patience is for a busy machine; each answer comes at once.
	patience   = 20 * time.Second
	avatarPath = "/api/v1/users/me/avatar"
	linkPath   = "/api/v1/login/password-link"
)

// memory reads a line of what the kernel says about a process, in bytes.
func memory(t *testing.T, p *proctest.Process, name string) uint64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		var kib uint64
		if n, _ := fmt.Sscanf(line, name+": %d kB", &kib); n == 1 {
			return kib << 10
		}
	}
	t.Fatalf("no %s", name)
	return 0
}

// besieged is a process with little memory to spare.
type besieged struct {
	*testing.T
	serve *proctest.Process
	w     *proctest.World
	calm  uint64
}

func besiege(t *testing.T, env ...string) *besieged {
	t.Helper()
	s := proctest.New(t, "", append(env, "GOMEMLIMIT="+softMemory)...)
	serve := s.Serve()
	b := &besieged{T: t, serve: serve, w: s.Populate(proctest.To(false, serve), proctest.Plan{Students: 2, Rooms: 1})}
	b.calm = memory(t, serve, "VmRSS")
	if err := unix.Prlimit(serve.PID(), unix.RLIMIT_AS, &unix.Rlimit{Cur: memory(t, serve, "VmSize") + moreAddresses, Max: unix.RLIM_INFINITY}, nil); err != nil {
		t.Fatal(err)
	}
	return b
}

// bounded holds the process to moreMemory, and has it answer somebody else.
func (b *besieged) bounded(what string) {
	b.Helper()
	now := memory(b.T, b.serve, "VmRSS")
	b.Logf("%s: %d MiB of memory, %d before", what, now>>20, b.calm>>20)
	if now > b.calm+moreMemory {
		b.Errorf("%s: got %d MiB, want no more than %d", what, now>>20, (b.calm+moreMemory)>>20)
	}
	begun := time.Now()
	b.w.Students[1].Call(b.T, http.MethodGet, "/api/v1/users/me", nil, nil)
	b.w.Students[1].Call(b.T, http.MethodPost, "/api/v1/rooms/"+b.w.Rooms[0]+"/messages", map[string]string{"text": what}, nil)
	if took := time.Since(begun); took > 10*time.Second {
		b.Errorf("%s: others waited %s", what, took)
	}
}

// heads opens n connections and sends the same on each.
func (b *besieged) heads(n int, sent string) []net.Conn {
	b.Helper()
	conns := make([]net.Conn, n)
	for i := range conns {
		c, err := new(net.Dialer).DialContext(b.Context(), "tcp", strings.TrimPrefix(b.serve.URL, "http://"))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = c.Close() })
		if _, err := io.WriteString(c, sent); err != nil {
			b.Fatal(err)
		}
		conns[i] = c
	}
	return conns
}

// grace is how long the last few answers may take once the others have come.
const grace = time.Second

// answered reads the answers, 0 for none. Of the last few it waits for no
// longer than a moment.
func (b *besieged) answered(conns []net.Conn, few int) []int {
	b.Helper()
	statuses := make([]int, len(conns))
	var reading sync.WaitGroup
	var came atomic.Int64
	for _, c := range conns {
		_ = c.SetReadDeadline(time.Now().Add(patience))
	}
	for i, c := range conns {
		reading.Go(func() {
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				return
			}
			_ = res.Body.Close()
			if few > 0 && came.Add(1) == int64(len(conns)-few) {
				for _, c := range conns {
					_ = c.SetReadDeadline(time.Now().Add(grace))
				}
			}
			if statuses[i] = res.StatusCode; statuses[i] == http.StatusServiceUnavailable && res.Header.Get("Retry-After") == "" {
				b.Error("503 without Retry-After")
			}
		})
	}
	reading.Wait()
	return statuses
}

// all holds the answers to one status.
func (b *besieged) all(what string, statuses []int, want int) {
	b.Helper()
	if wrong := slices.DeleteFunc(statuses, func(s int) bool { return s == want }); len(wrong) > 0 {
		b.Errorf("%s: got %v, want %d each", what, wrong, want)
	}
}

func head(path, token string, length int) string {
	sign := ""
	if token != "" {
		sign = "Authorization: Bearer " + token + "\r\n"
	}
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n", path, sign, length)
}

// A body that unpacks to very much is refused as it is, on every sort of route.
func TestBombs(t *testing.T) {
	t.Parallel()
	b := besiege(t)
	blanks := bytes.Repeat([]byte(" "), 64<<20)
	pack := func(make func(io.Writer) io.WriteCloser, data []byte) []byte {
		var out bytes.Buffer
		w := make(&out)
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	gz := func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }
	deflated := pack(func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }, blanks)
	zipped, brotli := pack(gz, blanks), fasthttp.AppendBrotliBytes(nil, blanks)
	for encoding, sent := range map[string][]byte{"br": brotli, "gzip": zipped, "deflate": deflated, "gzip, gzip": pack(gz, zipped),
		"br, br": fasthttp.AppendBrotliBytes(nil, brotli)} {
		for _, path := range []string{linkPath, "/api/v1/login/access-token", "/api/v1/login/logout", "/api/v1/setup", "/api/v1/courses/", avatarPath,
			"/admin/queue/api/jobs/cancel", "/nowhere"} {
			for _, token := range []string{"", b.w.Admin.Token()} {
				conns := b.heads(8, strings.Replace(head(path, token, len(sent)), "\r\n\r\n", "\r\nContent-Encoding: "+encoding+"\r\n\r\n", 1)+string(sent))
				b.all(path+" in "+encoding, b.answered(conns, 0), http.StatusUnsupportedMediaType)
				for _, c := range conns {
					_ = c.Close()
				}
			}
		}
	}
	b.bounded("bombs")
}

// Nothing is allocated for what a head promises, and the promises of one
// person and of one address have a total.
func TestPromisedBodies(t *testing.T) {
	t.Parallel()
	b := besiege(t)
	const large = 8 << 20
	for _, n := range []int{100, 500} {
		for path, want := range map[string]int{avatarPath: http.StatusUnauthorized, linkPath: http.StatusRequestEntityTooLarge,
			"/admin/queue/api/jobs/cancel": http.StatusUnauthorized, "/nowhere": http.StatusNotFound} {
			b.all(path, b.answered(b.heads(n, head(path, "", large)), 0), want)
			b.bounded(fmt.Sprintf("%d heads for %s", n, path))
		}
		token := b.w.Students[0].Token()
		const uploadsAtOnce = 4 // of one person
		conns := b.heads(n, head(avatarPath, token, large))
		var silent []net.Conn
		for i, status := range b.answered(conns, uploadsAtOnce) {
			if status == 0 {
				silent = append(silent, conns[i])
			} else if status != http.StatusServiceUnavailable {
				t.Errorf("got %d, want 503", status)
			}
		}
		if len(silent) < 1 || len(silent) > uploadsAtOnce {
			t.Errorf("%d of %d uploads of one person may come at once, want a few", len(silent), n)
		}
		b.bounded(fmt.Sprintf("%d heads of one person", n))
		for _, c := range silent { // a body that ends makes room
			_ = c.Close()
		}
		apptest.Await(t, "422 for what is no picture, when all have gone", func() bool {
			return b.answered(b.heads(1, head(avatarPath, token, 4)+"abcd"), 0)[0] == http.StatusUnprocessableEntity
		})
	}
}

// Bodies that come slowly hold what has come of them, and others are served.
func TestSlowBodies(t *testing.T) {
	t.Parallel()
	b := besiege(t)
	token := b.w.Students[0].Token()
	slow := b.heads(300, head(linkPath, "", 16<<10)+`{"token":"`)
	slow = append(slow, b.heads(100, head("/api/v1/courses/", token, 1<<20)+`{"title":"`)...)
	slow = append(slow, b.heads(100, "POST "+linkPath+" HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n    \r\n")...)
	for range 3 {
		for _, c := range slow {
			_, _ = io.WriteString(c, "x") // some have been refused
		}
		b.bounded("500 slow bodies")
	}
	for _, c := range slow {
		_ = c.Close()
	}
	b.bounded("slow bodies that have gone")
}

// Strangers who ask for files and read none of them hold none in memory.
func TestUnreadFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, size := range map[string]int{"index.html": 10, "large.wasm": 15 << 20, "larger.wasm": 20 << 20} {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b := besiege(t, "COAGENT_WEB_UI_DIR="+dir)
	for _, path := range []string{"/large.wasm", "/larger.wasm", "/docs/swagger-ui-bundle.js", "/openapi.json"} {
		conns := b.heads(60, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
		begun := make([]byte, len("HTTP/1.1 200"))
		for _, c := range conns {
			_ = c.SetReadDeadline(time.Now().Add(patience))
			if _, err := io.ReadFull(c, begun); err != nil || string(begun) != "HTTP/1.1 200" {
				t.Fatalf("%s: got %q, %v", path, begun, err)
			}
		}
		b.bounded("60 unread " + path)
		for _, c := range conns {
			_ = c.Close()
		}
	}
}
