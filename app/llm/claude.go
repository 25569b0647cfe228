package llm

import (
	"cmp"
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"strings"
)

// claude speaks Anthropic's Messages API. Its SDK adds 7 MiB to the binary, and its
// stream takes an answer that was cut off for a whole one.
type claude struct {
	baseURL string
	wire    *wire
}

// claudeVersion is the version of the interface, as the header names it.
const claudeVersion = "2023-06-01"

// Stream implements Provider.
func (p *claude) Stream(ctx context.Context, r Request) iter.Seq2[Chunk, error] {
	return func(yield func(Chunk, error) bool) {
		a := attemptOf(ctx)
		body, err := json.Marshal(claudeRequest(r, a.habits, a.source))
		if err != nil {
			yield(Chunk{}, badRequest("the request cannot be written as JSON"))
			return
		}
		header := http.Header{"Anthropic-Version": {claudeVersion}}
		if r.Key != "" {
			header.Set("X-Api-Key", r.Key)
		}
		s := claudeStream{from: a.source, hide: a.hide}
		for e, err := range p.wire.post(ctx, p.baseURL+"/v1/messages", header, body) {
			if err != nil {
				yield(Chunk{}, err)
				return
			}
			chunk, fault := s.event(e)
			if fault != nil {
				yield(Chunk{}, fault)
				return
			}
			if s.done {
				a.done.Store(true)
			}
			if !yield(chunk, nil) {
				return
			}
			if s.done {
				break
			}
		}
		// Without message_stop the answer was cut off, even when a reason has come.
		switch {
		case s.done:
			yield(s.end(), nil)
		case s.odd != "":
			yield(Chunk{}, broken("answered what is no answer: %s", s.odd))
		}
	}
}

// claudeStream is an answer that is being read.
type claudeStream struct {
	from   string
	hide   func(string) string
	blocks []*claudeBlock // by their index; those of no use are empty
	prompt [3]int         // tokens of the prompt: read anew, read from the cache, written to the cache
	usage  Usage
	reason string // stop_reason
	odd    string // a document that is not an answer
	done   bool   // message_stop has come, or a whole document
}

// claudeBlock is a part of the answer that has to be complete before it is used: a call
// of a tool, or thinking, which is sent back as it came.
type claudeBlock struct {
	kind, id, name string
	text           strings.Builder // of thinking, or the arguments of a call
	input          json.RawMessage // the arguments, when they came whole
	seal           strings.Builder // the signature of thinking, or redacted thinking
}

// The types of blocks that are used.
const (
	claudeText     = "text"
	claudeImage    = "image" // only sent
	claudeCall     = "tool_use"
	claudeResult   = "tool_result" // only sent
	claudeThinking = "thinking"
	claudeRedacted = "redacted_thinking"
)

// claudeMaxBlocks bounds the parts of one answer.
const claudeMaxBlocks = 1 << 10

// claudeDoc has the members of an event that are used. All others are ignored.
type claudeDoc struct {
	Type, Index, Message, Delta, Usage, Error, Content json.RawMessage

	ContentBlock json.RawMessage `json:"content_block"`
	StopReason   json.RawMessage `json:"stop_reason"`
}

func (s *claudeStream) event(e event) (chunk Chunk, fault *Error) {
	if e.alive {
		return chunk, nil
	}
	docs, err := documents(e.data)
	if e.name == "error" && (err != nil || len(docs) == 0) {
		return chunk, readFault(0, e.data).err(s.hide)
	}
	if err != nil && !e.open {
		return chunk, notJSON(e.data, s.hide)
	}
	for _, raw := range docs {
		if fault = s.document(e, raw, &chunk); fault != nil || s.done {
			break
		}
	}
	return chunk, fault
}

func (s *claudeStream) document(e event, raw json.RawMessage, chunk *Chunk) *Error {
	var doc claudeDoc
	_ = json.Unmarshal(raw, &doc) // of a number or a text doc stays empty
	kind := cmp.Or(textOf(doc.Type), e.name)
	if kind == "error" || !isNull(doc.Error) {
		return readFault(0, raw).err(s.hide)
	}
	switch kind {
	case "message_start", "message_delta", "content_block_start", "content_block_delta":
		chunk.begun = true
	}
	switch kind {
	case "message":
		s.whole(doc, chunk)
	case "message_start":
		var m claudeDoc
		_ = json.Unmarshal(doc.Message, &m) // on an error m stays empty
		s.count(m.Usage, chunk)
	case "content_block_start":
		if b := s.block(doc.Index); b != nil {
			b.begin(doc.ContentBlock, chunk)
		}
	case "content_block_delta":
		if b := s.block(doc.Index); b != nil {
			b.add(doc.Delta, chunk)
		}
	case "message_delta":
		var d claudeDoc
		_ = json.Unmarshal(doc.Delta, &d) // on an error d stays empty
		s.reason = cmp.Or(textOf(d.StopReason), s.reason)
		s.count(doc.Usage, chunk)
	case "message_stop":
		s.done = true
	default:
		if e.whole {
			s.odd = s.hide(string(raw))
		}
	}
	return nil
}

// whole reads a document that is the whole answer: some proxies send no stream.
func (s *claudeStream) whole(doc claudeDoc, chunk *Chunk) {
	s.blocks = nil
	for _, item := range items(doc.Content, claudeMaxBlocks) {
		b := new(claudeBlock)
		b.begin(item, chunk)
		s.blocks = append(s.blocks, b)
	}
	s.reason = textOf(doc.StopReason)
	s.count(doc.Usage, chunk)
	s.done = true
}

// block returns the block with this number, which its events have in common; nil when the
// number is of no use.
func (s *claudeStream) block(index json.RawMessage) *claudeBlock {
	n, ok := countOf(index)
	if !ok || n >= claudeMaxBlocks {
		return nil
	}
	for len(s.blocks) <= n {
		s.blocks = append(s.blocks, new(claudeBlock))
	}
	return s.blocks[n]
}

// begin reads a block as it begins, or a whole one.
func (b *claudeBlock) begin(raw json.RawMessage, chunk *Chunk) {
	var c struct{ Type, ID, Name, Input, Text, Thinking, Signature, Data json.RawMessage }
	if json.Unmarshal(raw, &c) != nil {
		return
	}
	b.kind, b.id, b.name = textOf(c.Type), wordOf(c.ID), textOf(c.Name)
	b.seal.WriteString(textOf(c.Signature) + textOf(c.Data))
	if !isNull(c.Input) {
		b.input = plainJSON(c.Input)
	}
	b.say(textOf(c.Text), textOf(c.Thinking), chunk)
}

// add reads a piece of a block.
func (b *claudeBlock) add(raw json.RawMessage, chunk *Chunk) {
	var d struct {
		Text, Thinking, Signature json.RawMessage
		PartialJSON               json.RawMessage `json:"partial_json"`
	}
	if json.Unmarshal(raw, &d) != nil {
		return
	}
	if b.kind == claudeCall {
		b.text.WriteString(textOf(d.PartialJSON))
	}
	b.seal.WriteString(textOf(d.Signature))
	b.say(textOf(d.Text), textOf(d.Thinking), chunk)
}

func (b *claudeBlock) say(text, thought string, chunk *Chunk) {
	if b.kind == claudeText || b.kind == "" {
		chunk.Text += text
	}
	if thought != "" {
		if b.kind == claudeThinking {
			b.text.WriteString(thought)
		}
		chunk.Reasoning = chunk.Reasoning.with(&Reasoning{Text: thought})
	}
}

// count takes over the numbers that usage has. The prompt is counted at the beginning, and
// the answer, so far, in every later event.
func (s *claudeStream) count(usage json.RawMessage, chunk *Chunk) {
	var u struct {
		InputTokens   json.RawMessage `json:"input_tokens"`
		OutputTokens  json.RawMessage `json:"output_tokens"`
		CacheRead     json.RawMessage `json:"cache_read_input_tokens"`
		CacheCreation json.RawMessage `json:"cache_creation_input_tokens"`
	}
	if isNull(usage) || json.Unmarshal(usage, &u) != nil {
		return
	}
	s.usage.PromptTokens = 0
	for i, raw := range []json.RawMessage{u.InputTokens, u.CacheRead, u.CacheCreation} {
		// A later event may have some of the numbers, or all of them.
		if n, ok := tokensOf(raw); ok && n > 0 {
			s.prompt[i] = n
		}
		s.usage.PromptTokens += s.prompt[i]
	}
	if n, ok := tokensOf(u.OutputTokens); ok {
		s.usage.CompletionTokens = n
	}
	s.usage.CachedTokens, s.usage.CacheWriteTokens = s.prompt[1], s.prompt[2]
	soFar := s.usage
	chunk.Usage = &soFar
}

// end returns the last chunk of a complete answer.
func (s *claudeStream) end() Chunk {
	end := Chunk{Finish: claudeFinish(s.reason)}
	var thinking []claudePart
	for _, b := range s.blocks {
		switch b.kind {
		case claudeCall:
			call := ToolCall{ID: b.id, Name: b.name, Arguments: b.input}
			if b.text.Len() > 0 {
				call.Arguments = json.RawMessage(b.text.String())
			}
			end.ToolCalls = append(end.ToolCalls, call)
		case claudeThinking:
			thinking = append(thinking, claudePart{Type: claudeThinking, Thinking: new(b.text.String()), Signature: b.seal.String()})
		case claudeRedacted:
			thinking = append(thinking, claudePart{Type: claudeRedacted, Data: b.seal.String()})
		}
	}
	if len(thinking) > 0 && len(end.ToolCalls) > 0 {
		if details, err := json.Marshal(thinking); err == nil {
			end.Reasoning = &Reasoning{Member: claudeThinking, Details: details, From: s.from}
		}
	}
	if s.usage != (Usage{}) {
		end.Usage = &s.usage
	}
	if end.Finish == FinishOther || end.Finish == FinishContentFilter {
		end.Note = s.hide(s.reason)
	}
	return end
}

func claudeFinish(reason string) string {
	switch reason {
	case "", "end_turn", "stop_sequence":
		return FinishStop
	case "max_tokens", "model_context_window_exceeded":
		return FinishLength
	case "tool_use":
		return FinishToolCalls
	case "refusal":
		return FinishContentFilter
	}
	return FinishOther
}
