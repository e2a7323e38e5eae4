package remote

import (
	"context"
	"net"
	"time"
)

// dialTCP is the default Config.Dial. Keepalive finds peers that vanished while nothing was under way, deadPeers those
// that vanished in the middle of something.
func dialTCP(ctx context.Context, address string) (net.Conn, error) {
	d := net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: time.Second, Count: 5},
		ControlContext:  deadPeers,
	}
	return d.DialContext(ctx, "tcp", address)
}
