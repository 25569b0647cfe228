package turn

import (
	"sync"
	"time"

	"github.com/coagent-studio/coagent/app/realtime"
)

const (
	// deltaPace is the least time between two deltas of a turn. The first words are
	// shown at once; what a fast model says in between goes out together. One frame
	// for each token and member would be most of the work in a large class, and
	// nobody reads faster.
	deltaPace = 60 * time.Millisecond
	// deltaBytes is how much text is held back at most.
	deltaBytes = 4096
)

// pacer shows a turn's text as it streams, in deltas at a bounded pace.
type pacer struct {
	show func(realtime.Delta)

	mu      sync.Mutex
	held    realtime.Delta
	timer   *time.Timer // runs after each delta; nil when the next delta may go out
	stopped bool
}

// add shows a piece of text, or holds it back for a moment. Each piece follows the
// one before.
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

// stop ends the pacer. Text that is still held back comes with the stored message, or
// belongs to an attempt that is over.
func (p *pacer) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	if p.timer != nil {
		p.timer.Stop()
	}
}
