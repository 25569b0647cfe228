package llm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"strings"

	"google.golang.org/genai"
)

// gemini speaks Google's Generative Language API.
type gemini struct {
	baseURL string
	client  *http.Client
}

// Stream implements Provider.
func (p *gemini) Stream(ctx context.Context, r Request) iter.Seq2[Chunk, error] {
	return func(yield func(Chunk, error) bool) {
		// The model's name becomes a part of the path.
		if strings.ContainsAny(r.Model, "?#%:\\") || strings.Contains(r.Model, "..") {
			yield(Chunk{}, badRequest("%q is not the name of a model", sanitise(r.Model, r.Key)))
			return
		}
		client, err := genai.NewClient(ctx, &genai.ClientConfig{
			APIKey:      r.Key,
			Backend:     genai.BackendGeminiAPI,
			HTTPClient:  p.client,
			HTTPOptions: genai.HTTPOptions{BaseURL: p.baseURL},
		})
		if err != nil {
			// The SDK prints its configuration, with the key, into this error.
			yield(Chunk{}, badRequest("the client cannot be made"))
			return
		}
		contents, config := geminiRequest(r)
		finish := ""
		for event, err := range client.Models.GenerateContentStream(ctx, r.Model, contents, config) {
			if err != nil {
				yield(Chunk{}, geminiStreamError(err, r.Key))
				return
			}
			chunk, ok, fault := geminiChunk(event)
			if fault != nil {
				yield(Chunk{}, fault)
				return
			}
			// Some versions of the API name a finish reason in every event, so only the last one counts.
			if chunk.Finish != "" {
				finish, chunk.Finish = chunk.Finish, ""
			}
			if ok && !yield(chunk, nil) {
				return
			}
		}
		if finish != "" && intact(ctx) {
			yield(Chunk{Finish: finish}, nil)
		}
	}
}

// geminiChunk converts one event; ok is false for one that shows no progress.
func geminiChunk(event *genai.GenerateContentResponse) (chunk Chunk, ok bool, fault error) {
	if u := event.UsageMetadata; u != nil {
		chunk.Usage = &Usage{
			PromptTokens:     int(u.PromptTokenCount),
			CompletionTokens: int(u.CandidatesTokenCount + u.ThoughtsTokenCount),
		}
		ok = len(event.Candidates) == 0
	}
	if f := event.PromptFeedback; f != nil && f.BlockReason != "" {
		chunk.Finish, ok = FinishContentFilter, true
	}
	if len(event.Candidates) == 0 || event.Candidates[0] == nil {
		return chunk, ok, nil
	}
	candidate := event.Candidates[0]
	if candidate.Content != nil {
		for _, part := range candidate.Content.Parts {
			ok = true
			if part.Text != "" && !part.Thought {
				chunk.Text += part.Text
			}
			if part.FunctionCall != nil {
				call, err := geminiCall(part)
				if err != nil {
					return chunk, false, err
				}
				chunk.ToolCalls = append(chunk.ToolCalls, call)
			}
		}
	}
	switch candidate.FinishReason {
	case "", genai.FinishReasonUnspecified:
	case genai.FinishReasonMalformedFunctionCall, genai.FinishReasonUnexpectedToolCall, genai.FinishReasonTooManyToolCalls:
		chunk.ToolCalls = append(chunk.ToolCalls, ToolCall{Malformed: "the call could not be read: " + sanitise(string(candidate.FinishReason), "")})
		chunk.Finish, ok = FinishToolCalls, true
	default:
		chunk.Finish, ok = geminiFinish(candidate.FinishReason), true
	}
	return chunk, ok, nil
}

func geminiFinish(f genai.FinishReason) string {
	switch f {
	case genai.FinishReasonStop:
		return FinishStop
	case genai.FinishReasonMaxTokens:
		return FinishLength
	case genai.FinishReasonSafety, genai.FinishReasonRecitation, genai.FinishReasonBlocklist,
		genai.FinishReasonProhibitedContent, genai.FinishReasonSPII, genai.FinishReasonLanguage:
		return FinishContentFilter
	default:
		return FinishOther
	}
}

func geminiCall(part *genai.Part) (ToolCall, error) {
	call := ToolCall{ID: part.FunctionCall.ID, Name: part.FunctionCall.Name, Signature: part.ThoughtSignature}
	if len(part.FunctionCall.Args) == 0 {
		return call, nil
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(part.FunctionCall.Args); err != nil {
		return call, err
	}
	call.Arguments = bytes.TrimSpace(out.Bytes())
	return call, nil
}

// geminiStreamError gives an error that was sent inside a stream, after status 200, its kind.
func geminiStreamError(err error, key string) error {
	var api genai.APIError
	if !errors.As(err, &api) {
		return err
	}
	status := api.Code
	if status < 400 || status > 599 {
		status = http.StatusInternalServerError
	}
	return fault{status: status, message: api.Message}.err(key)
}

func geminiRequest(r Request) ([]*genai.Content, *genai.GenerateContentConfig) {
	config := &genai.GenerateContentConfig{
		MaxOutputTokens: int32(min(max(r.MaxTokens, 0), 1<<30)),
		// It would send the request again after text was shown.
		AutomaticContinuation: new(false),
	}
	if r.Schema != nil && len(r.Tools) == 0 {
		// Not the schema itself: older models refuse it.
		config.ResponseMIMEType = "application/json"
	}
	if r.Temperature != nil {
		config.Temperature = new(float32(*r.Temperature))
	}
	for _, t := range r.Tools {
		declaration := &genai.FunctionDeclaration{Name: t.Name, Description: t.Description}
		if len(t.Schema) > 0 {
			declaration.ParametersJsonSchema = t.Schema
		}
		if config.Tools == nil {
			config.Tools = []*genai.Tool{{}}
		}
		config.Tools[0].FunctionDeclarations = append(config.Tools[0].FunctionDeclarations, declaration)
	}
	system := r.System
	var contents []*genai.Content
	for i, m := range r.Messages {
		if m.Role == RoleSystem {
			system = strings.TrimSpace(system + "\n\n" + m.Text)
			continue
		}
		parts := geminiParts(r.Messages[:i], m, r.Fence)
		if len(parts) == 0 {
			continue
		}
		role := geminiRole(m.Role)
		// Gemini wants the roles to take turns.
		if last := len(contents) - 1; last >= 0 && contents[last].Role == string(role) {
			contents[last].Parts = append(contents[last].Parts, parts...)
			continue
		}
		contents = append(contents, &genai.Content{Role: string(role), Parts: parts})
	}
	if system != "" {
		config.SystemInstruction = &genai.Content{Parts: []*genai.Part{{Text: clean(system)}}}
	}
	return contents, config
}

func geminiRole(r Role) genai.Role {
	if r == RoleAssistant {
		return genai.RoleModel
	}
	return genai.RoleUser
}

func geminiParts(before []Message, m Message, fence string) []*genai.Part {
	if m.Role == RoleTool {
		return []*genai.Part{{FunctionResponse: &genai.FunctionResponse{
			Name:     toolName(before, m),
			Response: map[string]any{"output": m.spoken(fence)},
		}}}
	}
	var parts []*genai.Part
	if text := m.spoken(fence); text != "" {
		parts = append(parts, &genai.Part{Text: text})
	}
	for _, c := range m.ToolCalls {
		// prepare has checked that these are objects.
		args := map[string]any{}
		_ = json.Unmarshal(objectOrEmpty(c.Arguments), &args)
		parts = append(parts, &genai.Part{
			FunctionCall:     &genai.FunctionCall{Name: c.Name, Args: args},
			ThoughtSignature: c.Signature,
		})
	}
	return parts
}
