package llm

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"iter"
)

// event is one event of a stream, as defined in the HTML standard (chapter "Server-sent
// events").
type event struct {
	name string
	data []byte
	// alive is set when only a comment or a blank line came. It is a sign of life and
	// carries no data.
	alive bool
	// open is set when the stream ended before the event was complete. The standard
	// drops such an event. A reader that can tell a whole document from half of one may
	// use it.
	open bool
	// whole is set for a body that is one document instead of a stream.
	whole bool
}

var errEventTooLong = errors.New("one event is longer than the limit")

// eventReader parses an event stream. It reads each byte once and keeps at most one
// event. It never waits for a byte after the end of a line: a CR ends the line, and an
// LF may come later.
//
// Libraries were considered. They hide comments, which keep a connection alive, or they
// parse the whole event again with each packet.
type eventReader struct {
	in   *bufio.Reader
	most int // the most bytes in one event

	began  bool // the first line was read, and with it a byte order mark
	wasCR  bool
	line   []byte
	name   []byte
	data   []byte
	filled bool // a data line has come, even an empty one

	heard bool   // at least one line followed the grammar of event streams
	stray []byte // the first line that did not follow it
}

func newEventReader(in io.Reader, most int) *eventReader {
	return &eventReader{in: bufio.NewReaderSize(in, 16<<10), most: most}
}

// events yields the events until the stream ends. A clean end is not an error.
func (r *eventReader) events() iter.Seq2[event, error] {
	return func(yield func(event, error) bool) {
		for {
			whole, err := r.next()
			if err != nil {
				if e, ok := r.rest(); ok && errors.Is(err, io.EOF) && !yield(e, nil) {
					return
				}
				if !errors.Is(err, io.EOF) {
					yield(event{}, err)
				}
				return
			}
			if !whole {
				continue
			}
			e, ok := r.take()
			if ok && !yield(e, nil) {
				return
			}
		}
	}
}

// next reads to the end of a line, or to the end of the data that has arrived. whole is
// set when the line has ended.
func (r *eventReader) next() (whole bool, err error) {
	if _, err := r.in.Peek(1); err != nil {
		return false, err
	}
	buf, _ := r.in.Peek(r.in.Buffered())
	if r.wasCR {
		r.wasCR = false
		if buf[0] == '\n' {
			_, _ = r.in.Discard(1)
			return false, nil
		}
	}
	end := bytes.IndexAny(buf, "\r\n")
	n := end
	if end < 0 {
		n = len(buf)
	}
	if len(r.line)+n+len(r.data) > r.most {
		return false, errEventTooLong
	}
	r.line = append(r.line, buf[:n]...)
	if end < 0 {
		_, _ = r.in.Discard(n)
		return false, nil
	}
	r.wasCR = buf[end] == '\r'
	_, _ = r.in.Discard(n + 1)
	return true, nil
}

// take interprets the line that has ended. ok is false while the event is not complete.
func (r *eventReader) take() (e event, ok bool) {
	line := r.line
	r.line = r.line[:0]
	if !r.began {
		r.began = true
		line = bytes.TrimPrefix(line, []byte("\xEF\xBB\xBF"))
	}
	switch {
	case len(line) == 0:
		return r.dispatch()
	case line[0] == ':':
		r.heard = true
		return event{alive: true}, true
	}
	field, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(field) {
	case "data":
		r.heard, r.filled = true, true
		r.data = append(append(r.data, value...), '\n')
	case "event":
		r.heard = true
		r.name = append(r.name[:0], value...)
	case "id", "retry":
		r.heard = true // fields that matter only to a client that reconnects
	default:
		if r.stray == nil {
			r.stray = bytes.Clone(line[:min(len(line), 2*maxRemoteText)])
		}
	}
	return event{}, false
}

// dispatch ends an event. Without data there is no event.
func (r *eventReader) dispatch() (event, bool) {
	if !r.filled {
		r.name = r.name[:0]
		return event{alive: true}, true
	}
	e := event{name: string(r.name), data: bytes.Clone(bytes.TrimSuffix(r.data, []byte("\n")))}
	r.name, r.data, r.filled = r.name[:0], r.data[:0], false
	return e, true
}

// rest returns the event that was not complete when the stream ended.
func (r *eventReader) rest() (event, bool) {
	if len(r.line) > 0 {
		r.take()
	}
	if !r.filled {
		return event{}, false
	}
	e, ok := r.dispatch()
	e.open = true
	return e, ok
}
