package web

import (
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/gofiber/fiber/v2"

	"github.com/coagent-studio/coagent/web/page"
)

const (
	indexFile  = "index.html"
	pathStudio = "/studio" // the embedded page; it has / too unless web.ui_dir is set
	pathStatic = "/static/"
)

// pages registers everything that is not API: the page and its files, and the
// descriptions of the API.
func (s *Server) pages(version string) error {
	files, err := fs.ReadDir(page.Files, ".")
	if err != nil {
		return err
	}
	for _, f := range files {
		body, err := page.Files.ReadFile(f.Name())
		if err != nil {
			return err
		}
		if f.Name() != indexFile {
			s.plain(pathStudio+"/"+f.Name(), fileOf(f.Name(), body))
			continue
		}
		index := fileOf(f.Name(), body)
		s.plain("/setup", index)
		s.plain("/reset", index)
		s.plain(pathStudio, index)
		s.plain("/", s.home(index))
	}
	s.sayLimits()
	s.sayNames()
	addFrames(s.api.OpenAPI().Components.Schemas)
	spec := madeFile("openapi.json", s.openAPI)
	s.plain("/openapi.json", spec)
	s.plain(v1+"/openapi.json", spec)
	s.plain("/asyncapi.json", madeFile("asyncapi.json", func() ([]byte, error) { return asyncAPI(version) }))
	return s.apiDocs()
}

// home answers browsers with the client, or with our page when there is no client. It
// answers programs with a greeting.
func (s *Server) home(page fiber.Handler) fiber.Handler {
	return func(c *fiber.Ctx) error {
		c.Vary(fiber.HeaderAccept)
		switch {
		case !wantsHTML(c):
			return c.JSON(fiber.Map{"message": "Welcome to CoAgent Studio API"})
		case s.ui != nil:
			return s.ui.index(c, s.host(c))
		}
		return page(c)
	}
}

// fileOf serves bytes that change only with the program. Their names are the same in
// every version, so browsers ask each time and mostly get a 304.
func fileOf(name string, body []byte) fiber.Handler {
	etag, kind := etagOf(body), contentType(name)
	return func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderCacheControl, "no-cache")
		if unchanged(c, etag) {
			return nil
		}
		c.Set(fiber.HeaderContentType, kind)
		c.Response().SetBodyRaw(body) // no copy for each reader
		requestOf(c.UserContext()).shared = true
		return nil
	}
}

// madeFile is fileOf for bytes that are made when somebody first asks for them. Most
// processes are never asked for the descriptions of the API.
func madeFile(name string, make func() ([]byte, error)) fiber.Handler {
	file := sync.OnceValues(func() (fiber.Handler, error) {
		body, err := make()
		return fileOf(name, body), err
	})
	return func(c *fiber.Ctx) error {
		serve, err := file()
		if err != nil {
			return err
		}
		return serve(c)
	}
}

// unmatched answers a request that no route took. It tries these in order: 405 when
// another method has a route; a redirect to the path with or without a closing slash when
// that exists (the contract's collections have one spelling each); a file or the page of
// the client in web.ui_dir, or else of the studio; 404.
func (s *Server) unmatched(c *fiber.Ctx) error {
	at := c.Path()
	if err := s.otherMethods(c); err != nil {
		return err
	}
	twin, cut := strings.CutSuffix(at, "/")
	if !cut {
		twin = at + "/"
	}
	if twin == "" || len(s.methodsAt(twin)) == 0 {
		if s.ui != nil {
			return s.nothing(c, s.ui.serve(c, s.host(c)))
		}
		return s.nothing(c, s.studio.serve(c))
	}
	if query := c.Request().URI().QueryString(); len(query) > 0 {
		twin += "?" + string(query)
	}
	return c.Redirect(twin, http.StatusTemporaryRedirect)
}

// nothing answers with a page when a person opened an address that does not exist.
// Programs, and requests to the API, get the error itself.
func (s *Server) nothing(c *fiber.Ctx, err error) error {
	c.Vary(fiber.HeaderAccept)
	if !errors.Is(err, fiber.ErrNotFound) || c.Method() != http.MethodGet && c.Method() != http.MethodHead || isAPI(c.Path()) || !wantsHTML(c) {
		return err
	}
	c.Set(fiber.HeaderContentType, fiber.MIMETextHTMLCharsetUTF8)
	return c.Status(missing).SendString(nowhere)
}

// nowhere repeats nothing from the request.
const nowhere = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Not found - CoAgent Studio</title><h1>This page does not exist</h1>
<p>The address may be misspelt, or what was here is gone. <a href="/">Go to the start page</a></p></html>
`

// isAPI tells whether a path, in any spelling, is one that only programs ask for.
func isAPI(at string) bool {
	at, err := url.PathUnescape(at)
	return err != nil || at == "/api" || strings.HasPrefix(at, "/api/")
}
