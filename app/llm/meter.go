package llm

import (
	"context"
	"net/http/httptrace"
)

// Meter is told of each attempt of a call, because a provider bills each of them.
type Meter interface {
	// Begin is called before an attempt is sent. After an error nothing is sent, and the
	// call ends with an *Error of kind Refused around it. Otherwise end is called once,
	// when the attempt is over.
	Begin(ctx context.Context, w Worst) (end func(Metered), err error)
}

// NoMeter books nothing. It is for tests and measurements, whose calls nobody pays.
type NoMeter struct{}

// Begin implements Meter.
func (NoMeter) Begin(context.Context, Worst) (func(Metered), error) { return func(Metered) {}, nil }

// Worst bounds what an attempt can use.
type Worst struct {
	Provider, Model string
	Free            bool // no provider is behind it, so nobody bills it
	MaxTokens       int  // the limit of the answer that is sent; 0 when the model takes none
	request         *Request
	source          string
	perPicture      int // tokens
}

// What a request counts beside the bytes of its texts, in tokens. No text has more tokens
// than bytes. Roles and the marks between messages cost a few, and a provider puts
// instructions of its own before tools and schemas.
const (
	tokensPerMessage = 16
	tokensPerTool    = 64
	tokensBefore     = 64
	tokensWithTools  = 1024
)

// PromptTokens is the most tokens that the request can have. Pictures count what its
// provider says that one counts at most.
func (w Worst) PromptTokens() int {
	r := w.request
	n := tokensBefore + len(r.instructions()) + len(r.Schema)
	if len(r.Tools) > 0 || r.Schema != nil {
		n += tokensWithTools
	}
	for _, t := range r.Tools {
		n += len(t.Name) + len(t.Description) + len(t.Schema) + tokensPerTool
	}
	for _, m := range r.shaped(w.source) {
		n += len(m.Text) + len(m.Name) + len(m.ToolCallID) + tokensPerMessage + len(m.Pictures)*w.perPicture
		for _, c := range m.ToolCalls {
			n += len(c.ID) + len(c.Name) + len(c.Arguments) + len(c.Signature) + tokensPerMessage
		}
		if m.Reasoning != nil {
			n += len(m.Reasoning.Text) + len(m.Reasoning.Details)
		}
	}
	return n
}

// Metered is what is known of an attempt that is over.
type Metered struct {
	Usage *Usage // as the provider reported it, nil when it did not
	Whole bool   // the answer came to its end, so Usage is all of it
	Sent  bool   // the provider may have worked on it, so it may be billed
	Bytes int    // of the answer, as far as it was heard
	Err   *Error // nil for an answer that came to its end
}

// begin tells the meter of an attempt. end is never nil.
func (c *call) begin(a *attempt) (end func(Metered), refused *Error) {
	none := func(Metered) {}
	r := &c.r
	if c.habits.drop[partPictures] {
		plain := c.r.withoutPictures()
		r = &plain
	}
	end, err := c.r.Meter.Begin(c.ctx, Worst{Provider: c.p.name, Model: c.r.Model, Free: c.p.baseURL == "", MaxTokens: c.limitSent(),
		request: r, source: a.source, perPicture: c.p.pictureTokens(c.r.Model)})
	if err != nil {
		return none, &Error{Kind: Refused, Message: "the call was not made, because its use cannot be booked", Err: err}
	}
	return end, nil
}

// limitSent is the limit of the answer that the request carries, 0 for none.
func (c *call) limitSent() int {
	refused := c.habits.drop[partLimit]
	switch c.p.impl.(type) {
	case *claude:
		return claudeTokens(c.r, c.habits)
	case *gemini:
		refused = refused || c.habits.renamed
	}
	if refused {
		return 0
	}
	return max(c.r.MaxTokens, 0)
}

// metered is what the meter is told at the end.
func (a *attempt) metered(fault *Error) Metered {
	m := Metered{Usage: a.usage, Whole: a.whole, Sent: a.sent.Load() && !a.refused.Load(), Bytes: a.heard, Err: fault}
	if a.whole && fault != nil && fault.Kind == Canceled {
		m.Err = nil // who left had heard all of it
	}
	return m
}

// note keeps what a piece says about the use of the attempt.
func (a *attempt) note(chunk Chunk) {
	a.heard += chunk.size()
	if chunk.Usage != nil {
		a.usage = chunk.Usage
	}
	a.whole = a.whole || chunk.Finish != ""
}

// traced returns a context with which the transport notes that a request was sent.
func (a *attempt) traced(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(info httptrace.WroteRequestInfo) {
		if info.Err == nil {
			a.sent.Store(true)
		}
	}})
}
