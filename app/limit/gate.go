package limit

import "context"

// Gate lets a bounded number of things run at once, in this process. The others wait.
type Gate struct{ slots chan struct{} }

// NewGate makes a gate for n at once.
func NewGate(n int) *Gate { return &Gate{make(chan struct{}, n)} }

// Do runs fn in a slot of the gate. It returns ctx.Err() when ctx ends while it waits.
func (g *Gate) Do(ctx context.Context, fn func() error) error {
	select {
	case g.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-g.slots }()
	return fn()
}
