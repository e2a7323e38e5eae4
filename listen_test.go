package tlaunch

import (
	"net"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestListen(t *testing.T) {
	open := func(data string, ports portRange) (net.Listener, string) {
		t.Helper()
		l, address, err := listen(data, ports, nil)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, l.Close()) })
		host, port, err := net.SplitHostPort(address)
		require.NoError(t, err)
		require.Equal(t, data, host, "others are told the data address")
		_, bound, err := net.SplitHostPort(l.Addr().String())
		require.NoError(t, err)
		require.Equal(t, bound, port)
		return l, port
	}
	reached := func(port string) bool {
		c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.2", port))
		if err == nil {
			require.NoError(t, c.Close())
		}
		return err == nil
	}
	_, port := open("127.0.0.1", portRange{})
	require.False(t, reached(port), "on the data address alone")
	_, port = open("192.0.2.7", portRange{})
	require.True(t, reached(port), "an address that is not of this machine: on all")
	_, port = open("host.example", portRange{})
	require.True(t, reached(port), "a name: on all")

	first, port := open("127.0.0.1", portRange{})
	n, err := strconv.Atoi(port)
	require.NoError(t, err)
	_, _, err = listen("127.0.0.1", portRange{n, n}, nil)
	require.ErrorContains(t, err, "every port of "+port+"-"+port+" is in use here")
	if n == 65535 {
		n--
	}
	l, _, err := listen("127.0.0.1", portRange{n, n + 100}, nil)
	require.NoError(t, err, "the next one that is free")
	require.NotEqual(t, first.Addr().String(), l.Addr().String())
	require.NoError(t, l.Close())
	earlier := l.Addr().String()
	l, address, err := listen("127.0.0.1", portRange{n, n + 100}, []string{earlier})
	require.NoError(t, err)
	require.NoError(t, l.Close())
	require.NotEqual(t, earlier, l.Addr().String(), "nor one that an earlier process has had")
	_, _, err = listen("127.0.0.1", portRange{n, n}, []string{address, first.Addr().String()})
	require.ErrorContains(t, err, "or was that of an earlier process of this host (1); give a wider range")
}

func TestPortRanges(t *testing.T) {
	r, err := parsePorts("20000-20100")
	require.NoError(t, err)
	require.Equal(t, portRange{20000, 20100}, r)
	for _, bad := range []string{"", "1", "1-", "-1", "0-1", "2-1", "1-65536", "a-b", "1-2-3"} {
		_, err := parsePorts(bad)
		require.ErrorContains(t, err, "write FIRST-LAST", bad)
		require.Equal(t, StatusUsage, ExitStatus(err))
	}
}

func TestConnListener(t *testing.T) {
	l := newConnListener()
	near, far := net.Pipe()
	defer near.Close()
	go l.hand(far)
	got, err := l.Accept()
	require.NoError(t, err)
	require.Equal(t, far, got)
	require.NoError(t, l.Close())
	require.NoError(t, l.Close())
	_, err = l.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
	l.hand(far) // nobody takes it: closed
	_, err = near.Write([]byte{0})
	require.Error(t, err)
	require.Equal(t, "stream launcher", l.Addr().Network()+" "+l.Addr().String())
}
