package sshconn

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// roundTrip is the shortest round trip that the kernel has seen on a connection, which a busy machine at either end does not lengthen.
func roundTrip(conn net.Conn) (time.Duration, bool) {
	quick, ok := conn.(*quickConn)
	if !ok {
		return 0, false
	}
	var info *unix.TCPInfo
	var failed error
	if err := quick.raw.Control(func(fd uintptr) { info, failed = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) }); err != nil || failed != nil {
		return 0, false
	}
	return time.Duration(info.Min_rtt) * time.Microsecond, true
}
