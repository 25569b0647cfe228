package web

import (
	"bytes"
	"context"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/secret"
)

// The cookies of a session. The access token is short-lived, but its cookie
// lives as long as the session, so that an expired token is still sent and the
// client learns that it should refresh.
const (
	cookieAccess  = "access_token"
	cookieRefresh = "refresh_token"
	pathRefresh   = v1 + "/login/refresh"
	// cookieDevice outlives the session. With it a device may sign in although others
	// have caused a lock on the account. It gives no access by itself.
	cookieDevice = "known_device"
	pathSignIn   = v1 + "/login/access-token"
	// cookiePending says that the device has shown the password of an account with
	// two-factor sign-in. pathCode is below pathSignIn, so that cookieDevice is sent there
	// too.
	cookiePending = "second_factor"
	pathCode      = pathSignIn + "/code"
)

// cookiesOut is an answer without a body that sets cookies.
type cookiesOut struct {
	SetCookie []http.Cookie `header:"Set-Cookie"`
}

func (s *Server) cookie(name, value, path string, maxAge int) http.Cookie {
	// Two installations on one host have cookies of the same names, each below its own path.
	if s.base != "" {
		path = s.base + strings.TrimSuffix(path, "/")
	}
	return http.Cookie{Name: name, Value: value, Path: path, MaxAge: maxAge, HttpOnly: true,
		Secure: s.https, SameSite: http.SameSiteLaxMode}
}

func (s *Server) sessionCookies(t *app.Tokens) []http.Cookie {
	age := max(1, int(time.Until(t.SessionExpires).Round(time.Second).Seconds()))
	return []http.Cookie{s.cookie(cookieAccess, t.Access, "/", age), s.cookie(cookieRefresh, t.Refresh, pathRefresh, age)}
}

// signedIn returns the cookies for a device that signed in: the session's cookies, and
// the note that identifies the device at its next sign-in. The note is sent to no other
// address.
func (s *Server) signedIn(ctx context.Context, t *app.Tokens, note secret.Text) (*cookiesOut, error) {
	if t.Pending != "" {
		return nil, s.codeNeeded(ctx, t)
	}
	cookies := s.sessionCookies(t)
	fresh, life, err := s.app.DeviceNote(t, note)
	if err != nil {
		return nil, err
	}
	if fresh != "" {
		cookies = append(cookies, s.cookie(cookieDevice, fresh.Reveal(), pathSignIn, int(life.Seconds())))
	}
	return &cookiesOut{SetCookie: cookies}, nil
}

// clearedCookies returns cookies that make the browser forget the session: Max-Age=0.
func (s *Server) clearedCookies() []http.Cookie {
	return []http.Cookie{s.cookie(cookieAccess, "", "/", -1), s.cookie(cookieRefresh, "", pathRefresh, -1)}
}

// signInIn is the OAuth2 password form (RFC 6749, section 4.3.2), urlencoded or
// multipart. It has the raw body because huma cannot describe a form with two encodings.
type signInIn struct {
	RawBody []byte `contentType:"multipart/form-data"`
	form    url.Values
}

const signInTimeout = 25 * time.Second

const maxFormBytes = 64 << 10

// Resolve reads the form and reports the members that are missing.
func (in *signInIn) Resolve(ctx huma.Context) (bad []error) {
	if in.form, bad = readForm(ctx, in.RawBody, "username", "password"); bad != nil {
		return bad
	}
	if g := in.form.Get("grant_type"); g != "" && g != "password" {
		return []error{&huma.ErrorDetail{Location: "body.grant_type", Message: "must be password, or left out"}}
	}
	return nil
}

// readForm reads a small form, urlencoded or multipart, and reports the members that are
// missing.
func readForm(ctx huma.Context, raw []byte, members ...string) (form url.Values, wrong []error) {
	bad := func(field, message string) []error {
		return []error{&huma.ErrorDetail{Location: field, Message: message}}
	}
	kind, params, _ := mime.ParseMediaType(ctx.Header(fiber.HeaderContentType))
	var err error
	switch {
	case len(raw) > maxFormBytes:
		return nil, bad("body", "must be a small form")
	case kind == fiber.MIMEApplicationForm:
		form, err = url.ParseQuery(string(raw))
	case kind == fiber.MIMEMultipartForm:
		form, err = multipartForm(raw, params["boundary"])
	default:
		return nil, bad("body", "must be a form, application/x-www-form-urlencoded or multipart/form-data")
	}
	if err != nil {
		return nil, bad("body", "is not a readable form")
	}
	for _, name := range members {
		if !form.Has(name) {
			return nil, bad("body."+name, "is missing")
		}
	}
	return form, nil
}

func multipartForm(body []byte, boundary string) (url.Values, error) {
	if boundary == "" {
		return nil, io.ErrUnexpectedEOF
	}
	form, err := multipart.NewReader(bytes.NewReader(body), boundary).ReadForm(maxFormBytes)
	if err != nil {
		return nil, err
	}
	return form.Value, form.RemoveAll()
}

// signInForm describes the form. huma sees only bytes.
func signInForm() *huma.RequestBody {
	text := func(doc string) *huma.Schema { return &huma.Schema{Type: huma.TypeString, Description: doc} }
	form := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeObject, Required: []string{"username", "password"},
		Properties: map[string]*huma.Schema{
			"username":   text("E-mail or user name"),
			"password":   text("The password"),
			"grant_type": text("password, if sent at all"),
		}}}
	return &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		fiber.MIMEApplicationForm: form, fiber.MIMEMultipartForm: form}}
}

func (s *Server) signIn(ctx context.Context, c *fiber.Ctx, in *signInIn) (*cookiesOut, error) {
	// This is less than a request's deadline, so a waiting client is told when to come
	// back.
	ctx, cancel := context.WithTimeout(ctx, signInTimeout)
	defer cancel()
	client := s.client(c)
	tokens, err := s.app.SignIn(ctx, in.form.Get("username"), in.form.Get("password"), client)
	if err != nil {
		return nil, err
	}
	return s.signedIn(ctx, tokens, client.Note)
}

func (s *Server) refresh(ctx context.Context, c *fiber.Ctx, _ *empty) (*cookiesOut, error) {
	tokens, err := s.app.Refresh(ctx, cookieOf(c, cookieRefresh))
	if app.KindOf(err) == app.KindUnauthenticated && err != nil {
		// Clear the cookies: the session has ended, and a browser that keeps them would
		// ask again.
		p := s.problemOf(ctx, err)
		for _, cookie := range append(s.clearedCookies(), s.impersonationEnded()...) {
			p.header.Add(fiber.HeaderSetCookie, cookie.String())
		}
		return nil, p
	}
	if err != nil {
		return nil, err
	}
	return &cookiesOut{SetCookie: s.sessionCookies(tokens)}, nil
}

// messageAndCookies is an answer that says what was done, with cookies.
type messageAndCookies struct {
	SetCookie []http.Cookie `header:"Set-Cookie"`
	Body      saidOut
}

type signedOut struct {
	SetCookie []http.Cookie `header:"Set-Cookie"`
	Body      struct {
		Message    string `json:"message"`
		SignOutURL string `json:"sign_out_url,omitempty" doc:"Go there to sign out at the provider too"`
	}
}

func (s *Server) signOut(ctx context.Context, c *fiber.Ctx, _ *empty) (*signedOut, error) {
	further := s.app.EndAtProvider(ctx, accessToken(c), s.origin(c)+"/")
	if err := s.app.SignOut(ctx, accessToken(c)); err != nil {
		return nil, err
	}
	out := &signedOut{SetCookie: append(s.clearedCookies(), s.impersonationEnded()...)}
	out.Body.Message, out.Body.SignOutURL = "Logged out successfully", further
	return out, nil
}

type whoamiOut struct {
	SetCookie []http.Cookie `header:"Set-Cookie"`
	Body      *userOut
}

func (s *Server) whoami(ctx context.Context, c *fiber.Ctx, _ *empty) (*whoamiOut, error) {
	actor, err := s.app.Whoami(ctx, accessToken(c))
	if err != nil {
		return nil, err
	}
	if actor == nil {
		return &whoamiOut{SetCookie: s.clearedCookies()}, nil
	}
	requestOf(ctx).userID = actor.User.ID
	u := ownForm(actor)
	return &whoamiOut{Body: &u}, nil
}

type setUpIn struct {
	Body struct {
		Token    string  `json:"token" doc:"From the link that the server printed"`
		Email    string  `json:"email,omitempty" doc:"This or username"`
		Username *string `json:"username,omitempty"`
		FullName *string `json:"full_name,omitempty"`
		Password string  `json:"password"`
	}
}

func (s *Server) setUp(ctx context.Context, c *fiber.Ctx, in *setUpIn) (*cookiesOut, error) {
	first := app.FirstAdmin{Token: in.Body.Token, Email: in.Body.Email, Username: in.Body.Username, Password: secret.Text(in.Body.Password)}
	if in.Body.FullName != nil {
		first.FullName = *in.Body.FullName
	}
	client := s.client(c)
	tokens, err := s.app.SetUp(ctx, first, client)
	if err != nil {
		return nil, err
	}
	return s.signedIn(ctx, tokens, client.Note)
}
