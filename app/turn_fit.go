package app

import (
	"encoding/json"
	"errors"
	"slices"
	"sync"

	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/store"
)

// This file keeps prompts within what a model takes, whoever asks it: by a budget
// in tokens before it is asked, and by leaving out half of what was said when its
// provider says that it was too much.

const (
	// bytesPerToken is how many bytes of text count as a token. It is less than
	// most texts have, so that a prompt is rather too short than too long.
	bytesPerToken = 3
	// longMessage is what is left of a line that is cut for a prompt, in bytes.
	longMessage = 2000
	cutMark     = " [... the rest of this line was left out]"
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

// prompt is a request while it is made to fit: a conversation, of which the
// oldest messages may be left out, and behind it what else the model is told.
type prompt struct {
	agent *store.Agent
	req   llm.Request
	said  []llm.Message // the conversation, oldest first
	left  int           // how many of its messages are left out
	lead  int           // messages of the request that show the others
	short bool          // long texts are cut
}

// newPrompt is a call of an agent's model about what was said.
func (a *App) newPrompt(ag *store.Agent, system string, said []llm.Message, asked ...llm.Message) *prompt {
	p := &prompt{agent: ag, req: a.modelRequest(ag, system, slices.Clone(asked)), said: said}
	p.show(0)
	return p
}

// show puts the conversation at the beginning of the request, without its oldest
// messages. It begins with somebody else than the model: the model's own lines
// before the first of another are left out where there is one.
func (p *prompt) show(left int) {
	rest := p.req.Messages[p.lead:]
	if i := slices.IndexFunc(p.said[left:], func(m llm.Message) bool { return m.Role != llm.RoleAssistant }); i > 0 {
		left += i
	}
	shown := slices.Clone(p.said[left:])
	if len(shown) > 0 && shown[0].Role == llm.RoleAssistant {
		shown = slices.Insert(shown, 0, llm.Message{Role: llm.RoleUser, Text: "What you have said last in the room follows."})
	}
	for i := range shown {
		p.cutLong(&shown[i])
	}
	p.left, p.lead = left, len(shown)
	p.req.Messages = slices.Concat(shown, rest)
}

// cutLong leaves the beginning of a long text, where the prompt has to be short.
func (p *prompt) cutLong(m *llm.Message) {
	if p.short && len(m.Text) > longMessage+len(cutMark) {
		m.Text = cut(m.Text, longMessage) + cutMark
	}
}

// cutAll cuts all long texts that somebody else has said.
func (p *prompt) cutAll() {
	p.short = true
	p.show(p.left)
	for i := range p.req.Messages {
		if m := &p.req.Messages[i]; m.Data || m.Role == llm.RoleTool {
			p.cutLong(m)
		}
	}
}

// fit leaves out the oldest messages, and cuts long ones when that is not enough,
// until the prompt is within the budget.
func (a *App) fit(p *prompt) {
	budget := a.promptBudget(p.agent, &p.req)
	for promptTokens(&p.req) > budget && len(p.said)-p.left > 1 {
		p.show(p.left + 1)
	}
	if promptTokens(&p.req) > budget {
		p.cutAll()
	}
}

// shorten leaves out the older half of the conversation, and cuts long texts,
// since the provider has refused the prompt for its length; false when that was
// not why, or nothing can be left out.
func (a *App) shorten(p *prompt, err error) bool {
	var e *llm.Error
	if !errors.As(err, &e) || e.Kind != llm.TooLong {
		return false
	}
	if e.Window > 0 {
		a.windows.learn(&p.req, e.Window)
	}
	before := promptTokens(&p.req)
	p.left += (len(p.said) - p.left) / 2
	p.cutAll()
	a.fit(p)
	return promptTokens(&p.req) < before
}
