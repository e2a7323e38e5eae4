//go:build linux || darwin

package remote

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// The kernel is told on both ends of a link, with TLS and without.
func TestTheKernelTakesNoMoreThanItSendsSoon(t *testing.T) {
	authority := newAuthority(t, "run-1")
	for name, change := range map[string]func(a, b *Config){
		"tcp": func(a, b *Config) { a.InsecurePlaintext, b.InsecurePlaintext = true, true },
		"tls": func(a, b *Config) {
			a.Credentials, b.Credentials = issue(t, authority, RoleHost, "alice", 1), issue(t, authority, RoleHost, "bob", 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := tcpPair(t, func(a, b *Config) {
				change(a, b)
				a.Dial, b.Dial = dialTCP, dialTCP
			})
			in, pid := newInbox(t, p.b, "x", 1)
			require.NoError(t, p.a.Send(within(t, 60e9), pid, nil, text("hello")))
			receive(t, in.user)
			for _, l := range []*link{onlyLink(p.a, p.b.cfg.Address), onlyLink(p.b, p.a.cfg.Address)} {
				conn := l.current().Conn
				if secure, ok := conn.(interface{ NetConn() net.Conn }); ok {
					conn = secure.NetConn().(*gatherer).Conn
				}
				raw, err := conn.(*net.TCPConn).SyscallConn()
				require.NoError(t, err)
				var got int
				require.NoError(t, raw.Control(func(fd uintptr) {
					got, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT)
				}))
				require.NoError(t, err)
				require.Equal(t, unsentBytes, got)
			}
		})
	}
}
