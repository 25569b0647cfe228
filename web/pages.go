package web

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"
)

const (
	indexFile  = "index.html"
	pathSetUp  = "/setup"
	pathReset  = "/reset"
	pathStudio = "/studio" // where the studio is beside a client in web.ui_dir
	pathStatic = "/static/"
)

// pages registers everything that is not API: the pages of the studio that have fixed
// addresses, and the descriptions of the API.
func (s *Server) pages(version string) error {
	s.studioPages()
	s.sayLimits()
	s.sayNames()
	addFrames(s.api.OpenAPI().Components.Schemas)
	spec := madeFile("openapi.json", s.openAPI)
	s.plain("/openapi.json", spec)
	s.plain(v1+"/openapi.json", spec)
	s.plain("/asyncapi.json", madeFile("asyncapi.json", func() ([]byte, error) { return asyncAPI(version) }))
	return s.apiDocs()
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
		return s.nothing(c, s.clientFile(c))
	}
	return s.redirect(c, twin)
}

// nothing answers with a page when a person opened an address that does not exist.
// Programs, and requests to the API, get the error itself.
func (s *Server) nothing(c *fiber.Ctx, err error) error {
	c.Vary(fiber.HeaderAccept)
	if !errors.Is(err, fiber.ErrNotFound) || c.Method() != http.MethodGet && c.Method() != http.MethodHead || isAPI(c.Path()) || !wantsHTML(c) {
		return err
	}
	c.Set(fiber.HeaderContentType, fiber.MIMETextHTMLCharsetUTF8)
	c.Set(fiber.HeaderContentSecurityPolicy, plainPolicy)
	return c.Status(missing).SendString(strings.Replace(nowhere, `href="/"`, `href="`+s.base+`/"`, 1))
}

// nowhere repeats nothing from the request.
const nowhere = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Not found - CoAgent Studio</title>` + plainStyle + `<main><h1>This page does not exist</h1>
<p>The address may be misspelt, or what was here is gone.</p><p><a href="/">Go to the start page</a></p></main></html>
`

// plainStyle gives a page without a script the look of the studio, in both themes, and
// plainPolicy allows that style alone.
const (
	plainStyle = "<style>" + plainRules + "</style>"
	plainRules = `:root{color-scheme:light dark}
body{margin:0;min-height:100vh;display:grid;place-items:center;background:#f3f5f8;color:#1b222b;font:15px/1.6 system-ui,"Noto Sans TC","PingFang TC","Microsoft JhengHei",sans-serif}
main{box-sizing:border-box;width:calc(100% - 2rem);max-width:28rem;padding:1.5rem;background:#fafcfe;border:1px solid #e1e5ea;border-radius:12px;overflow-wrap:anywhere}
h1{margin:0 0 .75rem;font-size:20px;line-height:1.3}p{margin:0 0 1rem}p:last-child{margin:0}
a{display:inline-block;padding:.65rem 1rem;border-radius:8px;background:#2b58b1;color:#fafcfe;font-weight:600;text-decoration:none}
a:focus-visible{outline:2px solid #2b58b1;outline-offset:2px}
@media(prefers-color-scheme:dark){body{background:#101419;color:#e3e8ee}main{background:#171b20;border-color:#292e35}a{background:#7daff9;color:#10161f}a:focus-visible{outline-color:#7daff9}}`
)

var plainPolicy = func() string {
	sum := sha256.Sum256([]byte(plainRules))
	return defaultPolicy + "; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}()

// isAPI tells whether a path, in any spelling, is one that only programs ask for.
func isAPI(at string) bool {
	at, err := url.PathUnescape(at)
	return err != nil || at == "/api" || strings.HasPrefix(at, "/api/")
}
