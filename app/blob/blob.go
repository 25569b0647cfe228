// Package blob keeps content in a folder or in an S3-compatible store, under keys that the
// program makes: ids of lower-case letters, digits and hyphens.
//
// It is a leaf: it imports nothing of ours. Its invariants:
//
//   - Put is all or nothing: after an error, or after a kill, Open finds nothing.
//   - What a killed Put has left is removed by Delete with the same key.
//   - Delete of what is not there is no error, so it can be repeated.
//   - No error text has a secret.
package blob

import (
	"context"
	"errors"
	"io"
)

// Content is what Put stores. Its size and its hash are known before it is sent.
type Content struct {
	io.Reader
	Size   int64
	SHA256 [32]byte
}

// Store keeps content.
type Store interface {
	// Put stores content under a key that has none yet.
	Put(ctx context.Context, key string, c Content) error
	// Open reads n bytes of the content from an offset. It returns ErrGone without
	// content.
	Open(ctx context.Context, key string, offset, n int64) (io.ReadCloser, error)
	// Delete removes the content.
	Delete(ctx context.Context, key string) error
	// Check tells whether the store can be used.
	Check(ctx context.Context) error
}

var (
	// ErrGone says that there is no content under the key.
	ErrGone = errors.New("blob: no such content")
	// ErrFull says that the store has no space left.
	ErrFull = errors.New("blob: no space left")
	// ErrRefused says that the store can be reached and refuses: the settings are wrong.
	ErrRefused = errors.New("blob: the store refuses")
)
