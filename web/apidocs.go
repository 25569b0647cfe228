package web

import (
	"io/fs"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/coagent-studio/coagent/web/apidocs"
)

const pathDocs = "/docs"

// apiDocs registers the pages that show the description of the API.
func (s *Server) apiDocs() error {
	files, err := fs.ReadDir(apidocs.Files, ".")
	if err != nil {
		return err
	}
	for _, f := range files {
		body, err := apidocs.Files.ReadFile(f.Name())
		if err != nil {
			return err
		}
		if s.base != "" && !strings.HasSuffix(f.Name(), ".br") {
			body = []byte(underBase.Replace(string(body), s.base))
		}
		name, file := embeddedOf(f.Name(), body)
		if page, isPage := strings.CutSuffix(name, ".html"); isPage {
			s.plain("/"+page, underDocsPolicy, file.send)
		} else {
			s.plain(pathDocs+"/"+name, func(c *fiber.Ctx) error { unlogged(c); return file.send(c) })
		}
	}
	return nil
}

func underDocsPolicy(c *fiber.Ctx) error {
	c.Set(fiber.HeaderContentSecurityPolicy, apidocs.Policy)
	return c.Next()
}
