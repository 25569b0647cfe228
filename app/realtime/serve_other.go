//go:build !unix

package realtime

import (
	"net"
	"syscall"
)

// quickWriter writes nothing here: each connection's writer does.
type quickWriter struct {
	data, joined []byte
	n            int
	write        func(fd uintptr) bool
}

func newQuickWriter() *quickWriter { return &quickWriter{} }

func rawOf(net.Conn) syscall.RawConn { return nil }
