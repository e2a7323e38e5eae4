//go:build linux || darwin

package remote

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// boundUnsent has the kernel take no more from the writer than it can send soon. What it has taken nothing can pass, and by itself it takes
// megabytes: at 1 Gbit/s a small message would come tens of milliseconds behind a large one.
func boundUnsent(conn net.Conn) { setUnsent(conn, unsentBytes) }

// freeUnsent takes the bound of boundUnsent away: nothing passes anything on a stream of bytes, and a writer that is woken for each 64 KiB costs more
// than it has to.
func freeUnsent(conn net.Conn) { setUnsent(conn, 0) }

func setUnsent(conn net.Conn, bytes int) {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, bytes) // fails only where it is no TCP
	})
}
