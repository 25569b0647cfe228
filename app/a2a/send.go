package a2a

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/coagent-studio/coagent/app/outbound"
)

// Envelope is a message to an agent outside this program. An agent that has seen an ID
// before got the same message again: its answer to the first was lost, or came too late.
type Envelope struct {
	ID            string   `json:"id"`
	Type          string   `json:"type"`
	SenderID      string   `json:"sender_id"`
	RecipientID   string   `json:"recipient_id"`
	Content       string   `json:"content"`
	CorrelationID *string  `json:"correlation_id"`
	Metadata      Metadata `json:"metadata"`
	CreatedAt     string   `json:"created_at"`
}

// Metadata says where a message belongs.
type Metadata struct {
	RoomID        string `json:"room_id"`
	RoomName      string `json:"room_name"`           // in a thread, the thread's name
	ThreadID      string `json:"thread_id,omitempty"` // of a thread of one person; it is also the id of its room
	AgentID       string `json:"agent_id"`
	AgentName     string `json:"agent_name"`
	SenderName    string `json:"sender_name"`
	SenderIsBot   bool   `json:"sender_is_bot,omitempty"` // a program with an account of its own
	Cause         string `json:"cause"`                   // why it is asked: post, agent_lines, wake, thread, ask_agent, workflow and so on
	Attempt       int    `json:"attempt"`
	ReplyTo       string `json:"reply_to,omitempty"` // the message under which the answer will be a reply; the last of History are its thread
	HistoryLength int    `json:"history_length"`     // of History
	History       []Said `json:"history"`            // the newest messages of the room, oldest first
}

// Said is one message of the room's history.
type Said struct {
	ID        string `json:"id"`
	Sender    string `json:"sender"`
	SenderID  string `json:"sender_id"`
	IsAI      bool   `json:"is_ai"`
	IsBot     bool   `json:"is_bot,omitempty"`
	Content   string `json:"content"`
	CreatedAt string `json:"created_at"`
}

// Headers of a call to an agent outside this program.
const (
	HeaderTimestamp = "X-CoAgent-Timestamp" // seconds since 1970
	HeaderSignature = "X-CoAgent-Signature" // see Sign
)

// Sign returns the signature of a body that is sent at a time: HMAC-SHA256 of the
// timestamp, a dot and the body. The key is the agent's callback token.
func Sign(key, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(timestamp + "."))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// Delivery is one call of an agent outside this program.
type Delivery struct {
	To   Endpoint
	Key  string // signs the body; "" sends no signature
	Body []byte
	At   time.Time
	Most int64 // bytes of the answer
}

// Answer is what an agent answers at once.
type Answer struct {
	Text  string // "" when it says nothing
	Later bool   // it will answer by the webhook
}

// The kinds of failed calls of which the next one may succeed, with the names that failed
// calls of models have.
const (
	CallTimeout     = "timeout"
	CallUnavailable = "unavailable"
	CallOpen        = "open" // not made: earlier ones have failed
)

// CallError is why a call has failed, in words of this program.
type CallError struct {
	Problem string
	Again   bool          // another try may succeed
	After   time.Duration // how long the agent wants to be left alone before it
	Late    bool          // it was not answered in time
	Open    bool          // it was not made, because earlier ones have failed
}

// Kind is one of the kinds above, or "" when the agent is at fault, or how it is set.
func (e *CallError) Kind() string {
	switch {
	case e.Open:
		return CallOpen
	case e.Late:
		return CallTimeout
	case e.Again:
		return CallUnavailable
	}
	return ""
}

// Error returns the words.
func (e *CallError) Error() string { return e.Problem }

// maxRetryAfter bounds for how long an agent can put off the next try.
const maxRetryAfter = time.Minute

// Deliver sends a message to an agent outside this program and returns its answer. The
// error is a *CallError. ctx must have a deadline.
func (c *Client) Deliver(ctx context.Context, d Delivery) (Answer, error) {
	res, err := c.post(ctx, &d)
	if err == nil && res.StatusCode == http.StatusUnauthorized && d.To.AuthType == AuthOAuth2 {
		// The agent may have forgotten a token before its end.
		_ = res.Body.Close()
		c.tokens.refused(d.To.OAuth, strings.TrimPrefix(res.Request.Header.Get("Authorization"), bearer))
		res, err = c.post(ctx, &d)
	}
	if err != nil {
		return Answer{}, failed(err)
	}
	defer res.Body.Close()
	switch code := res.StatusCode; {
	case code == http.StatusAccepted:
		return Answer{Later: true}, nil
	case code == http.StatusNoContent:
		return Answer{}, nil
	case code != http.StatusOK && code != http.StatusCreated:
		return Answer{}, badStatus("It", res, d.At)
	}
	return read(res.Body, d.Most)
}

// badStatus is the error for a status that is no success. Of some another try makes sense.
func badStatus(who string, res *http.Response, now time.Time) *CallError {
	err := &CallError{Problem: fmt.Sprintf("%s answers with status %d", who, res.StatusCode)}
	switch code := res.StatusCode; {
	case code >= http.StatusInternalServerError, code == http.StatusTooManyRequests, code == http.StatusRequestTimeout:
		err.Again, err.After = true, retryAfter(res.Header, now)
	}
	return err
}

// withoutMark removes the byte order mark that some programs begin a text with.
func withoutMark(raw []byte) []byte { return bytes.TrimPrefix(raw, []byte("\xEF\xBB\xBF")) }

// read reads the answer of an agent.
func read(body io.Reader, most int64) (Answer, error) {
	raw, err := io.ReadAll(io.LimitReader(body, most+1))
	if err != nil {
		return Answer{}, failed(err)
	}
	if int64(len(raw)) > most {
		return Answer{}, &CallError{Problem: fmt.Sprintf("Its answer has more than %d bytes", most)}
	}
	if raw = bytes.TrimSpace(withoutMark(raw)); len(raw) == 0 {
		return Answer{}, nil
	}
	var answer struct {
		Content json.RawMessage `json:"content"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return Answer{}, &CallError{Problem: "Its answer is no JSON object"}
	}
	if len(answer.Content) == 0 {
		return Answer{}, nil
	}
	return Answer{Text: Text(answer.Content)}, nil
}

// post sends a message once.
func (c *Client) post(ctx context.Context, d *Delivery) (*http.Response, error) {
	req, err := c.request(ctx, http.MethodPost, d.To, bytes.NewReader(d.Body), d.At)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	timestamp := strconv.FormatInt(d.At.Unix(), 10)
	req.Header.Set(HeaderTimestamp, timestamp)
	if d.Key != "" {
		req.Header.Set(HeaderSignature, Sign(d.Key, timestamp, d.Body))
	}
	return c.http.Do(req)
}

// failed says whether another try of a call makes sense.
func failed(err error) *CallError {
	var call *CallError
	if errors.As(err, &call) {
		return call
	}
	var own problem
	final := errors.As(err, &own) || errors.Is(err, outbound.ErrRefused) || badCertificate(err)
	return &CallError{Problem: inWords(err), Again: !final, Late: !final && !inTime(err)}
}

// retryAfter reads the header Retry-After: seconds, or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	wait := time.Duration(0)
	if s, err := strconv.Atoi(text); err == nil {
		wait = time.Duration(min(s, int(maxRetryAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}
