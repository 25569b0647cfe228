package web

import (
	"errors"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// newcomers is a socket filter. It drops a TCP segment with SYN and without ACK, and
// passes all others (RFC 9293, section 3.1; the flags are byte 13). The client sends the
// dropped SYN again after a second. Then it is refused, since nobody listens any more.
var newcomers = []unix.SockFilter{
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 13},
	{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: 0x12},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 0x02, Jt: 1},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0xffff},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0},
}

// keepOut makes the kernel begin no new handshake on a listener.
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
