package a2a

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/outbound"
)

var sentAt = time.Unix(1_800_000_000, 0)

func TestText(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		`"hi"`: "hi", `" hi\u0000 "`: "hi", `{"content":"a","text":"b"}`: "a", `{"content":"","draft":"b"}`: "b", `{"content":{"x":1},"text":"c"}`: "c",
		`{"message":"d"}`: "d", `{"event":"join"}`: `{"event":"join"}`, `{ "a" : [1, 2] }`: `{"a":[1,2]}`, `[1, 2]`: `[1,2]`, `5`: "5", `true`: "true",
		`null`: "", `{}`: "", `[]`: "", `""`: "", ``: "", `{`: "",
	} {
		if got := Text(json.RawMessage(content)); got != want {
			t.Errorf("%s: got %q, want %q", content, got, want)
		}
	}
}

// The example in the documentation.
func TestSign(t *testing.T) {
	t.Parallel()
	const want = "sha256=81b169e0c144b6037dfdc5dc55dd7e12f2f6c1024814b700d77c1fafb17e9a69"
	if got := Sign("key", "1800000000", []byte(`{"id":"1"}`)); got != want || got == Sign("key", "1800000001", []byte(`{"id":"1"}`)) ||
		got == Sign("other", "1800000000", []byte(`{"id":"1"}`)) || got == Sign("key", "1800000000", []byte(`{"id":"2"}`)) {
		t.Errorf("got %s", got)
	}
}

func TestDeliver(t *testing.T) {
	t.Parallel()
	var answer atomic.Value
	peer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { answer.Load().(http.HandlerFunc)(w, q) }))
	t.Cleanup(peer.Close)
	c := NewClient(outbound.NewGuard(outbound.Private()...))
	ask := func(h http.HandlerFunc, within time.Duration) (Answer, error) {
		answer.Store(h)
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		return c.Deliver(ctx, Delivery{To: Endpoint{WebhookURL: peer.URL, AuthType: AuthNone}, Key: "k", Body: []byte(`{}`), At: sentAt, Most: 100})
	}
	says := func(code int, body string, headers ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(headers); i += 2 {
				w.Header().Set(headers[i], headers[i+1])
			}
			w.WriteHeader(code)
			_, _ = io.WriteString(w, body)
		}
	}
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		want   Answer
		err    CallError
	}{
		"Text":      {says(200, `{"content":"hi","type":"system"}`), Answer{Text: "hi"}, CallError{}},
		"Created":   {says(201, `{"content":{"draft":"hi"}}`), Answer{Text: "hi"}, CallError{}},
		"Nothing":   {says(200, " \n"), Answer{}, CallError{}},
		"Later":     {says(202, "<html>"), Answer{Later: true}, CallError{}},
		"Mark":      {says(200, "\xEF\xBB\xBF"+`{"content":"hi"}`), Answer{Text: "hi"}, CallError{}},
		"MarkOnly":  {says(200, "\xEF\xBB\xBF\r\n"), Answer{}, CallError{}},
		"Prose":     {says(200, `hi`), Answer{}, CallError{Problem: "Its answer is no JSON object"}},
		"Text only": {says(200, `"hi"`), Answer{}, CallError{Problem: "Its answer is no JSON object"}},
		"Large":     {says(200, `{"content":"`+strings.Repeat("x", 100)+`"}`), Answer{}, CallError{Problem: "Its answer has more than 100 bytes"}},
		"NoMore":    {says(410, ""), Answer{}, CallError{Problem: "It answers with status 410"}},
		"Busy":      {says(429, "", "Retry-After", "7"), Answer{}, CallError{Problem: "It answers with status 429", Again: true, After: 7 * time.Second}},
		"Down":      {says(503, "", "Retry-After", "99999999999"), Answer{}, CallError{Problem: "It answers with status 503", Again: true}},
		"DownLong":  {says(503, "", "Retry-After", "9999"), Answer{}, CallError{Problem: "It answers with status 503", Again: true, After: time.Minute}},
		"DownUntil": {says(500, "", "Retry-After", sentAt.Add(3*time.Second).UTC().Format(http.TimeFormat)), Answer{}, CallError{Problem: "It answers with status 500", Again: true, After: 3 * time.Second}},
		"DownPast":  {says(500, "", "Retry-After", "-4"), Answer{}, CallError{Problem: "It answers with status 500", Again: true}},
		"Moved":     {says(307, "", "Location", "/x"), Answer{}, CallError{Problem: "It answers with status 307"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ask(tt.answer, time.Minute)
			var call CallError
			if p := (*CallError)(nil); errors.As(err, &p) {
				call = *p
			}
			if name == "Down" { // too long for a number, or the longest wait
				call.After = 0
			}
			if got != tt.want || call != tt.err {
				t.Errorf("got %+v, %+v, want %+v, %+v", got, call, tt.want, tt.err)
			}
		})
	}
	t.Run("Slow", func(t *testing.T) {
		_, err := ask(func(_ http.ResponseWriter, q *http.Request) { _, _ = io.ReadAll(q.Body); <-q.Context().Done() }, 50*time.Millisecond)
		if call := (*CallError)(nil); !errors.As(err, &call) || !call.Again || call.Problem != "The address does not answer in time" {
			t.Errorf("got %+v", err)
		}
	})
	t.Run("Guarded", func(t *testing.T) {
		_, err := NewClient(outbound.NewGuard()).Deliver(t.Context(), Delivery{To: Endpoint{WebhookURL: peer.URL, AuthType: AuthNone}, At: sentAt, Most: 100})
		if call := (*CallError)(nil); !errors.As(err, &call) || call.Again || !strings.HasPrefix(call.Problem, "The address is not public") {
			t.Errorf("got %+v", err)
		}
	})
}

// A token is got once and used until shortly before its end; one that the agent does not
// know any more is got anew, once.
func TestTokensAreKept(t *testing.T) {
	t.Parallel()
	var asked, given atomic.Int32
	var valid atomic.Value
	peer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/token" {
			token := fmt.Sprintf("t%d", given.Add(1))
			valid.Store("Bearer " + token)
			fmt.Fprintf(w, `{"access_token":%q,"expires_in":100}`, token)
			return
		}
		asked.Add(1)
		if q.Header.Get("Authorization") != valid.Load() {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(peer.Close)
	c := NewClient(outbound.NewGuard(outbound.Private()...))
	to := Endpoint{WebhookURL: peer.URL, AuthType: AuthOAuth2, OAuth: OAuth{TokenURL: peer.URL + "/token", ClientID: "us", ClientSecret: "s"}}
	call := func(at time.Time) error {
		_, err := c.Deliver(t.Context(), Delivery{To: to, Body: []byte(`{}`), At: at, Most: 100})
		return err
	}
	want := func(what string, err error, tokens, calls int32) {
		t.Helper()
		if err != nil || given.Load() != tokens || asked.Load() != calls {
			t.Errorf("%s: got %d tokens, %d calls, %v, want %d and %d", what, given.Load(), asked.Load(), err, tokens, calls)
		}
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() { _ = call(sentAt) })
	}
	group.Wait()
	want("at once", nil, 1, 8)
	want("before its end", call(sentAt.Add(69*time.Second)), 1, 9)
	want("shortly before its end", call(sentAt.Add(71*time.Second)), 2, 10)
	valid.Store("")
	want("forgotten", call(sentAt.Add(72*time.Second)), 3, 12)
	valid.Store("")
	peer.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/token" {
			given.Add(1)
			fmt.Fprint(w, `{"access_token":"x"}`)
			return
		}
		asked.Add(1)
		w.WriteHeader(http.StatusUnauthorized)
	})
	if err := call(sentAt.Add(73 * time.Second)); err == nil || given.Load() != 4 || asked.Load() != 14 {
		t.Errorf("refused for good: got %v, %d tokens, %d calls", err, given.Load(), asked.Load())
	}
}

// What a server of access tokens may answer, and for how long the token is kept then.
func TestTokenAnswers(t *testing.T) {
	t.Parallel()
	var answer atomic.Value
	peer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/token" {
			answer.Load().(http.HandlerFunc)(w, q)
		}
	}))
	t.Cleanup(peer.Close)
	says := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(code)
			_, _ = io.WriteString(w, body)
		}
	}
	const none = "The token address does not answer with an access_token"
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		life   time.Duration
		err    CallError
	}{
		"Number":   {says(200, `{"access_token":"t","expires_in":100}`), 100 * time.Second, CallError{}},
		"Text":     {says(200, `{"access_token":"t","expires_in":"100"}`), 100 * time.Second, CallError{}},
		"Fraction": {says(200, `{"access_token":"t","expires_in":100.5}`), 100500 * time.Millisecond, CallError{}},
		"Created":  {says(201, `{"access_token":"t","expires_in":" 100 "}`), 100 * time.Second, CallError{}},
		"Mark":     {says(200, "\xEF\xBB\xBF"+`{"access_token":"t"}`), tokenLife, CallError{}},
		"Null":     {says(200, `{"access_token":"t","expires_in":null}`), tokenLife, CallError{}},
		"Negative": {says(200, `{"access_token":"t","expires_in":-5}`), tokenLife, CallError{}},
		"Word":     {says(200, `{"access_token":"t","expires_in":"soon"}`), tokenLife, CallError{}},
		"NaN":      {says(200, `{"access_token":"t","expires_in":"NaN"}`), tokenLife, CallError{}},
		"Object":   {says(200, `{"access_token":"t","expires_in":{"s":1}}`), tokenLife, CallError{}},
		"Ages":     {says(200, `{"access_token":"t","expires_in":1e999}`), maxLife, CallError{}},
		"Infinite": {says(200, `{"access_token":"t","expires_in":"Infinity"}`), maxLife, CallError{}},
		"HTML":     {says(200, `<html>`), 0, CallError{Problem: none}},
		"Empty":    {says(200, ``), 0, CallError{Problem: none}},
		"NoText":   {says(200, `{"access_token":5}`), 0, CallError{Problem: none}},
		"Huge":     {says(200, `{"access_token":"`+strings.Repeat("x", 1<<20)+`"}`), 0, CallError{Problem: none}},
		"Header":   {says(200, `{"access_token":"t\r\nX-Evil: 1"}`), 0, CallError{Problem: "The token address answers with an access_token that no header can hold"}},
		"Refused":  {says(401, `{"error":"invalid_client"}`), 0, CallError{Problem: "The token address answers with status 401"}},
		"Moved":    {says(307, ``), 0, CallError{Problem: "The token address answers with status 307"}},
		"Busy":     {says(429, ``), 0, CallError{Problem: "The token address answers with status 429", Again: true, After: 7 * time.Second}},
		"Down":     {says(503, ``), 0, CallError{Problem: "The token address answers with status 503", Again: true, After: 7 * time.Second}},
		"CutOff": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"access_`)
		}, 0, CallError{Problem: "The token address: The address does not answer", Again: true}},
	} {
		t.Run(name, func(t *testing.T) {
			answer.Store(tt.answer)
			c := NewClient(outbound.NewGuard(outbound.Private()...))
			oauth := OAuth{TokenURL: peer.URL + "/token", ClientID: "us", ClientSecret: "s"}
			_, err := c.Deliver(t.Context(), Delivery{To: Endpoint{WebhookURL: peer.URL, AuthType: AuthOAuth2, OAuth: oauth}, Body: []byte(`{}`), At: sentAt, Most: 100})
			var call CallError
			if p := (*CallError)(nil); errors.As(err, &p) {
				call = *p
			}
			if call != tt.err || err == nil && c.tokens.of(oauth).until != sentAt.Add(tt.life) {
				t.Errorf("got %v and %+v, want %v and %+v", c.tokens.of(oauth).until.Sub(sentAt), call, tt.life, tt.err)
			}
		})
	}
}

// Calls that were refused with an old token at the same time get one new token together.
func TestRefusedAtOnce(t *testing.T) {
	t.Parallel()
	const calls = 8
	var given atomic.Int32
	var old sync.WaitGroup
	old.Add(calls)
	peer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		switch {
		case q.URL.Path == "/token":
			fmt.Fprintf(w, `{"access_token":"t%d"}`, given.Add(1))
		case q.Header.Get("Authorization") == "Bearer t1":
			old.Done()
			old.Wait() // all calls have come with the old token
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(peer.Close)
	c := NewClient(outbound.NewGuard(outbound.Private()...))
	to := Endpoint{WebhookURL: peer.URL, AuthType: AuthOAuth2, OAuth: OAuth{TokenURL: peer.URL + "/token", ClientID: "us", ClientSecret: "s"}}
	var group sync.WaitGroup
	for range calls {
		group.Go(func() {
			if _, err := c.Deliver(t.Context(), Delivery{To: to, Body: []byte(`{}`), At: sentAt, Most: 100}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := given.Load(); n != 2 {
		t.Errorf("%d tokens were asked for, want 2", n)
	}
}
