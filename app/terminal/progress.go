package terminal

import (
	"io"
	"os"
	"sync"
	"time"
)

// A Progress tells a person how far a long command is: on a terminal with one line that
// changes, elsewhere with a line every ten seconds. It is silent about what is over in a moment.
type Progress struct {
	out      io.Writer
	terminal bool

	mu     sync.Mutex
	told   time.Time
	begun  bool // a line is on the terminal and not ended
	silent time.Duration
}

// NewProgress makes one that writes to out.
func NewProgress(out *os.File) *Progress {
	return &Progress{out: out, terminal: Is(out), told: time.Now(), silent: time.Second}
}

// Tell says how far it is, such as "5 of 9 files read".
func (p *Progress) Tell(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.told) < p.silent {
		return
	}
	p.told, p.silent = time.Now(), 10*time.Second
	if p.terminal {
		p.silent = 200 * time.Millisecond
		p.begun = true
		_, _ = io.WriteString(p.out, "\r"+line+"\x1b[K") // nobody reads it: the work goes on
		return
	}
	_, _ = io.WriteString(p.out, line+"\n")
}

// Say writes one sentence on a line of its own.
func (p *Progress) Say(text string) {
	p.End()
	_, _ = io.WriteString(p.out, text+"\n")
}

// End ends the line that changes.
func (p *Progress) End() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.begun {
		p.begun = false
		_, _ = io.WriteString(p.out, "\n")
	}
}
