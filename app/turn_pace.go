package app

import (
	"sync"
	"time"

	"github.com/coagent-studio/coagent/app/realtime"
)

const (
	// deltaPace is the least time between two deltas of a turn: the first words
	// are shown at once, and what a fast model says meanwhile goes out together.
	// A frame for each token and member would be most of the work of a large
	// class, and nobody reads faster.
	deltaPace = 25 * time.Millisecond
	// deltaBytes is how much is held back at most.
	deltaBytes = 4096
)

// pacer shows a turn's text as it streams.
type pacer struct {
	show func(realtime.Delta)

	mu      sync.Mutex
	held    realtime.Delta
	timer   *time.Timer // runs after each delta shown; nil when the next may go out
	stopped bool
}

// add shows a piece of text, or holds it back for a moment; pieces follow on
// each other.
func (p *pacer) add(d realtime.Delta) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held.Text != "" {
		d.Offset, d.Text = p.held.Offset, p.held.Text+d.Text
	}
	p.held = d
	if p.timer == nil || len(d.Text) > deltaBytes {
		p.flush()
	}
}

func (p *pacer) flush() {
	p.show(p.held)
	p.held.Text = ""
	if p.timer == nil {
		p.timer = time.AfterFunc(deltaPace, p.due) //nolint:forbidigo // the pace of frames is no rule's time
	}
}

func (p *pacer) due() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = nil
	if p.held.Text != "" && !p.stopped {
		p.flush()
	}
}

// stop ends it; what is held back comes with the stored message, or belongs to
// an attempt that is over.
func (p *pacer) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	if p.timer != nil {
		p.timer.Stop()
	}
}
