package web

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// A listener that drains accepts whoever came before, although it is busy, and
// nobody who comes later; those are refused, never reset.
func TestDrainListener(t *testing.T) {
	t.Parallel()
	s := new(Server)
	addr, err := s.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dial := func() error {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr.String())
		if err == nil {
			t.Cleanup(func() { _ = conn.Close() })
		}
		return err
	}
	accepted, ended := make(chan net.Conn), make(chan error, 1)
	go func() {
		for {
			conn, err := s.ln.Accept()
			if err != nil {
				ended <- err
				return
			}
			accepted <- conn
		}
	}()
	for range 3 { // one that is accepted, one that is handed over, one in the queue
		if err := dial(); err != nil {
			t.Fatal(err)
		}
	}
	_ = (<-accepted).Close()
	drained := make(chan error, 1)
	go func() { drained <- s.ln.Drain(t.Context()) }()
	for !s.ln.draining.Load() { // newcomers are kept out by then
		select {
		case <-time.After(time.Millisecond):
		case <-t.Context().Done():
			t.Fatal("Drain does not begin")
		}
	}
	late := make(chan error, 1)
	go func() { late <- dial() }()
	for range 2 {
		_ = (<-accepted).Close()
	}
	if err := <-ended; !errors.Is(err, io.EOF) {
		t.Errorf("got %v after the last connection, want io.EOF", err)
	}
	if err := <-drained; err != nil {
		t.Errorf("got %v, want newcomers kept out", err)
	}
	if err := <-late; !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a newcomer got %v, want to be refused", err)
	}
}
