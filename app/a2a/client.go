// Package a2a talks to agents outside this program, at addresses that people type in.
//
// Of this program it imports only package outbound. Invariants:
//   - Every connection is one that outbound.Guard allows.
//   - Every call has a deadline, and every answer has a bound on its size.
//   - Failures are described in this package's own words, never in those of the network
//     or the peer.
package a2a

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coagent-studio/coagent/app/outbound"
)

// The ways to authenticate to an external agent.
const (
	AuthNone   = "none"
	AuthBearer = "bearer"
	AuthOAuth2 = "oauth2" // client credentials (RFC 6749, 4.4)
)

// Endpoint is the address of an external agent and how to authenticate there.
type Endpoint struct {
	WebhookURL string
	AuthType   string
	AuthToken  string // for AuthBearer
	OAuth      OAuth  // for AuthOAuth2
}

// OAuth holds the client's credentials for getting access tokens from TokenURL.
type OAuth struct {
	TokenURL, ClientID, ClientSecret, Scope string
}

// String returns only the address, so that no log shows a secret.
func (e Endpoint) String() string { return e.WebhookURL }

// GoString returns the same as String.
func (e Endpoint) GoString() string { return e.WebhookURL }

// Client calls external agents; it is safe for concurrent use.
type Client struct{ http *http.Client }

const (
	probeTimeout = 10 * time.Second
	maxAnswer    = 64 << 10
)

// NewClient makes a Client that calls the addresses which guard allows.
func NewClient(guard *outbound.Guard) *Client {
	return &Client{&http.Client{
		Transport: guard.Transport(probeTimeout),
		// A redirect could send the credentials to another server.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Probe is the result of testing a connection.
type Probe struct {
	Success    bool
	StatusCode int // 0 without an answer
	Latency    time.Duration
	Problem    string // in words for a person; empty without one
}

// Probe sends a request to an external agent's address and waits at most 10 s. Any
// status below 400 is a success.
func (c *Client) Probe(ctx context.Context, e Endpoint) Probe {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	req, err := c.request(ctx, http.MethodGet, e)
	if err != nil {
		return Probe{Problem: inWords(err)}
	}
	began := time.Now()
	res, err := c.http.Do(req)
	if err != nil {
		return Probe{Problem: inWords(err)}
	}
	defer res.Body.Close()
	// The content does not matter, only that it can be read.
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer))
	p := Probe{Success: res.StatusCode < http.StatusBadRequest, StatusCode: res.StatusCode, Latency: time.Since(began)}
	if !p.Success {
		p.Problem = fmt.Sprintf("The address answers with status %d", res.StatusCode)
	}
	return p
}

// request makes a request to an endpoint, with its credentials.
func (c *Client) request(ctx context.Context, method string, e Endpoint) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, e.WebhookURL, http.NoBody)
	if err != nil {
		return nil, problem("The address is malformed")
	}
	req.Header.Set("User-Agent", "coagent")
	switch e.AuthType {
	case AuthBearer:
		if e.AuthToken == "" {
			return nil, problem("No auth_token is set; set one, or choose auth_type none")
		}
		req.Header.Set("Authorization", "Bearer "+e.AuthToken)
	case AuthOAuth2:
		token, err := c.token(ctx, e.OAuth)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return req, nil
}

// token asks for an access token with the client's credentials.
func (c *Client) token(ctx context.Context, o OAuth) (string, error) {
	if o.TokenURL == "" || o.ClientID == "" || o.ClientSecret == "" {
		return "", problem("OAuth needs token_url, client_id and client_secret")
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {o.ClientID}, "client_secret": {o.ClientSecret}}
	if o.Scope != "" {
		form.Set("scope", o.Scope)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", problem("The token address is malformed")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return "", problem("The token address: " + inWords(err))
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", problem(fmt.Sprintf("The token address answers with status %d", res.StatusCode))
	}
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(&answer); err != nil || answer.AccessToken == "" {
		return "", problem("The token address does not answer with an access_token")
	}
	return answer.AccessToken, nil
}

// problem is a failure described for a person.
type problem string

// Error returns the description.
func (p problem) Error() string { return string(p) }

// inWords describes a failed call in our own words. The network's own message names
// hosts and addresses that must stay private.
func inWords(err error) string {
	var own problem
	var unresolved *net.DNSError
	var cert *tls.CertificateVerificationError
	var timeout net.Error
	switch {
	case errors.As(err, &own):
		return string(own)
	case errors.Is(err, outbound.ErrRefused):
		return "The address is not public; an operator can allow its network with external.allow"
	case errors.As(err, &cert):
		return "The certificate of the address is not valid"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "The address does not answer in time"
	case errors.As(err, &unresolved):
		return "The host of the address is not known"
	}
	return "The address does not answer"
}
