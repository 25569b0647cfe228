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
	// MaxPayload is the most bytes that Config.Send is given; Postgres refuses 8000 in a NOTIFY.
	MaxPayload = 7000
	// outboxBytes bounds what waits while Send is stuck; beyond it signals are lost, as they may be.
	outboxBytes = 1 << 20
	sendTimeout = 5 * time.Second
	// signalEvery is the least time between two rounds of payloads.
	signalEvery = 100 * time.Millisecond
)

// outbox gathers signals for other nodes: the first goes at once, what follows within signalEvery goes together.
type outbox struct {
	node       string
	send       func(context.Context, []byte) error
	log        *slog.Logger
	kick       chan struct{}
	sent, lost atomic.Int64
	failing    bool // guarded by sending

	sending sync.Mutex // one flush at a time keeps the order

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
	end   int // the offset behind it
	size  int // of its text as JSON
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

// merge appends a delta to the one before it, if that one still waits and both fit a payload.
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

// flush sends all that waits.
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

// post sends one payload of n signals; a series of failures is one line in the log.
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
	if !o.failing && ctx.Err() == nil { // a process that stops has cut itself off
		o.log.Warn("sending signals to other nodes failed", "err", err)
	}
	o.failing = true
}

func encodeWire(w wire) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // markup would take six times the room
	if err := enc.Encode(w); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func quote(s string) string {
	b, _ := json.Marshal(s) // a string always encodes
	return string(b)
}
