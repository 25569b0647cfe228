package web

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"
	"github.com/gofiber/fiber/v2"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/money"
	"github.com/coagent-studio/coagent/app/turn"
)

// listenBeat is how often a stream that waits for a model sends a sign of life. A client
// that has left is noticed by it, and its call is ended.
const listenBeat = 2 * time.Second

// listenOut is an answer as server-sent events.
type listenOut struct {
	ContentType string `header:"Content-Type"`
	Buffering   string `header:"X-Accel-Buffering"`
	Body        func(huma.Context)
}

// heardPrompt is what a model gets at the beginning of a turn.
type heardPrompt struct {
	System      string         `json:"system"`
	Messages    []heardMessage `json:"messages"`
	Tools       []heardTool    `json:"tools"`
	Provider    string         `json:"provider"`
	Model       string         `json:"model"`
	Temperature *float64       `json:"temperature"`
	MaxTokens   int            `json:"max_tokens"`
}

type heardMessage struct {
	Role string `json:"role"`
	Text string `json:"text"`
}

type heardTool struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Schema      json.RawMessage `json:"schema"`
}

// heardStart is the first event of a stream, heardEnd the last one when there is an answer,
// and heardError the last one when there is none.
type heardStart struct {
	Type   string       `json:"type"`
	TurnID *string      `json:"turn_id"`
	Prompt *heardPrompt `json:"prompt"`
}

type heardEnd struct {
	Type         string  `json:"type"`
	Reply        string  `json:"reply"`
	MessageID    string  `json:"message_id"`
	Truncated    bool    `json:"truncated"`
	Provider     string  `json:"provider"`
	Model        *string `json:"model"`
	InputTokens  int64   `json:"input_tokens"`
	OutputTokens int64   `json:"output_tokens"`
	Cost         *exact  `json:"cost"`
	Currency     *string `json:"currency"`
	FirstTextMS  *int64  `json:"first_text_ms"`
	MS           int64   `json:"ms"`
}

type heardError struct {
	Type       string `json:"type"`
	Status     int    `json:"status"`
	RetryAfter int    `json:"retry_after,omitempty"`
	*problem
}

func promptHeard(p *turn.SentPrompt) *heardPrompt {
	if p == nil {
		return nil
	}
	out := &heardPrompt{System: p.System, Messages: make([]heardMessage, len(p.Messages)), Tools: make([]heardTool, len(p.Tools)), Provider: p.Provider,
		Model: p.Model, Temperature: p.Temperature, MaxTokens: p.MaxTokens}
	for i, m := range p.Messages {
		out.Messages[i] = heardMessage{string(m.Role), m.Text}
	}
	for i, t := range p.Tools {
		out.Tools[i] = heardTool{t.Name, t.Description, t.Schema}
	}
	return out
}

func endHeard(a *app.Answered) heardEnd {
	out := heardEnd{Type: "end", Reply: a.Answer.Content, MessageID: a.Answer.ID, Truncated: a.Answer.Cut, Provider: a.Provider, Model: nullable(a.Model),
		InputTokens: a.Prompt, OutputTokens: a.Complete, Currency: nullable(a.Currency), MS: a.All.Milliseconds()}
	if a.Currency != "" {
		cost := exact(money.Nano(a.Cost))
		out.Cost = &cost
	}
	if a.First > 0 {
		first := a.First.Milliseconds()
		out.FirstTextMS = &first
	}
	return out
}

// listenIn and listenInThreadIn are as those of the answers that come whole, which are older
// and pass over members that they do not know.
type listenIn struct {
	AgentID id `path:"agent_id"`
	Body    struct{ ThreadLineIn }
}

type listenInThreadIn struct {
	ThreadID id `path:"thread_id"`
	Body     struct {
		ThreadLineIn
		ClientID string `json:"client_id,omitempty" doc:"Your name for the message: sent again, it is asked once"`
	}
}

func (s *Server) listenToSandbox(ctx context.Context, actor *app.Actor, in *listenIn) (*listenOut, error) {
	l, err := s.app.ListenToSandbox(ctx, actor, in.AgentID.String(), app.ThreadMessage{Message: in.Body.Message, MetadataJSON: in.Body.MetadataJSON})
	if err != nil {
		return nil, err
	}
	return s.listening(ctx, l), nil
}

func (s *Server) listenInThread(ctx context.Context, actor *app.Actor, in *listenInThreadIn) (*listenOut, error) {
	l, err := s.app.ListenInThread(ctx, actor, in.ThreadID.String(),
		app.ThreadMessage{Message: in.Body.Message, MetadataJSON: in.Body.MetadataJSON, ClientID: in.Body.ClientID})
	if err != nil {
		return nil, err
	}
	return s.listening(ctx, l), nil
}

// listening answers with a stream. Its writer closes l, also when nobody reads.
func (s *Server) listening(ctx context.Context, l *app.Listening) *listenOut {
	// The request itself is used for the next one when this one has its answer, so the
	// language is found out now.
	r := *requestOf(ctx)
	r.lang, r.sent = r.language(), nil
	return &listenOut{ContentType: "text/event-stream", Buffering: "no", Body: func(hc huma.Context) {
		c := humafiber.Unwrap(hc).Context()
		conn := c.Conn()
		c.SetBodyStreamWriter(func(w *bufio.Writer) {
			ctx := r.within(context.Background())
			defer s.caught(ctx)
			defer l.Close()
			h := &hearing{server: s, out: eventWriter{w, conn}, listening: l}
			h.run(ctx)
		})
	}}
}

// hearing writes one answer to one client.
type hearing struct {
	server    *Server
	out       eventWriter
	listening *app.Listening
}

// run writes until the answer has ended or the client has left.
func (h *hearing) run(ctx context.Context) {
	l := h.listening
	beat := time.NewTicker(listenBeat)
	defer beat.Stop()
	if h.send("start", heardStart{"start", nullable(l.TurnID), promptHeard(l.Prompt)}) != nil {
		return
	}
	for {
		answered, err := l.End()
		if h.say() != nil {
			return
		}
		switch {
		case err != nil:
			h.fail(ctx, err)
			return
		case answered != nil:
			_ = h.send("end", endHeard(answered))
			return
		}
		if !h.wait(ctx, beat.C) {
			return
		}
	}
}

// wait returns when the answer may have ended. Until then it sends what the agent says. It
// returns false when the client has left or may not listen any more.
func (h *hearing) wait(ctx context.Context, beat <-chan time.Time) bool {
	l := h.listening
	for {
		select {
		case <-l.Changed:
			return true
		case <-l.TooLong():
			return true // End says so
		case <-l.Spoken:
			if h.say() != nil {
				return false
			}
		case <-beat:
			if h.out.comment() != nil {
				return false
			}
			check, done := context.WithTimeout(ctx, requestTimeout)
			err := l.Recheck(check)
			done()
			if err != nil {
				h.fail(ctx, err)
				return false
			}
		}
	}
}

func (h *hearing) fail(ctx context.Context, err error) {
	p := h.server.problemOf(ctx, err)
	wait, _ := strconv.Atoi(p.header.Get(fiber.HeaderRetryAfter))
	_ = h.send("error", heardError{"error", p.status, wait, p})
}

func (h *hearing) say() error {
	deltas := h.listening.Deltas()
	for _, f := range deltas {
		h.out.event("", f.Type, f.Data)
	}
	if len(deltas) == 0 {
		return nil
	}
	return h.out.flush()
}

func (h *hearing) send(kind string, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	h.out.event("", kind, text)
	return h.out.flush()
}

// heard documents the stream of a route.
func (s *Server) heard(path string) {
	s.api.OpenAPI().Paths[path].Post.Responses[fmt.Sprint(http.StatusOK)].Content = map[string]*huma.MediaType{"text/event-stream": {
		Schema:  &huma.Schema{Type: huma.TypeString, Description: "Server-sent events: start, turn and delta as in a thread's events, then end or error"},
		Example: "event: start\ndata: {\"type\":\"start\",\"turn_id\":null,\"prompt\":null}\n\n"}}
}
