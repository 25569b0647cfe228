package web

import (
	"bytes"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	studioui "github.com/coagent-studio/coagent/web/ui"
)

// studio is the embedded client. Each address of a page gets index.html; the studio's own
// router finds the page.
type studio struct{ files map[string]*embedded }

// rootMark is where the page learns at which path of its host the installation is, and
// ownFile how it names the files beside it.
const (
	rootMark = `<meta name="coagent-root" content="`
	ownFile  = `="./`
)

// placed is the studio's page for a path of its host. The page is asked for at addresses of
// any depth, so it names its files from the root of the host.
func placed(page *embedded, base string) (*embedded, error) {
	body := page.body
	if page.brotli {
		var err error
		if body, err = fasthttp.AppendUnbrotliBytes(nil, body); err != nil {
			return nil, err
		}
	}
	if !isStudioPage(body) {
		return nil, errors.New("the studio's page does not say where it takes its path: run make ui")
	}
	body = bytes.ReplaceAll(body, []byte(ownFile), []byte(`="`+base+`/`))
	body = bytes.Replace(body, []byte(rootMark), []byte(rootMark+base), 1)
	_, f := embeddedOf(indexFile, body)
	return f, nil
}

// isStudioPage tells whether a page is one that placed takes: Vite has built the studio.
func isStudioPage(body []byte) bool {
	return bytes.Contains(body, []byte(rootMark+`"`)) && bytes.Contains(body, []byte(ownFile))
}

func openStudio(files fs.FS, base string) (*studio, error) {
	s := &studio{files: map[string]*embedded{}}
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		name, f := embeddedOf(path, body)
		s.files[name] = f
		return nil
	})
	if err == nil && s.files[indexFile] == nil {
		err = errors.New("the studio was not built: run make ui")
	}
	if err == nil {
		s.files[indexFile], err = placed(s.files[indexFile], base)
	}
	return s, err
}

// serve answers a path that no route took; fiber.ErrNotFound when the studio has nothing
// there. Only browsers get a page for an address that may be misspelt.
func (s *studio) serve(c *fiber.Ctx) error {
	if err := s.file(c); !errors.Is(err, fiber.ErrNotFound) {
		return err
	}
	at, err := url.PathUnescape(c.Path())
	if err == nil && !isAPI(c.Path()) && slices.Contains(pageMethods, c.Method()) && isPage(at) && wantsHTML(c) {
		return s.index(c)
	}
	return fiber.ErrNotFound
}

// file answers with a file of the studio; fiber.ErrNotFound when the path is no name of one.
func (s *studio) file(c *fiber.Ctx) error {
	at, err := url.PathUnescape(c.Path())
	if err != nil {
		return fiber.ErrNotFound
	}
	name := strings.TrimPrefix(at, "/")
	f := s.files[name]
	if f == nil {
		return fiber.ErrNotFound
	}
	if !slices.Contains(pageMethods, c.Method()) {
		return notBy(c, pageMethods)
	}
	c.Set(fiber.HeaderContentSecurityPolicy, studioui.Policy)
	unlogged(c)
	err = f.send(c)
	if strings.HasPrefix(name, "assets/") { // named by their content
		c.Set(fiber.HeaderCacheControl, "public, max-age=31536000, immutable")
	}
	return err
}

func (s *studio) index(c *fiber.Ctx) error {
	c.Set(fiber.HeaderContentSecurityPolicy, studioui.Policy)
	return s.files[indexFile].send(c)
}

// studioPages registers the pages of the studio that have an address of their own also
// where another client has the root: the links that the program prints and makes lead to
// them. There the studio is below /studio, and knows by its address that it is. A build of the
// studio itself in web.ui_dir has these pages. Browsers
// keep the fragment of an address over a redirect.
func (s *Server) studioPages() {
	for _, at := range []string{pathSetUp, pathReset} {
		s.plain(at, func(c *fiber.Ctx) error {
			switch {
			case s.ui == nil:
				return s.studio.index(c)
			case s.ui.isStudio:
				return s.ui.index(c, s.host(c))
			}
			return s.redirect(c, pathStudio+at)
		})
	}
	s.plain(pathStudio, func(c *fiber.Ctx) error {
		if s.ui == nil {
			return s.redirect(c, "/")
		}
		return s.studio.index(c)
	})
	s.plain("/", s.home)
}

// redirect leads to another path with the same query, for now: a client in web.ui_dir may
// come or go.
func (s *Server) redirect(c *fiber.Ctx, to string) error {
	if query := c.Request().URI().QueryString(); len(query) > 0 {
		to += "?" + string(query)
	}
	return c.Redirect(s.base+to, http.StatusTemporaryRedirect)
}

// home answers browsers with the client in web.ui_dir, or else with the studio. It answers
// programs with a greeting.
func (s *Server) home(c *fiber.Ctx) error {
	c.Vary(fiber.HeaderAccept)
	switch {
	case !wantsHTML(c):
		return c.JSON(fiber.Map{"message": "Welcome to CoAgent Studio API"})
	case s.ui != nil:
		return s.ui.index(c, s.host(c))
	}
	return s.studio.index(c)
}

// clientFile answers a path that no route took with what a client has there. Beside a client in
// web.ui_dir the studio has the addresses below /studio, and its files have theirs, which
// are named by their content or missing in the folder.
func (s *Server) clientFile(c *fiber.Ctx) error {
	if s.ui == nil || strings.HasPrefix(c.Path(), pathStudio+"/") {
		return s.studio.serve(c)
	}
	if err := s.ui.serve(c, s.host(c)); !errors.Is(err, fiber.ErrNotFound) {
		return err
	}
	return s.studio.file(c)
}
