package web

import (
	"bytes"
	"slices"

	"github.com/valyala/fasthttp"
)

// bareLines records first lines of requests that end with LF alone. fasthttp accepts such
// lines and does not report how they ended, so the connection checks all incoming bytes.
// For each line it keeps the length and the last bytes. checkHead later finds a request
// by that length.
type bareLines struct {
	length int                // length of the line so far, in bytes
	end    [protocolSize]byte // last bytes of the line
	found  []int              // lengths of first lines without CR that no request was compared with yet
}

const (
	protocolSize = len(" HTTP/1.1")
	// maxBare is how many such lengths are kept at most.
	maxBare = 64
)

// see gets the next bytes of the connection.
func (b *bareLines) see(data []byte) {
	for len(data) > 0 {
		line, rest, ended := bytes.Cut(data, []byte("\n"))
		b.length += len(line)
		for _, c := range line[max(0, len(line)-protocolSize):] {
			copy(b.end[:], b.end[1:])
			b.end[protocolSize-1] = c
		}
		data = rest
		if !ended {
			return
		}
		if b.length > protocolSize && bytes.HasPrefix(b.end[:], []byte(" HTTP/")) {
			b.found = append(b.found[max(0, len(b.found)-maxBare+1):], b.length)
		}
		b.length, b.end = 0, [protocolSize]byte{}
	}
}

// take tells whether the first line of a request ended with LF alone. It may take a later
// request's line of the same length for it. That is no harm: no correct client sends such
// a line.
func (b *bareLines) take(head *fasthttp.RequestHeader) bool {
	if len(b.found) == 0 {
		return false
	}
	length := len(head.Method()) + len(" ") + len(head.RequestURI()) + len(" ") + len(head.Protocol())
	i := slices.Index(b.found, length)
	if i >= 0 {
		b.found = slices.Delete(b.found, i, i+1)
	}
	return i >= 0
}

// forget removes what the body of a request may have left.
func (b *bareLines) forget() { b.found = nil }
