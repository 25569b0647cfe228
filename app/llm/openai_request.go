package llm

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"

	"github.com/sashabaranov/go-openai"
)

// openAIBody makes the body of r, as a chat completion for a model with these habits.
// Reasoning is sent back only in messages whose Reasoning.From is from.
func openAIBody(r Request, h habits, from string) ([]byte, error) {
	out := openai.ChatCompletionRequest{Model: r.Model, Stream: true, StreamOptions: &openai.StreamOptions{IncludeUsage: true}}
	if h.renamed {
		out.MaxCompletionTokens = r.MaxTokens
	} else {
		out.MaxTokens = r.MaxTokens //nolint:staticcheck // deprecated, but all that older servers know; the others say so
	}
	if r.Temperature != nil {
		// The SDK omits a zero, and a server takes a missing temperature as 1.
		out.Temperature = max(float32(*r.Temperature), math.SmallestNonzeroFloat32)
	}
	if h.drop[partTools] {
		r.Tools = nil
	}
	if h.drop[partPictures] {
		r = r.withoutPictures()
	}
	for _, t := range r.Tools {
		if len(t.Schema) == 0 {
			t.Schema = json.RawMessage(`{"type":"object","properties":{}}`)
		}
		out.Tools = append(out.Tools, openai.Tool{Type: openai.ToolTypeFunction, Function: &openai.FunctionDefinition{
			Name: t.Name, Description: t.Description, Parameters: t.Schema,
		}})
	}
	if r.Schema != nil && len(r.Tools) == 0 {
		out.ResponseFormat = openAIForm(r.Schema, h.form)
	}
	instructions, messages := r.instructions(), r.shaped(from)
	if h.noSystem {
		instructions, messages = "", folded(instructions, messages)
	}
	all := make([]json.RawMessage, 0, len(messages)+1)
	if instructions != "" {
		raw, err := json.Marshal(openai.ChatCompletionMessage{Role: openai.ChatMessageRoleSystem, Content: instructions})
		if err != nil {
			return nil, err
		}
		all = append(all, raw)
	}
	for _, m := range messages {
		raw, err := openAIMessage(m, h)
		if err != nil {
			return nil, err
		}
		all = append(all, raw)
	}
	return assembled(out, all, h)
}

// assembled puts the messages into a request and removes the members that the model
// refuses.
func assembled(request openai.ChatCompletionRequest, messages []json.RawMessage, h habits) ([]byte, error) {
	raw, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, err
	}
	if members["messages"], err = json.Marshal(messages); err != nil {
		return nil, err
	}
	for part := range h.drop {
		switch part {
		case "model", "messages", "stream":
		case partLimit:
			delete(members, "max_completion_tokens")
			delete(members, part)
		default:
			delete(members, part)
		}
	}
	return json.Marshal(members)
}

// openAIForm asks for JSON in the strictest way that the model has not refused.
func openAIForm(schema json.RawMessage, form int) *openai.ChatCompletionResponseFormat {
	switch form {
	case formSchema:
		return &openai.ChatCompletionResponseFormat{Type: openai.ChatCompletionResponseFormatTypeJSONSchema,
			JSONSchema: &openai.ChatCompletionResponseFormatJSONSchema{Name: "answer", Schema: schema}}
	case formObject:
		return &openai.ChatCompletionResponseFormat{Type: openai.ChatCompletionResponseFormatTypeJSONObject}
	}
	return nil
}

// openAIMessage writes one message. It always has a content: some servers require it
// beside calls too, and no server refuses it.
func openAIMessage(m Message, h habits) (json.RawMessage, error) {
	out := openai.ChatCompletionMessage{Role: string(m.Role), ToolCallID: callID(m.ToolCallID, h)}
	for _, c := range m.ToolCalls {
		out.ToolCalls = append(out.ToolCalls, openai.ToolCall{
			ID: callID(c.ID, h), Type: openai.ToolTypeFunction,
			Function: openai.FunctionCall{Name: c.Name, Arguments: string(objectOrEmpty(c.Arguments))},
		})
	}
	raw, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, err
	}
	if members["content"], err = openAIContent(m); err != nil {
		return nil, err
	}
	if t := m.Reasoning; t != nil && !h.drop[t.Member] {
		members[t.Member] = t.Details
		if t.Details == nil {
			members[t.Member], err = json.Marshal(t.Text)
		}
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(members)
}

// openAIContent is a text, or a list of texts and pictures.
func openAIContent(m Message) (json.RawMessage, error) {
	if len(m.Pictures) == 0 {
		return json.Marshal(m.Text)
	}
	var parts []openai.ChatMessagePart
	m.inParts(func(text string) {
		parts = append(parts, openai.ChatMessagePart{Type: openai.ChatMessagePartTypeText, Text: text})
	}, func(p Picture) {
		data := "data:" + p.Type + ";base64," + base64.StdEncoding.EncodeToString(p.Data)
		parts = append(parts, openai.ChatMessagePart{Type: openai.ChatMessagePartTypeImageURL, ImageURL: &openai.ChatMessageImageURL{URL: data}})
	})
	return json.Marshal(parts)
}

// callID returns the ID of a call in a form that the model accepts.
func callID(id string, h habits) string {
	if id == "" || !h.shortIDs {
		return id
	}
	return fmt.Sprintf("%x", sha256.Sum256([]byte(id)))[:9]
}

func objectOrEmpty(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return json.RawMessage("{}")
	}
	return raw
}
