package web

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io/fs"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	studioui "github.com/coagent-studio/coagent/web/ui"
)

// studio is the embedded client. Each address of a page gets index.html; the studio's own
// router finds the page.
type studio struct{ files map[string]*studioFile }

// studioFile is a file in the forms in which clients take it. On plain http browsers ask for
// gzip alone, so that form is made when somebody first wants it, and kept.
type studioFile struct {
	name   string
	packed bool // with brotli
	body   []byte
	etag   string
	gzip   func() ([]byte, error)
}

func openStudio(files fs.FS) (*studio, error) {
	s := &studio{files: map[string]*studioFile{}}
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		name, packed := strings.CutSuffix(path, ".br")
		f := &studioFile{name: name, packed: packed, body: body, etag: etagOf(body)}
		f.gzip = sync.OnceValues(f.gzipped)
		s.files[name] = f
		return nil
	})
	if err == nil && s.files[indexFile] == nil {
		err = errors.New("the studio was not built: run make ui")
	}
	return s, err
}

// serve answers a path that no route took; fiber.ErrNotFound when the studio has nothing
// there. Only browsers get a page for an address that may be misspelt.
func (s *studio) serve(c *fiber.Ctx) error {
	at, err := url.PathUnescape(c.Path())
	if err != nil || isAPI(c.Path()) {
		return fiber.ErrNotFound
	}
	f := s.files[strings.TrimPrefix(at, "/")]
	switch {
	case f != nil && !slices.Contains(pageMethods, c.Method()):
		return notBy(c, pageMethods)
	case f != nil:
		return f.send(c)
	case slices.Contains(pageMethods, c.Method()) && isPage(at) && wantsHTML(c):
		return s.index(c)
	}
	return fiber.ErrNotFound
}

func (s *studio) index(c *fiber.Ctx) error { return s.files[indexFile].send(c) }

func (f *studioFile) send(c *fiber.Ctx) error {
	c.Set(fiber.HeaderContentSecurityPolicy, studioui.Policy)
	c.Set(fiber.HeaderCacheControl, "no-cache")
	if strings.HasPrefix(f.name, "assets/") {
		c.Set(fiber.HeaderCacheControl, "public, max-age=31536000, immutable")
	}
	c.Vary(fiber.HeaderAcceptEncoding)
	if unchanged(c, f.etag) {
		return nil
	}
	c.Set(fiber.HeaderContentType, contentType(f.name))
	body := f.body
	switch {
	case !f.packed:
	case acceptsEncoding(c, "br"):
		c.Set(fiber.HeaderContentEncoding, "br")
	default:
		var err error
		if body, err = f.gzip(); err != nil {
			return err
		}
		if !acceptsEncoding(c, "gzip") {
			if body, err = fasthttp.AppendGunzipBytes(nil, body); err != nil {
				return err
			}
			return c.Send(body)
		}
		c.Set(fiber.HeaderContentEncoding, "gzip")
	}
	c.Response().SetBodyRaw(body) // no copy for each reader
	requestOf(c.UserContext()).shared = true
	return nil
}

func (f *studioFile) gzipped() ([]byte, error) {
	plain, err := fasthttp.AppendUnbrotliBytes(nil, f.body)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(plain)
	}
	if err == nil {
		err = w.Close()
	}
	return out.Bytes(), err
}
