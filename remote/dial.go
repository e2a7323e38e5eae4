package remote

import (
	"context"
	"net"
	"time"
)

// connectPatience bounds a TCP connection's coming up: three tries of the kernel, one and two seconds apart. It is
// shorter than a handshake may take, so that a peer who does not answer is told apart from one who does not speak.
const connectPatience = 4 * time.Second

// unsentBytes is how much the kernel holds of a connection's data that it has not sent yet, where it can be told. Over loopback, with 1 MiB
// messages, no more makes no difference.
const unsentBytes = 64 << 10

// dialTCP is the default Config.Dial. Keepalive finds peers that vanished while nothing was under way, deadPeers those
// that vanished in the middle of something.
func dialTCP(ctx context.Context, address string) (net.Conn, error) {
	d := net.Dialer{
		Timeout:         connectPatience,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: time.Second, Count: 5},
		ControlContext:  deadPeers,
	}
	return d.DialContext(ctx, "tcp", address)
}
