// Package llmtest is a model provider for tests: a real HTTP server that
// speaks the streaming wire formats of OpenAI, Gemini and Claude, says what a
// script tells it to, fails in every way that a script asks for, and records
// what it was asked.
//
// Speak makes it as strict as one of the real services. It imports the standard library only and knows nothing of package llm, so
// that a mistake there cannot hide behind the same mistake here. The formats
// are told apart by the path; any base path works.
package llmtest

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"
)

// Request is what the server was asked, the same for all formats.
type Request struct {
	Number      int    // counts from 1
	Format      string // openai, gemini or claude
	Key         string // from Authorization, x-goog-api-key or x-api-key
	Model       string
	System      string // OpenAI's system messages, joined by blank lines
	Messages    []Message
	Tools       []string // their names
	Temperature *float64
	MaxTokens   int
	Header      http.Header
	Body        string

	Dialect        Dialect
	ResponseFormat string   // OpenAI's response_format.type, Gemini's responseMimeType
	Members        []string // of the body, Gemini's with those of generationConfig

	wire []wireMessage
}

// Message is one message of a Request; Role is user, assistant or tool. What
// the client has joined into one, because roles take turns, is taken apart
// again where a fence begins or ends, and where a line begins with somebody's
// name and role.
type Message struct {
	Role       string
	Text       string
	Reasoning  string // OpenAI's reasoning_content or reasoning, Claude's thinking
	ToolCalls  []ToolCall
	ToolCallID string    // not Gemini
	ToolName   string    // Gemini only
	Pictures   []Picture // behind Text
}

// Picture is a picture in a message of the user's.
type Picture struct {
	Type string
	Data []byte
}

// wireMessage is a message of OpenAI's as it was sent, and what the strict look at.
type wireMessage struct {
	Message
	hasContent bool
	members    []string
	thought    bool // it repeats calls that reasoning came with
}

// ToolCall is a call that a Response makes or that a Request repeats; Arguments is JSON.
type ToolCall struct {
	ID        string
	Name      string
	Arguments string
}

// LastUser is the text of the last user message, empty when there is none.
func (r Request) LastUser() string {
	for _, m := range slices.Backward(r.Messages) {
		if m.Role == "user" {
			return m.Text
		}
	}
	return ""
}

// Fault is a way to fail. A Response with none succeeds.
type Fault string

// The faults. Those that need a text to fail in send some when the Response has none.
const (
	Refuse       Fault = "refuse"         // close the connection without an answer
	Hang         Fault = "hang"           // never answer
	Silence      Fault = "silence"        // send the first chunk, then nothing
	HTML         Fault = "html"           // status 200 with a page
	PlainJSON    Fault = "plain_json"     // status 200 with one document instead of a stream
	BrokenJSON   Fault = "broken_json"    // the first event is no JSON
	CutHeader    Fault = "cut_header"     // close after the header, before any text
	Cut          Fault = "cut"            // close in the middle of an event, after half of the text
	NoFinish     Fault = "no_finish"      // a clean end without finish reason
	Endless      Fault = "endless"        // text for ever
	Huge         Fault = "huge"           // one event of 50 MB
	Drip         Fault = "drip"           // one byte per Delay
	InvalidUTF8  Fault = "invalid_utf8"   // raw bytes that are no UTF-8, and a NUL
	OpenToolCall Fault = "open_tool_call" // the arguments stop in the middle, and the stream ends without finish reason
	BadArguments Fault = "bad_arguments"  // a finished tool call whose arguments are no JSON
	KeepOpen     Fault = "keep_open"      // a whole answer, then the connection stays open without the end of the body
	StreamError  Fault = "stream_error"   // an error object inside the stream, after Text
	BigHeader    Fault = "big_header"     // a response header of 1 MB
	Redirect     Fault = "redirect"       // to another path of this server
	Encoded      Fault = "encoded"        // claims a content encoding
)

// Response is what the server does with one request. The zero value answers with an empty text.
type Response struct {
	Text       string
	ChunkRunes int           // runes per chunk; 8 when 0
	WireBytes  int           // when positive, the stream is flushed after every so many bytes, wherever that is
	Delay      time.Duration // before each chunk; with Drip before each byte
	ToolCalls  []ToolCall
	Finish     string // in OpenAI's words; stop or tool_calls when empty
	NoUsage    bool
	NoDone     bool // leave out OpenAI's [DONE]
	NoFinish   bool // name no finish reason; [DONE] comes unless NoDone

	Reasoning string // before Text, in the dialect's form
	Blocked   bool   // the prompt is filtered, in the dialect's way
	Plain     bool   // one JSON document, although a stream was asked for
	Raw       string // when not empty, the body as it is
	Every     int    // of Raw: Delay comes before each so many bytes
	Label     string // the Content-Type of the answer, "-" for none; the right one when empty

	Status     int    // not 200: an HTTP failure with Message
	RetryAfter string // the header, as it is
	Message    string

	Wait  time.Duration // before the status is sent
	Fault Fault
	Gate  *Gate
}

// Gate holds a stream after a number of chunks until the test opens it.
type Gate struct {
	after   int
	reached chan struct{}
	open    chan struct{}
	reach   sync.Once
	release sync.Once
}

// NewGate makes a Gate that lets n chunks pass. Several responses may share it.
func NewGate(n int) *Gate {
	return &Gate{after: n, reached: make(chan struct{}), open: make(chan struct{})}
}

// Reached is closed when the first stream waits at the gate.
func (g *Gate) Reached() <-chan struct{} { return g.reached }

// Release lets all streams pass, now and later.
func (g *Gate) Release() { g.release.Do(func() { close(g.open) }) }

// Script decides on the answer to a request; it is called concurrently.
type Script func(Request) Response

// Echo is the default script: it repeats the last user message.
func Echo(r Request) Response { return Response{Text: "You said: " + r.LastUser()} }

// Say answers every request with text.
func Say(text string) Script { return func(Request) Response { return Response{Text: text} } }

// Always answers every request with resp.
func Always(resp Response) Script { return func(Request) Response { return resp } }

// InTurn answers the first request with the first response and so on; the last one repeats.
func InTurn(resps ...Response) Script {
	return func(r Request) Response { return resps[min(r.Number, len(resps))-1] }
}

// maxRecorded bounds the memory of a long run; Count goes on.
const maxRecorded = 10_000

// Handler is the provider without a listener, for tests that run it in a process of its own.
type Handler struct {
	mu       sync.Mutex
	script   Script
	requests []Request
	count    int
	arrived  chan struct{} // closed and renewed with each request
	done     chan struct{} // closed when the server closes, which ends all that hangs
	end      sync.Once
	habits   habits
	refused  []Refusal
	listing  listing
}

// NewHandler makes a Handler; script may be nil for Echo.
func NewHandler(script Script) *Handler {
	h := &Handler{arrived: make(chan struct{}), done: make(chan struct{})}
	h.Script(script)
	return h
}

// Script replaces the script; nil is Echo.
func (h *Handler) Script(s Script) {
	if s == nil {
		s = Echo
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.script = s
}

// Requests lists what has been asked, oldest first, at most the last 10,000.
func (h *Handler) Requests() []Request {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.requests)
}

// Count is the number of requests so far.
func (h *Handler) Count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.count
}

// Await waits until n requests have arrived and reports whether they did within d.
func (h *Handler) Await(n int, d time.Duration) bool {
	deadline := time.After(d)
	for {
		h.mu.Lock()
		count, arrived := h.count, h.arrived
		h.mu.Unlock()
		if count >= n {
			return true
		}
		select {
		case <-arrived:
		case <-deadline:
			return false
		}
	}
}

// record numbers r and asks the script, outside the lock.
func (h *Handler) record(r *Request) Response {
	h.mu.Lock()
	h.count++
	r.Number = h.count
	h.requests = append(h.requests, *r)
	if len(h.requests) > maxRecorded {
		h.requests = slices.Delete(h.requests, 0, maxRecorded/10)
	}
	close(h.arrived)
	h.arrived = make(chan struct{})
	script := h.script
	h.mu.Unlock()
	return script(*r)
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method == http.MethodGet && strings.HasSuffix(req.URL.Path, "/models") {
		h.listModels(w, req)
		return
	}
	var f format
	switch {
	case strings.HasSuffix(req.URL.Path, "/chat/completions"):
		f = openAIFormat{}
	case strings.HasSuffix(req.URL.Path, ":streamGenerateContent"):
		f = geminiFormat{}
	case strings.HasSuffix(req.URL.Path, "/v1/messages"):
		f = claudeFormat{}
	}
	if f == nil || req.Method != http.MethodPost {
		http.NotFound(w, req)
		return
	}
	r, err := f.decode(req)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write(f.failure(http.StatusBadRequest, "llmtest cannot read the request: "+err.Error()))
		return
	}
	if no := h.refusal(&r); no != nil {
		no.write(w)
		return
	}
	s := &session{f: f, w: w, req: req, r: r, resp: h.record(&r), done: h.done}
	h.remember(&r, s.resp)
	s.serve()
}

// refusal judges r, and keeps what is refused.
func (h *Handler) refusal(r *Request) *refusal {
	h.mu.Lock()
	defer h.mu.Unlock()
	r.Dialect = h.habits.dialect
	no := h.habits.judge(*r)
	if no != nil && len(h.refused) < maxRecorded {
		h.refused = append(h.refused, Refusal{*r, no.status, string(no.body)})
	}
	return no
}

// remember notes calls that reasoning goes with: a dialect may want it back.
func (h *Handler) remember(r *Request, resp Response) {
	if r.Dialect != DeepSeek && r.Dialect != Claude || resp.Reasoning == "" {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.habits.thought == nil {
		h.habits.thought = map[string]bool{}
	}
	for _, c := range resp.ToolCalls {
		h.habits.thought[c.ID] = true
	}
}

// Close ends all answers that hang. A Server does it itself.
func (h *Handler) Close() { h.end.Do(func() { close(h.done) }) }

// Server is a Handler that listens on a free port of this machine.
type Server struct {
	*Handler
	URL  string // the base URL for all formats
	http *httptest.Server
}

// Start starts a Server with the script Echo; Close stops it.
func Start() *Server {
	h := NewHandler(nil)
	s := httptest.NewServer(h)
	return &Server{Handler: h, URL: s.URL, http: s}
}

// New is Start for a test or benchmark, which closes the server at its end.
func New(t interface{ Cleanup(func()) }) *Server {
	s := Start()
	t.Cleanup(s.Close)
	return s
}

// Close ends all connections and stops the server.
func (s *Server) Close() {
	s.Handler.Close()
	s.http.CloseClientConnections()
	s.http.Close()
}
