package llm

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"strings"
)

// openAI speaks OpenAI's chat completions, which many other servers speak too.
type openAI struct {
	baseURL string
	wire    *wire
}

// Stream implements Provider.
func (p *openAI) Stream(ctx context.Context, r Request) iter.Seq2[Chunk, error] {
	return func(yield func(Chunk, error) bool) {
		a := attemptOf(ctx)
		body, err := openAIBody(r, a.habits, a.source)
		if err != nil {
			yield(Chunk{}, badRequest("the request cannot be written as JSON"))
			return
		}
		header := http.Header{}
		if r.Key != "" {
			header.Set("Authorization", "Bearer "+r.Key)
		}
		s := openAIStream{from: a.source, hide: a.hide}
		for e, err := range p.wire.post(ctx, p.baseURL+"/chat/completions", header, body) {
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
				break
			}
			if !yield(chunk, nil) {
				return
			}
		}
		switch end, ok := s.end(); {
		case ok:
			a.done.Store(true)
			yield(end, nil)
		case s.odd != "":
			yield(Chunk{}, broken("answered what is no answer: %s", s.odd))
		}
	}
}

// openAIStream is an answer that is being read.
type openAIStream struct {
	from  string
	hide  func(string) string
	odd   string // a document that is not an answer
	calls toolCalls
	last  string // the most recent finish reason; some servers name one in every event
	whole bool   // a whole completion has come instead of chunks
	done  bool   // [DONE] has come
}

// event converts one event. A chunk without content is a sign of life.
func (s *openAIStream) event(e event) (chunk Chunk, fault *Error) {
	if e.alive {
		return chunk, nil
	}
	if word := strings.Trim(strings.TrimSpace(string(e.data)), `"`); strings.EqualFold(word, "[DONE]") {
		s.done = true
		return chunk, nil
	}
	docs, err := documents(e.data)
	if err != nil && !e.open {
		if e.name == "error" {
			return chunk, readFault(0, e.data).err(s.hide)
		}
		return chunk, notJSON(e.data, s.hide)
	}
	for _, doc := range docs {
		if fault = s.document(e, doc, &chunk); fault != nil {
			return chunk, fault
		}
	}
	return chunk, nil
}

// openAIDoc has the members of an event that are used. All others are ignored.
type openAIDoc struct {
	Choices, Usage, Error, Object, Type, Message, Detail json.RawMessage
}

type openAIChoice struct {
	Index, Delta, Message, Text json.RawMessage
	FinishReason                json.RawMessage `json:"finish_reason"`
}

func (s *openAIStream) document(e event, raw json.RawMessage, chunk *Chunk) *Error {
	var doc openAIDoc
	if json.Unmarshal(raw, &doc) != nil {
		if string(raw) == `"[DONE]"` {
			s.done = true
		}
		return nil // a number or a text, which is not used
	}
	choices := items(doc.Choices, 16)
	failed := e.name == "error" || !isNull(doc.Error) || textOf(doc.Object) == "error" || textOf(doc.Type) == "error"
	if failed || e.whole && doc.Choices == nil && (doc.Message != nil || doc.Detail != nil) {
		return readFault(0, raw).err(s.hide)
	}
	if e.whole && doc.Choices == nil {
		s.odd = s.hide(string(raw))
	}
	if u := usageOf(doc.Usage); u != nil {
		chunk.Usage = u
		if s.last != "" && len(choices) == 0 {
			chunk.Finish = s.last
		}
	}
	for _, item := range choices {
		var c openAIChoice
		if json.Unmarshal(item, &c) != nil {
			continue
		}
		if n, ok := countOf(c.Index); ok && n != 0 {
			continue
		}
		chunk.begun = true
		if fault := s.choice(c, chunk); fault != nil {
			return fault
		}
	}
	return nil
}

// choice reads the first choice; only one is asked for.
func (s *openAIStream) choice(c openAIChoice, chunk *Chunk) *Error {
	said := s.delta(c.Delta, chunk)
	if !isNull(c.Message) {
		s.whole = true
		said = s.delta(c.Message, chunk) || said
	}
	if text := textOf(c.Text); text != "" && !said {
		chunk.Text += text
		said = true
	}
	reason := openAIFinish(wordOf(c.FinishReason))
	switch reason {
	case "":
		return nil
	case finishError:
		return fault{status: http.StatusBadGateway, message: "the provider broke off in mid-answer"}.err(s.hide)
	}
	s.last = reason
	if said {
		chunk.maybe = reason // some servers name a reason in every event, so it is the end only if nothing follows
		return nil
	}
	chunk.Finish = reason
	chunk.ToolCalls = append(chunk.ToolCalls, s.calls.take()...)
	return nil
}

type openAIDelta struct {
	Content, Refusal, Reasoning, Thinking json.RawMessage
	ReasoningContent                      json.RawMessage `json:"reasoning_content"`
	ReasoningDetails                      json.RawMessage `json:"reasoning_details"`
	ToolCalls                             json.RawMessage `json:"tool_calls"`
	FunctionCall                          json.RawMessage `json:"function_call"`
}

// delta reads a piece of the answer, or the whole answer, and reports whether it has
// content.
func (s *openAIStream) delta(raw json.RawMessage, chunk *Chunk) bool {
	var d openAIDelta
	if json.Unmarshal(raw, &d) != nil {
		return false
	}
	text, thought := contentOf(d.Content)
	text += textOf(d.Refusal)
	chunk.Text += text
	r := s.reasoning(d)
	r.Text += thought
	if r.Text != "" || r.Details != nil {
		chunk.Reasoning = chunk.Reasoning.with(&r)
	}
	calls := items(d.ToolCalls, 256)
	for _, item := range calls {
		s.call(item)
	}
	if !isNull(d.FunctionCall) {
		s.fragment(nil, "", d.FunctionCall)
	}
	return text != "" || r.Text != "" || len(calls) > 0 || !isNull(d.FunctionCall)
}

// reasoning finds the model's thinking. Servers send it in different members.
func (s *openAIStream) reasoning(d openAIDelta) (r Reasoning) {
	details := items(d.ReasoningDetails, 256)
	for _, m := range []struct {
		name string
		raw  json.RawMessage
	}{{"reasoning_content", d.ReasoningContent}, {"reasoning", d.Reasoning}, {"thinking", d.Thinking}} {
		text, thought := contentOf(m.raw)
		if text += thought; text != "" {
			r.Text, r.Member, r.From = text, m.name, s.from
			break
		}
	}
	for _, item := range details {
		var d struct{ Text, Summary json.RawMessage }
		if r.Member == "" && json.Unmarshal(item, &d) == nil {
			r.Text += textOf(d.Text) + textOf(d.Summary)
		}
	}
	if len(details) > 0 {
		r.Member, r.From = "reasoning_details", s.from
		r.Details, _ = json.Marshal(details)
	}
	return r
}

// call reads a fragment of a tool call. Its parts may have any type.
func (s *openAIStream) call(raw json.RawMessage) {
	var c struct{ Index, ID, Function json.RawMessage }
	if json.Unmarshal(raw, &c) != nil {
		return
	}
	var index *int
	if n, ok := countOf(c.Index); ok {
		index = &n
	}
	function := c.Function
	if isNull(function) {
		function = raw // some servers omit the object around name and arguments
	}
	s.fragment(index, wordOf(c.ID), function)
}

func (s *openAIStream) fragment(index *int, id string, function json.RawMessage) {
	var f struct{ Name, Arguments, Parameters json.RawMessage }
	if json.Unmarshal(function, &f) != nil {
		return
	}
	args := f.Arguments
	if isNull(args) {
		args = f.Parameters
	}
	text := textOf(args)
	if text == "" && !isNull(args) {
		text = string(args) // some servers send an object instead of a text
	}
	s.calls.add(index, id, textOf(f.Name), text)
}

// end returns the last chunk when the stream has ended. ok is false when the answer is
// not complete.
func (s *openAIStream) end() (end Chunk, ok bool) {
	end = Chunk{Finish: s.last, ToolCalls: s.calls.take()}
	if end.Finish == "" && (s.done || s.whole) {
		end.Finish = FinishStop
	}
	return end, end.Finish != ""
}

// finishError is the finish reason that gateways send when the provider behind them
// broke off the answer.
const finishError = "error"

// openAIFinish translates a finish reason. Servers with this API use the words of many
// providers.
func openAIFinish(reason string) string {
	switch strings.ToLower(reason) {
	case "", "null", "none", "finish_reason_unspecified":
		return ""
	case "stop", "end_turn", "eos", "eos_token", "stop_sequence", "complete", "end":
		return FinishStop
	case "length", "max_tokens", "max_output_tokens", "model_length", "max_length":
		return FinishLength
	case "tool_calls", "tool_call", "function_call", "tool_use":
		return FinishToolCalls
	case "content_filter", "safety", "recitation", "blocklist", "prohibited_content", "spii", "refusal", "sensitive", "content_filtered":
		return FinishContentFilter
	case "error", "network_error", "abort", "aborted":
		return finishError
	}
	return FinishOther
}

// usageOf reads the token counts. It returns nil when there are none.
func usageOf(raw json.RawMessage) *Usage {
	var u struct {
		PromptTokens     json.RawMessage `json:"prompt_tokens"`
		CompletionTokens json.RawMessage `json:"completion_tokens"`
		Details          json.RawMessage `json:"completion_tokens_details"`
		PromptDetails    json.RawMessage `json:"prompt_tokens_details"`
		CacheHit         json.RawMessage `json:"prompt_cache_hit_tokens"` // DeepSeek's name for the cached ones
	}
	if isNull(raw) || json.Unmarshal(raw, &u) != nil {
		return nil
	}
	var d struct {
		ReasoningTokens json.RawMessage `json:"reasoning_tokens"`
	}
	_ = json.Unmarshal(u.Details, &d)
	var in struct {
		CachedTokens json.RawMessage `json:"cached_tokens"`
		CacheWrite   json.RawMessage `json:"cache_write_tokens"`
	}
	_ = json.Unmarshal(u.PromptDetails, &in)
	out := &Usage{}
	out.PromptTokens, _ = tokensOf(u.PromptTokens)
	out.CompletionTokens, _ = tokensOf(u.CompletionTokens)
	out.ReasoningTokens, _ = tokensOf(d.ReasoningTokens)
	var named bool
	if out.CachedTokens, named = tokensOf(in.CachedTokens); !named {
		out.CachedTokens, _ = tokensOf(u.CacheHit)
	}
	out.CacheWriteTokens, _ = tokensOf(in.CacheWrite)
	return out
}

// contentOf reads a content: a text, or a list of parts. Some of the parts may be
// thinking.
func contentOf(raw json.RawMessage) (text, thought string) {
	if text = textOf(raw); text != "" {
		return text, ""
	}
	parts := items(raw, 1<<12)
	if parts == nil && !isNull(raw) {
		parts = []json.RawMessage{raw}
	}
	for _, item := range parts {
		var p struct{ Type, Text, Thinking, Reasoning, Summary, Refusal json.RawMessage }
		if json.Unmarshal(item, &p) != nil {
			text += textOf(item)
			continue
		}
		kind := textOf(p.Type)
		for _, raw := range []json.RawMessage{p.Thinking, p.Reasoning, p.Summary} {
			if !isNull(raw) {
				t, more := contentOf(raw)
				thought += t + more
			}
		}
		said := textOf(p.Text) + textOf(p.Refusal)
		if strings.Contains(kind, "think") || strings.Contains(kind, "reason") {
			thought += said
			continue
		}
		text += said
	}
	return text, thought
}
