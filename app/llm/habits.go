package llm

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// habits are what the program has learned about a model from its answers and refusals.
// There is no list of models, because a model's name says nothing: whoever runs a
// server chooses the names.
type habits struct {
	drop     map[string]bool // members of the request that it refuses, by their names in OpenAI's API
	renamed  bool            // max_tokens is called max_completion_tokens
	form     int             // how many of answerForms it refuses as response_format
	noSystem bool            // it refuses the role system: instructions go into the user's first message
	shortIDs bool            // it wants call IDs of nine letters and digits
	thinks   thinkingHabit
	window   int // size of its context in tokens; 0 when unknown
}

// thinkingHabit says whether a model's text may begin with thinking that only a closing
// mark separates from the answer.
type thinkingHabit int

const (
	thinksUnknown thinkingHabit = iota
	thinksApart                 // it has answered without such thinking
	thinksAloud                 // its text begins with such thinking
)

// answerForms are the ways to ask for JSON, the strictest first.
const (
	formSchema = iota
	formObject
	formNone
)

// modelKey identifies a model in the memory of habits.
type modelKey struct{ provider, baseURL, model string }

// memory keeps habits in the process. It forgets a model's habits after rememberFor, so
// that a refusal is tested again: servers are changed.
type memory struct {
	now func() time.Time

	mu  sync.Mutex
	all map[modelKey]*remembered
}

type remembered struct {
	habits
	until time.Time
}

const (
	maxModels   = 1024
	rememberFor = 12 * time.Hour
)

func newMemory(now func() time.Time) *memory {
	return &memory{now: now, all: map[modelKey]*remembered{}}
}

func (m *memory) get(key modelKey) habits {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.all[key]
	if r == nil || m.now().After(r.until) {
		delete(m.all, key)
		return habits{}
	}
	h := r.habits
	h.drop = maps.Clone(h.drop)
	return h
}

// learn changes the habits of one model.
func (m *memory) learn(key modelKey, change func(*habits)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.all[key]
	if r == nil || m.now().After(r.until) {
		if len(m.all) >= maxModels {
			clear(m.all)
		}
		r = &remembered{until: m.now().Add(rememberFor)}
		m.all[key] = r
	}
	r.drop = maps.Clone(r.drop)
	if r.drop == nil {
		r.drop = map[string]bool{}
	}
	change(&r.habits)
}

// The names of the parts of a request that a model may refuse. A single member's name
// is the name of the member itself.
const (
	partSystem   = "system"
	partTools    = "tools"
	partForm     = "response_format"
	partLimit    = "max_tokens"
	partIDs      = "tool_call_id"
	partPictures = "pictures"
)

// partWords are the words that providers use for the parts of a request when they
// refuse one.
var partWords = []struct {
	part  string
	words *regexp.Regexp
}{
	{partIDs, regexp.MustCompile(`tool[ _]call[ _]?id|length of 9`)},
	{partSystem, regexp.MustCompile(`system (?:role|message|prompt|instruction)|role:? ['"\x60]?system|['"\x60]system['"\x60]|systeminstruction|system_instruction|developer instruction|` +
		`roles must alternate`)},
	{partForm, regexp.MustCompile(`response_?format|json_schema|json_object|json mode|json schema|response_?mime_?type|responseschema|structured output|guided|grammar`)},
	{"stream_options", regexp.MustCompile(`stream_options|include_usage`)},
	{partLimit, regexp.MustCompile(`max_(?:completion_|output_|new_)?tokens|maxoutputtokens`)},
	{"temperature", regexp.MustCompile(`temperature`)},
	{"parallel_tool_calls", regexp.MustCompile(`parallel_tool_calls`)},
	{"reasoning_content", regexp.MustCompile(`reasoning_content`)},
	{"reasoning_details", regexp.MustCompile(`reasoning_details`)},
	{"reasoning", regexp.MustCompile(`['"\x60.]reasoning\b|\breasoning['"\x60]`)},
	{partTools, regexp.MustCompile(`\btools?\b|tool[ _-]?(?:use|call|choice)|function[ _-]?call|\bfunctions?\b`)},
}

// refusing matches the words with which something is refused. A message that names a
// part without such a word may be about anything.
var refusing = regexp.MustCompile(`support|enabl|requir|allow|accept|recogni[sz]|unknown|unexpected|forbidden|permitted|available|invalid|must|only|` +
	`deprecated|cannot|can't|not |extra |too (?:large|high|big)|at most|range|exceed`)

// saysNoTools matches the answer of servers that have no tools and do not say so with
// status 400.
var saysNoTools = regexp.MustCompile(`(?:support|requir|implement|enabl)[^.]{0,40}(?:tool|function)|(?:tool|function)[^.]{0,60}(?:support|requir|implement|enabl)`)

// refusedPart returns the part of a request that f refuses, among the parts that were
// sent.
func (f fault) refusedPart(sent func(part string) bool) string {
	switch f.status {
	case http.StatusBadRequest, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity, http.StatusNotFound, http.StatusNotImplemented, http.StatusInternalServerError:
	default:
		return ""
	}
	words := strings.ToLower(f.message)
	if saysNoRoom.MatchString(words) {
		return "" // the limit was taken, and was too small for what the model thought
	}
	if sent(partPictures) && f.refusesPictures() {
		return partPictures
	}
	param := strings.ToLower(f.param)
	for _, text := range []string{param, words} {
		if text == "" || text == words && !refusing.MatchString(words) {
			continue
		}
		best, at := "", len(text)+1
		for _, p := range partWords {
			if i := p.words.FindStringIndex(text); i != nil && i[0] < at && sent(p.part) {
				best, at = p.part, i[0]
			}
		}
		if best == "" && strings.HasPrefix(text, "messages") && text == param && !strings.Contains(words, partSystem) {
			return "" // a message is wrong, not a part of the request
		}
		if client := f.status < 500 && f.status != http.StatusNotFound; best != "" && (client || best == partTools && saysNoTools.MatchString(words)) {
			return best
		}
	}
	if param, _, _ = strings.Cut(param, "."); f.status < 500 && param != "" && sent(param) {
		return param
	}
	return ""
}

// without changes h so that the part is left out or sent in another form. It returns
// false when nothing is left to change.
func (h *habits) without(part string, f fault) bool {
	if h.drop[part] {
		return false
	}
	switch part {
	case partLimit:
		if !h.renamed && !saysTooMuchWanted.MatchString(strings.ToLower(f.message)) {
			h.renamed = true
			return true
		}
	case partForm:
		h.form++
		return h.form <= formNone
	case partSystem:
		was := h.noSystem
		h.noSystem = true
		return !was
	case partIDs:
		was := h.shortIDs
		h.shortIDs = true
		return !was
	}
	if h.drop == nil {
		h.drop = map[string]bool{}
	}
	h.drop[part] = true
	return true
}

// leftOut describes for staff which parts were not sent to the model.
func (h habits) leftOut(sent func(part string) bool) string {
	var parts []string
	for _, part := range slices.Sorted(maps.Keys(h.drop)) {
		if sent(part) {
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "the model does not take " + strings.Join(parts, ", ") + ": left out"
}

// has reports whether a request has a part that a model may refuse.
func (r Request) has(part string) bool {
	switch part {
	case partSystem:
		return r.instructions() != ""
	case partPictures:
		return r.hasPictures()
	case partTools, "tool_choice":
		return len(r.Tools) > 0
	case partForm:
		return r.Schema != nil && len(r.Tools) == 0
	case partLimit:
		return r.MaxTokens > 0
	case "temperature":
		return r.Temperature != nil
	case "stream_options":
		return true
	case partIDs:
		return slices.ContainsFunc(r.Messages, func(m Message) bool { return len(m.ToolCalls) > 0 })
	}
	return slices.ContainsFunc(r.Messages, func(m Message) bool { return m.Reasoning != nil && m.Reasoning.Member == part })
}

// adaptation is a change of the request after a refusal.
type adaptation struct {
	part    string
	fault   fault
	passing bool // it was about this prompt only; the next prompt is sent as before
}

// maxAdaptations bounds how often one call is sent again in another form. Several are
// needed because a server names one part at a time.
const maxAdaptations = 8

// adapt changes the request after a refusal. It returns false when there is nothing to
// change.
func (c *call) adapt(e *Error) bool {
	if e.Kind == TooLong && e.Window > 0 {
		c.m.memory.learn(c.p.key(c.r.Model), func(h *habits) { h.window = e.Window })
	}
	if e.Kind == ThoughtAloud {
		c.habits.thinks = thinksAloud
		return true
	}
	if e.fault == nil || e.Kind != BadRequest && e.Kind != Unavailable || len(c.adapted) >= maxAdaptations {
		return false
	}
	part := e.fault.refusedPart(c.r.has)
	if part == "" || !c.habits.without(part, *e.fault) {
		return false
	}
	words := strings.ToLower(e.fault.message)
	passing := saysTooLong.MatchString(words) || part == partPictures && onePicture.MatchString(words)
	c.adapted = append(c.adapted, adaptation{part, *e.fault, passing})
	return true
}

// succeeded stores the adaptations after the model has answered. Before an answer they
// are only a guess, because a server may name a part that is not at fault.
func (c *call) succeeded() {
	for _, a := range c.adapted {
		if !a.passing {
			c.m.memory.learn(c.p.key(c.r.Model), func(h *habits) { h.without(a.part, a.fault) })
		}
	}
	c.adapted = nil
}

func (c *call) learnThinking(t thinkingHabit) {
	c.habits.thinks = t
	c.m.memory.learn(c.p.key(c.r.Model), func(h *habits) { h.thinks = t })
}

// key returns the key for the habits of a model.
func (p *provider) key(model string) modelKey { return modelKey{p.name, p.baseURL, model} }

// source returns a hash that tells a provider, its address and a model from others
// without naming them.
func (p *provider) source(model string) string {
	sum := sha256.Sum256([]byte(p.name + "\n" + p.baseURL + "\n" + model))
	return hex.EncodeToString(sum[:6])
}

// Window is the size of a model's context in tokens. The program learns it when the
// provider says that a prompt was too long; until then it is 0.
func (m *Models) Window(provider, model string) int {
	p := m.providers[provider]
	if p == nil {
		return 0
	}
	return m.memory.get(p.key(cmp.Or(model, p.defaultModel))).window
}
