package web

import (
	"context"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

const (
	pathProviders = v1 + "/login/providers"
	// cookieSignOn is a browser's note of its way to a provider of identities. It is sent
	// when the provider sends the browser back, so it is Lax.
	cookieSignOn = "sign_on"
	pathSignOn   = "/sign-in"
)

// signOnPages registers the addresses to which browsers are sent; they are no API.
func (s *Server) signOnPages() {
	s.plain(pathProviders+"/:provider/begin", s.beginSignOn)
	s.plain(pathProviders+"/:provider/callback", s.finishSignOn)
}

type providerOut struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

func (s *Server) signOnProviders(ctx context.Context, _ *fiber.Ctx, _ *empty) (*listOut[providerOut], error) {
	return whole(ctx, s, loaded[app.SignOnProvider](s.app.SignOnProviders()), func(p *app.SignOnProvider) providerOut { return providerOut(*p) })
}

// beginSignOn sends a browser to a provider. People follow a link to it, so faults are
// pages.
func (s *Server) beginSignOn(c *fiber.Ctx) error {
	id := c.Params("provider")
	begun, err := s.app.BeginSignOn(c.UserContext(), id, s.callback(c, id), c.Query("to"))
	if err != nil {
		return s.signOnFault(c, err)
	}
	s.setCookie(c, s.signOnCookie(begun))
	return c.Redirect(begun.Address, http.StatusFound)
}

func (s *Server) signOnCookie(begun *app.SignOnBegun) http.Cookie {
	return s.cookie(cookieSignOn, begun.Note.Reveal(), pathProviders, int(app.SignOnLife().Seconds()))
}

func (s *Server) setCookie(c *fiber.Ctx, cookie http.Cookie) {
	c.Response().Header.Add(fiber.HeaderSetCookie, cookie.String())
}

// origin is the address of this server as the browser knows it.
func (s *Server) origin(c *fiber.Ctx) string {
	if at := strings.TrimSuffix(s.cfg.HTTP.PublicURL, "/"); at != "" {
		return at
	}
	if s.cameByHTTPS(c) {
		return "https://" + s.host(c)
	}
	return "http://" + s.host(c)
}

// callback is the address at which a provider sends a browser back.
func (s *Server) callback(c *fiber.Ctx, provider string) string {
	return s.origin(c) + pathProviders + "/" + url.PathEscape(provider) + "/callback"
}

// finishSignOn lets in a browser that a provider sends back.
func (s *Server) finishSignOn(c *fiber.Ctx) error {
	ctx, client := c.UserContext(), s.client(c)
	done, err := s.app.FinishSignOn(ctx, app.SignOnReturn{Provider: c.Params("provider"), Code: c.Query("code"), State: c.Query("state"), Issuer: c.Query("iss"),
		Error: c.Query("error"), Note: secret.Text(cookieOf(c, cookieSignOn)), Token: accessToken(c)}, client)
	s.setCookie(c, s.cookie(cookieSignOn, "", pathProviders, -1))
	if err != nil {
		return s.signOnFault(c, err)
	}
	to := s.base + done.To
	switch {
	case done.Tokens == nil: // an identity was linked
	case done.Tokens.Pending != "":
		s.setCookie(c, s.pendingCookie(done.Tokens))
		to = s.signInPage() + "?" + url.Values{"step": {"code"}, "to": {done.To}}.Encode()
	default:
		for _, cookie := range s.sessionCookies(done.Tokens) {
			s.setCookie(c, cookie)
		}
	}
	return c.Redirect(to, http.StatusFound)
}

// signInPage is the studio's page.
func (s *Server) signInPage() string {
	if s.ui != nil && !s.ui.isStudio {
		return s.base + pathStudio + pathSignOn
	}
	return s.base + pathSignOn
}

// signOnFault is a page for a person whose browser a provider has sent here, or was to be
// sent there. It needs no script. Programs get the error itself.
func (s *Server) signOnFault(c *fiber.Ctx, err error) error {
	c.Vary(fiber.HeaderAccept)
	if !wantsHTML(c) {
		return err
	}
	p := s.problemOf(c.UserContext(), err)
	for name, values := range p.header {
		if name != "Www-Authenticate" {
			for _, v := range values {
				c.Response().Header.Add(name, v)
			}
		}
	}
	lang := requestOf(c.UserContext()).language()
	c.Set(fiber.HeaderContentType, fiber.MIMETextHTMLCharsetUTF8)
	c.Set(fiber.HeaderCacheControl, "no-store")
	c.Set(fiber.HeaderContentSecurityPolicy, plainPolicy)
	c.Status(p.status)
	return signOnPage.Execute(c.Response().BodyWriter(), struct{ Lang, Title, Text, Back, Home string }{string(lang),
		wording.Of("Signing in did not work").In(lang), p.Message, wording.Of("Back to the sign-in page").In(lang), s.signInPage()})
}

var signOnPage = template.Must(template.New("").Parse(`<!doctype html><html lang="{{.Lang}}"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{.Title}} - CoAgent Studio</title>` + plainStyle + `<main><h1>{{.Title}}</h1>
<p>{{.Text}}</p><p><a href="{{.Home}}">{{.Back}}</a></p></main></html>
`))

// logoutIn is the form that a provider sends (OpenID Connect Back-Channel Logout 1.0,
// section 2.5).
type logoutIn struct {
	Provider string `path:"provider" doc:"Its id"`
	RawBody  []byte `contentType:"application/x-www-form-urlencoded"`
	form     url.Values
}

// Resolve reads the form.
func (in *logoutIn) Resolve(ctx huma.Context) (bad []error) {
	in.form, bad = readForm(ctx, in.RawBody, "logout_token")
	return bad
}

func logoutForm() *huma.RequestBody {
	form := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeObject, Required: []string{"logout_token"}, Properties: map[string]*huma.Schema{
		"logout_token": {Type: huma.TypeString, Description: "A JWT of the provider"}}}}
	return &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{fiber.MIMEApplicationForm: form}}
}

func (s *Server) endByProvider(ctx context.Context, c *fiber.Ctx, in *logoutIn) (*empty, error) {
	return nil, s.app.EndByProvider(ctx, in.Provider, secret.Text(in.form.Get("logout_token")), s.client(c))
}

// IdentityOut is the caller's account at a provider.
type IdentityOut struct {
	ID         string    `json:"id" format:"uuid"`
	Provider   string    `json:"provider" doc:"The id of the provider"`
	Email      string    `json:"email,omitempty" doc:"As the provider said last"`
	CreatedAt  time.Time `json:"created_at"`
	LastUsedAt time.Time `json:"last_used_at"`
}

func identityForm(i *store.Identity) IdentityOut {
	return IdentityOut{i.ID, i.Provider, i.Email, instant(i.CreatedAt), instant(i.LastUsedAt)}
}

func (s *Server) identities(ctx context.Context, actor *app.Actor, _ *empty) (*listOut[IdentityOut], error) {
	rows, err := s.app.Identities(ctx, actor)
	if err != nil {
		return nil, err
	}
	return whole(ctx, s, loaded[store.Identity](rows), identityForm)
}

type linkIn struct {
	Body struct {
		ProofIn
		Provider string `json:"provider" doc:"Its id"`
		To       string `json:"to,omitempty" doc:"A path of this server to come back to"`
	}
}

type linkedOut struct {
	SetCookie []http.Cookie `header:"Set-Cookie"`
	Body      struct {
		URL string `json:"url" doc:"Go there with the same browser"`
	}
}

func (s *Server) linkIdentity(ctx context.Context, actor *app.Actor, in *linkIn) (*linkedOut, error) {
	sent := requestOf(ctx).sent
	if sent == nil {
		return nil, errors.New("the request is answered already")
	}
	begun, err := s.app.BeginLink(ctx, actor, in.Body.Provider, s.callback(sent, in.Body.Provider), in.Body.To, in.Body.proof())
	if err != nil {
		return nil, err
	}
	out := &linkedOut{SetCookie: []http.Cookie{s.signOnCookie(begun)}}
	out.Body.URL = begun.Address
	return out, nil
}

func (s *Server) unlinkIdentity(ctx context.Context, actor *app.Actor, in *oneID) (*empty, error) {
	return nil, s.app.Unlink(ctx, actor, in.ID.String())
}
