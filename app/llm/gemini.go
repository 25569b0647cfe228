package llm

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"strings"
)

// gemini speaks Google's Generative Language API.
type gemini struct {
	baseURL string
	wire    *wire
}

// geminiVersion is the part of the path that names the version of the interface.
const geminiVersion = "v1beta"

// Stream implements Provider.
func (p *gemini) Stream(ctx context.Context, r Request) iter.Seq2[Chunk, error] {
	return func(yield func(Chunk, error) bool) {
		a := attemptOf(ctx)
		model := strings.TrimPrefix(r.Model, "models/")
		// The model's name becomes part of the path.
		if strings.ContainsAny(model, "?#%:\\ ") || strings.Contains(model, "..") {
			yield(Chunk{}, badRequest("%q is not the name of a model", a.hide(r.Model)))
			return
		}
		if !strings.Contains(model, "/") {
			model = "models/" + model
		}
		body, err := json.Marshal(geminiRequest(r, a.habits))
		if err != nil {
			yield(Chunk{}, badRequest("the request cannot be written as JSON"))
			return
		}
		header := http.Header{"X-Goog-Api-Key": {r.Key}}
		s := geminiStream{hide: a.hide}
		url := p.baseURL + "/" + geminiVersion + "/" + model + ":streamGenerateContent?alt=sse"
		for e, err := range p.wire.post(ctx, url, header, body) {
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
		// Some versions of the API name a finish reason in every event, so only the
		// last one counts.
		if s.done && s.last == "" {
			s.last = FinishStop
		}
		switch {
		case s.last != "":
			a.done.Store(true)
			yield(Chunk{Finish: s.last, Note: s.note}, nil)
		case s.odd != "":
			yield(Chunk{}, broken("answered what is no answer: %s", s.odd))
		}
	}
}

// geminiStream is an answer that is being read.
type geminiStream struct {
	hide func(string) string
	last string // the most recent finish reason
	note string
	odd  string // a document that is not an answer
	done bool   // a proxy in front has sent [DONE]
}

// geminiDoc has the members of an event that are used. All others are ignored.
type geminiDoc struct {
	Candidates, UsageMetadata, PromptFeedback, Error json.RawMessage
}

type geminiCandidate struct {
	Content, FinishReason, FinishMessage json.RawMessage
}

func (s *geminiStream) event(e event) (chunk Chunk, fault *Error) {
	if e.alive {
		return chunk, nil
	}
	if strings.EqualFold(strings.Trim(strings.TrimSpace(string(e.data)), `"`), "[DONE]") {
		s.done = true
		return chunk, nil
	}
	if e.name == "error" {
		return chunk, readFault(0, e.data).err(s.hide)
	}
	docs, err := documents(e.data)
	if err != nil && !e.open {
		return chunk, notJSON(e.data, s.hide)
	}
	for _, raw := range docs {
		var doc geminiDoc
		if json.Unmarshal(raw, &doc) != nil {
			continue
		}
		if !isNull(doc.Error) {
			return chunk, readFault(0, raw).err(s.hide)
		}
		if e.whole && doc.Candidates == nil && doc.PromptFeedback == nil && doc.UsageMetadata == nil {
			s.odd = s.hide(string(raw))
		}
		if u := geminiUsage(doc.UsageMetadata); u != nil {
			chunk.Usage = u
		}
		if fault = s.blocked(doc); fault != nil {
			return chunk, fault
		}
		for _, item := range items(doc.Candidates, 1) {
			s.candidate(item, &chunk)
		}
	}
	return chunk, nil
}

// blocked returns the error for a prompt that Gemini refuses to answer, nil for any
// other.
func (s *geminiStream) blocked(doc geminiDoc) *Error {
	var f struct{ BlockReason, BlockReasonMessage json.RawMessage }
	_ = json.Unmarshal(doc.PromptFeedback, &f) // on an error f stays empty, as if nothing was blocked
	reason := textOf(f.BlockReason)
	if reason == "" || reason == "BLOCK_REASON_UNSPECIFIED" {
		return nil
	}
	return &Error{Kind: Filtered, Message: s.hide("the prompt was blocked: " + reason + " " + textOf(f.BlockReasonMessage))}
}

func (s *geminiStream) candidate(raw json.RawMessage, chunk *Chunk) {
	var c geminiCandidate
	if json.Unmarshal(raw, &c) != nil {
		return
	}
	chunk.begun = true
	var content struct{ Parts json.RawMessage }
	_ = json.Unmarshal(c.Content, &content)
	for _, item := range items(content.Parts, 1<<12) {
		s.part(item, chunk)
	}
	reason := strings.ToUpper(textOf(c.FinishReason))
	switch reason {
	case "", "FINISH_REASON_UNSPECIFIED":
		return
	case "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS":
		chunk.ToolCalls = append(chunk.ToolCalls, ToolCall{Malformed: "the call could not be read: " + reason})
		s.last = FinishToolCalls
	default:
		s.last = geminiFinish(reason)
	}
	s.note = ""
	if s.last != FinishStop {
		s.note = s.hide(strings.TrimSpace(reason + " " + textOf(c.FinishMessage)))
	}
}

func (s *geminiStream) part(raw json.RawMessage, chunk *Chunk) {
	var p struct{ Text, Thought, FunctionCall, ThoughtSignature json.RawMessage }
	if json.Unmarshal(raw, &p) != nil {
		return
	}
	text := textOf(p.Text)
	if string(p.Thought) == "true" {
		chunk.Reasoning = chunk.Reasoning.with(&Reasoning{Text: text})
	} else {
		chunk.Text += text
	}
	if isNull(p.FunctionCall) {
		return
	}
	var f struct{ ID, Name, Args json.RawMessage }
	_ = json.Unmarshal(p.FunctionCall, &f)
	call := ToolCall{ID: wordOf(f.ID), Name: textOf(f.Name)}
	if !isNull(f.Args) {
		call.Arguments = plainJSON(f.Args)
		if inner := textOf(f.Args); inner != "" {
			call.Arguments = json.RawMessage(inner)
		}
	}
	_ = json.Unmarshal(p.ThoughtSignature, &call.Signature)
	chunk.ToolCalls = append(chunk.ToolCalls, call)
}

func geminiFinish(reason string) string {
	switch reason {
	case "STOP":
		return FinishStop
	case "MAX_TOKENS":
		return FinishLength
	case "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "IMAGE_SAFETY":
		return FinishContentFilter
	}
	return FinishOther
}

func geminiUsage(raw json.RawMessage) *Usage {
	var u struct{ PromptTokenCount, CandidatesTokenCount, ThoughtsTokenCount, CachedContentTokenCount json.RawMessage }
	if isNull(raw) || json.Unmarshal(raw, &u) != nil {
		return nil
	}
	out := &Usage{}
	out.PromptTokens, _ = tokensOf(u.PromptTokenCount)
	out.ReasoningTokens, _ = tokensOf(u.ThoughtsTokenCount)
	out.CachedTokens, _ = tokensOf(u.CachedContentTokenCount)
	said, _ := tokensOf(u.CandidatesTokenCount)
	out.CompletionTokens = said + out.ReasoningTokens
	return out
}
