// Package llm talks to model providers. It has one streaming call, the same for every
// provider, with time limits, bounds, retries and a circuit breaker.
//
// It is a leaf: it imports the standard library, go-openai's types for requests and the
// breaker, and nothing of this program. It stores nothing, logs nothing and knows
// neither rooms nor people.
//
// Invariants:
//   - A stream that ends without an error ends with exactly one Chunk that carries
//     Finish. A stream that fails ends with exactly one *Error.
//   - Nothing is retried once text or a tool call has been yielded.
//   - Text is valid UTF-8 without NUL. No rune is split over two chunks.
//   - Tool calls have a name, and arguments that are a JSON object. When the model made
//     a call wrongly, Malformed says how; that is not a fault of the provider.
//   - Text marked as Data stands in a fence that the text cannot close, see Message.
//   - What a model thinks is never in Text. Neither is a tool call that the model
//     writes in its own notation. Both hold wherever the stream is cut into pieces.
//   - A key appears in no error, in no printed Request and in no answer. No error names
//     an address or a name server of the network that the program runs in.
//   - A provider's answer is read leniently: only members that are used are decoded,
//     and they may come in any type. Its content decides how it is read, not its
//     Content-Type.
//   - A consumer may stop ranging at any time. Everything is released by then.
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

// Message is one message of the conversation that the model is shown. When Data is set,
// the text stands inside the request's Fence, with the name of who said it. So the
// model can tell where it ends. The word of the fence is removed from every text.
type Message struct {
	Role       Role
	Name       string // of a user: shown to the model as "Name: " before Text; of a tool: its name
	Text       string
	Data       bool       // Text is what a person, another agent or a tool said
	ToolCalls  []ToolCall // of the assistant
	ToolCallID string     // of a tool: the ID of the call that this answers
	Pictures   []Picture  // of a user: shown behind Text to a model that takes them
	Reasoning  *Reasoning // of the assistant: what its Chunk had beside the calls; sent back only to the provider that gave it
}

// Reasoning is what a model thought before it answered. It is shown to staff. It goes
// into no later prompt, except back to its own provider beside a tool call.
type Reasoning struct {
	Text    string          `json:"text,omitempty"`
	Member  string          `json:"member,omitempty"`  // the member of the provider's message that carries it back; empty when it is not sent back
	Details json.RawMessage `json:"details,omitempty"` // the provider's own form of it
	From    string          `json:"from,omitempty"`    // identifies the provider, address and model
}

// ToolCall is the model's request to call a tool. Arguments is a JSON object. Malformed
// says why a call could not be read. Such a call may have a stand-in as its name and no
// arguments, so that it can still be shown to the model.
type ToolCall struct {
	ID        string
	Name      string
	Arguments json.RawMessage
	Malformed string
	Signature []byte // the provider's own; must be sent back with the call (Gemini's thought signature)
}

// Tool is a function that the model may call. Schema is the JSON Schema of its
// arguments, an object.
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
	Fence       string // the name of the tags around Data; when empty, Data looks like any other text
	Messages    []Message
	Tools       []Tool
	ToolRule    string          // follows System when Tools are sent; a model that refuses tools gets neither
	Secrets     []string        `json:"-"` // hidden in answers, as Key is
	Schema      json.RawMessage // JSON Schema of the answer, for providers that support one
	Temperature *float64        // the provider's default when nil
	MaxTokens   int             // of the answer; the provider's default when 0
	Meter       Meter           `json:"-"` // told of each attempt; without one no call is made
}

// Usage counts the tokens of one call as the provider reports them.
type Usage struct {
	PromptTokens     int
	CompletionTokens int // including those of the reasoning
	ReasoningTokens  int
	CachedTokens     int // of the prompt: what the provider had read before
	CacheWriteTokens int // of the prompt: what the provider keeps for later, where that has a price
}

// Chunk is a piece of the answer. The last one carries Finish, all tool calls,
// what the model thought and, where the provider counts, Usage.
type Chunk struct {
	Text      string
	ToolCalls []ToolCall
	Reasoning *Reasoning
	Finish    string
	Note      string // for staff: why it ended, or what was left out of the request
	Usage     *Usage
	Blind     bool // pictures were left out, because the model does not take them

	maybe string // a finish reason that came together with text: the end only if nothing follows
	begun bool   // the provider has begun its answer, even if nothing can be shown yet
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

// Provider sends a Request to one provider and yields its answer in pieces. It sets
// Finish and Usage as soon as it reads them, and ends when the answer ends. A Chunk
// without content is a sign of life.
//
// It runs in a goroutine of its own. Models does the rest: limits, retries, checks, and
// removing thinking and secrets from the text.
type Provider interface {
	Stream(ctx context.Context, r Request) iter.Seq2[Chunk, error]
}

// String describes the request without its key and without its text.
func (r Request) String() string {
	return fmt.Sprintf("llm.Request{provider %q, model %q, key %s, %d messages, %d tools}",
		r.Provider, r.Model, r.redactedKey(), len(r.Messages), len(r.Tools))
}

// GoString returns the same as String, so that %#v does not show the key either.
func (r Request) GoString() string { return r.String() }

// LogValue is what slog writes: the same as String, without the key and the text.
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
