package web

import (
	"html"
	"net/http"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/wording"
)

// checkHost tells whoever asks for the server by a name that is none of its own, mostly because
// a name was set up in the DNS or in a proxy and not here. Probes pass, and so does a trusted
// proxy that does not say which name a browser asked for.
func (s *Server) checkHost(c *fiber.Ctx) error {
	host := s.host(c)
	if host == "" || isProbe(c.Path()) || c.Get(fiber.HeaderXForwardedHost) == "" && s.fromProxy(c) {
		return c.Next()
	}
	name := config.CanonicalHost(host)
	if s.cfg.KnowsHost(name) {
		return c.Next()
	}
	text := wording.Of("This server is asked for as %s, and does not know that name. Whoever operates it sets http.public_url to the address that people use, "+
		"or lists the name in http.hosts.", name)
	if name == "" {
		text = wording.Of("This server is asked for by what is no name of a server. Whoever operates it sets http.public_url to the address that people use, " +
			"or lets the proxy pass on Host.")
	}
	if wantsHTML(c) && (c.Method() == http.MethodGet || c.Method() == http.MethodHead) {
		c.Set(fiber.HeaderCacheControl, "no-store")
		c.Set(fiber.HeaderContentType, fiber.MIMETextHTMLCharsetUTF8)
		return c.Status(http.StatusMisdirectedRequest).SendString(hostPage(text))
	}
	return newProblem(requestOf(c.UserContext()), http.StatusMisdirectedRequest,
		&app.Error{Code: wording.UnknownHost, Text: text, Message: text.String()})
}

// hostPage is a page that says a text in every language. It asks for nothing else of the
// server.
func hostPage(text wording.Text) string {
	var b strings.Builder
	b.WriteString(`<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>CoAgent Studio</title>`)
	for _, lang := range wording.Langs() {
		b.WriteString(`<p lang="` + string(lang) + `">` + html.EscapeString(text.In(lang)) + "</p>")
	}
	return b.String()
}
