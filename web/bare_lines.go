package web

import (
	"bytes"
	"slices"

	"github.com/valyala/fasthttp"
)

// bareLines notes first lines of requests that end with LF alone. fasthttp
// takes them and does not hand out how they ended, so the connection looks at
// all that comes in. Of each line it keeps the length and the end, by which the
// request is known when it is judged.
type bareLines struct {
	length int                // of the line so far
	end    [protocolSize]byte // its last bytes
	found  []int              // lengths of first lines without CR, not yet judged
}

const (
	protocolSize = len(" HTTP/1.1")
	// maxBare is how many requests that wait to be judged are told apart.
	maxBare = 64
)

// see takes the next bytes of the connection.
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

// take tells whether the first line of a request ended with LF alone, or that of
// one as long which has come behind it: no client that ends one so is right.
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

// forget drops what the body of a request may have left.
func (b *bareLines) forget() { b.found = nil }
