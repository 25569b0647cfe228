package llmtest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Dialect is a service or server that the Handler behaves like: it refuses what
// that one refuses, in its words, and answers in its form.
type Dialect string

// The dialects. Plain is what the Handler speaks unless told otherwise: it
// takes any request that can be read.
const (
	Plain      Dialect = ""
	OpenAI     Dialect = "openai"     // refuses members that it does not know; "o3" and "gpt-5" in a model's name make it a reasoning model
	Azure      Dialect = "azure"      // as OpenAI, knows no stream_options, filters prompts, begins with an event without choices
	DeepSeek   Dialect = "deepseek"   // wants content and its reasoning_content back, knows no json_schema, sends comments
	Mistral    Dialect = "mistral"    // forbids extra members, wants roles in turn and its own form of IDs, answers in lists of parts
	VLLM       Dialect = "vllm"       // a template that wants roles in turn; reasoning in delta.reasoning
	Ollama     Dialect = "ollama"     // reasoning in delta.reasoning, tool calls whole and all with index 0
	OpenRouter Dialect = "openrouter" // comments, reasoning_details, upstream's words hidden in metadata.raw
	Gemini     Dialect = "gemini"     // Google's own format, refuses members that it does not know
	Claude     Dialect = "claude"     // Anthropic's own format, refuses members that it does not know, wants thinking back beside calls
)

// Dialects lists all but Plain.
func Dialects() []Dialect {
	return []Dialect{OpenAI, Azure, DeepSeek, Mistral, VLLM, Ollama, OpenRouter, Gemini, Claude}
}

// Kind is the wire format of a dialect: openai, gemini or claude.
func (d Dialect) Kind() string {
	if d == Gemini || d == Claude {
		return string(d)
	}
	return "openai"
}

// claudeMost is the limit that each model of Claude's takes; the limit has to be sent.
const claudeMost = 4096

// habits are what a Handler was told about the model that it plays.
type habits struct {
	dialect Dialect
	refuses []string
	window  int
	thought map[string]bool // the IDs of calls that reasoning came with
}

// Speak makes the handler behave like a dialect, from the next request on.
func (h *Handler) Speak(d Dialect) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.habits.dialect = d
}

// Refuse makes the model refuse requests with one of these parameters, in the
// dialect's words; the names are those of OpenAI's members, and "system" is
// the role. Without a parameter it takes all again.
func (h *Handler) Refuse(parameters ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.habits.refuses = slices.Clone(parameters)
}

// Window makes the model refuse prompts of more than so many tokens, at four
// bytes of text each, in the dialect's words; 0 takes all.
func (h *Handler) Window(tokens int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.habits.window = tokens
}

// Refusals lists the requests that were refused for what is in them, oldest
// first. They are neither in Requests nor counted, and no script sees them.
func (h *Handler) Refusals() []Refusal {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.refused)
}

// Refusal is a request that was refused.
type Refusal struct {
	Request
	Status int
	Words  string // the body that was answered
}

// refusal is how a request fails.
type refusal struct {
	status int
	body   []byte
}

// judge says why the model does not take r; nil when it does.
func (b *habits) judge(r Request) *refusal {
	for i := range r.wire {
		for _, c := range r.wire[i].ToolCalls {
			r.wire[i].thought = r.wire[i].thought || b.thought[c.ID]
		}
	}
	for _, p := range b.refuses {
		if r.has(p) && (b.dialect != Claude || p != "max_tokens" || r.MaxTokens > claudeMost) {
			return b.dialect.refusesParameter(p, r)
		}
	}
	if no := b.dialect.strict(r); no != nil {
		return no
	}
	if asked := r.tokens(); b.window > 0 && asked > b.window {
		return b.dialect.tooLong(asked, b.window, r)
	}
	return nil
}

func (r Request) tokens() int {
	n := len(r.System)
	for _, m := range r.Messages {
		n += len(m.Text) + len(m.Reasoning)
	}
	return (n + 3) / 4
}

// geminiNames are Gemini's names for OpenAI's parameters.
var geminiNames = map[string]string{
	"max_tokens": "maxOutputTokens", "max_completion_tokens": "maxOutputTokens", "response_format": "responseMimeType", "system": "systemInstruction",
}

func (r Request) has(parameter string) bool {
	if parameter == "system" {
		return r.System != ""
	}
	if parameter == pictures {
		return slices.ContainsFunc(r.Messages, func(m Message) bool { return len(m.Pictures) > 0 })
	}
	if r.Format == "gemini" {
		name := parameter
		if own := geminiNames[parameter]; own != "" {
			name = own
		}
		return slices.Contains(r.Members, name)
	}
	return slices.Contains(r.Members, parameter)
}

// pictures is the name of pictures for Refuse.
const pictures = "pictures"

// refusesPictures is how a dialect says that its model sees nothing.
func (d Dialect) refusesPictures(r Request) *refusal {
	switch d {
	case DeepSeek:
		return d.fail(400, "Failed to deserialize the JSON body into the target type: messages[1]: unknown variant `image_url`, expected `text` at line 1 column 305",
			"invalid_request_error", "", "invalid_request_error")
	case Mistral:
		return d.fail(400, "Image input is not enabled for this model", "invalid_request_invalid_args", "", "3051")
	case VLLM:
		return d.fail(400, r.Model+" is not a multimodal model", "BadRequestError", "", nil)
	case Ollama:
		return d.fail(500, "this model is missing data required for image input", "api_error", "", nil)
	case OpenRouter:
		return d.fail(404, "No endpoints found that support image input", "", "", 404)
	case Gemini:
		return d.fail(400, "Image input modality is not enabled for models/"+r.Model, "INVALID_ARGUMENT", "", nil)
	case Claude:
		return d.fail(400, "'"+r.Model+"' does not support image input.", "invalid_request_error", "", nil)
	}
	return d.fail(400, "Invalid content type. image_url is only supported by certain models.", "invalid_request_error", "messages.[1].content.[1].type", nil)
}

// refusesParameter is how a dialect says that its model does not take p.
func (d Dialect) refusesParameter(p string, r Request) *refusal {
	if p == pictures {
		return d.refusesPictures(r)
	}
	switch {
	case p == "system" && d == Gemini:
		return d.fail(400, "Developer instruction is not enabled for models/"+r.Model, "INVALID_ARGUMENT", "", nil)
	case p == "system":
		return d.fail(400, "System role not supported", "invalid_request_error", "", nil)
	case d == Gemini && p == "tools":
		return d.fail(400, "Function calling is not enabled for models/"+r.Model, "INVALID_ARGUMENT", "", nil)
	case d == Gemini && p == "response_format":
		return d.fail(400, "JSON mode is not enabled for models/"+r.Model, "INVALID_ARGUMENT", "", nil)
	case d == Gemini:
		return d.fail(400, "Unable to submit request because "+geminiNames[p]+p+" isn't supported by the model.", "INVALID_ARGUMENT", "", nil)
	case d == Claude && p == "max_tokens":
		return d.fail(400, fmt.Sprintf("max_tokens: %d > %d, which is the maximum allowed number of output tokens for %s", r.MaxTokens, claudeMost, r.Model), "invalid_request_error", "", nil)
	case d == Claude && p == "temperature":
		return d.fail(400, "`temperature` is deprecated for this model.", "invalid_request_error", "", nil)
	case d == Claude:
		return d.fail(400, p+": Extra inputs are not permitted", "invalid_request_error", "", nil)
	case d == Ollama && p == "tools":
		return d.fail(400, "registry.ollama.ai/library/"+r.Model+" does not support tools", "api_error", "", nil)
	case d == VLLM && p == "tools":
		return d.fail(400, `"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set`, "BadRequestError", "", nil)
	case d == Mistral:
		return d.extraForbidden(p)
	case p == "max_tokens":
		return d.fail(400, "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
			"invalid_request_error", p, "unsupported_parameter")
	case p == "temperature":
		return d.fail(400, fmt.Sprintf("Unsupported value: 'temperature' does not support %v with this model. Only the default (1) value is supported.", *r.Temperature),
			"invalid_request_error", p, "unsupported_value")
	case d == Azure, d == OpenAI:
		return d.fail(400, "Unrecognized request argument supplied: "+p, "invalid_request_error", "", nil)
	}
	return d.fail(400, fmt.Sprintf("Unsupported parameter: '%s' is not supported with this model.", p), "invalid_request_error", p, "unsupported_parameter")
}

// tooLong is how a dialect says that the prompt does not fit.
func (d Dialect) tooLong(asked, window int, r Request) *refusal {
	switch d {
	case Claude:
		return d.fail(400, fmt.Sprintf("prompt is too long: %d tokens > %d maximum", asked, window), "invalid_request_error", "", nil)
	case Gemini:
		return d.fail(400, fmt.Sprintf("The input token count (%d) exceeds the maximum number of tokens allowed (%d).", asked, window), "INVALID_ARGUMENT", "", nil)
	case Mistral:
		return &refusal{400, encode(object{"object": "error", "type": "invalid_request_prompt", "param": nil, "code": "3051",
			"message": fmt.Sprintf("Prompt contains %d tokens and 0 draft tokens, too large for model with %d maximum context length", asked, window)})}
	case Ollama:
		return d.fail(400, fmt.Sprintf("the request exceeds the available context size (%d > %d tokens)", asked, window), "exceed_context_size_error", "", nil)
	case OpenRouter:
		return d.fail(400, fmt.Sprintf("This endpoint's maximum context length is %d tokens. However, you requested about %d tokens (%d of text input). "+
			"Please reduce the length of either one, or use the \"middle-out\" transform to compress your prompt automatically.", window, asked, asked), "", "", 400)
	case VLLM:
		return d.fail(400, fmt.Sprintf("This model's maximum context length is %d tokens. However, your request has %d input tokens. "+
			"Please reduce the length of the input messages.", window, asked), "BadRequestError", "", 400)
	}
	return d.fail(400, fmt.Sprintf("This model's maximum context length is %d tokens. However, your messages resulted in %d tokens. "+
		"Please reduce the length of the messages.", window, asked), "invalid_request_error", "messages", "context_length_exceeded")
}

// blocked is how a dialect says before any answer that it will not answer this
// prompt; nil when it says so inside a stream.
func (d Dialect) blocked() *refusal {
	switch d {
	case Azure:
		return &refusal{400, encode(object{"error": object{
			"message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
			"type":    nil, "param": "prompt", "code": "content_filter", "status": 400,
			"innererror": object{"code": "ResponsibleAIPolicyViolation", "content_filter_result": object{"hate": object{"filtered": true, "severity": "high"}}}}})}
	case OpenRouter:
		return &refusal{403, encode(object{"error": object{"code": 403, "message": "Input was flagged by moderation",
			"metadata": object{"reasons": []string{"violence"}, "flagged_input": "...", "provider_name": "OpenAI"}}})}
	case Gemini:
		return nil
	case Claude:
		return d.fail(400, "Output blocked by content filtering policy", "invalid_request_error", "", nil)
	}
	return d.fail(400, "Your request was rejected as a result of our safety system (content_filter).", "invalid_request_error", "", "content_policy_violation")
}

// fail makes an error in the form of a dialect.
func (d Dialect) fail(status int, message, kind, param string, code any) *refusal {
	body := object{"error": object{"message": message, "type": kind, "param": orNull(param), "code": code}}
	switch d {
	case Gemini:
		body = object{"error": object{"code": status, "message": message, "status": kind, "details": []object{}}}
	case Claude:
		body = object{"type": "error", "error": object{"type": kind, "message": message}, "request_id": "req_test"}
	case Mistral:
		body = object{"object": "error", "message": message, "type": kind, "param": orNull(param), "code": code}
	case VLLM:
		body = object{"object": "error", "message": message, "type": kind, "param": orNull(param), "code": status}
	case OpenRouter:
		upstream := string(encode(object{"error": object{"message": message, "type": kind, "param": orNull(param), "code": code}}))
		body = object{"error": object{"message": "Provider returned error", "code": status,
			"metadata": object{"raw": upstream, "provider_name": "Upstream"}}, "user_id": "user_1"}
		if code == 400 { // its own words
			body = object{"error": object{"message": message, "code": status}}
		}
	}
	return &refusal{status, encode(body)}
}

// extraForbidden is Mistral's answer to a member that it does not know.
func (d Dialect) extraForbidden(member string) *refusal {
	return &refusal{422, encode(object{"object": "error", "type": "invalid_request_error", "param": nil, "code": nil,
		"message": object{"detail": []object{{"type": "extra_forbidden", "loc": []any{"body", member}, "msg": "Extra inputs are not permitted", "input": 1}}}})}
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// write answers with the refusal.
func (no *refusal) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(no.status)
	_, _ = w.Write(no.body)
}

// reasons reports whether OpenAI would take model for one that reasons.
func reasons(model string) bool {
	return strings.Contains(model, "o3") || strings.Contains(model, "gpt-5")
}
