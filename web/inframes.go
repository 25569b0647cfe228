package web

import (
	"bytes"
	"io"
	"sync/atomic"
	"time"
)

const (
	// escaped is how many bytes JSON may take for one of a text: \u0001.
	escaped = 6
	// aroundText is what a frame has beside its text, all of it escaped.
	aroundText = 1 << 10
	// largeBytes is how much of frames that are longer than a line may be held
	// at once, of all sockets together.
	largeBytes = 32 << 20
)

// frameBytes is the largest frame that a socket takes: a post of limit bytes
// of text, however it is escaped. Beyond it the socket is closed.
func frameBytes(limit int64) int64 { return escaped*limit + aroundText }

// largeFrames is the total of the frames that are longer than a line. A socket
// that sends one holds the most that it may become until it was acted upon.
type largeFrames struct{ held atomic.Int64 }

func (l *largeFrames) take(n int64) bool {
	if l.held.Add(n) > largeBytes {
		l.held.Add(-n)
		return false
	}
	return true
}

func (l *largeFrames) give(n int64) { l.held.Add(-n) }

// inFrame is a frame from a client; of one that is not whole only the size is
// known.
type inFrame struct {
	data  []byte
	size  int64
	whole bool
	v2    bool
	held  int64 // to be given back
}

// read reads a frame, and one byte of one that is larger than frameBytes. Of
// coagent.v2 it keeps more than limit bytes, as far as there is room; late is
// called when such a frame takes too long, since it holds that room.
func (l *largeFrames) read(r io.Reader, limit int64, v2 bool, late func()) (f inFrame, err error) {
	most := frameBytes(limit)
	f.v2 = v2
	f.data, err = io.ReadAll(io.LimitReader(r, limit+1))
	f.size, f.whole = int64(len(f.data)), int64(len(f.data)) <= limit
	if err != nil || f.whole {
		return f, err
	}
	rest := io.LimitReader(r, most+1-f.size)
	if v2 && l.take(most) {
		defer time.AfterFunc(frameTimeout, late).Stop()
		f.held, f.whole = most, true
		all := bytes.NewBuffer(f.data)
		_, err = all.ReadFrom(rest)
		f.data, f.size = all.Bytes(), int64(all.Len())
	} else {
		var n int64
		n, err = io.Copy(io.Discard, rest)
		f.size, f.data = f.size+n, nil
	}
	if err != nil {
		l.give(f.held)
	}
	return f, err
}
