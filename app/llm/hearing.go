package llm

import (
	"errors"
	"strings"
	"time"
)

// hearing processes the answer of one attempt. It separates speech from thinking and
// from tool calls, hides secrets, and passes on what may be shown.
type hearing struct {
	c      *call
	a      *attempt
	mask   *masker
	speech *speech // nil for a provider without a network: its text is passed on as it is

	last      Chunk // what the last chunk will carry so far
	maybe     string
	size      int
	said      bool // text was passed on
	probation <-chan time.Time
	progress  bool
}

// A model that has not answered yet may begin with thinking that only a closing mark
// separates from the answer. Its first text waits for that mark until probationTime has
// passed or there are more than probationBytes.
const (
	probationTime  = 400 * time.Millisecond
	probationBytes = 2 << 10
)

func newHearing(c *call, a *attempt) *hearing {
	h := &hearing{c: c, a: a, mask: newMasker(c.r)}
	if c.p.baseURL != "" {
		h.speech = newSpeech(c.r, c.habits.thinks != thinksApart)
		h.speech.sure = c.habits.thinks == thinksAloud
	}
	return h
}

// wait sets the time limit for the next piece.
func (h *hearing) wait() {
	switch {
	case h.last.Finish != "":
		h.a.expect(tailTime, errTail)
	case h.progress:
		h.a.expect(h.c.m.limits.Silence, errSilence)
	default:
		h.a.expect(h.c.m.limits.FirstToken, errFirstToken)
	}
}

// hear processes the next piece.
func (h *hearing) hear(chunk Chunk) *Error {
	chunk.Text = clean(chunk.Text)
	h.size += chunk.size()
	if h.size > h.c.m.limits.MaxBytes {
		return tooBig(h.c.m.limits.MaxBytes)
	}
	h.merge(chunk)
	if chunk.Text == "" {
		return nil
	}
	if h.speech == nil {
		h.say(chunk.Text)
		return nil
	}
	for _, text := range h.speech.add(chunk.Text) {
		h.say(text)
	}
	if h.speech.aloud {
		return h.aloud()
	}
	switch {
	case !h.speech.hold || h.c.habits.thinks == thinksAloud:
	case h.size > probationBytes:
		h.endProbation()
	case h.probation == nil:
		h.probation = time.After(probationTime)
	}
	return nil
}

// merge collects what the last chunk will carry.
func (h *hearing) merge(chunk Chunk) {
	h.progress = h.progress || chunk.size() > 0 || chunk.Finish != "" || chunk.maybe != "" || chunk.begun
	h.last.ToolCalls = append(h.last.ToolCalls, chunk.ToolCalls...)
	h.last.Reasoning = h.last.Reasoning.with(chunk.Reasoning)
	if chunk.maybe != "" {
		h.maybe = chunk.maybe
	}
	if chunk.Finish != "" {
		h.last.Finish = chunk.Finish
	}
	if chunk.Note != "" {
		h.last.Note = chunk.Note
	}
	if chunk.Usage != nil {
		h.last.Usage = chunk.Usage
	}
}

// endProbation passes on the text that waited, because the model seems to have begun
// with its answer.
func (h *hearing) endProbation() {
	h.probation = nil
	for _, text := range h.speech.release() {
		h.say(text)
	}
}

// say passes text on, without secrets.
func (h *hearing) say(text string) { h.tell(h.mask.add(text)) }

func (h *hearing) tell(text string) {
	if text == "" || h.c.left {
		return
	}
	h.said = h.said || strings.TrimSpace(text) != ""
	h.c.left = !h.c.tell(Chunk{Text: text})
}

// aloud ends an attempt whose thinking was shown as speech. It remembers the model as
// thinksAloud, so that this does not happen again.
func (h *hearing) aloud() *Error {
	h.c.learnThinking(thinksAloud)
	return spared(&Error{Kind: ThoughtAloud, Message: "the model thinks in its text and marks only where that ends; its next answers are held back until then"})
}

// fail ends an answer with err. An answer that was already complete ends without an
// error.
func (h *hearing) fail(err error) *Error {
	e := h.c.explain(h.a, err)
	if h.last.Finish == "" && errors.Is(e, errSilence) {
		h.last.Finish = h.maybe // nothing has followed this finish reason, so it is the end
	}
	if h.last.Finish != "" && e.Kind != Canceled {
		// Only the last part of the stream, with the usage, is lost.
		return h.finish()
	}
	return h.broke(e)
}

// broke ends an incomplete answer. It first passes on the text that waited, so that the
// caller sees the answer as begun and the call is not retried.
func (h *hearing) broke(e *Error) *Error {
	if h.speech != nil && h.speech.hold && h.c.habits.thinks == thinksUnknown && e.Kind != Canceled {
		h.endProbation()
	}
	if h.c.left {
		return nil
	}
	return e
}

// finish yields the text that was held back, then the last chunk.
func (h *hearing) finish() *Error {
	if h.last.Finish == "" {
		return h.broke(h.c.explain(h.a, nil))
	}
	written := ""
	if s := h.speech; s != nil {
		for _, text := range s.end() {
			h.say(text)
		}
		if s.aloud {
			return h.aloud()
		}
		h.last.Reasoning = h.last.Reasoning.with(&Reasoning{Text: strings.TrimSpace(s.thought.String())})
		h.learn(s)
		written = s.written.String()
	}
	h.tell(h.mask.end())
	if h.c.left {
		return nil
	}
	return h.conclude(written)
}

// learn remembers how the model separates its thinking from its answer.
func (h *hearing) learn(s *speech) {
	switch {
	case s.lone:
		h.c.learnThinking(thinksAloud)
	case h.c.habits.thinks == thinksUnknown:
		h.c.learnThinking(thinksApart)
	}
}

// conclude checks the tool calls and yields the last chunk. A malformed call goes to
// the caller, who can tell the model. Without tools nobody can, so it is an error.
func (h *hearing) conclude(written string) *Error {
	last, c := &h.last, h.c
	if len(last.ToolCalls) == 0 && last.Finish == FinishToolCalls && written == "" {
		last.ToolCalls = []ToolCall{{Malformed: "no tool was named"}}
	}
	if written != "" {
		says := "it wrote a call as text instead of making it: " + h.a.hide(written)
		switch {
		case len(c.r.Tools) > 0:
			last.ToolCalls = append(last.ToolCalls, ToolCall{Malformed: says})
		case !h.said:
			return spared(&Error{Kind: WroteCall, Message: "the model said nothing; " + says})
		default:
			last.Finish, last.Note = FinishStop, joinNotes(last.Note, says)
		}
	}
	checkToolCalls(last.ToolCalls)
	h.mask.calls(last.ToolCalls)
	for _, call := range last.ToolCalls {
		if call.Malformed != "" && len(c.r.Tools) == 0 {
			return spared(broken("the model called a tool in a form that cannot be read, and was offered none: %s", call.Malformed))
		}
	}
	if len(last.ToolCalls) > 0 && last.Finish == FinishStop {
		last.Finish = FinishToolCalls
	}
	h.thought(last)
	last.Note = joinNotes(last.Note, c.habits.leftOut(c.r.has))
	last.Blind = c.habits.drop[partPictures] && c.r.hasPictures()
	c.succeeded()
	c.tell(*last)
	return nil
}

// thought completes the model's reasoning, and adds a note when the model thought and
// said nothing.
func (h *hearing) thought(last *Chunk) {
	silent := !h.said && len(last.ToolCalls) == 0
	thinks := last.Reasoning != nil || last.Usage != nil && last.Usage.ReasoningTokens > 0
	switch {
	case silent && thinks && last.Finish == FinishLength:
		last.Finish, last.Note = FinishThinking, joinNotes(last.Note, "the limit of tokens went into thinking before a word was said")
	case silent && thinks && last.Finish == FinishStop:
		last.Note = joinNotes(last.Note, "the model thought and said nothing")
	}
	if r := last.Reasoning; r != nil {
		r.Text = h.mask.all(clean(r.Text))
		if r.Details != nil {
			r.Details = h.mask.value(r.Details)
		}
	}
}

func joinNotes(notes ...string) string {
	var all []string
	for _, n := range notes {
		if n != "" {
			all = append(all, n)
		}
	}
	return strings.Join(all, "; ")
}

// maxReasoning bounds how many bytes of a model's thinking are kept.
const maxReasoning = 256 << 10

// with adds the reasoning that came later. Either may be nil.
func (r *Reasoning) with(more *Reasoning) *Reasoning {
	if more == nil || more.Text == "" && more.Details == nil {
		return r
	}
	if r == nil {
		r = &Reasoning{}
	}
	if room := maxReasoning - len(r.Text); room > 0 {
		r.Text += clean(more.Text[:min(len(more.Text), room)])
	}
	if more.Member != "" {
		r.Member, r.From = more.Member, more.From
	}
	switch {
	case more.Details == nil || len(r.Details)+len(more.Details) > maxReasoning:
	case r.Details == nil:
		r.Details = more.Details
	default:
		r.Details = append(append(r.Details[:len(r.Details)-1], ','), more.Details[1:]...)
	}
	return r
}
