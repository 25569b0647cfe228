package web

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/a2a"
	"github.com/coagent-studio/coagent/app/secret"
)

func (s *Server) externalAgents(ctx context.Context, actor *app.Actor, _ *empty) (*listOut[agentOut], error) {
	rows, err := s.app.ExternalAgents(ctx, actor)
	if err != nil {
		return nil, err
	}
	return whole(ctx, s, s.app.WithReach(rows), func(a *app.ReachedAgent) agentOut {
		out := s.agentForm(&a.Agent)
		out.Unreachable = unreachableForm(a.Unreachable)
		return out
	})
}

type externalAgentIn struct {
	Body struct {
		Name            string           `json:"name"`
		Type            string           `json:"type,omitempty" default:"external"`
		WebhookURL      string           `json:"webhook_url" doc:"At a public address, or in external.allow"`
		AuthType        string           `json:"auth_type,omitempty" default:"bearer" doc:"oauth2: client credentials"`
		AuthToken       opt[secret.Text] `json:"auth_token,omitempty" doc:"For bearer; never shown again"`
		OAuthConfig     opt[oauthIn]     `json:"oauth_config,omitempty" doc:"For oauth2"`
		TimeoutMS       int              `json:"timeout_ms,omitempty" default:"30000" minimum:"1000" maximum:"120000"`
		FallbackMessage string           `json:"fallback_message,omitempty" doc:"Said in rooms when it cannot be reached"`
		SystemPrompt    string           `json:"system_prompt,omitempty"`
	}
}

type oauthIn struct {
	TokenURL     string      `json:"token_url"`
	ClientID     string      `json:"client_id"`
	ClientSecret secret.Text `json:"client_secret" doc:"Never shown again"`
	Scope        string      `json:"scope,omitempty"`
}

func (in *externalAgentIn) agent() app.NewExternalAgent {
	b := &in.Body
	out := app.NewExternalAgent{Name: b.Name, Type: b.Type, WebhookURL: b.WebhookURL, AuthType: b.AuthType, AuthToken: b.AuthToken.Value,
		TimeoutMS: b.TimeoutMS, FallbackMessage: b.FallbackMessage, SystemPrompt: b.SystemPrompt}
	if o := b.OAuthConfig.Value; b.OAuthConfig.Sent && !b.OAuthConfig.Null {
		out.OAuth = &app.OAuthClient{TokenURL: o.TokenURL, ClientID: o.ClientID, ClientSecret: o.ClientSecret, Scope: o.Scope}
	}
	return out
}

func (s *Server) createExternalAgent(ctx context.Context, actor *app.Actor, in *externalAgentIn) (*oneOut[agentOut], error) {
	a, callback, err := s.app.CreateExternalAgent(ctx, actor, in.agent())
	if err != nil {
		return nil, err
	}
	out := s.agentForm(a)
	out.ExternalConfig = withMember(out.ExternalConfig, "callback_token", callback.Reveal())
	return &oneOut[agentOut]{out}, nil
}

// withMember returns a JSON object with one more member at its end.
func withMember(object jsonObject, name, value string) jsonObject {
	// Encoding texts cannot fail.
	key, _ := json.Marshal(name)
	text, _ := json.Marshal(value)
	head := strings.TrimSuffix(string(object), "}")
	if head != "{" {
		head += ","
	}
	return jsonObject(head + string(key) + ":" + string(text) + "}")
}

type probeOut struct {
	Body struct {
		Success    bool     `json:"success" doc:"A status below 400 came back"`
		StatusCode *int     `json:"status_code"`
		LatencyMS  *float64 `json:"latency_ms"`
		Error      *string  `json:"error"`
	}
}

func probeForm(p a2a.Probe) *probeOut {
	out := new(probeOut)
	out.Body.Success, out.Body.Error = p.Success, nullable(p.Problem)
	if p.StatusCode != 0 {
		latency := float64(p.Latency.Microseconds()) / 1000
		out.Body.StatusCode, out.Body.LatencyMS = &p.StatusCode, &latency
	}
	return out
}

func (s *Server) testExternalAgent(ctx context.Context, actor *app.Actor, in *externalAgentIn) (*probeOut, error) {
	p, err := s.app.TestExternalAgent(ctx, actor, in.agent())
	if err != nil {
		return nil, err
	}
	return probeForm(p), nil
}

func (s *Server) testStoredAgent(ctx context.Context, actor *app.Actor, in *oneID) (*probeOut, error) {
	p, err := s.app.TestStoredAgent(ctx, actor, in.ID.String())
	if err != nil {
		return nil, err
	}
	return probeForm(p), nil
}

type callbackTokenOut struct {
	Body struct {
		CallbackToken string `json:"callback_token"`
	}
}

func (s *Server) rotateCallbackToken(ctx context.Context, actor *app.Actor, in *oneID) (*callbackTokenOut, error) {
	token, err := s.app.RotateCallbackToken(ctx, actor, in.ID.String())
	if err != nil {
		return nil, err
	}
	out := new(callbackTokenOut)
	out.Body.CallbackToken = token.Reveal()
	return out, nil
}

type a2aHealthOut struct {
	Body struct {
		Status    string    `json:"status" enum:"ok"`
		Timestamp time.Time `json:"timestamp"`
	}
}

func (s *Server) a2aHealth(context.Context, *fiber.Ctx, *empty) (*a2aHealthOut, error) {
	out := new(a2aHealthOut)
	out.Body.Status, out.Body.Timestamp = "ok", instant(time.Now())
	return out, nil
}
