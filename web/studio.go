package web

import (
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	studioui "github.com/coagent-studio/coagent/web/ui"
)

// studio is the embedded client. Each address of a page gets index.html; the studio's own
// router finds the page.
type studio struct{ files map[string]*embedded }

func openStudio(files fs.FS) (*studio, error) {
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
// them. There the studio is below /studio, and knows by its address that it is. Browsers
// keep the fragment of an address over a redirect.
func (s *Server) studioPages() {
	for _, at := range []string{pathSetUp, pathReset} {
		s.plain(at, func(c *fiber.Ctx) error {
			if s.ui == nil {
				return s.studio.index(c)
			}
			return redirect(c, pathStudio+at)
		})
	}
	s.plain(pathStudio, func(c *fiber.Ctx) error {
		if s.ui == nil {
			return redirect(c, "/")
		}
		return s.studio.index(c)
	})
	s.plain("/", s.home)
}

// redirect leads to another path with the same query, for now: a client in web.ui_dir may
// come or go.
func redirect(c *fiber.Ctx, to string) error {
	if query := c.Request().URI().QueryString(); len(query) > 0 {
		to += "?" + string(query)
	}
	return c.Redirect(to, http.StatusTemporaryRedirect)
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
