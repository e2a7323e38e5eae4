package remote

import (
	"context"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const unacknowledged = 10 * time.Second

// deadPeers has the kernel give up a connection whose data nobody acknowledges, long before its own quarter of an hour.
func deadPeers(_ context.Context, _, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unacknowledged.Milliseconds()))
	})
	if err != nil {
		return err
	}
	return failed
}
