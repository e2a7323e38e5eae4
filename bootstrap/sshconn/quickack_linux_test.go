package sshconn

import (
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// After an exchange the kernel waits for something to send along with an acknowledgement, unless it is told otherwise.
func TestAcknowledgesAtOnce(t *testing.T) {
	quick := func(wrap func(net.Conn) net.Conn) bool {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close()
		raw, err := net.Dial("tcp", l.Addr().String())
		require.NoError(t, err)
		defer raw.Close()
		far, err := l.Accept()
		require.NoError(t, err)
		defer far.Close()
		conn := wrap(raw)
		b := []byte{0}
		for range 20 { // more than a new connection acknowledges at once anyway
			for _, exchange := range [][2]net.Conn{{far, conn}, {conn, far}} {
				_, err := exchange[0].Write(b)
				require.NoError(t, err)
				_, err = io.ReadFull(exchange[1], b)
				require.NoError(t, err)
			}
		}
		_, err = far.Write(b)
		require.NoError(t, err)
		_, err = io.ReadFull(conn, b)
		require.NoError(t, err)
		control, err := raw.(*net.TCPConn).SyscallConn()
		require.NoError(t, err)
		var value int
		var failed error
		require.NoError(t, control.Control(func(fd uintptr) { value, failed = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK) }))
		require.NoError(t, failed)
		return value == 1
	}
	require.False(t, quick(func(c net.Conn) net.Conn { return c }))
	require.True(t, quick(quickened))
}

func TestOnlyTCPIsQuickened(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	require.Equal(t, a, quickened(a))
}
