package tlaunch

import (
	"context"
	"net"
)

// dial reaches a host's endpoint through the connection that there is to it:
// its data address may be out of the launcher's reach.
func (f *fleet) dial(ctx context.Context, address string) (net.Conn, error) {
	host, ok := f.where.hostAt(address)
	if !ok { // an actor of somebody who was invited
		var d net.Dialer
		return d.DialContext(ctx, "tcp", address)
	}
	conn, err := f.host(host).proc.Dial(ctx)
	if err != nil {
		return nil, err
	}
	return conn, openStream(conn, streamRemote)
}
