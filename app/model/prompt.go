package model

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"sync"

	"github.com/coagent-studio/coagent/app/ledger"
	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/store"
)

// This file keeps every prompt within what its model takes. Before the call, a budget
// in tokens limits the prompt. When the provider says that the prompt was too long,
// half of the conversation is left out.

const (
	// bytesPerToken is how many bytes of text count as one token. Most texts have
	// more bytes per token, so a prompt is rather too short than too long.
	bytesPerToken = 3
	// messageOverhead is how many bytes a message counts in addition to its texts.
	messageOverhead = 50
	// longMessage is how many bytes are kept of a message that is cut for a prompt.
	longMessage = 2000
	// pictureShare is which part of a prompt pictures may take: one in so many.
	pictureShare = 2
	cutMark      = " [... the rest was left out]"
	// maxWindows is the number of windows after which all of them are forgotten.
	maxWindows = 1000
)

// windows holds the context lengths that providers have told us, in tokens.
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

// of returns the window of a model in tokens, or 0 when it is not known.
func (w *windows) of(req *llm.Request) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.told[req.Provider+" "+req.Model]
}

// promptBudget is how many tokens a prompt of an agent may have: the agent's own
// setting, at most that of the configuration. When the model's window is known, the
// budget leaves room for an answer in it.
func (c *Caller) promptBudget(ag *store.Agent, req *llm.Request) int {
	var s struct {
		PromptTokens int `json:"prompt_tokens"`
	}
	most := c.turns.PromptTokens
	if json.Unmarshal([]byte(ag.Settings), &s) == nil && s.PromptTokens > 0 {
		most = min(s.PromptTokens, most)
	}
	if window := c.windows.of(req); window > 0 {
		most = min(most, max(window-req.MaxTokens, window/2))
	}
	return most
}

// promptBytes is what a request counts towards its budget, in bytes. A picture counts as
// the text that has as many tokens.
func (c *Caller) promptBytes(req *llm.Request) int {
	n := len(req.System)
	for i := range req.Messages {
		n += messageBytes(&req.Messages[i])
	}
	n += c.pictureBytes(req, picturesIn(req.Messages))
	for _, t := range req.Tools {
		n += len(t.Description) + len(t.Schema)
	}
	return n
}

func messageBytes(m *llm.Message) int {
	n := len(m.Text) + len(m.Name) + messageOverhead
	for _, c := range m.ToolCalls {
		n += len(c.Arguments)
	}
	return n
}

// pictureBytes is what n pictures count.
func (c *Caller) pictureBytes(req *llm.Request, n int) int {
	if n == 0 {
		return 0
	}
	return n * c.models.PictureTokens(req.Provider, req.Model) * bytesPerToken
}

func picturesIn(messages []llm.Message) (n int) {
	for i := range messages {
		n += len(messages[i].Pictures)
	}
	return n
}

// Prompt is a request that can be made shorter: a conversation, whose oldest messages
// may be left out, and after it everything else that the model is told.
type Prompt struct {
	Req  llm.Request
	Left int // how many of the oldest messages of the conversation are left out
	// Steady says that longer versions of this conversation will follow. Fit then leaves
	// out a few messages more, so that the next versions begin with the same message and
	// the provider finds what it has read of them in its cache.
	Steady bool
	agent  *store.Agent
	from   ledger.Origin
	said   []llm.Message // the conversation, oldest first
	lead   int           // how many messages of the request show the conversation
	short  bool          // long texts are cut
}

// NewPrompt makes a request to an agent's model about the conversation said. from says what
// it is for; it is kept with what the calls use.
func (c *Caller) NewPrompt(ag *store.Agent, from ledger.Origin, system string, said []llm.Message, asked ...llm.Message) *Prompt {
	from.AgentID, from.ProjectID = ag.ID, cmp.Or(from.ProjectID, ag.ProjectID)
	p := &Prompt{agent: ag, from: from, Req: c.request(ag, system, slices.Clone(asked)), said: said}
	p.show(0)
	return p
}

// show puts the conversation, without its first left messages, at the beginning of
// the request. The request should not begin with the model's own message: such
// messages are left out up to the first of somebody else, unless there are only its
// own.
func (p *Prompt) show(left int) {
	rest := p.Req.Messages[p.lead:]
	if i := slices.IndexFunc(p.said[left:], func(m llm.Message) bool { return m.Role != llm.RoleAssistant }); i > 0 {
		left += i
	}
	shown := slices.Clone(p.said[left:])
	for i := range shown {
		p.cutLong(&shown[i])
	}
	p.Left, p.lead = left, len(shown)
	p.Req.Messages = slices.Concat(shown, rest)
}

// cutLong cuts a long text to its beginning when the prompt has to be short.
func (p *Prompt) cutLong(m *llm.Message) {
	if p.short && len(m.Text) > longMessage+len(cutMark) {
		m.Text = store.Cut(m.Text, longMessage) + cutMark
	}
}

// cutAll cuts all long texts of others: data, and the results of tools.
func (p *Prompt) cutAll() {
	p.short = true
	p.show(p.Left)
	for i := range p.Req.Messages {
		if m := &p.Req.Messages[i]; m.Data || m.Role == llm.RoleTool {
			p.cutLong(m)
		}
	}
}

// Fit leaves out the oldest messages until the prompt is within the budget. When that
// is not enough, it cuts long texts.
func (c *Caller) Fit(p *Prompt) {
	budget := c.promptBudget(p.agent, &p.Req)
	if n := picturesIn(p.said); n > 0 {
		p.keepPictures(min(n, budget/pictureShare/c.models.PictureTokens(p.Req.Provider, p.Req.Model)))
	}
	most := (budget+1)*bytesPerToken - 1
	over := c.promptBytes(&p.Req) - most
	for over > 0 && len(p.said)-p.Left > 1 {
		left := p.Left
		for ; over > 0 && len(p.said)-left > 1; left++ {
			m := p.said[left]
			p.cutLong(&m)
			over -= messageBytes(&m) + c.pictureBytes(&p.Req, len(m.Pictures))
		}
		if p.Steady {
			left = steady(left, len(p.said)-left)
		}
		p.show(left)
		over = c.promptBytes(&p.Req) - most
	}
	if over > 0 {
		p.cutAll()
	}
}

// keepPictures leaves out all but the newest n pictures. Their names stay in the texts.
func (p *Prompt) keepPictures(n int) {
	if picturesIn(p.said) <= n {
		return
	}
	p.said = slices.Clone(p.said)
	for i := len(p.said) - 1; i >= 0; i-- {
		all := p.said[i].Pictures
		keep := min(n, len(all))
		p.said[i].Pictures = slices.Clone(all[len(all)-keep:])
		n -= keep
	}
	p.show(p.Left)
}

// Pictures are the ids of the pictures that the request shows.
func (p *Prompt) Pictures() (ids []string) {
	for _, m := range p.Req.Messages {
		for _, picture := range m.Pictures {
			ids = append(ids, picture.ID)
		}
	}
	return ids
}

// SeesPictures tells whether an agent's model is shown pictures. The agent's settings say
// so, else what is known of the model, else the list of prices.
func (c *Caller) SeesPictures(ag *store.Agent) bool {
	var s struct {
		Pictures *bool `json:"pictures"`
	}
	if json.Unmarshal([]byte(ag.Settings), &s) == nil && s.Pictures != nil {
		return *s.Pictures
	}
	name := ""
	if ag.Model != nil {
		name = *ag.Model
	}
	sees, known := c.models.Sees(ag.ModelProvider, name)
	if known {
		return sees
	}
	p := c.ledger.Prices.Find(ag.ModelProvider, cmp.Or(name, c.models.DefaultModel(ag.ModelProvider)), c.now())
	return p != nil && p.SeesImages != nil && *p.SeesImages
}

// steady returns the number of messages to leave out when at least left have to be. It
// is the same for a while, although left grows with the conversation: a multiple of a
// power of two, at most a quarter of the rest more than left.
func steady(left, rest int) int {
	block := 1
	for block*8 <= rest {
		block *= 2
	}
	return (left + block - 1) / block * block
}

// Shorten makes a prompt shorter after its provider refused it for its length: it
// leaves out the older half of the conversation and cuts long texts. It returns false
// when err has another cause, or when nothing can be left out.
func (c *Caller) Shorten(p *Prompt, err error) bool {
	var e *llm.Error
	if !errors.As(err, &e) || e.Kind != llm.TooLong {
		return false
	}
	if e.Window > 0 {
		c.windows.learn(&p.Req, e.Window)
	}
	before := c.promptBytes(&p.Req) / bytesPerToken
	p.keepPictures(0)
	p.Left += (len(p.said) - p.Left) / 2
	p.cutAll()
	c.Fit(p)
	return c.promptBytes(&p.Req)/bytesPerToken < before
}
