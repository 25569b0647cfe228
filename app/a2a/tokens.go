package a2a

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// tokens keeps access tokens until they end, by the credentials that they were got with.
type tokens struct {
	mu sync.Mutex
	by map[OAuth]*token
}

// token is the token of one client. One call asks for it, and the others wait for that.
type token struct {
	asking chan struct{} // holds one value while nobody asks
	text   string        // changed under tokens.mu, by who asks
	until  time.Time
}

const (
	maxTokens = 1000
	// tokenMargin is how long before its end a token is not used any more.
	tokenMargin = 30 * time.Second
	// tokenLife is that of a token whose server does not tell.
	tokenLife = time.Hour
	maxLife   = 24 * time.Hour
)

func (t *tokens) of(o OAuth) *token {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.by == nil {
		t.by = map[OAuth]*token{}
	}
	if t.by[o] == nil {
		for other := range t.by {
			if len(t.by) < maxTokens {
				break
			}
			delete(t.by, other)
		}
		t.by[o] = &token{asking: make(chan struct{}, 1)}
		t.by[o].asking <- struct{}{}
	}
	return t.by[o]
}

// forget drops the token of a client.
func (t *tokens) forget(o OAuth) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.by, o)
}

// refused drops the token of a client that an agent has refused. One that another call has
// got in its place stays.
func (t *tokens) refused(o OAuth, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := t.by[o]; now != nil && now.text == text {
		delete(t.by, o)
	}
}

// token returns an access token, which it asks for with the client's credentials when it
// has none.
func (c *Client) token(ctx context.Context, o OAuth, now time.Time) (string, error) {
	if o.TokenURL == "" || o.ClientID == "" || o.ClientSecret == "" {
		return "", problem("OAuth needs token_url, client_id and client_secret")
	}
	t := c.tokens.of(o)
	select {
	case <-t.asking:
		defer func() { t.asking <- struct{}{} }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if t.text != "" && now.Before(t.until.Add(-tokenMargin)) {
		return t.text, nil
	}
	text, life, err := c.newToken(ctx, o, now)
	if err != nil {
		return "", err
	}
	c.tokens.mu.Lock()
	t.text, t.until = text, now.Add(life)
	c.tokens.mu.Unlock()
	return text, nil
}

// newToken asks for an access token.
func (c *Client) newToken(ctx context.Context, o OAuth, now time.Time) (text string, life time.Duration, err error) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {o.ClientID}, "client_secret": {o.ClientSecret}}
	if o.Scope != "" {
		form.Set("scope", o.Scope)
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", 0, problem("The token address is malformed")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return "", 0, atTokenURL(err)
	}
	defer res.Body.Close()
	if code := res.StatusCode; code != http.StatusOK && code != http.StatusCreated {
		return "", 0, badStatus("The token address", res, now)
	}
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return "", 0, atTokenURL(err)
	}
	var answer struct {
		AccessToken string          `json:"access_token"`
		ExpiresIn   json.RawMessage `json:"expires_in"`
	}
	if err := json.Unmarshal(withoutMark(raw), &answer); err != nil || answer.AccessToken == "" {
		return "", 0, problem("The token address does not answer with an access_token")
	}
	if strings.ContainsFunc(answer.AccessToken, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "", 0, problem("The token address answers with an access_token that no header can hold")
	}
	return answer.AccessToken, lifeOf(answer.ExpiresIn), nil
}

func atTokenURL(err error) *CallError {
	call := failed(err)
	call.Problem = "The token address: " + call.Problem
	return call
}

// lifeOf reads expires_in. Some servers send it as a text.
func lifeOf(seconds json.RawMessage) time.Duration {
	n, _ := strconv.ParseFloat(strings.Trim(string(seconds), `" `), 64) // 0 for what is no number
	if n > 0 {
		return time.Duration(min(n, maxLife.Seconds()) * float64(time.Second))
	}
	return tokenLife
}
