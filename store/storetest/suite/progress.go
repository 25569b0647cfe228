package main

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"
)

// progress passes output on. When there was none for a while, it says that work goes on:
// the first compilation takes minutes without output.
type progress struct {
	to       io.Writer
	packages int

	mu    sync.Mutex
	done  int
	wrote bool
}

// marks are the first characters of gotestsum's line for a package that passed, has no
// tests, or failed.
var marks = []string{"✓", "∅", "✖"}

// Write passes b on and counts the packages that are done, a line each.
func (p *progress) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wrote = true
	for line := range bytes.Lines(b) {
		for _, mark := range marks {
			if bytes.HasPrefix(line, []byte(mark)) {
				p.done++
			}
		}
	}
	return p.to.Write(b)
}

// start begins to check every interval. The returned function ends it.
func (p *progress) start(interval time.Duration) (stop func()) {
	began, end := time.Now(), make(chan struct{})
	var gone sync.WaitGroup
	gone.Go(func() {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case <-tick.C:
				p.beat(time.Since(began))
			}
		}
	})
	return func() { close(end); gone.Wait() }
}

func (p *progress) beat(since time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.wrote {
		fmt.Fprintf(p.to, "… compiling and testing, %s, %d of %d packages done\n", since.Round(time.Second), min(p.done, p.packages), p.packages)
	}
	p.wrote = false
}
