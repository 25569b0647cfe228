package web

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"io"
	"mime/multipart"
	"mime/quotedprintable"
	"net/textproto"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
)

// pixels is a PNG of one colour.
func pixels(t testing.TB, side int) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, side, side))
	for i := range img.Pix {
		img.Pix[i] = 255
	}
	img.SetRGBA(0, 0, color.RGBA{A: 255})
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// upload is a form with one file, and the content type that goes with it.
func upload(t testing.TB, part, filename, kind string, content []byte) (form, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	h := textproto.MIMEHeader{"Content-Disposition": {`form-data; name="` + part + `"; filename="` + filename + `"`}, "Content-Type": {kind}}
	p, err := w.CreatePart(h)
	if err == nil {
		_, err = p.Write(content)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String(), w.FormDataContentType()
}

// send posts a file as a form.
func (c *caller) send(t testing.TB, path, filename, kind string, content []byte) answer {
	t.Helper()
	form, contentType := upload(t, "file", filename, kind, content)
	return c.with("Content-Type", contentType).do(t, post, path, form)
}

func TestAvatars(t *testing.T) {
	const path = v1 + "/users/me/avatar"
	eachWorld(t, map[string]func(*testing.T, *world){
		"OK": func(t *testing.T, w *world) {
			me := w.session(t, w.addUser(t, app.RoleStudent, "face", true).ID)
			// Neither the name nor the declared type says what it is.
			a := me.send(t, path, "../x.html", "text/html", pixels(t, 300))
			if a.status != 200 {
				t.Fatalf("got %d %s", a.status, a.body)
			}
			first := a.text(t, "avatar_url")
			if !strings.HasPrefix(first, "/static/avatars/") || !strings.HasSuffix(first, ".jpg") {
				t.Errorf("got %s", first)
			}
			seen := w.as(guest).must(t, 200, get, first)
			for name, want := range map[string]string{"Content-Type": "image/jpeg", "X-Content-Type-Options": "nosniff",
				"Cache-Control": "private, max-age=31536000, immutable"} {
				if got := seen.header.Get(name); got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
			if img, kind, err := image.DecodeConfig(strings.NewReader(seen.body)); err != nil || kind != "jpeg" || img.Width != 256 {
				t.Errorf("got %s %v, %v", kind, img, err)
			}
			if a := w.as(guest).with("If-None-Match", seen.header.Get("ETag")).do(t, get, first); a.status != 304 || a.body != "" {
				t.Errorf("got %d, want 304", a.status)
			}
			if got := me.must(t, 200, get, v1+"/users/me").text(t, "avatar_url"); got != first {
				t.Errorf("got %s, want %s", got, first)
			}
			// Clients send back what they read.
			me.must(t, 200, put, v1+"/users/me", body{"full_name": "x", "avatar_url": first})
			w.as(guest).must(t, 200, get, first)
			second := me.send(t, path, "a.png", "image/png", pixels(t, 20)).text(t, "avatar_url")
			w.as(guest).must(t, 404, get, first)
			w.as(guest).must(t, 200, get, second)
			w.as(guest).must(t, 404, get, strings.Replace(second, ".jpg", ".png", 1))
			if got := me.must(t, 200, del, path).object(t)["avatar_url"]; got != nil {
				t.Errorf("got %v, want none", got)
			}
			w.as(guest).must(t, 404, get, second)
			me.must(t, 200, del, path)
			third := me.send(t, path, "a.png", "image/png", pixels(t, 20)).text(t, "avatar_url")
			me.must(t, 200, put, v1+"/users/me", body{"avatar_url": "https://example.org/a.png"})
			w.as(guest).must(t, 404, get, third)
		},
		"refused": func(t *testing.T, w *world) {
			me := w.as(student)
			wantProblem(t, me.send(t, path, "a.png", "image/png", []byte("<svg/>")), 400, "Invalid file type")
			wantProblem(t, me.send(t, path, "a.png", "image/png", []byte{1}), 400, "Invalid file type")
			wantProblem(t, me.send(t, path, "a.png", "image/png", append(pixels(t, 2), make([]byte, 2<<20)...)), 400, "File too large")
			wantProblem(t, me.send(t, path, "", "application/octet-stream", nil), 422, "file: is missing, send a part with this name")
			form, kind := upload(t, "other", "a.png", "image/png", pixels(t, 2))
			wantProblem(t, me.with("Content-Type", kind).do(t, post, path, form), 422, "file: is missing, send a part with this name")
			wantProblem(t, me.do(t, post, path, body{}), 422, "body: must be a form, multipart/form-data")
			wantProblem(t, w.anon().do(t, post, path, body{}), 401, "Not authenticated")
		},
		"unknown pictures": func(t *testing.T, w *world) {
			for _, name := range []string{store.NewID() + ".jpg", store.NewID(), "x", "x.jpg", "..%2f..%2fetc%2fpasswd", "%00.jpg", strings.ToUpper(store.NewID()) + ".png"} {
				if a := w.as(student).do(t, get, "/static/avatars/"+name); a.status != 404 {
					t.Errorf("%s: got %d, want 404", name, a.status)
				}
			}
		},
	})
}

// The file of a form is found in the form's own bytes, of every length around
// the pieces in which it is read, whatever comes before and behind it.
func TestFilePart(t *testing.T) {
	t.Parallel()
	lengths := []int{0, 1, 100, 1 << 20}
	for n := 3900; n < 4300; n += 7 {
		lengths = append(lengths, n)
	}
	for _, n := range lengths {
		for _, like := range []string{"abc", "\r\n--", "=\r\n\x00", "-b--\r"} {
			want := strings.Repeat(like, n/len(like)+1)[:n]
			for _, before := range []string{"", "--b\r\nContent-Disposition: form-data; name=x\r\n\r\n" + want + "\r\n"} {
				head := before + "--b\r\nContent-Disposition: form-data; name=file; filename=f\r\n"
				end := "\r\n--b\r\nContent-Disposition: form-data; name=file\r\n\r\nanother\r\n--b--\r\n"
				for encoding, text := range map[string]string{"": want, "quoted-printable": quoted(t, want)} {
					form := head
					if encoding != "" {
						form += "Content-Transfer-Encoding: " + encoding + "\r\n"
					}
					got, err := filePart([]byte(form+"\r\n"+text+end), "b")
					if err != nil || string(got) != want {
						t.Fatalf("%d bytes of %q, %q: got %d, %v", n, like, encoding, len(got), err)
					}
				}
			}
		}
	}
	if _, err := filePart([]byte("--b\r\nContent-Disposition: form-data; name=file\r\n\r\nno end"), "b"); err == nil {
		t.Error("a form without an end was taken")
	}
}

func quoted(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := quotedprintable.NewWriter(&b)
	w.Binary = true
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
