package web

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

const (
	// escaped is how many bytes JSON may take for one byte of a text, for example \u0001.
	escaped = 6
	// aroundText is how many bytes a frame may have beside its text, all of them escaped.
	aroundText = 1 << 10
	// largeBytes bounds the bytes of all frames longer than a message that are held at
	// once, for all sockets together.
	largeBytes = 32 << 20
)

// frameBytes returns the size of the largest frame that a socket accepts: a post with
// limit bytes of text, however it is escaped. A larger frame closes the socket.
func frameBytes(limit int64) int64 { return escaped*limit + aroundText }

// largeFrames counts the bytes of the frames that are longer than a message. A socket
// that sends such a frame holds the largest possible size until the frame is executed.
type largeFrames struct{ held atomic.Int64 }

func (l *largeFrames) take(n int64) bool {
	if l.held.Add(n) > largeBytes {
		l.held.Add(-n)
		return false
	}
	return true
}

func (l *largeFrames) give(n int64) { l.held.Add(-n) }

// inFrame is a frame from a client. Of a frame that is not whole only the size is known.
type inFrame struct {
	data  []byte
	size  int64
	whole bool
	v2    bool
	held  int64 // counted bytes to give back
}

// read reads a frame; of one that is larger than frameBytes it reads one byte more than
// that. With coagent.v2 it keeps a frame of more than limit bytes when there is room. It
// calls late when such a frame takes too long, since the frame occupies that room.
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

// v2Frames are the frames that clients of a protocol may send, by their types.
type v2Frames struct {
	schemas huma.Registry
	of      map[string]*huma.Schema
}

func newV2Frames(protocol string) *v2Frames {
	v := &v2Frames{huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer), map[string]*huma.Schema{}}
	for _, f := range socketFrames() {
		if f.fromClient && f.protocol == protocol {
			v.of[f.kind] = v.schemas.Schema(f.shape, true, f.name+"Payload")
		}
	}
	return v
}

func (v *v2Frames) known(kind string) bool { return v.of[kind] != nil }

// wrongName returns the first member of a frame that its type does not have, and what to
// do about it. field is "" if there is none.
func (v *v2Frames) wrongName(kind string, data []byte) (field, message string) {
	n := names{schemas: v.schemas, strict: true}
	var d *huma.ErrorDetail
	if n.read(data, "frame", v.of[kind]); len(n.faults) > 0 && errors.As(n.faults[0], &d) {
		return strings.TrimPrefix(d.Location, "frame."), d.Message
	}
	return "", ""
}
