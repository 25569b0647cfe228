package terminal

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// A Progress tells a person how far a long command is: on a terminal with one line that
// changes, elsewhere with a line every ten seconds. It is silent about what is over in a moment.
// A step that tells nothing for long, such as the making of an index, is told again with how
// long it takes.
type Progress struct {
	out      io.Writer
	terminal bool
	now      func() time.Time

	mu     sync.Mutex
	told   time.Time // when something was written, or the command began
	heard  time.Time // when the command said last
	line   string    // what it said
	begun  bool      // a line is on the terminal and not ended
	silent time.Duration
	stop   chan struct{} // ends the ticks; nil without
}

const (
	progressEvery    = 10 * time.Second       // without a terminal
	progressTerminal = 200 * time.Millisecond // on one
)

// NewProgress makes one that writes to out.
func NewProgress(out *os.File) *Progress {
	p := ProgressTo(out, Is(out), time.Now)
	p.stop = make(chan struct{})
	ticker := time.NewTicker(time.Second)
	go func() {
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				p.Tick()
			case <-p.stop:
				return
			}
		}
	}()
	return p
}

// ProgressTo makes one that writes to any writer, by any clock. Who has it calls Tick.
func ProgressTo(out io.Writer, terminal bool, now func() time.Time) *Progress {
	return &Progress{out: out, terminal: terminal, now: now, told: now(), silent: time.Second}
}

// Tell says how far it is, such as "5 of 9 files read".
func (p *Progress) Tell(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line, p.heard = line, p.now()
	p.write(line)
}

// Tick writes what was said last once more when the command is silent for long.
func (p *Progress) Tick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if since := p.now().Sub(p.heard); p.line != "" && since >= time.Second {
		p.write(fmt.Sprintf("%s (since %s)", p.line, since.Truncate(time.Second)))
	}
}

func (p *Progress) write(line string) {
	if p.now().Sub(p.told) < p.silent {
		return
	}
	p.told, p.silent = p.now(), progressEvery
	if p.terminal {
		p.silent = progressTerminal
		p.begun = true
		_, _ = io.WriteString(p.out, "\r"+line+"\x1b[K") // nobody reads it: the work goes on
		return
	}
	_, _ = io.WriteString(p.out, line+"\n")
}

// Say writes one sentence on a line of its own.
func (p *Progress) Say(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end()
	_, _ = io.WriteString(p.out, text+"\n")
}

// End ends the line that changes, and the ticks. Call it when the command has nothing more to
// tell.
func (p *Progress) End() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end()
	p.line = ""
	if p.stop != nil {
		close(p.stop)
		p.stop = nil
	}
}

func (p *Progress) end() {
	if p.begun {
		p.begun = false
		_, _ = io.WriteString(p.out, "\n")
	}
}
