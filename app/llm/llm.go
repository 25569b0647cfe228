// Package llm talks to model providers: one streaming call, the same for every
// provider, with time limits, bounds, retries and a circuit breaker.
//
// It is a leaf: it imports the standard library, go-openai's types for requests
// and the breaker, and nothing of this program. It stores nothing, logs nothing and
// knows neither rooms nor people.
//
// Invariants:
//   - A stream that ends without an error ends with exactly one Chunk that
//     carries Finish; a stream that fails ends with exactly one *Error.
//   - Nothing is retried once text or a tool call has been yielded.
//   - Text is valid UTF-8 without NUL; no rune is split over two chunks.
//   - Tool calls have a name, and arguments that are a JSON object. Of one that the
//     model got wrong Malformed says how: that is no fault of the provider's.
//   - Text marked as Data stands in a fence that it cannot close, see Message.
//   - What a model thinks is no Text, and neither is a tool call that it writes
//     in a notation of its own, wherever a stream is cut.
//   - A key appears in no error, in no printed Request and in no answer; no error
//     names an address or a name server of the network that the program runs in.
//   - A provider is read leniently: only what is used is decoded, from whatever
//     type it comes in, and an answer is taken by what it is, not by its label.
//   - A consumer may stop ranging at any time; everything is released by then.
package llm

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
)

// Role says who speaks in a Message.
type Role string

// The roles of a Message.
const (
	RoleSystem    Role = "system"
	RoleUser      Role = "user"
	RoleAssistant Role = "assistant" // the model itself
	RoleTool      Role = "tool"      // the result of a ToolCall
)

// The values of Chunk.Finish.
const (
	FinishStop          = "stop"
	FinishLength        = "length" // the token limit cut the answer
	FinishToolCalls     = "tool_calls"
	FinishContentFilter = "content_filter"
	FinishThinking      = "thinking" // the token limit went into thinking, so that nothing was said
	FinishOther         = "other"
)

// Message is one turn of the conversation that the model is shown. The text of
// one that is Data stands between the request's Fence and its end, with the
// name of who said it: somebody's words, to be told from what the program asks.
type Message struct {
	Role       Role
	Name       string // of a user: shown to the model as "Name: " before Text; of a tool: the tool's name
	Text       string
	Data       bool       // Text is what a person, another agent or a tool said
	ToolCalls  []ToolCall // of the assistant
	ToolCallID string     // of a tool: the ID of the call that this answers
	Reasoning  *Reasoning // of the assistant: what its Chunk had beside the calls; only the provider that gave it sees it again
}

// Reasoning is what a model thought before it answered. It is for staff, and
// goes into no later prompt, except to its own provider beside a tool call.
type Reasoning struct {
	Text    string          `json:"text,omitempty"`
	Member  string          `json:"member,omitempty"`  // of the provider's message in which it goes back; empty when it does not
	Details json.RawMessage `json:"details,omitempty"` // the provider's own form of it
	From    string          `json:"from,omitempty"`    // tells the provider, address and model
}

// ToolCall is the model's wish to call a tool; Arguments is a JSON object. Of a
// call that could not be read Malformed says why; it may have a stand-in for a
// name and no arguments then, so that it can be shown to the model again.
type ToolCall struct {
	ID        string
	Name      string
	Arguments json.RawMessage
	Malformed string
	Signature []byte // the provider's own; has to come back with the call (Gemini's thought signature)
}

// Tool is a function that the model may call; Schema is the JSON Schema of its arguments, an object.
type Tool struct {
	Name        string
	Description string
	Schema      json.RawMessage
}

// Request is one call of a model. Printing it never shows Key.
type Request struct {
	Provider    string // a name known to Models
	Model       string // the provider's default when empty
	Key         string `json:"-"`
	System      string
	Fence       string // the name of the tags around Data; without one Data looks like any other text
	Messages    []Message
	Tools       []Tool
	ToolRule    string          // stands behind System as long as Tools are sent: a model may turn out to know none
	Secrets     []string        `json:"-"` // beside Key: what nobody may read in an answer
	Schema      json.RawMessage // JSON Schema of the answer, for providers that can be held to one
	Temperature *float64        // the provider's default when nil
	MaxTokens   int             // of the answer; the provider's default when 0
}

// Usage counts the tokens of one call as the provider reports them.
type Usage struct {
	PromptTokens     int
	CompletionTokens int // with those of the reasoning
	ReasoningTokens  int
}

// Chunk is a piece of the answer. The last one carries Finish, all tool calls,
// what the model thought and, where the provider counts, Usage.
type Chunk struct {
	Text      string
	ToolCalls []ToolCall
	Reasoning *Reasoning
	Finish    string
	Note      string // for staff: why it ended, or what was left out of the request, where that needs words
	Usage     *Usage

	maybe string // a finish reason that came with text: it is the end if nothing follows
	begun bool   // the provider has begun its answer, whatever it shows of it
}

func (c Chunk) size() int {
	n := len(c.Text)
	if c.Reasoning != nil {
		n += len(c.Reasoning.Text) + len(c.Reasoning.Details)
	}
	for _, call := range c.ToolCalls {
		n += len(call.Arguments)
	}
	return n
}

// Provider turns a Request into the pieces of one provider's answer. It names
// Finish and Usage as soon as it sees them and ends when the answer ends; a
// Chunk without content means that somebody is there but has nothing to show.
// It runs in a goroutine of its own. Limits, retries, checks, thinking inside a
// text and secrets are the business of Models.
type Provider interface {
	Stream(ctx context.Context, r Request) iter.Seq2[Chunk, error]
}

// String describes the request without its key and without its text.
func (r Request) String() string {
	return fmt.Sprintf("llm.Request{provider %q, model %q, key %s, %d messages, %d tools}",
		r.Provider, r.Model, r.redactedKey(), len(r.Messages), len(r.Tools))
}

// GoString is String, so that %#v keeps the key too.
func (r Request) GoString() string { return r.String() }

// LogValue is what slog writes: like String, without the key and the text.
func (r Request) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("provider", r.Provider),
		slog.String("model", r.Model),
		slog.String("key", r.redactedKey()),
		slog.Int("messages", len(r.Messages)),
		slog.Int("tools", len(r.Tools)),
	)
}

func (r Request) redactedKey() string {
	if r.Key == "" {
		return "none"
	}
	return "***"
}
