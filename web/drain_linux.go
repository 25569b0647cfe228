package web

import (
	"errors"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// newcomers is a socket filter that drops a TCP segment with SYN and without
// ACK, and passes all others (RFC 9293 section 3.1; the flags are byte 13). A
// client whose SYN is dropped sends it again after a second, and is refused
// then, since nobody listens any more.
var newcomers = []unix.SockFilter{
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 13},
	{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: 0x12},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 0x02, Jt: 1},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0xffff},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0},
}

// keepOut has the kernel begin no new handshake on a listener.
func keepOut(ln *net.TCPListener) error {
	raw, err := ln.SyscallConn()
	if err != nil {
		return err
	}
	var attached error
	err = raw.Control(func(fd uintptr) {
		attached = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
			&unix.SockFprog{Len: uint16(len(newcomers)), Filter: &newcomers[0]})
	})
	return errors.Join(err, os.NewSyscallError("setsockopt", attached))
}
