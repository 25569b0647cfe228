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

// startPause is for how long the sign that an attempt begins waits for its first words. If
// these come at once, both go out in one write to each member.
const startPause = 10 * time.Millisecond

// pacer shows that a turn begins, and its text as it streams, in deltas at a bounded pace.
type pacer struct {
	show func(realtime.Delta)
	// begin shows that the attempt begins; nil once it has been called. While hold has not
	// been released, what is shown waits for more.
	begin func()
	hold  func() (release func())

	mu      sync.Mutex
	held    realtime.Delta
	timer   *time.Timer // runs after each delta; nil when the next delta may go out
	stopped bool
}

// start begins to wait for the first words.
func (p *pacer) start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = time.AfterFunc(startPause, p.due) //nolint:forbidigo // the pace of frames is no rule's time
}

// begun shows that the attempt begins, unless that was shown before.
func (p *pacer) begun() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tellBegin()
}

func (p *pacer) tellBegin() {
	if begin := p.begin; begin != nil {
		p.begin = nil
		begin()
	}
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
	if p.begin != nil && p.timer != nil {
		// The timer may have run out a moment ago. Its call then finds nothing left to do.
		p.timer.Stop()
		p.timer = nil
		defer p.hold()()
	}
	if p.timer == nil || len(d.Text) > deltaBytes {
		p.flush()
	}
}

func (p *pacer) flush() {
	p.tellBegin()
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
	p.tellBegin()
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
	p.tellBegin()
	if p.timer != nil {
		p.timer.Stop()
	}
}
