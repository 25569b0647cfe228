package web

import (
	"context"
	"net/http"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/wording"
)

// codeNeeded is the answer to the right password of an account with two-factor sign-in.
// Its cookie is what pathCode wants, and is sent to no other address. A client that knows
// nothing of it shows the text, which says how to sign in with one field.
func (s *Server) codeNeeded(ctx context.Context, t *app.Tokens) error {
	p := s.problemOf(ctx, &app.Error{Kind: app.KindRejected, Code: wording.TwoFactorNeeded,
		Message: "Enter the code of your authenticator app. Where there is no field for it, sign in with the code right behind your password."})
	cookie := s.pendingCookie(t)
	p.header.Add(fiber.HeaderSetCookie, cookie.String())
	return p
}

func (s *Server) pendingCookie(t *app.Tokens) http.Cookie {
	cookie := s.cookie(cookiePending, t.Pending.Reveal(), pathCode, int(app.PendingLife().Seconds()))
	cookie.SameSite = http.SameSiteStrictMode
	return cookie
}

type codeIn struct {
	Body struct {
		Code secret.Text `json:"code" doc:"Of the app, or a recovery code"`
	}
}

func (s *Server) signInWithCode(ctx context.Context, c *fiber.Ctx, in *codeIn) (*cookiesOut, error) {
	client := s.client(c)
	tokens, err := s.app.SignInWithCode(ctx, secret.Text(cookieOf(c, cookiePending)), in.Body.Code.Reveal(), client)
	if err != nil {
		return nil, err
	}
	out, err := s.signedIn(ctx, tokens, client.Note)
	if err != nil {
		return nil, err
	}
	out.SetCookie = append(out.SetCookie, s.cookie(cookiePending, "", pathCode, -1))
	return out, nil
}

type twoFactorOut struct {
	Body struct {
		On        bool       `json:"on"`
		Since     *time.Time `json:"since,omitempty"`
		Available bool       `json:"available" doc:"It can be set up here"`
		Required  bool       `json:"required" doc:"Of everybody with the caller's role"`
		CodesLeft int        `json:"recovery_codes_left"`
		Password  bool       `json:"password" doc:"The account has one"`
	}
}

func (s *Server) twoFactor(ctx context.Context, actor *app.Actor, _ *empty) (*twoFactorOut, error) {
	state, err := s.app.TwoFactor(ctx, actor)
	if err != nil {
		return nil, err
	}
	out := &twoFactorOut{}
	b := &out.Body
	b.On, b.Available, b.Required, b.CodesLeft, b.Password = !state.Since.IsZero(), state.Available, state.Required, state.CodesLeft, state.Password
	if b.On {
		since := instant(state.Since)
		b.Since = &since
	}
	return out, nil
}

type beginTwoFactorIn struct {
	Body struct {
		Password secret.Text `json:"password,omitempty" doc:"Of an account that has one"`
	}
}

type twoFactorKeyOut struct {
	Body struct {
		Secret string `json:"secret" doc:"To type in"`
		URI    string `json:"uri" doc:"otpauth://, for an app on the same device"`
		QR     string `json:"qr" doc:"uri as a picture: a data: URL"`
	}
}

func (s *Server) beginTwoFactor(ctx context.Context, actor *app.Actor, in *beginTwoFactorIn) (*twoFactorKeyOut, error) {
	key, err := s.app.BeginTwoFactor(ctx, actor, in.Body.Password)
	if err != nil {
		return nil, err
	}
	out := &twoFactorKeyOut{}
	out.Body.Secret, out.Body.URI, out.Body.QR = key.Secret.Reveal(), key.URI.Reveal(), key.QR.Reveal()
	return out, nil
}

type recoveryCodesOut struct {
	Body struct {
		Codes []string `json:"recovery_codes" doc:"Each signs in once in place of a code of the app"`
	}
}

func recoveryForm(codes []secret.Text, err error) (*recoveryCodesOut, error) {
	if err != nil {
		return nil, err
	}
	out := &recoveryCodesOut{}
	for _, c := range codes {
		out.Body.Codes = append(out.Body.Codes, c.Reveal())
	}
	return out, nil
}

func (s *Server) confirmTwoFactor(ctx context.Context, actor *app.Actor, in *codeIn) (*recoveryCodesOut, error) {
	return recoveryForm(s.app.ConfirmTwoFactor(ctx, actor, in.Body.Code.Reveal()))
}

// ProofIn is how a signed-in person shows that it is still them.
type ProofIn struct {
	Password secret.Text `json:"password,omitempty" doc:"This or code"`
	Code     secret.Text `json:"code,omitempty" doc:"Of the app, or a recovery code"`
}

type proofIn struct{ Body ProofIn }

func (in ProofIn) proof() app.Proof { return app.Proof(in) }

func (s *Server) makeRecoveryCodes(ctx context.Context, actor *app.Actor, in *proofIn) (*recoveryCodesOut, error) {
	return recoveryForm(s.app.NewRecoveryCodes(ctx, actor, in.Body.proof()))
}

func (s *Server) removeTwoFactor(ctx context.Context, actor *app.Actor, in *proofIn) (*empty, error) {
	return nil, s.app.RemoveTwoFactor(ctx, actor, in.Body.proof())
}

func (s *Server) resetTwoFactor(ctx context.Context, actor *app.Actor, in *oneID) (*empty, error) {
	return nil, s.app.ResetTwoFactor(ctx, actor, in.ID.String())
}
