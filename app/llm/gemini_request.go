package llm

import (
	"encoding/json"
)

// This file has the parts of Google's API that are sent. Google's SDK has types for all
// of the API. But the SDK adds megabytes that nothing here uses, and its stream fails
// on members that its types do not expect.

type geminiBody struct {
	Contents          []geminiContent  `json:"contents"`
	SystemInstruction *geminiContent   `json:"systemInstruction,omitempty"`
	Tools             []geminiTools    `json:"tools,omitempty"`
	GenerationConfig  geminiGeneration `json:"generationConfig"`
}

type geminiContent struct {
	Role  string       `json:"role,omitempty"`
	Parts []geminiPart `json:"parts"`
}

type geminiPart struct {
	Text             string          `json:"text,omitempty"`
	InlineData       *geminiPixels   `json:"inlineData,omitempty"`
	FunctionCall     *geminiFunction `json:"functionCall,omitempty"`
	FunctionResponse *geminiResult   `json:"functionResponse,omitempty"`
	ThoughtSignature []byte          `json:"thoughtSignature,omitempty"`
}

// geminiPixels is a picture.
type geminiPixels struct {
	MIMEType string `json:"mimeType"`
	Data     []byte `json:"data"`
}

type geminiFunction struct {
	Name string          `json:"name"`
	Args json.RawMessage `json:"args"`
}

type geminiResult struct {
	Name     string            `json:"name"`
	Response map[string]string `json:"response"`
}

type geminiTools struct {
	FunctionDeclarations []geminiDeclaration `json:"functionDeclarations"`
}

type geminiDeclaration struct {
	Name                 string          `json:"name"`
	Description          string          `json:"description,omitempty"`
	ParametersJSONSchema json.RawMessage `json:"parametersJsonSchema,omitempty"`
}

type geminiGeneration struct {
	Temperature      *float64 `json:"temperature,omitempty"`
	MaxOutputTokens  int      `json:"maxOutputTokens,omitempty"`
	ResponseMIMEType string   `json:"responseMimeType,omitempty"`
}

// The roles of a content: the model, and everybody else.
const (
	geminiModel = "model"
	geminiUser  = "user"
)

// geminiRequest makes the body of r for a model with these habits.
func geminiRequest(r Request, h habits) geminiBody {
	var out geminiBody
	// Google has only one name for the limit, so it is dropped after the first refusal.
	if !h.drop[partLimit] && !h.renamed {
		out.GenerationConfig.MaxOutputTokens = min(max(r.MaxTokens, 0), 1<<30)
	}
	if !h.drop["temperature"] {
		out.GenerationConfig.Temperature = r.Temperature
	}
	if h.drop[partTools] {
		r.Tools = nil
	}
	if h.drop[partPictures] {
		r = r.withoutPictures()
	}
	if r.Schema != nil && len(r.Tools) == 0 && h.form == formSchema {
		// The schema itself is not sent: older models refuse it.
		out.GenerationConfig.ResponseMIMEType = "application/json"
	}
	for _, t := range r.Tools {
		if out.Tools == nil {
			out.Tools = []geminiTools{{}}
		}
		out.Tools[0].FunctionDeclarations = append(out.Tools[0].FunctionDeclarations,
			geminiDeclaration{Name: t.Name, Description: t.Description, ParametersJSONSchema: t.Schema})
	}
	instructions, messages := r.instructions(), r.shaped("")
	if h.noSystem {
		instructions, messages = "", folded(instructions, messages)
	}
	if instructions != "" {
		out.SystemInstruction = &geminiContent{Parts: []geminiPart{{Text: instructions}}}
	}
	for i, m := range messages {
		role := geminiUser
		if m.Role == RoleAssistant {
			role = geminiModel
		}
		parts := geminiParts(messages[:i], m)
		// The results of several calls go into one content.
		if last := len(out.Contents) - 1; last >= 0 && out.Contents[last].Role == role {
			out.Contents[last].Parts = append(out.Contents[last].Parts, parts...)
			continue
		}
		out.Contents = append(out.Contents, geminiContent{Role: role, Parts: parts})
	}
	return out
}

func geminiParts(before []Message, m Message) []geminiPart {
	if m.Role == RoleTool {
		return []geminiPart{{FunctionResponse: &geminiResult{Name: toolName(before, m), Response: map[string]string{"output": m.Text}}}}
	}
	var parts []geminiPart
	m.inParts(func(text string) {
		if text != "" {
			parts = append(parts, geminiPart{Text: text})
		}
	}, func(p Picture) {
		parts = append(parts, geminiPart{InlineData: &geminiPixels{p.Type, p.Data}})
	})
	for _, c := range m.ToolCalls {
		parts = append(parts, geminiPart{FunctionCall: &geminiFunction{Name: c.Name, Args: objectOrEmpty(c.Arguments)}, ThoughtSignature: c.Signature})
	}
	return parts
}
