package realtime

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// MaxPayload is the most bytes that Config.Send gets. Postgres refuses a NOTIFY of
	// 8000 bytes.
	MaxPayload = 7000
	// outboxBytes bounds the bytes that wait while Send is stuck. Signals beyond it are
	// lost, which is allowed for signals.
	outboxBytes = 1 << 20
	sendTimeout = 5 * time.Second
	// signalEvery is the least time between two rounds of payloads.
	signalEvery = 100 * time.Millisecond
)

// outbox collects signals for other nodes. The first is sent at once; those that follow
// within signalEvery are sent together.
type outbox struct {
	node       string
	send       func(context.Context, []byte) error
	log        *slog.Logger
	kick       chan struct{}
	sent, lost atomic.Int64
	failing    bool // guarded by sending

	sending sync.Mutex // only one flush at a time, which keeps the order

	mu     sync.Mutex
	queue  []wire
	size   int
	deltas map[deltaKey]*lastDelta
}

type deltaKey struct {
	room, turn string
	attempt    int
}

// lastDelta is the newest queued delta of a turn's attempt.
type lastDelta struct {
	delta *Delta
	end   int // the offset of the text after it
	size  int // bytes of its text as JSON
}

func newOutbox(node string, send func(context.Context, []byte) error, log *slog.Logger) *outbox {
	return &outbox{node: node, send: send, log: log, kick: make(chan struct{}, 1), deltas: map[deltaKey]*lastDelta{}}
}

func (o *outbox) push(w wire) {
	o.mu.Lock()
	switch {
	case o.size > outboxBytes:
		o.lost.Add(1)
	case !o.merge(w):
		o.queue = append(o.queue, w)
		o.size += len(w.Body) + entryOverhead
	}
	o.mu.Unlock()
	select {
	case o.kick <- struct{}{}:
	default:
	}
}

// merge appends a delta to the delta before it, if that one still waits and both fit
// into a payload.
func (o *outbox) merge(w wire) bool {
	if w.Kind != kindDelta {
		return false
	}
	size := jsonLength(w.D.Text)
	o.size += size
	key := deltaKey{w.Room, w.D.TurnID, w.D.Attempt}
	last := o.deltas[key]
	if last != nil && last.end == w.D.Offset && last.size+size <= maxText {
		last.delta.Text += w.D.Text
		last.end += Units(w.D.Text)
		last.size += size
		return true
	}
	o.deltas[key] = &lastDelta{delta: w.D, end: w.D.Offset + Units(w.D.Text), size: size}
	return false
}

func (o *outbox) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-o.kick:
		}
		o.flush(ctx)
		if !sleep(ctx, signalEvery) {
			return
		}
	}
}

// flush sends everything that waits.
func (o *outbox) flush(ctx context.Context) {
	o.sending.Lock()
	defer o.sending.Unlock()
	o.mu.Lock()
	queue := o.queue
	o.queue, o.size = nil, 0
	clear(o.deltas)
	o.mu.Unlock()

	head, tail := []byte(`{"n":`+quote(o.node)+`,"s":[`), []byte("]}")
	payload, n := bytes.Clone(head), 0
	for _, w := range queue {
		item, err := encodeWire(w)
		if err != nil || len(head)+len(item)+len(tail) > MaxPayload {
			o.lost.Add(1)
			o.log.Warn("a signal does not reach other nodes", "room_id", w.Room, "type", w.Type, "bytes", len(item), "err", err)
			continue
		}
		if n > 0 && len(payload)+1+len(item)+len(tail) > MaxPayload {
			o.post(ctx, append(payload, tail...), n)
			payload, n = bytes.Clone(head), 0
		}
		if n > 0 {
			payload = append(payload, ',')
		}
		payload = append(payload, item...)
		n++
	}
	if n > 0 {
		o.post(ctx, append(payload, tail...), n)
	}
}

// post sends one payload of n signals. Several failures in succession write only one
// log line.
func (o *outbox) post(ctx context.Context, payload []byte, n int) {
	within, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	err := o.send(within, payload)
	if err == nil {
		o.sent.Add(int64(n))
		o.failing = false
		return
	}
	o.lost.Add(int64(n))
	if !o.failing && ctx.Err() == nil { // when the process stops, a failure is expected
		o.log.Warn("sending signals to other nodes failed", "err", err)
	}
	o.failing = true
}

func encodeWire(w wire) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // escaped markup would take six times the space
	if err := enc.Encode(w); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func quote(s string) string {
	b, _ := json.Marshal(s) // encoding a string cannot fail
	return string(b)
}
