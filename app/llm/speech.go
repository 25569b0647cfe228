package llm

import (
	"cmp"
	"encoding/json"
	"regexp"
	"strings"
	"unicode"
)

// speech separates what a model says from its thinking and from tool calls that it
// writes, when all of them come in one text. It holds back only text that may be part
// of a mark.
type speech struct {
	hold  bool            // hold everything back until release: the text may be thinking that only a closing mark ends
	sure  bool            // the model is known to end its thinking with such a mark, so the mark counts anywhere
	tools map[string]bool // the names of the tools that are offered

	state    speechState
	closing  string // the mark that ends the thinking
	rest     string // text that is not processed yet
	early    []string
	said     bool // some text was returned as speech
	broke    bool // thinking has ended, so the blanks after it are dropped
	ended    bool // thinking that began with a mark has ended
	inFence  bool
	inCode   bool
	lineHead bool // only blanks since the line began
	thought  strings.Builder
	written  strings.Builder // a call in the model's own notation
	aloud    bool            // the text that was returned turned out to be thinking
	lone     bool            // a closing mark came without an opening one
}

// newSpeech makes a speech for an answer to r.
func newSpeech(r Request, hold bool) *speech {
	s := &speech{hold: hold, lineHead: true, tools: map[string]bool{}}
	for _, t := range r.Tools {
		s.tools[t.Name] = true
	}
	return s
}

type speechState int

const (
	speaking speechState = iota
	thinking
	calling
)

// thinkMarks are the marks that models put around their thinking.
var thinkMarks = [][2]string{
	{"<think>", "</think>"}, {"<thinking>", "</thinking>"}, {"<thought>", "</thought>"}, {"<reasoning>", "</reasoning>"},
	{"<seed:think>", "</seed:think>"}, {"[THINK]", "[/THINK]"}, {"◁think▷", "◁/think▷"},
	{"<|begin_of_thought|>", "<|end_of_thought|>"}, {"<|channel|>analysis<|message|>", "<|end|>"},
}

// callMarks begin a tool call. Each belongs to the notation of one family of models.
var callMarks = []string{
	"<tool_call>", "<tool_calls>", "<function_call>", "<function_calls>", "<functioncall>", "<tool_use>", "<tool_code>", "<function=", "<invoke name=",
	"<|tool_call|>", "<|tool_calls|>", "<|tool_call_begin|>", "<|tool_calls_section_begin|>", "<|tool_call_start|>", "<|python_tag|>",
	"<|channel|>commentary", "<|DSML|", "<｜DSML｜", "<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>", "[TOOL_CALLS]", "[TOOL_REQUEST]", "functools[",
	"<minimax:tool_call>", "<seed:tool_call>", "<longcat_tool_call>", "<start_function_call>", "<xai:function_call", "```tool_code", "```tool_call",
}

// dropMarks are remains of a chat template and mean nothing to a reader.
var dropMarks = []string{"<|start|>assistant<|channel|>final<|message|>", "<|channel|>final<|message|>", "<|start|>assistant"}

type mark struct {
	text  string // in lower case
	kind  markKind
	close string // of an opening mark: the mark that closes it
}

type markKind int

const (
	markOpen markKind = iota
	markClose
	markCall
	markDrop
)

var marks = allMarks()

func allMarks() (out []mark) {
	for _, m := range thinkMarks {
		out = append(out, mark{strings.ToLower(m[0]), markOpen, strings.ToLower(m[1])})
		if m[1] != "<|end|>" {
			out = append(out, mark{strings.ToLower(m[1]), markClose, ""})
		}
	}
	for _, m := range callMarks {
		out = append(out, mark{strings.ToLower(m), markCall, ""})
	}
	for _, m := range dropMarks {
		out = append(out, mark{m, markDrop, ""})
	}
	return out
}

// lower is strings.ToLower for ASCII only, so that byte positions stay the same.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// add takes the next piece of the text and returns the parts of it that are speech.
func (s *speech) add(text string) (out []string) {
	s.rest += text
	for {
		before, more := s.step(false)
		out = s.say(out, before)
		if !more {
			return out
		}
	}
}

// end returns the speech that was held back when the answer ends.
func (s *speech) end() (out []string) {
	for {
		before, more := s.step(true)
		out = s.say(out, before)
		if !more {
			break
		}
	}
	out = append(s.early, out...)
	s.early = nil
	if text := strings.Join(out, ""); !s.said && s.isCall(text) {
		s.note(text)
		return nil
	}
	return out
}

// release returns the text that was held back for a closing mark, and stops holding
// back.
func (s *speech) release() (out []string) {
	s.hold = false
	held := s.early
	s.early = nil
	for _, text := range held {
		out = s.say(out, text)
	}
	return out
}

// step reads up to the next mark. more is set when there may be another mark.
func (s *speech) step(last bool) (say string, more bool) {
	switch s.state {
	case calling:
		s.note(s.rest)
		s.rest = ""
		return "", false
	case thinking:
		return s.think(last)
	}
	low := lower(s.rest)
	for at := 0; at < len(low); {
		if !markHead(low[at]) || low[at] == 'f' && !s.lineHead {
			s.look(low, at)
			at++
			continue
		}
		m, open := matchMark(low[at:])
		switch {
		case m != nil && s.counts(m):
			say, s.rest = s.rest[:at], s.rest[at+len(m.text):]
			return s.meet(m, say), true
		case open && !last && (!s.quoted() || low[at] == '`'):
			say, s.rest = s.rest[:at], s.rest[at:]
			return say, false
		}
		s.look(low, at)
		at++
	}
	say, s.rest = s.rest, ""
	return say, false
}

// markHead reports whether a mark may begin with byte c.
func markHead(c byte) bool { return c == '<' || c == '[' || c == 'f' || c == '`' || c == "◁"[0] }

// matchMark finds the longest mark that text begins with. open is set when text may be
// the beginning of a mark.
func matchMark(text string) (found *mark, open bool) {
	for i := range marks {
		m := &marks[i]
		switch {
		case strings.HasPrefix(text, m.text):
			if found == nil || len(m.text) > len(found.text) {
				found = m
			}
		case len(text) < len(m.text) && strings.HasPrefix(m.text, text):
			open = true
		}
	}
	return found, open && found == nil
}

// counts reports whether m is a real mark here. In code it may be only a text about
// marks, and some marks count only at the beginning of a line.
func (s *speech) counts(m *mark) bool {
	switch {
	case m.text == "functools[" || strings.HasPrefix(m.text, "```"):
		return !s.inFence && s.lineHead
	case m.kind == markClose && s.sure:
		return true
	}
	return !s.quoted()
}

func (s *speech) quoted() bool { return s.inFence || s.inCode }

// look keeps track of whether the text is inside code.
func (s *speech) look(text string, at int) {
	switch c := text[at]; {
	case c == '\n':
		s.inCode, s.lineHead = false, true
	case c == '`' && strings.HasPrefix(text[at:], "```"):
		if s.inFence || s.lineHead || !s.inCode {
			s.inFence = !s.inFence
		}
		s.lineHead, s.inCode = false, false
	case c == '`' && !s.inFence && !strings.HasSuffix(text[:at], "`"):
		s.inCode, s.lineHead = !s.inCode, false
	case c != ' ' && c != '\t':
		s.lineHead = false
	}
}

// meet changes the state according to mark m, and returns the speech before the mark.
func (s *speech) meet(m *mark, before string) (say string) {
	switch m.kind {
	case markOpen:
		s.state, s.closing = thinking, m.close
		if !s.said && blank(strings.Join(s.early, "")+before) {
			s.early, before = nil, ""
		}
	case markCall:
		s.state = calling
		s.note(m.text)
	case markClose:
		s.lone = s.lone || !s.ended
		if !s.said {
			s.thought.WriteString(strings.Join(s.early, "") + before)
			s.early, before = nil, ""
			s.broke = true
		} else if !s.ended {
			s.aloud = true
		}
	case markDrop:
	}
	return before
}

// think reads up to the end of the thinking.
func (s *speech) think(last bool) (string, bool) {
	low := lower(s.rest)
	if i := strings.Index(low, s.closing); i >= 0 {
		s.thought.WriteString(s.rest[:i])
		s.rest = s.rest[i+len(s.closing):]
		s.state, s.ended, s.broke, s.lineHead = speaking, true, true, true
		s.inCode, s.inFence = false, false
		return "", true
	}
	keep := 0
	if !last {
		keep = overlap(low, s.closing)
	}
	s.thought.WriteString(s.rest[:len(s.rest)-keep])
	s.rest = s.rest[len(s.rest)-keep:]
	return "", false
}

// overlap is the length of the longest end of text that is also a beginning of word.
func overlap(text, word string) int {
	for n := min(len(text), len(word)-1); n > 0; n-- {
		if strings.HasSuffix(text, word[:n]) {
			return n
		}
	}
	return 0
}

// say adds a piece to out, or keeps it while it may turn out to be thinking or a call.
func (s *speech) say(out []string, text string) []string {
	if s.broke && !s.said {
		text = strings.TrimLeftFunc(text, unicode.IsSpace)
		s.broke = text == ""
	}
	if text == "" {
		return out
	}
	switch {
	case s.hold && !s.lone && !s.ended, !s.said && s.mayBeCall(text):
		s.early = append(s.early, text)
		return out
	case !s.said && blank(strings.Join(s.early, "")+text):
		s.early = append(s.early, text)
		return out
	}
	out = append(append(out, s.early...), text)
	s.early, s.said = nil, true
	return out
}

func blank(text string) bool { return strings.TrimSpace(text) == "" }

var bareCall = regexp.MustCompile(`(?s)^\[?\s*([A-Za-z_][A-Za-z0-9_-]*)\(.*\)\s*\]?$`)

// isCall reports whether a whole answer is a call of an offered tool that no mark
// begins.
func (s *speech) isCall(text string) bool {
	if len(s.tools) == 0 || len(text) > maxHeldCall {
		return false
	}
	text = strings.TrimSpace(text)
	text = strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(text, "```json"), "```"), "```"))
	if m := bareCall.FindStringSubmatch(text); m != nil {
		return s.tools[m[1]]
	}
	all, err := documents([]byte(text))
	if err != nil {
		return false
	}
	for _, doc := range all {
		var call struct{ Name, Function, Tool, Arguments, Parameters, Args, Input json.RawMessage }
		if json.Unmarshal(doc, &call) != nil {
			return false
		}
		var inner struct{ Name json.RawMessage }
		_ = json.Unmarshal(call.Function, &inner)
		name := cmp.Or(textOf(call.Name), textOf(call.Function), textOf(call.Tool), textOf(inner.Name))
		if !s.tools[name] || call.Arguments == nil && call.Parameters == nil && call.Args == nil && call.Input == nil && inner.Name == nil {
			return false
		}
	}
	return len(all) > 0
}

// note keeps the beginning of a written call, for staff.
func (s *speech) note(text string) {
	if room := 4096 - s.written.Len(); room > 0 {
		s.written.WriteString(clean(text[:min(len(text), room)]))
	}
}

// maxHeldCall bounds, in bytes, a text that is held back because it may be a call
// without a mark.
const maxHeldCall = 16 << 10

// mayBeCall reports whether the text so far may be a call that no mark begins: a JSON
// object, or a tool's name and a bracket.
func (s *speech) mayBeCall(text string) bool {
	if len(s.tools) == 0 {
		return false
	}
	text = strings.TrimLeftFunc(strings.Join(s.early, "")+text, unicode.IsSpace)
	if len(text) > maxHeldCall || text == "" {
		return false
	}
	for _, head := range []string{"{", "```json", "[{"} {
		if strings.HasPrefix(text, head) || strings.HasPrefix(head, text) {
			return true
		}
	}
	text = strings.TrimPrefix(text, "[")
	for name := range s.tools {
		head := name + "("
		if strings.HasPrefix(text, head) || strings.HasPrefix(head, text) {
			return true
		}
	}
	return false
}
