package llmtest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// known are the members that each dialect which refuses others takes.
var known = map[Dialect]string{
	OpenAI: "model messages stream stream_options max_tokens max_completion_tokens temperature top_p n stop tools tool_choice " +
		"parallel_tool_calls response_format reasoning_effort user seed",
	Azure: "model messages stream max_tokens max_completion_tokens temperature top_p n stop tools tool_choice " +
		"parallel_tool_calls response_format reasoning_effort user seed",
	Mistral: "model messages stream max_tokens temperature top_p n stop tools tool_choice parallel_tool_calls response_format random_seed",
	Gemini: "contents systemInstruction tools toolConfig safetySettings generationConfig cachedContent maxOutputTokens temperature " +
		"responseMimeType responseSchema responseJsonSchema candidateCount topP topK stopSequences thinkingConfig",
	Claude: "model messages max_tokens system stream temperature top_p top_k stop_sequences tools tool_choice metadata thinking service_tier output_config",
}

// strict says what of r a dialect never takes; nil when it takes all.
func (d Dialect) strict(r Request) *refusal {
	if members := known[d]; members != "" {
		for _, m := range r.Members {
			if slices.Contains(strings.Fields(members), m) {
				continue
			}
			switch d {
			case Mistral:
				return d.extraForbidden(m)
			case Claude:
				return d.fail(400, m+": Extra inputs are not permitted", "invalid_request_error", "", nil)
			case Gemini:
				return d.fail(400, fmt.Sprintf("Invalid JSON payload received. Unknown name \"%s\": Cannot find field.", m), "INVALID_ARGUMENT", "", nil)
			}
			return d.fail(400, "Unrecognized request argument supplied: "+m, "invalid_request_error", "", nil)
		}
	}
	if no := d.strictRoles(r); no != nil {
		return no
	}
	switch d {
	case OpenAI, Azure:
		return d.strictOpenAI(r)
	case DeepSeek:
		return d.strictDeepSeek(r)
	case Mistral:
		return d.strictMistral(r)
	case Gemini:
		return d.strictGemini(r)
	case Claude:
		return d.strictClaude(r)
	}
	return nil
}

// strictRoles checks the order of the messages: results of tools stand behind
// their calls, and where a template wants it user and assistant take turns.
func (d Dialect) strictRoles(r Request) *refusal {
	if d == Plain || d == Gemini || d == Claude {
		return nil
	}
	turns := d == Mistral || d == VLLM
	open, last := map[string]bool{}, ""
	for i, m := range r.wire {
		switch {
		case m.Role == "tool" && !open[m.ToolCallID]:
			return d.fail(400, fmt.Sprintf("Invalid parameter: messages with role 'tool' must be a response to a preceding message with 'tool_calls' (messages[%d]).", i),
				"invalid_request_error", fmt.Sprintf("messages.[%d].role", i), nil)
		case m.Role == "tool":
			delete(open, m.ToolCallID)
		case len(open) > 0:
			return d.fail(400, "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'.",
				"invalid_request_error", "messages", nil)
		case turns && m.Role == "system" && i > 0:
			return d.fail(400, "Unexpected role 'system' after role '"+last+"'", "invalid_request_error", "", nil)
		case turns && m.Role == "user" && (last == "user" || last == "tool"), turns && m.Role == "assistant" && (last == "assistant" || last == "" || last == "system"):
			return d.fail(400, "Conversation roles must alternate user/assistant/user/assistant/...", "BadRequestError", "", nil)
		}
		for _, c := range m.ToolCalls {
			open[c.ID] = true
		}
		last = m.Role
	}
	if turns && last != "user" && last != "tool" {
		return d.fail(400, "Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant", "invalid_request_error", "", nil)
	}
	return nil
}

func (d Dialect) strictOpenAI(r Request) *refusal {
	if reasons(r.Model) {
		for _, p := range []string{"max_tokens", "temperature"} {
			if r.has(p) {
				return d.refusesParameter(p, r)
			}
		}
	}
	for i, m := range r.wire {
		if !m.hasContent && len(m.ToolCalls) == 0 {
			return d.fail(400, "Invalid value for 'content': expected a string, got null.", "invalid_request_error", fmt.Sprintf("messages.[%d].content", i), nil)
		}
		for _, member := range m.members {
			if !slices.Contains([]string{"role", "content", "name", "tool_calls", "tool_call_id", "refusal"}, member) {
				return d.fail(400, fmt.Sprintf("Unrecognized request argument supplied: messages.[%d].%s", i, member), "invalid_request_error", "", nil)
			}
		}
	}
	return nil
}

func (d Dialect) strictDeepSeek(r Request) *refusal {
	for i, m := range r.wire {
		switch {
		case !m.hasContent:
			return &refusal{422, encode(object{"error": object{"code": "invalid_request_error", "type": "invalid_request_error", "param": nil,
				"message": fmt.Sprintf("Failed to deserialize the JSON body into the target type: messages[%d]: missing field `content` at line 1 column 305", i)}})}
		case m.thought && m.Reasoning == "":
			return d.fail(400, "The reasoning_content in the thinking mode must be passed back to the API.", "invalid_request_error", "", "invalid_request_error")
		}
	}
	switch {
	case r.ResponseFormat == "json_schema":
		return d.fail(400, "This response_format type is unavailable now", "invalid_request_error", "", "invalid_request_error")
	case r.ResponseFormat == "json_object" && !strings.Contains(strings.ToLower(r.Body), "json "):
		return d.fail(400, "Prompt must contain the word 'json' in some form to use 'response_format' of type 'json_object'.", "invalid_request_error", "", "invalid_request_error")
	}
	return nil
}

var mistralID = regexp.MustCompile(`^[a-zA-Z0-9]{9}$`)

func (d Dialect) strictMistral(r Request) *refusal {
	for _, m := range r.wire {
		for _, c := range m.ToolCalls {
			if !mistralID.MatchString(c.ID) {
				return d.fail(400, "Tool call id was "+c.ID+" but must be a-z, A-Z, 0-9, with a length of 9.", "invalid_request_invalid_args", "", "3280")
			}
		}
		if m.Role == "assistant" && m.Text == "" && len(m.ToolCalls) == 0 {
			return d.fail(400, "Assistant message must have either content or tool_calls.", "invalid_request_assistant_message", "", "3240")
		}
		if m.Reasoning != "" {
			return d.extraForbidden("reasoning_content")
		}
	}
	return nil
}

func (d Dialect) strictGemini(r Request) *refusal {
	last, calls := "", 0
	for _, m := range r.Messages {
		switch {
		case last == "" && m.Role != "user":
			return d.fail(400, "Please ensure that multiturn requests begin with a user turn.", "INVALID_ARGUMENT", "", nil)
		case m.Role == "tool" && calls == 0:
			return d.fail(400, "Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.",
				"INVALID_ARGUMENT", "", nil)
		case m.Role == "tool":
			calls--
		}
		calls += len(m.ToolCalls)
		last = m.Role
	}
	switch {
	case calls > 0, last == "assistant":
		return d.fail(400, "Please ensure that multiturn requests end with a user role or a function response.", "INVALID_ARGUMENT", "", nil)
	case len(r.Tools) > 0 && r.ResponseFormat == "application/json":
		return d.fail(400, "Function calling with a response mime type: 'application/json' is unsupported", "INVALID_ARGUMENT", "", nil)
	}
	return nil
}

var claudeID = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)

func (d Dialect) strictClaude(r Request) *refusal {
	if r.MaxTokens <= 0 {
		return d.fail(400, "max_tokens: Field required", "invalid_request_error", "", nil)
	}
	if r.Temperature != nil && *r.Temperature > 1 {
		return d.fail(400, "temperature: range: 0..1", "invalid_request_error", "", nil)
	}
	open, last := map[string]bool{}, ""
	for i, m := range r.wire {
		switch {
		case last == "" && m.Role != "user":
			return d.fail(400, "messages: first message must use the \"user\" role", "invalid_request_error", "", nil)
		case m.Role == "tool" && !open[m.ToolCallID]:
			return d.fail(400, fmt.Sprintf("messages.%d.content.0: unexpected `tool_use_id` found in `tool_result` blocks: %s. "+
				"Each `tool_result` block must have a corresponding `tool_use` block in the previous message.", i, m.ToolCallID), "invalid_request_error", "", nil)
		case m.Role == "tool":
			delete(open, m.ToolCallID)
		case len(open) > 0:
			return d.fail(400, fmt.Sprintf("messages.%d: `tool_use` ids were found without `tool_result` blocks immediately after", i), "invalid_request_error", "", nil)
		case m.thought && m.Reasoning == "":
			return d.fail(400, fmt.Sprintf("messages.%d.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`.", i), "invalid_request_error", "", nil)
		}
		for _, c := range m.ToolCalls {
			if !claudeID.MatchString(c.ID) {
				return d.fail(400, fmt.Sprintf("messages.%d.content.0.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'", i), "invalid_request_error", "", nil)
			}
			open[c.ID] = true
		}
		last = m.Role
	}
	if len(open) > 0 || last == "assistant" {
		return d.fail(400, "This model does not support assistant message prefill. The conversation must end with a user message.", "invalid_request_error", "", nil)
	}
	return nil
}

// membersOf lists the members of a JSON object that are not null, in order.
func membersOf(raw []byte) []string {
	var all map[string]json.RawMessage
	if json.Unmarshal(raw, &all) != nil {
		return nil
	}
	var out []string
	for name, value := range all {
		if string(value) != "null" {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
