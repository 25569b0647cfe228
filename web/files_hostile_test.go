package web

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store/storetest"
)

// rawUpload sends an upload as it is and returns the status and the body of the answer, once
// the server has closed the connection. Without whole it ends what it sends after the head
// and the body; a server that waits for more reads the end.
func (w *world) rawUpload(t *testing.T, query, head, sent string) (status, answer string) {
	t.Helper()
	var d net.Dialer
	nc, err := d.DialContext(t.Context(), "tcp", w.Addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = nc.Close() }()
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
	_, err = fmt.Fprintf(nc, "POST %s/rooms/%s/files%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: %s=%s\r\n%s\r\n\r\n%s", v1, w.room, query,
		cookieAccess, w.as(student).token, head, sent)
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(nc)
	if err != nil || len(all) < 12 {
		t.Fatalf("got %q, %v", all, err)
	}
	_, body, _ := strings.Cut(string(all), "\r\n\r\n")
	return string(all[9:12]), body
}

// An upload that is cut at any byte, in a form or not, is refused and leaves nothing. One that
// is whole is stored.
func TestUploadCutAnywhere(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorldOf(t, url, func(c *config.Config) { c.Files.TempDir, c.Files.UploadsPerMinute = t.TempDir(), 100_000 })
		left := func() string {
			t.Helper()
			n, err := w.opened.DB.BlobBytes(t.Context())
			names, errNames := os.ReadDir(w.cfg.Files.TempDir)
			if err != nil || errNames != nil {
				t.Fatal(err, errNames)
			}
			return fmt.Sprint(n, " bytes ", names)
		}
		const text = "What the file says."
		form := "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\ny\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n" + text + "\r\n--b--\r\n"
		before := left()
		for name, c := range map[string]struct{ head, sent string }{
			"raw":           {fmt.Sprintf("Content-Length: %d", len(text)), text},
			"chunks":        {"Transfer-Encoding: chunked", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(text), text)},
			"form":          {fmt.Sprintf("Content-Type: multipart/form-data; boundary=b\r\nContent-Length: %d", len(form)), form},
			"form, chunked": {"Content-Type: multipart/form-data; boundary=b\r\nTransfer-Encoding: chunked", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(form), form)},
		} {
			for at := range len(c.sent) {
				if strings.HasSuffix(name, "chunked") && at%7 != 0 {
					continue // the same in other pieces
				}
				if status, body := w.rawUpload(t, "?name=x", c.head, c.sent[:at]); status[0] != '4' {
					t.Errorf("%s, cut at %d of %d: got %s %s", name, at, len(c.sent), status, body)
				}
			}
			if after := left(); after != before {
				t.Fatalf("%s: %s are left, want %s", name, after, before)
			}
		}
		for name, c := range map[string]struct{ head, sent string }{
			"raw":  {fmt.Sprintf("Content-Length: %d", len(text)), text},
			"form": {fmt.Sprintf("Content-Type: multipart/form-data; boundary=b\r\nContent-Length: %d", len(form)), form},
		} {
			if status, body := w.rawUpload(t, "?name=x", c.head, c.sent); status != "201" {
				t.Errorf("%s: got %s %s", name, status, body)
			}
		}
		// A client that is gone, and reads nothing any more, leaves nothing either.
		before = left()
		for range 20 {
			var d net.Dialer
			nc, err := d.DialContext(t.Context(), "tcp", w.Addr.String())
			if err != nil {
				t.Fatal(err)
			}
			_, _ = fmt.Fprintf(nc, "POST %s/rooms/%s/files?name=x HTTP/1.1\r\nHost: x\r\nCookie: %s=%s\r\nContent-Length: 90000\r\n\r\n%s", v1, w.room,
				cookieAccess, w.as(student).token, strings.Repeat("x", 50_000))
			_ = nc.(*net.TCPConn).SetLinger(0)
			_ = nc.Close()
		}
		apptest.Await(t, "nothing of them to be left", func() bool {
			return left() == before && w.as(student).do(t, post, v1+"/rooms/"+w.room+"/files?name=x", "").status == http.StatusUnprocessableEntity
		})
	})
}

// Whatever a file is called, and whatever is in it, it comes back as a download that no
// browser shows or runs, under a name that saves in the folder that the person chooses.
func TestHostileUploads(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"Names": func(t *testing.T, w *world) {
			for _, name := range []string{"../../etc/passwd", `..\..\windows\system.ini`, "/etc/shadow", "a\x00.txt", "gpj.\u202etxt.exe", "\u2066hidden\u2069", "CON", "nul.txt",
				"a\r\nSet-Cookie: x=1", `"; filename="b.html`, "<img src=x onerror=alert(1)>.png", "%2e%2e%2fup", ".htaccess", "", " ", "...", strings.Repeat("n", 256),
				strings.Repeat("名", 300) + ".txt", strings.Repeat("e\u0301", 200), strings.Repeat(".", 255), "a.tar.gz" + strings.Repeat("x", 300), "\xff\xfe.txt", "👩\u200d🏫.png", "\ud7ff\ue000.x",
				"=cmd|' /C calc'!A0.csv", "a/../b", "a;b.txt", "a'b\"c.txt"} {
				for form, a := range map[string]answer{
					"query": w.as(student).do(t, post, v1+"/rooms/"+w.room+"/files?name="+url.QueryEscape(name), "x"),
					"part": w.as(student).with("Content-Type", "multipart/form-data; boundary=b").do(t, post, v1+"/rooms/"+w.room+"/files",
						"--b\r\nContent-Disposition: form-data; name=\"file\"; filename*=UTF-8''"+strings.ReplaceAll(url.QueryEscape(name), "+", "%20")+"\r\n\r\nx\r\n--b--\r\n"),
				} {
					if a.status == http.StatusUnprocessableEntity {
						continue
					}
					if a.status != http.StatusCreated {
						t.Errorf("%s %q: got %d %s", form, name, a.status, a.body)
						continue
					}
					stored := a.text(t, "name")
					if stored == "" || len(stored) > 200 || strings.ContainsAny(stored, "/\\\r\n\x00\u202e\u2066<>:\"|?*") || strings.Trim(stored, ".") == "" {
						t.Errorf("%s %q: is called %q", form, name, stored)
					}
					got := w.as(student).must(t, 200, get, v1+"/files/"+a.text(t, "id")).header
					disposition := got.Get("Content-Disposition")
					if !strings.HasPrefix(disposition, `attachment; filename="`) || strings.Count(disposition, `"`) != 2 || strings.ContainsAny(disposition, "\r\n/\\") || got.Get("Set-Cookie") != "" {
						t.Errorf("%s %q: comes as %q", form, name, disposition)
					}
				}
			}
		},
		"Content": func(t *testing.T, w *world) {
			const script = "<script>alert(1)</script>"
			picture := string(pixels(t, 20))
			for name, content := range map[string]string{
				"page": "<!DOCTYPE html>" + script, "SVG": `<svg xmlns="http://www.w3.org/2000/svg">` + script + `</svg>`, "XHTML": `<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml">` + script + `</html>`,
				"XML style": `<?xml version="1.0"?><?xml-stylesheet href="javascript:alert(1)"?><a/>`, "script": "alert(1)//", "module": "export default 1", "WASM": "\x00asm\x01\x00\x00\x00",
				"PDF": "%PDF-1.7\n/JS (app.alert(1))", "PNG and page": picture + script, "GIF and script": "GIF89a/*\x00\x00*/=1;alert(1)",
				"zip": "PK\x03\x04" + strings.Repeat("\x00", 30), "MHTML": "MIME-Version: 1.0\nContent-Type: multipart/related\n\n" + script, "UTF-16 page": "\xff\xfe<\x00h\x00t\x00m\x00l\x00>\x00", "NUL": "\x00",
			} {
				a := w.as(student).with("Content-Type", "text/html").do(t, post, v1+"/rooms/"+w.room+"/files?name=x.html", content)
				if a.status == http.StatusBadRequest && strings.HasPrefix(content, "GIF") {
					continue // it says to be larger than any picture may be
				}
				if a.status != http.StatusCreated {
					t.Errorf("%s: got %d %s", name, a.status, a.body)
					continue
				}
				id := a.text(t, "id")
				got := w.as(student).must(t, 200, get, v1+"/files/"+id)
				kind := got.header.Get("Content-Type")
				for _, runs := range []string{"html", "xml", "svg", "script", "wasm", "mhtml", "multipart", "css"} {
					if strings.Contains(kind, runs) {
						t.Errorf("%s: comes as %s", name, kind)
					}
				}
				if got.body != content || got.header.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(got.header.Get("Content-Disposition"), "attachment") ||
					got.header.Get("Content-Security-Policy") != "default-src 'none'; sandbox" {
					t.Errorf("%s: got %v", name, got.header)
				}
				for _, form := range []string{"/image", "/thumbnail"} {
					made := w.as(student).do(t, get, v1+"/files/"+id+form)
					if made.status == http.StatusOK && (!strings.HasPrefix(made.header.Get("Content-Type"), "image/") || strings.Contains(made.body, "script")) ||
						made.status != http.StatusOK && made.status != http.StatusNotFound {
						t.Errorf("%s%s: got %d %s", name, form, made.status, made.header.Get("Content-Type"))
					}
				}
			}
		},
	})
}
