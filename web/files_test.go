package web

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// uploadAs uploads a file to the world's room and returns its id.
func (w *world) uploadAs(t testing.TB, who, name string, content []byte) string {
	t.Helper()
	a := w.as(who).with("Content-Type", "application/octet-stream").do(t, post, v1+"/rooms/"+w.room+"/files?name="+url.QueryEscape(name), string(content))
	if a.status != http.StatusCreated {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	return a.text(t, "id")
}

// postedFile is a picture in a message of the world's owner.
func (w *world) postedFile(t testing.TB) string {
	t.Helper()
	id := w.uploadAs(t, owner, "leaf.png", pixels(t, 20))
	w.as(owner).must(t, http.StatusCreated, post, v1+"/rooms/"+w.room+"/messages", body{"text": "", "files": []string{id}})
	return id
}

func TestFiles(t *testing.T) {
	at := func(w *world) string { return v1 + "/rooms/" + w.room + "/files" }
	eachWorld(t, map[string]func(*testing.T, *world){
		"FormAndRaw": func(t *testing.T, w *world) {
			a := w.as(student).send(t, at(w), "C:\\My pictures\\blatt.png", "text/html", pixels(t, 700))
			if a.status != http.StatusCreated {
				t.Fatalf("got %d %s", a.status, a.body)
			}
			for member, want := range map[string]any{"name": "blatt.png", "type": "image/png", "width": 700., "height": 700., "message_id": nil} {
				if got := a.object(t)[member]; got != want {
					t.Errorf("%s: got %v, want %v", member, got, want)
				}
			}
			raw := w.as(student).with("Content-Type", "image/png").do(t, post, at(w)+"?name=notes.txt", "just text").object(t)
			if raw["type"] != "text/plain" || raw["image"] != nil || raw["size"] != 9. {
				t.Errorf("got %v", raw)
			}
		},
		"Once": func(t *testing.T, w *world) {
			c := w.as(student)
			first := c.must(t, http.StatusCreated, post, at(w)+"?client_id=a1&name=x", "one").text(t, "id")
			if again := c.must(t, http.StatusOK, post, at(w)+"?client_id=a1&name=y", "two").text(t, "id"); again != first {
				t.Errorf("got %s, want %s", again, first)
			}
			m := c.must(t, http.StatusCreated, post, v1+"/rooms/"+w.room+"/messages", body{"text": "", "client_id": "m1", "files": []string{first}})
			again := c.must(t, http.StatusOK, post, v1+"/rooms/"+w.room+"/messages", body{"text": "", "client_id": "m1", "files": []string{first}})
			if m.text(t, "id") != again.text(t, "id") || !strings.Contains(again.body, first) {
				t.Errorf("got %s, want %s", again.body, m.body)
			}
			c.must(t, 422, post, v1+"/rooms/"+w.room+"/messages", body{"text": "x", "client_id": "m2", "files": []string{first}})
		},
		"Content": func(t *testing.T, w *world) {
			id := w.uploadAs(t, owner, `naïve "x".html`, []byte("<html><script>alert(1)</script>"))
			w.as(owner).must(t, http.StatusCreated, post, v1+"/rooms/"+w.room+"/messages", body{"text": "see", "files": []string{id}})
			a := w.as(student).must(t, 200, get, v1+"/files/"+id)
			for name, want := range map[string]string{"Content-Type": "application/octet-stream", "X-Content-Type-Options": "nosniff",
				"Content-Security-Policy": "default-src 'none'; sandbox", "Cache-Control": "private, no-cache", "Content-Length": "31",
				"Content-Disposition": `attachment; filename="nave-_x_.html"; filename*=UTF-8''na%C3%AFve%20_x_.html`} {
				if got := a.header.Get(name); got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
			if a.body != "<html><script>alert(1)</script>" {
				t.Errorf("got %q", a.body)
			}
			if a := w.as(student).with("If-None-Match", a.header.Get("ETag")).do(t, get, v1+"/files/"+id); a.status != 304 || a.body != "" {
				t.Errorf("got %d %q", a.status, a.body)
			}
			w.as(student).must(t, 404, get, v1+"/files/"+id+"/image")
		},
		"Pictures": func(t *testing.T, w *world) {
			id := w.postedFile(t)
			for _, kind := range []string{"image", "thumbnail"} {
				a := w.as(student).must(t, 200, get, v1+"/files/"+id+"/"+kind)
				if a.header.Get("Content-Type") != "image/jpeg" || a.header.Get("Content-Disposition") != "inline" || !strings.HasPrefix(a.body, "\xff\xd8") {
					t.Errorf("%s: got %v", kind, a.header)
				}
			}
		},
		"Ranges": func(t *testing.T, w *world) {
			content := bytes.Repeat([]byte("0123456789"), 60_000) // three pieces of the database
			id := w.uploadAs(t, student, "big.bin", content)
			for header, want := range map[string]string{
				"bytes=0-4":           "206 bytes 0-4/600000 01234",
				"bytes=262140-262149": "206 bytes 262140-262149/600000 0123456789",
				"bytes=-3":            "206 bytes 599997-599999/600000 789",
				"bytes=599998-":       "206 bytes 599998-599999/600000 89",
				"bytes=599998-999999": "206 bytes 599998-599999/600000 89",
				"bytes=600000-":       "416 bytes */600000",
				"bytes=-0":            "416 bytes */600000",
			} {
				a := w.as(student).with("Range", header).do(t, get, v1+"/files/"+id)
				got := fmt.Sprintf("%d %s", a.status, a.header.Get("Content-Range"))
				if a.status == 206 {
					got += " " + a.body
				}
				if got != want {
					t.Errorf("%s: got %s, want %s", header, got, want)
				}
			}
			for _, header := range []string{"", "bytes=5-2", "bytes=0-1,3-4", "lines=1-2", "bytes=x", "bytes=99999999999999999999-"} {
				if a := w.as(student).with("Range", header).do(t, get, v1+"/files/"+id); a.status != 200 || a.body != string(content) {
					t.Errorf("%q: got %d with %d bytes", header, a.status, len(a.body))
				}
			}
			if a := w.as(student).with("Range", "bytes=0-1").with("If-Range", `"old"`).do(t, get, v1+"/files/"+id); a.status != 200 || len(a.body) != len(content) {
				t.Errorf("got %d with %d bytes", a.status, len(a.body))
			}
		},
		"HistoryAndFrames": func(t *testing.T, w *world) {
			v2, plain := w.join(t, student, "", true), w.join(t, ta, "", false)
			id := w.postedFile(t)
			want := `"files":[{"id":"` + id + `","name":"leaf.png","type":"image/png","size":`
			more := `"width":20,"height":20,"url":"/api/v1/files/` + id + `","image":"/api/v1/files/` + id + `/image","thumbnail":"/api/v1/files/` + id + `/thumbnail"}]`
			f := string(store.ToJSON(v2.next("message")))
			for _, part := range []string{`"content":""`, `"id":"` + id + `"`, `"name":"leaf.png"`, `"width":20`, `"thumbnail":"/api/v1/files/` + id + `/thumbnail"`} {
				if !strings.Contains(f, part) {
					t.Errorf("got %s, want %s", f, part)
				}
			}
			if f := plain.next("message"); f["content"] != "[leaf.png]" || f["files"] != nil {
				t.Errorf("got %v", f)
			}
			if a := w.as(student).must(t, 200, get, v1+"/chat/messages/"+w.room); !strings.Contains(a.body, want) || !strings.Contains(a.body, more) {
				t.Errorf("got %s", a.body)
			}
			for _, format := range []string{"json", "markdown"} {
				if a := w.as(student).must(t, 200, get, v1+"/rooms/"+w.room+"/export?format="+format); !strings.Contains(strings.ReplaceAll(a.body, `\`, ""), "leaf.png") {
					t.Errorf("%s: got %s", format, a.body)
				}
			}
		},
		"Refusals": func(t *testing.T, w *world) {
			c := w.as(student)
			for name, ask := range map[string]func() (answer, int, string){
				"empty":   func() (answer, int, string) { return c.do(t, post, at(w)+"?name=x", ""), 422, "is empty" },
				"no body": func() (answer, int, string) { return c.do(t, post, at(w)+"?name=x"), 422, "is empty" },
				"no part": func() (answer, int, string) {
					return c.with("Content-Type", "multipart/form-data; boundary=b").do(t, post, at(w), "--b--\r\n"), 422, "is missing"
				},
				"no bounds": func() (answer, int, string) {
					return c.with("Content-Type", "multipart/form-data").do(t, post, at(w), "--b--\r\n"), 422, "boundary"
				},
				"cut form": func() (answer, int, string) {
					return c.with("Content-Type", "multipart/form-data; boundary=b").do(t, post, at(w), "--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nhalf"), 422, "not a readable form"
				},
				"two files": func() (answer, int, string) {
					part := "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nx\r\n"
					return c.with("Content-Type", "multipart/form-data; boundary=b").do(t, post, at(w), part+"--b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nx\r\n"+part+"--b--\r\n"), 422, "more than once"
				},
				"bomb": func() (answer, int, string) {
					return c.do(t, post, at(w)+"?name=x.png", string(bomb(60_000, 60_000))), 400, "Image too large"
				},
				"other id": func() (answer, int, string) {
					return c.do(t, post, v1+"/rooms/"+store.NewID()+"/files", "x"), 404, "Room not found"
				},
				"long id": func() (answer, int, string) {
					return c.do(t, post, at(w)+"?client_id="+strings.Repeat("x", 65), "x"), 422, "client_id"
				},
				"nul id": func() (answer, int, string) { return c.do(t, post, at(w)+"?client_id=%00", "x"), 422, "NUL" },
				"others' file": func() (answer, int, string) {
					return c.do(t, post, v1+"/rooms/"+w.room+"/messages", body{"text": "", "files": []string{w.uploadAs(t, ta, "x", []byte("x"))}}), 422, "files[0]"
				},
				"no file": func() (answer, int, string) {
					return c.do(t, post, v1+"/rooms/"+w.room+"/messages", body{"text": "", "files": []string{"x"}}), 422, "files[0]"
				},
				"twice": func() (answer, int, string) {
					id := w.uploadAs(t, student, "x", []byte("x"))
					return c.do(t, post, v1+"/rooms/"+w.room+"/messages", body{"text": "", "files": []string{id, id}}), 422, "files[1]"
				},
				"neither text nor file": func() (answer, int, string) {
					return c.do(t, post, v1+"/rooms/"+w.room+"/messages", body{"text": "", "files": []string{}}), 422, "must not be empty"
				},
				"posted": func() (answer, int, string) {
					return w.as(owner).do(t, del, v1+"/files/"+w.postedFile(t)), 409, "Delete the message"
				},
			} {
				if a, status, says := ask(); a.status != status || !strings.Contains(a.text(t, "detail"), says) {
					t.Errorf("%s: got %d %s, want %d with %q", name, a.status, a.body, status, says)
				}
			}
		},
		"WhoMayRead": func(t *testing.T, w *world) {
			id := w.uploadAs(t, student, "a.txt", []byte("mine"))
			w.as(student).must(t, 200, get, v1+"/files/"+id)
			for _, other := range []string{ta, owner, superAdmin, assigned} {
				w.as(other).must(t, 404, get, v1+"/files/"+id)
			}
			m := w.as(student).must(t, 201, post, v1+"/rooms/"+w.room+"/messages", body{"text": "x", "files": []string{id}}).text(t, "id")
			line := v1 + "/rooms/" + w.room + "/messages/" + m
			listed := func(who string) bool {
				return strings.Contains(w.as(who).must(t, 200, get, at(w)).body, id) && strings.Contains(w.as(who).must(t, 200, get, v1+"/chat/messages/"+w.room).body, id)
			}
			see := func(status int, who ...string) {
				t.Helper()
				for _, c := range who {
					if a := w.as(c).do(t, get, v1+"/files/"+id); a.status != status || listed(c) != (status == 200) {
						t.Errorf("%s: got %d, listed %v, want %d", c, a.status, listed(c), status)
					}
				}
			}
			see(200, assigned, student, ta, owner)
			w.as(ta).must(t, 200, post, line+"/hide")
			see(404, assigned, student)
			see(200, ta, owner)
			w.as(ta).must(t, 200, post, line+"/unhide")
			see(200, assigned)
			w.as(student).must(t, 204, del, line)
			see(404, assigned, student, ta, owner)
			w.as(student).must(t, 200, post, line+"/restore")
			see(200, assigned, student, ta)
		},
	})
}

// bomb is a PNG of a few bytes that claims to be this large.
func bomb(w, h uint32) []byte {
	b := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR")
	b = binary.BigEndian.AppendUint32(b, w)
	b = binary.BigEndian.AppendUint32(b, h)
	b = append(b, 8, 6, 0, 0, 0)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[12:]))
}

// An upload is not kept in memory, is bounded whatever it declares, and leaves nothing when
// it is cut.
func TestUploadBounds(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorldOf(t, url, func(c *config.Config) {
			c.Files.UploadLimit, c.Files.UploadsPerPerson, c.Files.TempDir = 64<<10, 2, t.TempDir()
		})
		at := v1 + "/rooms/" + w.room + "/files?name=x"
		left := func() string {
			t.Helper()
			n, err := w.opened.DB.BlobBytes(t.Context())
			names, errNames := os.ReadDir(w.cfg.Files.TempDir)
			if err != nil || errNames != nil {
				t.Fatal(err, errNames)
			}
			return fmt.Sprint(n, " bytes ", names)
		}
		begin := func(head string) net.Conn {
			t.Helper()
			var d net.Dialer
			nc, err := d.DialContext(t.Context(), "tcp", w.Addr.String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = nc.Close() })
			_, err = io.WriteString(nc, "POST "+at+" HTTP/1.1\r\nHost: x\r\nCookie: "+cookieAccess+"="+w.as(student).token+"\r\n"+head+"\r\n\r\n")
			if err != nil {
				t.Fatal(err)
			}
			return nc
		}
		answered := func(nc net.Conn) string {
			t.Helper()
			_ = nc.SetReadDeadline(time.Now().Add(20 * time.Second))
			b := make([]byte, 12)
			_, err := io.ReadFull(nc, b)
			if err != nil {
				t.Fatal(err)
			}
			return string(b[9:])
		}
		t.Run("TooLarge", func(t *testing.T) {
			if a := w.as(student).do(t, post, at, strings.Repeat("x", 64<<10+1)); a.status != 413 {
				t.Errorf("got %d %s", a.status, a.body)
			}
			if got := answered(begin("Content-Length: 999999999999")); got != "413" {
				t.Errorf("declared: got %s", got)
			}
			nc := begin("Transfer-Encoding: chunked")
			go func() {
				for range 1000 {
					if _, err := fmt.Fprintf(nc, "400\r\n%s\r\n", strings.Repeat("x", 1024)); err != nil {
						return
					}
				}
			}()
			if got := answered(nc); got != "413" {
				t.Errorf("in chunks: got %s", got)
			}
			w.as(student).must(t, 201, post, at, strings.Repeat("x", 64<<10))
		})
		t.Run("Cut", func(t *testing.T) {
			before := left()
			for _, sent := range []int{0, 1, 1000, 30_000, 59_999} {
				nc := begin("Content-Length: 60000")
				_, _ = io.WriteString(nc, strings.Repeat("x", sent))
				_ = nc.(*net.TCPConn).CloseWrite()
				if got := answered(nc); got != "400" { // then the upload is over, and its slot free
					t.Errorf("%d bytes: got %s", sent, got)
				}
			}
			if after := left(); after != before {
				t.Errorf("cut uploads left %s, want %s", after, before)
			}
		})
		t.Run("AtOnce", func(t *testing.T) {
			// Of three that begin at the same time two go on, whichever these are. The third
			// one's answer tells that they do.
			type reply struct {
				n      int
				status string
				body   string
			}
			all, replies := make([]net.Conn, 3), make(chan reply, 3)
			for n := range all {
				all[n] = begin("Content-Length: 10\r\nConnection: close")
				_ = all[n].SetReadDeadline(time.Now().Add(20 * time.Second))
				go func() {
					b, _ := io.ReadAll(all[n])
					head, body, _ := strings.Cut(string(b), "\r\n\r\n")
					replies <- reply{n, strings.TrimPrefix(head, "HTTP/1.1 ")[:min(3, len(head))], body}
				}()
			}
			refused := <-replies
			if refused.status != "429" || !strings.Contains(refused.body, "uploads_under_way") {
				t.Errorf("got %+v", refused)
			}
			if a := w.as(student).do(t, post, at, "x"); a.status != http.StatusTooManyRequests || !strings.Contains(a.body, "uploads_under_way") {
				t.Errorf("got %d %s", a.status, a.body)
			}
			w.as(ta).must(t, 201, post, at, "x")
			for n, nc := range all {
				if n != refused.n {
					_, _ = io.WriteString(nc, "0123456789")
				}
			}
			for range 2 {
				if r := <-replies; r.status != "201" {
					t.Errorf("got %+v", r)
				}
			}
			w.as(student).must(t, 201, post, at, "x")
		})
	})
}
