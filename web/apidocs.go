package web

import (
	"io/fs"
	"strings"
	"sync"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

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
		name, packed := strings.CutSuffix(f.Name(), ".br")
		page, isPage := strings.CutSuffix(name, ".html")
		switch {
		case isPage:
			s.plain("/"+page, underDocsPolicy, fileOf(name, body))
		case packed:
			s.plain(pathDocs+"/"+name, packedFileOf(name, body))
		default:
			s.plain(pathDocs+"/"+name, fileOf(name, body))
		}
	}
	return nil
}

func underDocsPolicy(c *fiber.Ctx) error {
	c.Set(fiber.HeaderContentSecurityPolicy, apidocs.Policy)
	return c.Next()
}

// packedFileOf is fileOf for bytes that are compressed with brotli. Browsers accept
// brotli only over https; other clients get the bytes unpacked, all from one copy.
func packedFileOf(name string, packed []byte) fiber.Handler {
	asIs := fileOf(name, packed)
	unpacked := sync.OnceValues(func() (fiber.Handler, error) {
		body, err := fasthttp.AppendUnbrotliBytes(nil, packed)
		return fileOf(name, body), err
	})
	return func(c *fiber.Ctx) error {
		c.Vary(fiber.HeaderAcceptEncoding)
		if acceptsEncoding(c, "br") {
			c.Set(fiber.HeaderContentEncoding, "br")
			return asIs(c)
		}
		send, err := unpacked()
		if err != nil {
			return err
		}
		return send(c)
	}
}
