package app_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// uploadTo uploads a file to a room.
func uploadTo(ctx context.Context, r *apptest.Rig, who *app.Actor, roomID, name string, body io.Reader) (*store.File, error) {
	up, err := r.BeginUpload(ctx, who, roomID, "")
	if err != nil {
		return nil, err
	}
	defer up.Close()
	f, _, err := up.Receive(ctx, name, body)
	return f, err
}

// readFile is the original of a file.
func readFile(t *testing.T, r *apptest.Rig, who *app.Actor, id string) string {
	t.Helper()
	c, err := r.FileContent(t.Context(), who, id, store.BlobOriginal)
	must(t, err)
	in, err := c.Open(t.Context(), 0, c.BlobSize)
	must(t, err)
	defer func() { _ = in.Close() }()
	all, err := io.ReadAll(in)
	must(t, err)
	return string(all)
}

// inFolders are the names of all files below a folder.
func inFolders(t *testing.T, path string) (names []string) {
	t.Helper()
	must(t, filepath.WalkDir(path, func(_ string, d os.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err == nil && !d.IsDir() {
			names = append(names, d.Name())
		}
		return err
	}))
	return names
}

func TestFileNamesAndTypes(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) { namesAndTypes(t, apptest.NewStopped(t, url)) })
}

func namesAndTypes(t *testing.T, r *apptest.Rig) {
	t.Helper()
	long := strings.Repeat("é", 300)
	c := r.Class(t)
	for sent, want := range map[string]string{
		"photo.jpg":                    "photo.jpg",
		"../../etc/passwd":             "passwd",
		`C:\Users\me\答案.docx`:          "答案.docx",
		"gpj\u202e.exe":                "gpj.exe",
		"a\x00b\nc\td.txt":             "ab c d.txt",
		"\u200b\ufeffhidden\u2066.txt": "hidden.txt",
		`a<b>:"|?*.txt`:                "a_b______.txt",
		"CON":                          "_CON",
		"nul.tar.gz":                   "_nul.tar.gz",
		"com¹.txt":                     "_com¹.txt",
		"COM10.txt":                    "COM10.txt",
		"":                             "file",
		"...":                          "file",
		"/":                            "file",
		" . ":                          "file",
		"ends. . .":                    "ends",
		"bad\xff\xfe.txt":              "bad_.txt",
		"e\u0301.txt":                  "é.txt",
		"👩\u200d🏫.png":                 "👩\u200d🏫.png",
		long + ".tar.gz":               strings.Repeat("é", 98) + ".gz",
	} {
		f, err := uploadTo(t.Context(), r, c.Student, c.Room.ID, sent, strings.NewReader("x"))
		must(t, err)
		if f.Name != want {
			t.Errorf("%q: got %q, want %q", sent, f.Name, want)
		}
		if len(f.Name) > 200 {
			t.Errorf("%.20q: the name has %d bytes", sent, len(f.Name))
		}
	}
	// What begins as a picture has the size that it says, and the next bytes say a huge one.
	for _, content := range []string{"GIF89a<script>alert(1)</script>", "GIF89a\x00<script>alert(1)</script>"} {
		_, err := uploadTo(t.Context(), r, c.Student, c.Room.ID, "picture.gif", strings.NewReader(content))
		refused(t, err, app.KindRejected, "", "")
	}
	for content, want := range map[string]string{
		"plain words, 中文":                                "text/plain text",
		"<!DOCTYPE html><script>alert(1)</script>":       "text/html text",
		`<svg xmlns="http://www.w3.org/2000/svg"></svg>`: "image/svg+xml text",
		"\x89PNG\r\n\x1a\nnonsense":                      "application/octet-stream",
		"PK\x03\x04" + strings.Repeat("\x00", 100):       "application/zip",
		"%PDF-1.7\n\xe2\xe3":                             "application/pdf",
		"words\x00words":                                 "application/octet-stream",
		"big5 \xa4\xa4\xa4\xe5":                          "application/octet-stream",
		"cut \xe4\xb8":                                   "application/octet-stream",
		strings.Repeat("a", 65_535) + "中" + "b":          "text/plain text", // the character is split between two reads
		strings.Repeat("a", 70_000) + "\x00":             "application/octet-stream",
		`{"a": [1, 2]}`:                                  "application/json text",
	} {
		f, err := uploadTo(t.Context(), r, c.Student, c.Room.ID, "picture.png", strings.NewReader(content))
		must(t, err)
		got := f.Type
		if f.IsText {
			got += " text"
		}
		if got != want || f.Width != 0 {
			t.Errorf("%.30q: got %s, want %s", content, got, want)
		}
	}
}

// Where files lie, nothing is left of what failed, was never posted, or is gone with its
// message, its room or its person.
func TestFilesAreSwept(t *testing.T) {
	t.Parallel()
	for _, storage := range []string{"database", "folder"} {
		t.Run(storage, func(t *testing.T) {
			t.Parallel()
			storetest.EachURL(t, func(t *testing.T, url string) {
				dir := t.TempDir()
				r := apptest.NewStopped(t, url, func(c *config.Config) {
					c.Files.Storage, c.Files.Dir, c.Files.TempDir, c.Retention.FilesDays = storage, dir, t.TempDir(), 100
				})
				c := r.Class(t)
				ctx := t.Context()
				content := bytes.Repeat([]byte("0123456789"), 60_000)
				upload := func(who *app.Actor, roomID string) string {
					t.Helper()
					f, err := uploadTo(ctx, r, who, roomID, "x", bytes.NewReader(content))
					must(t, err)
					return f.ID
				}
				posted := func(who *app.Actor, roomID string) (file, message string) {
					t.Helper()
					file = upload(who, roomID)
					p, err := r.PostMessage(ctx, who, roomID, "", "", app.PostWith{Files: []string{file}})
					must(t, err)
					return file, p.Message.ID
				}
				left := func(want int64) {
					t.Helper()
					must(t, r.Prune(ctx))
					n, err := r.DB.BlobBytes(ctx)
					must(t, err)
					if n != want*int64(len(content)) {
						t.Errorf("%d bytes are left, want %d files", n, want)
					}
					if got := len(inFolders(t, dir)); storage == "folder" && int64(got) != want {
						t.Errorf("%d files are left in the folder, want %d", got, want)
					}
					if names := inFolders(t, r.Config.Files.TempDir); len(names) > 0 {
						t.Errorf("%q are left of uploads", names)
					}
				}
				kept, _ := posted(c.Student, c.Room.ID)
				if got := readFile(t, r, c.TA, kept); got != string(content) {
					t.Errorf("got %d bytes, want %d", len(got), len(content))
				}
				unposted := upload(c.Student, c.Room.ID)
				left(2)
				must(t, r.DeleteFile(ctx, c.Student, unposted))
				left(1)
				for n, cut := range []io.Reader{io.MultiReader(bytes.NewReader(content[:1000]), errReader{}), errReader{}} {
					if _, err := uploadTo(ctx, r, c.Student, c.Room.ID, "x", cut); !errors.Is(err, errCut) {
						t.Errorf("%d: got %v", n, err)
					}
				}
				left(1)
				_, message := posted(c.Student, c.Room.ID)
				must(t, r.DeleteMessage(ctx, c.Student, c.Room.ID, message))
				left(2) // it may be restored
				r.Advance(16 * time.Minute)
				left(1)
				other, err := r.CreateRoom(ctx, c.Teacher, c.Course.ID, app.RoomSettings{Name: app.Some("Roots")})
				must(t, err)
				posted(c.Student, other.ID)
				left(2)
				must(t, second(r.DeleteRoom(ctx, c.Teacher, other.ID, false)))
				left(1)
				upload(c.Student, c.Room.ID)
				r.Advance(23 * time.Hour)
				left(2)
				r.Advance(2 * time.Hour)
				left(1)
				r.Advance(100 * 24 * time.Hour)
				left(0)
				_, err = r.FileContent(ctx, c.TA, kept, store.BlobOriginal)
				refused(t, err, app.KindNotFound, "not_kept", "")
				if got := seen(t, r, c.TA, c.Room.ID); !strings.Contains(got, "> File: x") {
					t.Errorf("the message does not name its file any more: %s", got)
				}
			})
		})
	}
}

var errCut = errors.New("the client is gone")

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errCut }

func TestFileQuotas(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url, func(c *config.Config) {
			c.Files.Unposted, c.Files.PerPerson, c.Files.PerRoom = 30_000, 50_000, 70_000
		})
		c := r.Class(t)
		ctx := t.Context()
		upload := func(who *app.Actor) (*store.File, error) {
			return uploadTo(ctx, r, who, c.Room.ID, "x", strings.NewReader(strings.Repeat("x", 10_000)))
		}
		post := func(f *store.File, err error) {
			t.Helper()
			must(t, err)
			must(t, second(r.PostMessage(ctx, c.Student, c.Room.ID, "", "", app.PostWith{Files: []string{f.ID}})))
		}
		for range 2 {
			post(upload(c.Student))
		}
		for range 2 {
			must(t, second(upload(c.Student)))
		}
		full := func(err error, setting string) {
			t.Helper()
			if refused(t, err, app.KindConflict, "quota", ""); !strings.Contains(err.Error(), setting) {
				t.Errorf("got %v, want %s", err, setting)
			}
		}
		full(second(upload(c.Student)), "that no message shows")
		r.Config.Files.Unposted = 1 << 20
		full(second(upload(c.Student)), "files.per_person")
		must(t, second(upload(c.TA)))
		must(t, second(upload(c.Teacher)))
		full(second(upload(c.Teacher)), "files.per_room")
		r.Config.Files.AtAll = 1
		full(second(upload(c.Admin)), "files.at_all")
	})
}
