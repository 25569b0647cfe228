package app

import (
	"encoding/json"
	"errors"
	"slices"
	"sync"

	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/store"
)

// This file keeps prompts within what a model takes: by a budget in tokens
// before it is asked, and by leaving out half of the lines when its provider says
// that it was too much.

const (
	// bytesPerToken is how many bytes of text count as a token. It is less than
	// most texts have, so that a prompt is rather too short than too long.
	bytesPerToken = 3
	// longLine is what is left of a line that is cut for a prompt, in bytes.
	longLine = 2000
	cutMark  = " [... the rest of this line was left out]"
	// maxWindows is the number after which all told windows are forgotten.
	maxWindows = 1000
)

// windows are the context lengths that providers have told, in tokens.
type windows struct {
	mu   sync.Mutex
	told map[string]int
}

func (w *windows) learn(req *llm.Request, tokens int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.told == nil || len(w.told) >= maxWindows {
		w.told = map[string]int{}
	}
	w.told[req.Provider+" "+req.Model] = tokens
}

// of is the window of a model, 0 when nobody has told it.
func (w *windows) of(req *llm.Request) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.told[req.Provider+" "+req.Model]
}

// promptBudget is how many tokens a prompt of an agent may have: its own setting
// or that of the configuration, and never more than leaves the model's window
// room for an answer.
func (a *App) promptBudget(ag *store.Agent, req *llm.Request) int {
	var s struct {
		PromptTokens int `json:"prompt_tokens"`
	}
	most := a.cfg.Turns.PromptTokens
	if json.Unmarshal([]byte(ag.Settings), &s) == nil && s.PromptTokens > 0 {
		most = min(s.PromptTokens, most)
	}
	if window := a.windows.of(req); window > 0 {
		most = min(most, max(window-req.MaxTokens, window/2))
	}
	return most
}

// promptTokens is about how many tokens a request has.
func promptTokens(req *llm.Request) int {
	n := len(req.System)
	for _, m := range req.Messages {
		n += len(m.Text) + len(m.Name) + 50
		for _, c := range m.ToolCalls {
			n += len(c.Arguments)
		}
	}
	for _, t := range req.Tools {
		n += len(t.Description) + len(t.Schema)
	}
	return n / bytesPerToken
}

// showLines puts the part's lines at the beginning of the request, before what
// else was said to the model. A conversation begins with somebody else than the
// model: its own lines before the first of another are left out where there is
// one.
func (t *talk) showLines(lines []store.Message) {
	rest := t.req.Messages[t.lead:]
	if i := slices.IndexFunc(lines, func(m store.Message) bool { return m.AgentID != t.part.agent.ID }); i > 0 {
		lines = lines[i:]
	}
	t.part.lines = lines
	shown := transcript(t.part.agent, lines)
	if len(shown) > 0 && shown[0].Role == llm.RoleAssistant {
		shown = slices.Insert(shown, 0, llm.Message{Role: llm.RoleUser, Text: "What you have said last in the room follows."})
	}
	for i := range shown {
		t.cutLong(&shown[i])
	}
	t.lead = len(shown)
	t.req.Messages = slices.Concat(shown, rest)
}

// cutLong leaves the beginning of a long text, where the prompt has to be short.
func (t *talk) cutLong(m *llm.Message) {
	if t.short && len(m.Text) > longLine+len(cutMark) {
		m.Text = cut(m.Text, longLine) + cutMark
	}
}

// fit leaves out the oldest lines, and cuts long ones when that is not enough,
// until the prompt is within the budget.
func (t *talk) fit() {
	budget := t.app.promptBudget(t.part.agent, &t.req)
	for promptTokens(&t.req) > budget && len(t.part.lines) > 1 {
		t.showLines(t.part.lines[1:])
	}
	if promptTokens(&t.req) > budget && !t.short {
		t.short = true
		t.showLines(t.part.lines)
	}
}

// shorten leaves out the older half of the lines, and cuts long texts, since the
// provider has refused the prompt for its length; false when that was not why,
// or has been done before.
func (t *talk) shorten(err error) bool {
	var e *llm.Error
	if !errors.As(err, &e) || e.Kind != llm.TooLong || t.halved {
		return false
	}
	if e.Window > 0 {
		t.app.windows.learn(&t.req, e.Window)
	}
	t.short, t.halved = true, true
	t.showLines(t.part.lines[len(t.part.lines)/2:])
	for i := range t.req.Messages {
		if m := &t.req.Messages[i]; m.Data || m.Role == llm.RoleTool {
			t.cutLong(m)
		}
	}
	t.fit()
	return true
}
