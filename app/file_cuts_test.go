package app_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"image/color"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// Wherever an upload is cut, and whatever the store does, nothing of it is left once its time
// is over; what was acknowledged is there, in all of its forms, until its message is gone.
func TestUploadsAreCut(t *testing.T) {
	t.Parallel()
	for _, storage := range []string{"database", "folder", "s3"} {
		t.Run(storage, func(t *testing.T) {
			t.Parallel()
			storetest.EachURL(t, func(t *testing.T, url string) {
				b, dir := apptest.NewBucket(t), t.TempDir()
				r := apptest.NewStopped(t, url, func(c *config.Config) {
					c.Files.Storage, c.Files.Dir, c.Files.TempDir = storage, dir, t.TempDir()
					c.Files.S3 = b.S3()
				})
				cutUploads(t, r, b, storage)
			})
		})
	}
}

func cutUploads(t *testing.T, r *apptest.Rig, b *apptest.Bucket, storage string) {
	t.Helper()
	c := r.Class(t)
	image := photo(t, 900, color.RGBA{10, 200, 90, 255})
	f, err := uploadTo(t.Context(), r, c.Student, c.Room.ID, "kept.jpg", bytes.NewReader(image))
	must(t, err)
	p, err := r.PostMessage(t.Context(), c.Student, c.Room.ID, "", "", app.PostWith{Files: []string{f.ID}})
	must(t, err)
	kept := f.Stored
	left := func(what string, bytes int64, pieces int) {
		t.Helper()
		r.Advance(2 * time.Hour)
		must(t, r.Prune(t.Context()))
		n, err := r.DB.BlobBytes(t.Context())
		must(t, err)
		if n != bytes {
			t.Errorf("%s: %d bytes are recorded, want %d", what, n, bytes)
		}
		if got := len(inFolders(t, r.Config.Files.Dir)); storage == "folder" && got != pieces {
			t.Errorf("%s: %d files lie in the folder, want %d", what, got, pieces)
		}
		if got := b.Count(""); storage == "s3" && got != pieces {
			t.Errorf("%s: %d objects are stored, want %d", what, got, pieces)
		}
		if names := inFolders(t, r.Config.Files.TempDir); len(names) > 0 {
			t.Errorf("%s: %q are left of uploads", what, names)
		}
		if got := readFile(t, r, c.Student, f.ID); got != string(image) {
			t.Errorf("%s: what was acknowledged has %d bytes now", what, len(got))
		}
	}
	for at := 0; at < len(image); at += 1 + len(image)/9 {
		if _, err := uploadTo(t.Context(), r, c.Student, c.Room.ID, "cut.jpg", io.MultiReader(bytes.NewReader(image[:at]), errReader{})); !errors.Is(err, errCut) {
			t.Errorf("cut at %d: got %v", at, err)
		}
	}
	left("cut in the body", kept, 3)
	// The client goes when all of its bytes have come, and when they are being stored.
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := uploadTo(ctx, r, c.Student, c.Room.ID, "gone.jpg", io.MultiReader(bytes.NewReader(image), atEnd(cancel))); err == nil {
		t.Error("an upload whose client was gone before it was stored was acknowledged")
	}
	left("gone after the last byte", kept, 3)
	if storage == "s3" {
		// The store breaks the connection at the first, second and third piece, before or
		// after it has it, and then does not delete for a while.
		for n := range 6 {
			puts := 0
			b.Disturb(func(method string, done bool) bool {
				if method == http.MethodDelete {
					return true
				}
				if method == http.MethodPut && !done {
					puts++
				}
				return method == http.MethodPut && puts == 1+n/2 && done == (n%2 == 1)
			})
			if _, err := uploadTo(t.Context(), r, c.Student, c.Room.ID, "broken.jpg", bytes.NewReader(image)); app.KindOf(err) != app.KindUnavailable {
				t.Errorf("%d: got %v", n, err)
			}
		}
		b.Disturb(nil)
		left("broken by the store", kept, 3)
	}
	must(t, r.DeleteMessage(t.Context(), c.Student, c.Room.ID, p.Message.ID))
	r.Advance(2 * time.Hour)
	must(t, r.Prune(t.Context()))
	must(t, r.Prune(t.Context()))
	n, err := r.DB.BlobBytes(t.Context())
	must(t, err)
	if n != 0 || storage == "s3" && b.Count("") > 0 || storage == "folder" && len(inFolders(t, r.Config.Files.Dir)) > 0 {
		t.Errorf("%d bytes, %d objects are left of a deleted message", n, b.Count(""))
	}
	for _, kind := range []string{store.BlobOriginal, store.BlobImage, store.BlobThumbnail} {
		_, err := r.FileContent(t.Context(), c.TA, f.ID, kind)
		refused(t, err, app.KindNotFound, "", "")
	}
}

// atEnd calls a function when everything was read.
type atEnd func()

func (f atEnd) Read([]byte) (int, error) { f(); return 0, io.EOF }

// zipped is an archive with one file of n zeros, which is a thousand times smaller.
func zipped(t *testing.T, name string, n int) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create(name)
	must(t, err)
	_, err = io.CopyN(w, zeros{}, int64(n))
	must(t, err)
	must(t, z.Close())
	return b.Bytes()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// What is hostile by its content is kept as it is and opened by nobody: an archive is bytes,
// and a picture that is something else too becomes a picture alone.
func TestHostileFiles(t *testing.T) {
	t.Parallel()
	const script = "<script>alert(document.cookie)</script>"
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		bomb := zipped(t, "zeros", 50<<20)
		photo := photo(t, 64, color.Black)
		commented := append([]byte{0xff, 0xd8, 0xff, 0xfe, 0, byte(len(script) + 2)}, append([]byte(script), photo[2:]...)...)
		for name, h := range map[string]struct {
			content []byte
			kind    string
			picture bool
			text    bool
		}{
			"zip bomb":            {bomb, "application/zip", false, false},
			"bomb in an archive":  {append(zipped(t, "a.zip", 1<<20), bomb...), "application/zip", false, false},
			"path in an archive":  {zipped(t, "../../etc/passwd", 10), "application/zip", false, false},
			"picture and archive": {append(bytes.Clone(photo), bomb...), "image/jpeg", true, false},
			"picture and page":    {append(bytes.Clone(photo), script...), "image/jpeg", true, false},
			"page in a comment":   {commented, "image/jpeg", true, false},
			"PDF and archive":     {append([]byte("%PDF-1.7\n\xe2\xe3\n"), bomb...), "application/pdf", false, false},
			"SVG":                 {[]byte(`<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`), "image/svg+xml", false, true},
			"page":                {[]byte("<!DOCTYPE html>" + script), "text/html", false, true},
			"page after blanks":   {[]byte(strings.Repeat(" \n", 50) + "<html>" + script), "text/html", false, true},
			"program":             {[]byte("MZ\x90\x00\x03\x00" + strings.Repeat("\x00", 100)), "", false, false},
			"NUL alone":           {[]byte{0}, "application/octet-stream", false, false},
		} {
			f, err := uploadTo(t.Context(), r, c.Student, c.Room.ID, "holiday.jpg", bytes.NewReader(h.content))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if h.kind != "" && f.Type != h.kind || f.IsText != h.text || (f.Width > 0) != h.picture || f.Size != int64(len(h.content)) || !h.picture && f.Stored != f.Size {
				t.Errorf("%s: got %+v", name, f)
			}
			if got := readFile(t, r, c.Student, f.ID); got != string(h.content) {
				t.Errorf("%s: the original has %d bytes, want %d", name, len(got), len(h.content))
			}
			for _, kind := range []string{store.BlobImage, store.BlobThumbnail} {
				content, err := r.FileContent(t.Context(), c.Student, f.ID, kind)
				if (err == nil) != h.picture {
					t.Errorf("%s: %s: got %v", name, kind, err)
				}
				if err != nil {
					continue
				}
				in, err := content.Open(t.Context(), 0, content.BlobSize)
				must(t, err)
				made, err := io.ReadAll(in)
				must(t, err)
				must(t, in.Close())
				if bytes.Contains(made, []byte("script")) || bytes.Contains(made, []byte("PK\x03\x04")) {
					t.Errorf("%s: something is left in the %s", name, kind)
				}
			}
		}
		_, err := uploadTo(t.Context(), r, c.Student, c.Room.ID, "empty", strings.NewReader(""))
		refused(t, err, app.KindInvalid, "", "")
	})
}
