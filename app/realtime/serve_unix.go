//go:build unix

package realtime

import (
	"net"
	"syscall"
)

// quickWriter writes to sockets without waiting for them.
type quickWriter struct {
	data   []byte
	n      int // how much of data the socket has taken
	joined []byte
	write  func(fd uintptr) bool
}

func newQuickWriter() *quickWriter {
	w := &quickWriter{}
	w.write = func(fd uintptr) bool {
		n, err := syscall.Write(int(fd), w.data)
		if w.n = n; err != nil {
			w.n = 0 // the connection's writer gets the same error, or waits
		}
		return true
	}
	return w
}

// rawOf returns what a quickWriter writes to, nil if nc is no socket.
func rawOf(nc net.Conn) syscall.RawConn {
	if s, ok := nc.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			return raw
		}
	}
	return nil
}
