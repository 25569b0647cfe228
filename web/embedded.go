package web

import (
	"bytes"
	"compress/gzip"
	"strings"
	"sync"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// minPacked is the size from which a text is worth packing for the way to the client.
const minPacked = 1 << 10

// embedded is a file that changes only with the program: a file of the studio or of the
// pages about the API, or one of the descriptions of the API. A file that was built packed
// is kept with brotli alone. On plain http browsers ask for gzip, so that form is made
// when somebody first wants it, and kept; the plain form is for clients that take neither.
type embedded struct {
	kind   string // content type
	brotli bool   // body is packed
	body   []byte
	etag   string
	gzip   func() ([]byte, error) // nil for what gains nothing by it
}

// embeddedOf makes the file that has a path: name.br is served under its name without the
// ending. It returns that name too.
func embeddedOf(path string, body []byte) (string, *embedded) {
	name, packed := strings.CutSuffix(path, ".br")
	f := &embedded{kind: contentType(name), brotli: packed, body: body, etag: etagOf(body)}
	if packed || len(body) >= minPacked && isText(f.kind) {
		f.gzip = sync.OnceValues(f.gzipped)
	}
	return name, f
}

// isText tells whether a content type is one of texts, which pack well.
func isText(kind string) bool {
	return strings.HasPrefix(kind, "text/") || strings.Contains(kind, "json") || strings.Contains(kind, "xml")
}

// send answers with the file in the smallest form that is there and that the client takes.
// Its name stays in later versions, so browsers ask each time and mostly get a 304; whoever
// serves a file that is named by its content says so afterwards.
func (f *embedded) send(c *fiber.Ctx) error {
	c.Set(fiber.HeaderCacheControl, "no-cache")
	if f.gzip != nil {
		c.Vary(fiber.HeaderAcceptEncoding)
	}
	if unchanged(c, f.etag) {
		return nil
	}
	body, encoding, err := f.form(c)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, f.kind)
	if encoding != "" {
		c.Set(fiber.HeaderContentEncoding, encoding)
	}
	if f.brotli && encoding == "" {
		return c.Send(body)
	}
	c.Response().SetBodyRaw(body) // no copy for each reader
	requestOf(c.UserContext()).shared = true
	return nil
}

// form returns the bytes to send and their encoding.
func (f *embedded) form(c *fiber.Ctx) ([]byte, string, error) {
	switch {
	case f.brotli && acceptsEncoding(c, "br"):
		return f.body, "br", nil
	case f.gzip != nil && acceptsEncoding(c, "gzip"):
		body, err := f.gzip()
		return body, "gzip", err
	case f.brotli:
		// Few ask for this form, so it is made for each.
		body, err := fasthttp.AppendUnbrotliBytes(nil, f.body)
		return body, "", err
	}
	return f.body, "", nil
}

func (f *embedded) gzipped() ([]byte, error) {
	plain := f.body
	if f.brotli {
		var err error
		if plain, err = fasthttp.AppendUnbrotliBytes(nil, f.body); err != nil {
			return nil, err
		}
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

// madeFile serves bytes that are made when somebody first asks for them. Most processes are
// never asked for the descriptions of the API.
func madeFile(name string, make func() ([]byte, error)) fiber.Handler {
	file := sync.OnceValues(func() (*embedded, error) {
		body, err := make()
		_, f := embeddedOf(name, body)
		return f, err
	})
	return func(c *fiber.Ctx) error {
		f, err := file()
		if err != nil {
			return err
		}
		return f.send(c)
	}
}
