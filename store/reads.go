package store

import (
	"context"
	"sync/atomic"
)

// Reads counts the queries under one context.
type Reads struct{ n atomic.Int64 }

// Count returns how many queries there were so far.
func (r *Reads) Count() int64 { return r.n.Load() }

type readsKey struct{}

// CountReads returns a context under which queries are counted, so that a request can
// report its number.
func CountReads(ctx context.Context) (context.Context, *Reads) {
	r := new(Reads)
	return context.WithValue(ctx, readsKey{}, r), r
}

func countRead(ctx context.Context) {
	if r, ok := ctx.Value(readsKey{}).(*Reads); ok {
		r.n.Add(1)
	}
}
