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
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/coagent-studio/coagent/app/outbound"
)

// The ways to authenticate to an external agent.
const (
	AuthNone   = "none"
	AuthBearer = "bearer"
	AuthOAuth2 = "oauth2" // client credentials (RFC 6749, 4.4)
)

const bearer = "Bearer "

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
type Client struct {
	http   *http.Client
	tokens tokens
}

const (
	probeTimeout = 10 * time.Second
	maxAnswer    = 64 << 10
)

// NewClient makes a Client that calls the addresses which guard allows.
func NewClient(guard *outbound.Guard) *Client {
	return &Client{http: &http.Client{
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
// status below 400 is a success. It asks for a new access token, since it tests that too.
func (c *Client) Probe(ctx context.Context, e Endpoint) Probe {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	c.tokens.forget(e.OAuth)
	req, err := c.request(ctx, http.MethodGet, e, http.NoBody, time.Now())
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
func (c *Client) request(ctx context.Context, method string, e Endpoint, body io.Reader, now time.Time) (*http.Request, error) {
	if e.WebhookURL == "" {
		return nil, problem("No webhook_url is set")
	}
	req, err := http.NewRequestWithContext(ctx, method, e.WebhookURL, body)
	if err != nil {
		return nil, problem("The address is malformed")
	}
	req.Header.Set("User-Agent", "coagent")
	switch e.AuthType {
	case AuthBearer:
		if e.AuthToken == "" {
			return nil, problem("No auth_token is set; set one, or choose auth_type none")
		}
		req.Header.Set("Authorization", bearer+e.AuthToken)
	case AuthOAuth2:
		token, err := c.token(ctx, e.OAuth, now)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", bearer+token)
	}
	return req, nil
}

// problem is a failure described for a person.
type problem string

// Error returns the description.
func (p problem) Error() string { return string(p) }

// inWords describes a failed call in our own words. The network's own message names
// hosts and addresses that must stay private.
func inWords(err error) string {
	var own problem
	var call *CallError
	var unresolved *net.DNSError
	switch {
	case errors.As(err, &own):
		return string(own)
	case errors.As(err, &call):
		return call.Problem
	case errors.Is(err, outbound.ErrRefused):
		return "The address is not public; an operator can allow its network with external.allow"
	case badCertificate(err):
		return "The certificate of the address is not valid"
	case !inTime(err):
		return "The address does not answer in time"
	case errors.As(err, &unresolved):
		return "The host of the address is not known"
	}
	return "The address does not answer"
}

// inTime tells whether a call has failed before its time was over.
func inTime(err error) bool {
	var timeout net.Error
	return !errors.Is(err, context.DeadlineExceeded) && (!errors.As(err, &timeout) || !timeout.Timeout())
}

func badCertificate(err error) bool {
	var cert *tls.CertificateVerificationError
	return errors.As(err, &cert)
}
