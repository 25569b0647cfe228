package llm

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// OfflineLabel begins every answer of the offline provider, so that nobody mistakes it
// for a model.
const OfflineLabel = "[offline provider]"

// offline answers without a model and without a network. The same request always gets
// the same answer. The whole class reads the answer. So it says that it comes from the
// offline provider, and quotes nothing of the request: that may be instructions,
// another agent's draft or a prompt of the program.
type offline struct{ pause time.Duration }

// Stream implements Provider.
func (o offline) Stream(ctx context.Context, r Request) iter.Seq2[Chunk, error] {
	return func(yield func(Chunk, error) bool) {
		attemptOf(ctx).sent.Store(true)
		call, text := offlineAnswer(r)
		usage := Usage{PromptTokens: promptTokens(r), CompletionTokens: tokens(text)}
		if call != nil {
			usage.CompletionTokens = tokens(call.Name) + tokens(string(call.Arguments))
			yield(Chunk{ToolCalls: []ToolCall{*call}, Finish: FinishToolCalls, Usage: &usage}, nil)
			return
		}
		finish := FinishStop
		if limit := r.MaxTokens * runesPerToken; limit > 0 && utf8.RuneCountInString(text) > limit {
			text, finish = string([]rune(text)[:limit]), FinishLength
			usage.CompletionTokens = r.MaxTokens
		}
		for piece := range pieces(text) {
			if !o.wait(ctx) || !yield(Chunk{Text: piece}, nil) {
				return
			}
		}
		yield(Chunk{Finish: finish, Usage: &usage}, nil)
	}
}

// wait pauses before a piece. It returns false when ctx has ended.
func (o offline) wait(ctx context.Context) bool {
	if o.pause <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(o.pause)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func offlineAnswer(r Request) (call *ToolCall, text string) {
	i := len(r.Messages) - 1
	for i >= 0 && r.Messages[i].Role != RoleUser && r.Messages[i].Role != RoleTool {
		i--
	}
	if i < 0 {
		return nil, OfflineLabel + " Nobody has said anything yet."
	}
	last := r.Messages[i]
	if last.Role == RoleTool {
		return nil, fmt.Sprintf("%s The tool %s has answered, but no model is connected that could tell what.", OfflineLabel, toolName(r.Messages[:i], last))
	}
	if r.Schema != nil {
		return nil, offlineForm(r.Schema)
	}
	if name, args, found := toolCommand(last.Text); found {
		return offlineTool(r, name, args)
	}
	return nil, offlineText
}

// offlineText is the answer of an agent that has no model.
const offlineText = OfflineLabel + " No model is connected to me yet, so I cannot answer. A teacher can choose one in my settings."

// offlineForm fills in a JSON Schema of an object: true, the maximum, and a text that
// says that no model judged.
func offlineForm(schema json.RawMessage) string {
	var form struct {
		Properties map[string]struct {
			Type    any     `json:"type"`
			Maximum float64 `json:"maximum"`
		} `json:"properties"`
	}
	if json.Unmarshal(schema, &form) != nil {
		return "{}"
	}
	out := map[string]any{}
	for name, p := range form.Properties {
		kind := p.Type
		if kinds, ok := kind.([]any); ok && len(kinds) > 0 {
			kind = kinds[0]
		}
		switch kind {
		case "boolean":
			out[name] = true
		case "number":
			out[name] = p.Maximum
		case "string":
			out[name] = OfflineLabel + " No model is connected that could judge."
		}
	}
	text, err := json.Marshal(out)
	if err != nil {
		return "{}"
	}
	return string(text)
}

// toolCommand finds a line "/tool name {json}". The JSON may be left out.
func toolCommand(text string) (name, args string, found bool) {
	for line := range strings.Lines(text) {
		_, command, ok := strings.Cut(line, "/tool ")
		if !ok {
			continue
		}
		name, args, _ = strings.Cut(strings.TrimSpace(command), " ")
		return name, strings.TrimSpace(args), name != ""
	}
	return "", "", false
}

func offlineTool(r Request, name, args string) (*ToolCall, string) {
	if args == "" {
		args = "{}"
	}
	offered := slices.ContainsFunc(r.Tools, func(t Tool) bool { return t.Name == name })
	switch {
	case !offered:
		return nil, OfflineLabel + " No tool of that name is offered to me."
	case args[0] != '{' || !json.Valid([]byte(args)):
		return nil, fmt.Sprintf("%s The arguments of %s are not a JSON object.", OfflineLabel, name)
	}
	return &ToolCall{ID: fmt.Sprintf("offline_%d", len(r.Messages)), Name: name, Arguments: json.RawMessage(args)}, ""
}

// toolName returns the name of the tool that result answers.
func toolName(before []Message, result Message) string {
	for _, m := range slices.Backward(before) {
		for _, c := range m.ToolCalls {
			if c.ID == result.ToolCallID {
				return c.Name
			}
		}
	}
	if result.Name != "" {
		return result.Name
	}
	return "unknown"
}

// pieces cuts text after every third space, or after 24 runes in a language without
// spaces.
func pieces(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		spaces, count, start := 0, 0, 0
		for i, r := range text {
			if spaces == 3 || count == 24 {
				if !yield(text[start:i]) {
					return
				}
				spaces, count, start = 0, 0, i
			}
			count++
			if r == ' ' {
				spaces++
			}
		}
		if start < len(text) {
			yield(text[start:])
		}
	}
}

const runesPerToken = 4

func tokens(s string) int { return (utf8.RuneCountInString(s) + runesPerToken - 1) / runesPerToken }

func promptTokens(r Request) int {
	n := tokens(r.System)
	for _, m := range r.Messages {
		n += tokens(m.Text)
	}
	return n
}
