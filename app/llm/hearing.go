package llm

import (
	"errors"
	"strings"
	"time"
)

// hearing takes in the answer of one attempt: it tells speech from thinking and
// from calls, hides secrets, and hands on what may be shown.
type hearing struct {
	c      *call
	a      *attempt
	mask   *masker
	speech *speech // nil for a provider without a network, which says what it says

	last      Chunk // what the last chunk will carry
	maybe     string
	size      int
	said      bool // words were handed on
	probation <-chan time.Time
	progress  bool
}

// A model that has not answered yet may begin with thinking that only a closing
// mark tells from the answer. Its first words wait for that mark so long, or
// until there are so many.
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

// wait sets the limit on the time to the next piece.
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

// hear takes the next piece.
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

// endProbation lets the first words go: the model seems to begin with its answer.
func (h *hearing) endProbation() {
	h.probation = nil
	for _, text := range h.speech.release() {
		h.say(text)
	}
}

// say hands text on, without secrets.
func (h *hearing) say(text string) { h.tell(h.mask.add(text)) }

func (h *hearing) tell(text string) {
	if text == "" || h.c.left {
		return
	}
	h.said = h.said || strings.TrimSpace(text) != ""
	h.c.left = !h.c.tell(Chunk{Text: text})
}

// aloud ends an attempt of which thinking was shown as speech; it will not
// happen again with this model.
func (h *hearing) aloud() *Error {
	h.c.learnThinking(thinksAloud)
	return spared(&Error{Kind: ThoughtAloud, Message: "the model thinks in its text and marks only where that ends; its next answers are held back until then"})
}

// fail ends an answer with err, unless it was whole by then.
func (h *hearing) fail(err error) *Error {
	e := h.c.explain(h.a, err)
	if h.last.Finish == "" && errors.Is(e, errSilence) {
		h.last.Finish = h.maybe // nothing has followed it
	}
	if h.last.Finish != "" && e.Kind != Canceled {
		// Only the trailer, with the usage, is lost.
		return h.finish()
	}
	return h.broke(e)
}

// broke ends half an answer: it is told as one, as if its first words had not
// waited, and not asked for again.
func (h *hearing) broke(e *Error) *Error {
	if h.speech != nil && h.speech.hold && h.c.habits.thinks == thinksUnknown && e.Kind != Canceled {
		h.endProbation()
	}
	if h.c.left {
		return nil
	}
	return e
}

// finish yields what was held back and the last chunk.
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

// learn remembers of a model what made this answer possible.
func (h *hearing) learn(s *speech) {
	switch {
	case s.lone:
		h.c.learnThinking(thinksAloud)
	case h.c.habits.thinks == thinksUnknown:
		h.c.learnThinking(thinksApart)
	}
}

// conclude checks the tool calls and yields the last chunk. A call that the
// model got wrong goes to who can tell it so; without tools nobody can.
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
	c.succeeded()
	c.tell(*last)
	return nil
}

// thought completes what the model has thought, and says so where nothing came of it.
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

// maxReasoning bounds what is kept of a model's thinking.
const maxReasoning = 256 << 10

// with adds what came later; either may be nil.
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
