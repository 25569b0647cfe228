package app

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"strings"

	"github.com/coagent-studio/coagent/app/a2a"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// NewExternalAgent describes an agent outside this program. Empty members get their
// defaults.
type NewExternalAgent struct {
	Name            string
	Type            string
	WebhookURL      string
	AuthType        string      // none, bearer (the default) or oauth2
	AuthToken       secret.Text // for bearer
	OAuth           *OAuthClient
	TimeoutMS       int // 1000..120000; 0 means 30000
	FallbackMessage string
	SystemPrompt    string
}

// OAuthClient is how this program gets access tokens for calls to an external agent.
type OAuthClient struct {
	TokenURL     string      `json:"token_url"`
	ClientID     string      `json:"client_id"`
	ClientSecret secret.Text `json:"-"`
	Scope        string      `json:"scope,omitempty"`
}

// externalConfig has the members of an external agent's configuration that this program
// reads, without secrets. Other members are for the client.
type externalConfig struct {
	WebhookURL      string       `json:"webhook_url"`
	AuthType        string       `json:"auth_type"`
	TimeoutMS       int          `json:"timeout_ms"`
	FallbackMessage string       `json:"fallback_message"`
	OAuth           *OAuthClient `json:"oauth_config,omitempty"`
}

const (
	secretAuthToken    = "auth_token"
	secretCallback     = "callback_token"
	secretClientSecret = "client_secret"

	maxURL          = 2000
	probesPerMinute = 60
	defaultFallback = "\u26a0\ufe0f External agent is temporarily unavailable."
)

// ExternalAgents lists the agents outside this program. Admins get all of them, others
// those that they made.
func (a *App) ExternalAgents(ctx context.Context, actor *Actor) (*store.Listing[store.Agent], error) {
	if err := Check(actor, ActListExternal, Resource{}); err != nil {
		return nil, err
	}
	of := actor.User.ID
	if actor.isAdmin() {
		of = ""
	}
	return a.db.ExternalAgents(ctx, of, store.Page{Limit: store.MaxLimit})
}

// CreateExternalAgent adds an agent outside this program. It returns the token with
// which the agent may call back. Only this and RotateCallbackToken ever return it.
func (a *App) CreateExternalAgent(ctx context.Context, actor *Actor, in NewExternalAgent) (*store.Agent, secret.Text, error) {
	if err := Check(actor, ActCreateExternal, Resource{}); err != nil {
		return nil, "", err
	}
	ag, secrets, err := a.agents.externalAgent(actor, in)
	if err != nil {
		return nil, "", err
	}
	callback := newCallbackToken()
	secrets[secretCallback] = callback.Reveal()
	if ag.EncryptedSecrets, err = a.agents.seal(secrets); err != nil {
		return nil, "", err
	}
	err = a.db.InTx(ctx, func(tx *store.Tx) error { return a.agents.add(ctx, tx, actor, ActCreateExternal, ag) })
	return ag, callback, agentError(err)
}

// externalAgent makes the database row of an external agent. It returns the agent's
// secrets separately.
func (r *agentRules) externalAgent(actor *Actor, in NewExternalAgent) (*store.Agent, map[string]string, error) {
	ag := r.fresh("", actor.User.ID)
	ag.Name, ag.Type, ag.SystemPrompt = in.Name, in.Type, in.SystemPrompt
	ag.Category, ag.ModelProvider, ag.Capabilities = categoryExternal, categoryExternal, `["a2a_messaging"]`
	ag.IsExternal, ag.IsActive = true, true
	cfg := externalConfig{WebhookURL: in.WebhookURL, AuthType: in.AuthType, TimeoutMS: in.TimeoutMS, FallbackMessage: in.FallbackMessage}
	if ag.Type == "" {
		ag.Type = categoryExternal
	}
	if cfg.AuthType == "" {
		cfg.AuthType = a2a.AuthBearer
	}
	if cfg.TimeoutMS == 0 {
		cfg.TimeoutMS = 30_000
	}
	if cfg.FallbackMessage == "" {
		cfg.FallbackMessage = defaultFallback
	}
	secrets := map[string]string{}
	if cfg.AuthType == a2a.AuthBearer && in.AuthToken != "" {
		secrets[secretAuthToken] = in.AuthToken.Reveal()
	}
	if cfg.AuthType == a2a.AuthOAuth2 && in.OAuth != nil {
		cfg.OAuth = in.OAuth
		secrets[secretClientSecret] = in.OAuth.ClientSecret.Reveal()
	}
	if err := firstOf(errors.Join(name("name", &ag.Name), text("type", ag.Type, 1, 64), text("system_prompt", ag.SystemPrompt, 0, maxPrompt),
		checkSecrets(secrets), cfg.check(secrets))); err != nil {
		return nil, nil, err
	}
	ag.ExternalConfig = store.ToJSON(cfg)
	return &ag, secrets, nil
}

// check refuses a configuration with which no call could be made.
func (c *externalConfig) check(secrets map[string]string) error {
	if err := firstOf(errors.Join(webURL("webhook_url", c.WebhookURL),
		oneOf("auth_type", c.AuthType, a2a.AuthNone, a2a.AuthBearer, a2a.AuthOAuth2),
		between("timeout_ms", c.TimeoutMS, 1000, 120_000), text("fallback_message", c.FallbackMessage, 0, maxText))); err != nil {
		return err
	}
	if c.AuthType != a2a.AuthOAuth2 {
		return nil
	}
	if c.OAuth == nil {
		return invalid("oauth_config", "is missing: send token_url, client_id and client_secret")
	}
	return firstOf(errors.Join(webURL("token_url", c.OAuth.TokenURL), text("client_id", c.OAuth.ClientID, 1, maxName),
		text(secretClientSecret, secrets[secretClientSecret], 1, 4096), text("scope", c.OAuth.Scope, 0, 1000)))
}

// webURL checks an address that this program will call.
func webURL(field, address string) error {
	if err := text(field, address, 1, maxURL); err != nil {
		return err
	}
	u, err := url.Parse(address)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "", strings.ContainsAny(address, " \t\r\n"):
		return invalid(field, "must be an address such as https://agent.example.org/hook")
	case u.User != nil:
		return invalid(field, "must not contain a user or password")
	}
	return nil
}

// checkSecrets refuses secrets that cannot be sent in a header.
func checkSecrets(secrets map[string]string) error {
	for _, member := range []string{secretAuthToken, secretClientSecret} {
		s := secrets[member]
		if err := text(member, s, 0, 4096); err != nil {
			return err
		}
		if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return invalid(member, "must not contain line breaks or control characters")
		}
	}
	return nil
}

// changeExternal checks the changed configuration of an external agent. A secret is only
// ever sent to the host that it was typed in for: a person who may edit the address, but
// not read the secret, must not have it sent elsewhere. If the host changes, a secret
// that is still used must be sent again; one that is not used is removed from kept.
func changeExternal(before, after store.JSON, kept, sent map[string]string) error {
	was, now := readExternal(before), externalConfig{TimeoutMS: 30_000, AuthType: a2a.AuthNone}
	if err := json.Unmarshal([]byte(after), &now); err != nil {
		return invalid("external_config", "must have texts for addresses and a number for timeout_ms")
	}
	moved := origin(was.WebhookURL) != origin(now.WebhookURL)
	for _, s := range []struct {
		member      string
		moved, used bool
	}{
		{secretAuthToken, moved, now.AuthType == a2a.AuthBearer},
		{secretClientSecret, moved || origin(was.tokenURL()) != origin(now.tokenURL()), now.AuthType == a2a.AuthOAuth2},
	} {
		switch {
		case kept[s.member] == "" || sent[s.member] != "" || !s.moved:
		case s.used:
			return invalid(s.member, "send it again: its address has moved to another host")
		default:
			delete(kept, s.member)
		}
	}
	all := map[string]string{secretClientSecret: kept[secretClientSecret]}
	if s := sent[secretClientSecret]; s != "" {
		all[secretClientSecret] = s
	}
	return now.check(all)
}

func (c *externalConfig) tokenURL() string {
	if c.OAuth == nil {
		return ""
	}
	return c.OAuth.TokenURL
}

// origin is the scheme and host of an address.
func origin(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return strings.ToLower(u.Scheme + "://" + u.Host)
}

func readExternal(stored store.JSON) externalConfig {
	var cfg externalConfig
	// A configuration that does not fit was stored before it was checked. No call uses
	// it.
	_ = json.Unmarshal([]byte(stored), &cfg)
	return cfg
}

// endpoint is the address of an external agent, with its secrets.
func (r *agentRules) endpoint(ag *store.Agent) (a2a.Endpoint, error) {
	secrets, err := r.secrets(ag)
	if err != nil {
		return a2a.Endpoint{}, err
	}
	cfg := readExternal(ag.ExternalConfig)
	return cfg.endpoint(secrets), nil
}

func (c *externalConfig) endpoint(secrets map[string]string) a2a.Endpoint {
	e := a2a.Endpoint{WebhookURL: c.WebhookURL, AuthType: c.AuthType, AuthToken: secrets[secretAuthToken]}
	if c.OAuth != nil {
		e.OAuth = a2a.OAuth{TokenURL: c.OAuth.TokenURL, ClientID: c.OAuth.ClientID, ClientSecret: secrets[secretClientSecret],
			Scope: c.OAuth.Scope}
	}
	return e
}

// RotateCallbackToken makes a new token with which an external agent calls back. It is
// returned only this once, and the old one is not valid any more.
func (a *App) RotateCallbackToken(ctx context.Context, actor *Actor, id string) (secret.Text, error) {
	if _, err := a.externalFor(ctx, actor, id, ActRotateCallback); err != nil {
		return "", err
	}
	callback := newCallbackToken()
	_, err := a.editAgent(ctx, actor, ActRotateCallback, id, func(ag *store.Agent) error {
		secrets, err := a.agents.secrets(ag)
		if err != nil {
			return err
		}
		secrets[secretCallback] = callback.Reveal()
		ag.EncryptedSecrets, err = a.agents.seal(secrets)
		return err
	})
	return callback, err
}

// externalFor is agentFor for an external agent. It refuses any other agent.
func (a *App) externalFor(ctx context.Context, actor *Actor, id string, action Action) (*store.Agent, error) {
	ag, err := a.agentFor(ctx, actor, id, action, "Agent config")
	if err == nil && !ag.IsExternal {
		return nil, errorf(KindRejected, wording.NotExternal, "Not an external agent")
	}
	return ag, err
}

// TestExternalAgent calls an external agent that is not stored, to test whether it
// answers.
func (a *App) TestExternalAgent(ctx context.Context, actor *Actor, in NewExternalAgent) (a2a.Probe, error) {
	if err := Check(actor, ActCreateExternal, Resource{}); err != nil {
		return a2a.Probe{}, err
	}
	ag, secrets, err := a.agents.externalAgent(actor, in)
	if err != nil {
		return a2a.Probe{}, err
	}
	cfg := readExternal(ag.ExternalConfig)
	return a.probe(ctx, actor, cfg.endpoint(secrets))
}

// TestStoredAgent calls a stored external agent, to test whether it answers.
func (a *App) TestStoredAgent(ctx context.Context, actor *Actor, id string) (a2a.Probe, error) {
	ag, err := a.externalFor(ctx, actor, id, ActTestExternal)
	if err != nil {
		return a2a.Probe{}, err
	}
	to, err := a.agents.endpoint(ag)
	if err != nil {
		return a2a.Probe{}, err
	}
	return a.probe(ctx, actor, to)
}

// probe calls an address for a person. The rate is limited, because a test shows what
// answers at an address.
func (a *App) probe(ctx context.Context, actor *Actor, to a2a.Endpoint) (a2a.Probe, error) {
	if err := a.limits.probes.spend(ctx, actor.User.ID); err != nil {
		return a2a.Probe{}, err
	}
	return a.agents.external.Probe(ctx, to), nil
}

// newCallbackToken is 32 random bytes as 43 characters that are valid in a URL.
func newCallbackToken() secret.Text {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return secret.Text(base64.RawURLEncoding.EncodeToString(b[:]))
}
