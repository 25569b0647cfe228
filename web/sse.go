package web

import (
	"bufio"
	"net"
	"time"
)

// streamWrite is how long the client of a stream may take to accept a write.
const streamWrite = 20 * time.Second

// eventWriter writes server-sent events to one client
// (https://html.spec.whatwg.org/#server-sent-events). Each write has its own deadline: that
// of the server is for answers that end. What is written may leave at once or with flush,
// which has the errors of both.
type eventWriter struct {
	w    *bufio.Writer
	conn net.Conn
}

// event writes one event. An id of "" is none.
func (e eventWriter) event(id, kind string, data []byte) {
	if e.extend() != nil {
		return // flush fails too
	}
	if id != "" {
		e.text("id: ", id, "\n")
	}
	e.text("event: ", kind, "\ndata: ")
	_, _ = e.w.Write(data) // w keeps an error until flush
	e.text("\n\n")
}

// comment shows that the stream lives.
func (e eventWriter) comment() error {
	if err := e.extend(); err != nil {
		return err
	}
	e.text(": here\n\n")
	return e.w.Flush()
}

func (e eventWriter) flush() error {
	if err := e.extend(); err != nil {
		return err
	}
	return e.w.Flush()
}

func (e eventWriter) text(parts ...string) {
	for _, part := range parts {
		_, _ = e.w.WriteString(part)
	}
}

func (e eventWriter) extend() error { return e.conn.SetWriteDeadline(time.Now().Add(streamWrite)) }
