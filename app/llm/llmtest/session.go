package llmtest

import (
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"
)

// format is one wire format: how requests are read and answers written.
type format interface {
	decode(req *http.Request) (Request, error)
	// events gives the stream's events, one per piece of text, then those of
	// the tool calls, then the end, each with its blank line.
	events(r Request, resp Response, pieces []string) (body, end []string)
	// document gives the whole answer as a client gets it that asked for no stream.
	document(r Request, resp Response) []byte
	failure(status int, message string) []byte
}

// session answers one request.
type session struct {
	f    format
	w    http.ResponseWriter
	req  *http.Request
	r    Request
	resp Response
	done <-chan struct{}
}

func (s *session) serve() {
	if !s.wait(s.resp.Wait) {
		return
	}
	switch s.resp.Fault {
	case Refuse:
		panic(http.ErrAbortHandler)
	case Hang:
		s.hang()
	case HTML:
		s.answer("text/html; charset=utf-8", "<!doctype html><title>Sign in</title><p>Sign in to the network.")
	case PlainJSON:
		s.answer("application/json", `{"choices":[{"message":{"content":"not a stream"}}]}`)
	case Redirect:
		s.w.Header().Set("Location", "/elsewhere"+s.req.URL.Path)
		s.w.WriteHeader(http.StatusTemporaryRedirect)
	default:
		blocked := s.r.Dialect.blocked()
		switch {
		case s.resp.Status != 0 && s.resp.Status != http.StatusOK:
			s.fail()
		case s.resp.Raw != "":
			s.raw()
		case s.resp.Blocked && s.r.Format != "gemini" && blocked != nil:
			blocked.write(s.w)
		case s.resp.Plain:
			s.answer("application/json", string(s.f.document(s.r, s.resp)))
		default:
			s.stream()
		}
	}
}

// wait reports whether d passed with the client still there.
func (s *session) wait(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.req.Context().Done():
	case <-s.done:
	}
	return false
}

func (s *session) hang() {
	select {
	case <-s.req.Context().Done():
	case <-s.done:
	}
}

func (s *session) answer(contentType, text string) {
	s.label(contentType)
	_, _ = io.WriteString(s.w, text)
}

// raw sends a body as it is, at the pace that is asked for.
func (s *session) raw() {
	s.label("text/event-stream")
	s.flush()
	text := s.resp.Raw
	for text != "" {
		n := len(text)
		if s.resp.Every > 0 {
			n = min(n, s.resp.Every)
		}
		if !s.wait(s.resp.Delay) || !s.write(text[:n]) {
			return
		}
		text = text[n:]
	}
}

// label sets the Content-Type that the script wants, or else the right one.
func (s *session) label(right string) {
	switch s.resp.Label {
	case "":
		s.w.Header().Set("Content-Type", right)
	case "-":
		s.w.Header()["Content-Type"] = nil
	default:
		s.w.Header().Set("Content-Type", s.resp.Label)
	}
}

func (s *session) fail() {
	if s.resp.RetryAfter != "" {
		s.w.Header().Set("Retry-After", s.resp.RetryAfter)
	}
	s.w.Header().Set("Content-Type", "application/json")
	s.w.WriteHeader(s.resp.Status)
	_, _ = s.w.Write(s.f.failure(s.resp.Status, s.resp.Message))
}

func (s *session) stream() {
	h := s.w.Header()
	s.label("text/event-stream")
	switch s.resp.Fault {
	case BigHeader:
		h.Set("X-Big", strings.Repeat("x", 1<<20))
	case Encoded:
		h.Set("Content-Encoding", "br")
	}
	s.w.WriteHeader(http.StatusOK)
	s.flush()
	if s.resp.Fault == CutHeader {
		panic(http.ErrAbortHandler)
	}
	if s.resp.Fault == InvalidUTF8 {
		// The marker becomes raw bytes after the text has been encoded.
		s.resp.Text = "a" + badMarker + "z\x00."
	}
	if s.resp.Fault == Endless || s.resp.Fault == Huge {
		s.flood()
		return
	}
	switch s.resp.Fault {
	case Silence, BrokenJSON, Cut, NoFinish, Drip, KeepOpen:
		if s.resp.Text == "" {
			s.resp.Text = "The quick brown fox jumps over the lazy dog."
		}
	}
	s.send(s.f.events(s.r, s.resp, cutPieces(s.resp.Text, s.resp.ChunkRunes)))
}

func (s *session) send(body, end []string) {
	half := len(body) / 2
	for i, event := range body {
		if !s.pass(i) {
			return
		}
		switch {
		case s.resp.Fault == BrokenJSON:
			event = "data: {\"choices\": [}\n\n"
		case s.resp.Fault == Cut && i == half:
			s.write(event[:len(event)*2/3])
			panic(http.ErrAbortHandler)
		}
		if !s.write(event) {
			return
		}
		if s.resp.Fault == Silence {
			s.hang()
			return
		}
	}
	if !s.pass(len(body)) {
		return
	}
	switch s.resp.Fault {
	case NoFinish, OpenToolCall:
		return
	case StreamError:
		s.write("data: " + string(s.f.failure(http.StatusServiceUnavailable, "overloaded in mid-answer")) + "\n\n")
		return
	}
	// One write: a client that has seen the end may leave at once.
	s.write(strings.Join(end, ""))
	if s.resp.Fault == KeepOpen {
		s.hang()
	}
}

// pass waits for the delay and the gate before chunk i.
func (s *session) pass(i int) bool {
	if s.resp.Fault != Drip && !s.wait(s.resp.Delay) {
		return false
	}
	g := s.resp.Gate
	if g == nil || i != g.after {
		return true
	}
	g.reach.Do(func() { close(g.reached) })
	select {
	case <-g.open:
		return true
	case <-s.req.Context().Done():
	case <-s.done:
	}
	return false
}

// flood sends text without end, in small events or as a huge one.
func (s *session) flood() {
	body, _ := s.f.events(s.r, s.resp, []string{strings.Repeat("la ", 300)})
	event := body[len(body)-1]
	if s.resp.Fault == Endless {
		for s.req.Context().Err() == nil && s.wait(s.resp.Delay) && s.write(event) {
		}
		return
	}
	head, tail, _ := strings.Cut(event, "la ")
	s.write(head)
	for range 50 {
		if !s.write(strings.Repeat("x", 1<<20)) {
			return
		}
	}
	s.write(tail)
}

func (s *session) write(text string) bool {
	text = strings.ReplaceAll(text, badMarker, "\xff\xc3\xed\xa0\x80")
	size := s.resp.WireBytes
	if s.resp.Fault == Drip {
		size = 1
	}
	if size <= 0 {
		size = max(len(text), 1)
	}
	for len(text) > 0 {
		n := min(size, len(text))
		if s.resp.Fault == Drip && !s.wait(s.resp.Delay) {
			return false
		}
		if _, err := io.WriteString(s.w, text[:n]); err != nil {
			return false
		}
		s.flush()
		text = text[n:]
	}
	return true
}

func (s *session) flush() {
	if f, ok := s.w.(http.Flusher); ok {
		f.Flush()
	}
}

// badMarker stands for bytes that are no UTF-8 while the events are made.
const badMarker = "@@bad@@"

// cutPieces cuts text after every n runes, 8 when n is 0.
func cutPieces(text string, n int) []string {
	if n <= 0 {
		n = 8
	}
	var out []string
	runes := []rune(text)
	for len(runes) > 0 {
		k := min(n, len(runes))
		out = append(out, string(runes[:k]))
		runes = runes[k:]
	}
	return out
}

// halves cuts s in two, between characters.
func halves(s string) (first, second string) {
	i := len(s) / 2
	for i > 0 && !utf8.RuneStart(s[i]) {
		i--
	}
	return s[:i], s[i:]
}

func words(s string) int { return len(strings.Fields(s)) }
