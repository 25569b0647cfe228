package web

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/coagent-studio/coagent/web/page"
)

// pages registers what is not API: the page and its files, and the description
// of the API itself.
func (s *Server) pages() error {
	files, err := fs.ReadDir(page.Files, ".")
	if err != nil {
		return err
	}
	for _, f := range files {
		body, err := page.Files.ReadFile(f.Name())
		if err != nil {
			return err
		}
		if f.Name() != "index.html" {
			s.plain("/"+f.Name(), fileOf(f.Name(), body))
			continue
		}
		index := fileOf(f.Name(), body)
		s.plain("/setup", index)
		s.plain("/", func(c *fiber.Ctx) error {
			c.Vary(fiber.HeaderAccept)
			if strings.Contains(c.Get(fiber.HeaderAccept), fiber.MIMETextHTML) {
				return index(c)
			}
			return c.JSON(fiber.Map{"message": "Welcome to CoAgent Studio API"})
		})
	}
	spec, err := json.Marshal(s.api.OpenAPI())
	if err != nil {
		return err
	}
	s.plain("/openapi.json", fileOf("openapi.json", spec))
	s.plain(v1+"/openapi.json", fileOf("openapi.json", spec))
	return nil
}

// fileOf serves bytes that change only with the program. Their names stay the
// same across versions, so browsers ask each time and mostly get a 304.
func fileOf(name string, body []byte) fiber.Handler {
	sum := sha256.Sum256(body)
	etag := `"` + hex.EncodeToString(sum[:12]) + `"`
	kind := mime.TypeByExtension(path.Ext(name))
	switch path.Ext(name) {
	case ".js": // the machine's own table of types may say text/plain
		kind = "text/javascript; charset=utf-8"
	case ".json":
		kind = fiber.MIMEApplicationJSON
	}
	return func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderETag, etag)
		c.Set(fiber.HeaderCacheControl, "no-cache")
		if strings.Contains(c.Get(fiber.HeaderIfNoneMatch), etag) {
			return c.SendStatus(http.StatusNotModified)
		}
		c.Set(fiber.HeaderContentType, kind)
		return c.Send(body)
	}
}

// unmatched answers what no route took: 405 where another method would do, a
// redirect to the form with or without a closing slash where that exists (the
// contract's collections have one spelling each), else 404.
func (s *Server) unmatched(c *fiber.Ctx) error {
	at := c.Path()
	if methods := s.methodsAt(at); len(methods) > 0 {
		c.Set(fiber.HeaderAllow, strings.Join(methods, ", "))
		return fiber.ErrMethodNotAllowed
	}
	twin, cut := strings.CutSuffix(at, "/")
	if !cut {
		twin = at + "/"
	}
	if twin == "" || len(s.methodsAt(twin)) == 0 {
		return fiber.ErrNotFound
	}
	if query := c.Request().URI().QueryString(); len(query) > 0 {
		twin += "?" + string(query)
	}
	return c.Redirect(twin, http.StatusTemporaryRedirect)
}

// methodsAt are the methods of the routes that match a path.
func (s *Server) methodsAt(at string) []string {
	var methods []string
	for _, r := range s.table {
		if matches(r.path, at) {
			methods = append(methods, r.method)
		}
	}
	return methods
}

// matches compares a path with a pattern whose {parameters} stand for one
// segment each.
func matches(pattern, at string) bool {
	want, got := strings.Split(pattern, "/"), strings.Split(at, "/")
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		if strings.HasPrefix(want[i], "{") && got[i] != "" {
			continue
		}
		if want[i] != got[i] {
			return false
		}
	}
	return true
}
