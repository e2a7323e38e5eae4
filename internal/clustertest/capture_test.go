//go:build linux && hosts

package clustertest

import (
	"bytes"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/internal/testutil/hosts"
)

// capture is a running tcpdump.
type capture struct {
	t       *testing.T
	l       *launcher
	packets *output
}

// startCapture captures all TCP of a host, whole packets.
func startCapture(t *testing.T, h *hosts.Host) *capture {
	t.Helper()
	c := &capture{t: t, packets: newOutput()}
	cmd := h.Command("tcpdump", "-i", "eth0", "-s", "0", "-B", "32768", "-U", "-w", "-", "tcp") // a buffer of 32 MiB
	c.l = &launcher{t: t, cmd: cmd, out: newOutput(), done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = c.packets, c.l.out
	c.l.run()
	c.l.await("listening on eth0")
	return c
}

// stop ends the capture and returns its bytes.
func (c *capture) stop() []byte {
	c.t.Helper()
	c.l.signal(syscall.SIGINT) // nsenter has become tcpdump
	<-c.l.done
	require.Contains(c.t, c.l.out.String(), "0 packets dropped by kernel")
	return []byte(c.packets.String())
}

func TestTrafficBetweenHostsIsEncrypted(t *testing.T) {
	c := up(t, 3)
	const marker, control = "MARKER-that-nobody-may-read", "CONTROL-that-everybody-reads"
	// The executable is there already, so that its 20 MB are not what is captured.
	require.Zero(t, launch(t, nil, testprog(t), append([]string{"ring", "-rounds", "1", "-marker", marker}, c.ssh()...)...).status)
	watched := startCapture(t, c.Hosts[0])
	r := launch(t, nil, testprog(t), append([]string{"ring", "-rounds", "50", "-marker", marker}, c.ssh()...)...)
	require.Zero(t, r.status)
	require.Equal(t, 3, strings.Count(r.out, "ring bytes=1350"), "each got %d bytes", 50*len(marker))

	// What is sent in the clear is seen.
	conn, err := net.DialTimeout("tcp", c.Hosts[0].IP+":22", 5*time.Second)
	require.NoError(t, err)
	_, err = conn.Write([]byte(control + "\r\n"))
	require.NoError(t, err)
	_, err = conn.Read(make([]byte, 1))
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	eventually(t, gonePatience, func() []string {
		if strings.Contains(watched.packets.String(), control) {
			return nil
		}
		return []string{"no control"}
	})
	packets := watched.stop()
	require.NotContains(t, string(packets), marker)
	require.True(t, bytes.Contains(packets, []byte("\x16\x03\x01")), "a TLS handshake begins with these bytes")
	require.Contains(t, string(packets), "tlaunch", "the ClientHello names our protocol")
	for _, peer := range c.Hosts[1:] {
		require.True(t, bytes.Contains(packets, net.ParseIP(peer.IP).To4()), "%s spoke with %s", c.Hosts[0].Name, peer.Name)
	}
	c.requireClean(t)
}
