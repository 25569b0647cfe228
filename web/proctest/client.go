//go:build unix

package proctest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// callTimeout is longer than the server's own deadline for a request.
const callTimeout = 40 * time.Second

// Nodes are the addresses of a site that a client knows, in the order in which
// it tries them.
type Nodes struct {
	urls []string
	next atomic.Int64
	http *http.Client
	seen *logBuffer // nil unless recorded
}

// To makes clients of the given processes. With fresh every request opens a new
// connection.
func To(fresh bool, ps ...*Process) *Nodes {
	n := &Nodes{http: &http.Client{Timeout: callTimeout, Transport: &http.Transport{
		DisableKeepAlives: fresh, MaxIdleConnsPerHost: 64, DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext}}}
	for _, p := range ps {
		n.urls = append(n.urls, p.URL)
	}
	return n
}

// Record keeps every answer and frame that clients of these nodes get from now
// on, for Seen.
func (n *Nodes) Record() { n.seen = new(logBuffer) }

// Seen returns everything that was recorded.
func (n *Nodes) Seen() string { return n.seen.String() }

func (n *Nodes) record(head, text []byte) {
	if n.seen != nil {
		_, _ = n.seen.Write(slices.Concat(head, []byte(" "), text, []byte("\n"))) // it never fails
	}
}

// Answer is a response that was read completely.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Decode reads the body's JSON into out.
func (a *Answer) Decode(out any) error {
	if err := json.Unmarshal([]byte(a.Body), out); err != nil {
		return fmt.Errorf("not JSON: %w: %.200q", err, a.Body)
	}
	return nil
}

// Do sends one request to the next node. It tries the others only when it cannot connect,
// because then nothing was sent. A request that was sent must be answered.
func (n *Nodes) Do(ctx context.Context, method, path, token, contentType string, body []byte) (*Answer, error) {
	start := int(n.next.Add(1))
	for try := range n.urls {
		base := n.urls[(start+try)%len(n.urls)]
		a, err := n.once(ctx, method, base+path, token, contentType, body)
		var dial *net.OpError
		if err == nil || !errors.As(err, &dial) || dial.Op != "dial" || try == len(n.urls)-1 {
			return a, err
		}
	}
	return nil, errors.New("proctest: no nodes")
}

func (n *Nodes) once(ctx context.Context, method, url, token, contentType string, body []byte) (*Answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := n.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	n.record(fmt.Appendf(nil, "%s %s: %s %v", method, url, res.Status, res.Header), text)
	return &Answer{Status: res.StatusCode, Header: res.Header, Body: string(text)}, nil
}

// Person is somebody with an account.
type Person struct {
	ID, Email, Name, Password string

	nodes *Nodes
	mu    sync.Mutex
	token string
}

// At returns the same person at other nodes, with the same session.
func (p *Person) At(n *Nodes) *Person {
	return &Person{ID: p.ID, Email: p.Email, Name: p.Name, Password: p.Password, nodes: n, token: p.Token()}
}

// Token returns the access token of the person's session.
func (p *Person) Token() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.token
}

// SignIn opens a session with the person's password.
func (p *Person) SignIn(ctx context.Context) error {
	form := url.Values{"username": {p.Email}, "password": {p.Password}}.Encode()
	a, err := p.nodes.Do(ctx, http.MethodPost, "/api/v1/login/access-token", "", "application/x-www-form-urlencoded", []byte(form))
	if err != nil {
		return err
	}
	if a.Status != http.StatusOK {
		return fmt.Errorf("sign in as %s: %d %s", p.Email, a.Status, a.Body)
	}
	for _, line := range a.Header.Values("Set-Cookie") {
		c, err := http.ParseSetCookie(line)
		if err == nil && c.Name == "access_token" {
			p.mu.Lock()
			p.token = c.Value
			p.mu.Unlock()
			return nil
		}
	}
	return errors.New("signed in without an access token")
}

// Try sends a request with a JSON body, or without a body when in is nil.
func (p *Person) Try(ctx context.Context, method, path string, in any) (*Answer, error) {
	var body []byte
	contentType := ""
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return nil, err
		}
		contentType = "application/json"
	}
	return p.nodes.Do(ctx, method, path, p.Token(), contentType, body)
}

// Call sends a request that must succeed, and decodes the answer into out
// unless that is nil.
func (p *Person) Call(tb testing.TB, method, path string, in, out any) {
	tb.Helper()
	a, err := p.Try(tb.Context(), method, path, in)
	if err != nil {
		tb.Fatalf("%s %s: %v", method, path, err)
	}
	if a.Status/100 != 2 {
		tb.Fatalf("%s %s: %d %s", method, path, a.Status, strings.TrimSpace(a.Body))
	}
	if out == nil {
		return
	}
	if err := a.Decode(out); err != nil {
		tb.Fatalf("%s %s: %v", method, path, err)
	}
}

// Ack says with which id and seq a message was stored.
type Ack struct {
	ClientID string `json:"client_id"`
	ID       string `json:"id"`
	Seq      int64  `json:"seq"`
	Dup      bool   `json:"dup"`
	Text     string `json:"-"`
	Sender   string `json:"-"`
	Room     string `json:"-"`

	At time.Time `json:"-"` // when it came
}

// Post posts one message through the API, once, without trying again.
func (p *Person) Post(ctx context.Context, room, clientID, text string) (*Ack, *Answer, error) {
	a, err := p.Try(ctx, http.MethodPost, "/api/v1/rooms/"+room+"/messages", map[string]string{"text": text, "client_id": clientID})
	if err != nil || a.Status != http.StatusCreated && a.Status != http.StatusOK {
		return nil, a, err
	}
	ack := &Ack{Dup: a.Status == http.StatusOK, Text: text, Sender: p.ID, Room: room, At: time.Now()}
	if err := a.Decode(ack); err != nil {
		return nil, a, err
	}
	return ack, a, nil
}
