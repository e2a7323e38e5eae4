package sshconn

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// quickConn acknowledges at once what it reads. A server sends its small packets one by one and waits with the next until the last is acknowledged (it leaves
// Nagle's algorithm on until it knows of a terminal), and this side would wait up to 40 ms for something to send along with the acknowledgement: several such pauses in each start.
type quickConn struct {
	net.Conn
	raw syscall.RawConn
}

// quickened makes a TCP connection acknowledge at once; others are returned as they are.
func quickened(conn net.Conn) net.Conn {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return conn
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return conn
	}
	c := &quickConn{Conn: conn, raw: raw}
	c.arm()
	return c
}

func (c *quickConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == nil {
		c.arm() // the kernel forgets it
	}
	return n, err
}

// arm fails where the connection has ended, which the next Read tells.
func (c *quickConn) arm() {
	_ = c.raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) })
}
