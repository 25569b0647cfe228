package llm

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/sashabaranov/go-openai"
)

// openAI speaks OpenAI's chat completions, which many other servers speak too.
type openAI struct {
	baseURL string
	client  *http.Client
}

// Stream implements Provider.
func (p *openAI) Stream(ctx context.Context, r Request) iter.Seq2[Chunk, error] {
	return func(yield func(Chunk, error) bool) {
		cfg := openai.DefaultConfig(r.Key)
		cfg.BaseURL = p.baseURL
		cfg.HTTPClient = p.client
		// Comments and blank lines are no events, however many: silence and size have limits of their own.
		cfg.EmptyMessagesLimit = math.MaxUint
		stream, err := openai.NewClientWithConfig(cfg).CreateChatCompletionStream(ctx, openAIRequest(r))
		if err != nil {
			yield(Chunk{}, err)
			return
		}
		defer stream.Close()
		var calls toolCalls
		for {
			event, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(Chunk{}, openAIStreamError(err, r.Key))
				return
			}
			chunk, ok := openAIChunk(event, &calls)
			if chunk.Finish == openAIErrorFinish {
				yield(Chunk{}, fault{status: http.StatusBadGateway, message: "the provider failed in mid-answer"}.err(r.Key))
				return
			}
			if ok && !yield(chunk, nil) {
				return
			}
		}
	}
}

// openAIChunk converts one event; ok is false for one that shows no progress, such as the opening role.
func openAIChunk(event openai.ChatCompletionStreamResponse, calls *toolCalls) (chunk Chunk, ok bool) {
	if u := event.Usage; u != nil {
		chunk.Usage = &Usage{PromptTokens: u.PromptTokens, CompletionTokens: u.CompletionTokens}
		ok = true
	}
	for _, choice := range event.Choices {
		if choice.Index != 0 {
			continue
		}
		delta := choice.Delta
		chunk.Text += delta.Content + delta.Refusal
		for _, c := range delta.ToolCalls {
			calls.add(c.Index, c.ID, c.Function.Name, c.Function.Arguments)
		}
		ok = ok || chunk.Text != "" || delta.ReasoningContent != "" || len(delta.ToolCalls) > 0
		if choice.FinishReason != "" && choice.FinishReason != openai.FinishReasonNull {
			chunk.Finish = openAIFinish(choice.FinishReason)
			chunk.ToolCalls = calls.take()
			ok = true
		}
	}
	return chunk, ok
}

// openAIErrorFinish is how gateways end an answer that their upstream broke off.
const openAIErrorFinish = "error"

func openAIFinish(f openai.FinishReason) string {
	switch f {
	case openai.FinishReasonStop:
		return FinishStop
	case openai.FinishReasonLength:
		return FinishLength
	case openai.FinishReasonToolCalls, openai.FinishReasonFunctionCall:
		return FinishToolCalls
	case openai.FinishReasonContentFilter:
		return FinishContentFilter
	case openAIErrorFinish:
		return openAIErrorFinish
	default:
		return FinishOther
	}
}

// openAIStreamError gives an error that was sent inside a stream, after status 200, its kind.
func openAIStreamError(err error, key string) error {
	var api *openai.APIError
	if !errors.As(err, &api) {
		return err
	}
	code, _ := api.Code.(string)
	status, _ := api.Code.(int)
	if status == 0 {
		status, _ = strconv.Atoi(code)
	}
	if status < 400 || status > 599 {
		status = http.StatusInternalServerError
		if strings.Contains(api.Type+code, "rate_limit") || strings.Contains(api.Type+code, "quota") {
			status = http.StatusTooManyRequests
		}
	}
	return fault{status: status, message: api.Message}.err(key)
}

func openAIRequest(r Request) openai.ChatCompletionRequest {
	out := openai.ChatCompletionRequest{
		Model:         r.Model,
		StreamOptions: &openai.StreamOptions{IncludeUsage: true},
	}
	reasons := openAIReasons(r.Model)
	// Reasoning models refuse max_tokens and any other temperature than their own; older servers know max_tokens only.
	if reasons {
		out.MaxCompletionTokens = r.MaxTokens
	} else {
		out.MaxTokens = r.MaxTokens //nolint:staticcheck // deprecated, but all that older servers know
	}
	if r.Temperature != nil && !reasons {
		// The SDK leaves a zero out, and out means 1.
		out.Temperature = max(float32(*r.Temperature), math.SmallestNonzeroFloat32)
	}
	if r.System != "" {
		out.Messages = append(out.Messages, openai.ChatCompletionMessage{Role: openai.ChatMessageRoleSystem, Content: clean(r.System)})
	}
	for _, m := range r.Messages {
		if text := m.spoken(r.Fence); text != "" || len(m.ToolCalls) > 0 {
			out.Messages = append(out.Messages, openAIMessage(m, text))
		}
	}
	for _, t := range r.Tools {
		if len(t.Schema) == 0 {
			t.Schema = json.RawMessage(`{"type":"object","properties":{}}`)
		}
		out.Tools = append(out.Tools, openai.Tool{Type: openai.ToolTypeFunction, Function: &openai.FunctionDefinition{
			Name: t.Name, Description: t.Description, Parameters: t.Schema,
		}})
	}
	return out
}

func openAIReasons(model string) bool {
	for _, family := range []string{"o1", "o3", "o4", "gpt-5", "gpt-6"} {
		if strings.HasPrefix(model, family) {
			return true
		}
	}
	return false
}

func openAIMessage(m Message, text string) openai.ChatCompletionMessage {
	out := openai.ChatCompletionMessage{Role: string(m.Role), Content: text, ToolCallID: m.ToolCallID}
	for _, c := range m.ToolCalls {
		out.ToolCalls = append(out.ToolCalls, openai.ToolCall{
			ID: c.ID, Type: openai.ToolTypeFunction,
			Function: openai.FunctionCall{Name: c.Name, Arguments: string(objectOrEmpty(c.Arguments))},
		})
	}
	return out
}

func objectOrEmpty(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return json.RawMessage("{}")
	}
	return raw
}
