package tlaunch

import (
	"context"
	"fmt"
	"net"

	"github.com/tartrl/tlaunch-go/actor"
)

func (f *fleet) locate(key string) (string, error) {
	n := f.run.graph.byKey[key]
	if n == nil {
		return "", fmt.Errorf("%w: %s", actor.ErrNoNode, key)
	}
	f.mu.Lock()
	p := f.hosts[n.host]
	f.mu.Unlock()
	if p == nil {
		return "", fmt.Errorf("%w: host %s of %s has not started", actor.ErrUnreachable, n.host, key)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.address == "" {
		return "", fmt.Errorf("%w: host %s of %s has not joined", actor.ErrUnreachable, n.host, key)
	}
	return p.address, nil
}

func (f *fleet) at(address string) *hostProcess {
	for _, p := range f.all() {
		p.mu.Lock()
		found := p.address == address
		p.mu.Unlock()
		if found {
			return p
		}
	}
	return nil
}

func (f *fleet) hostAt(address string) (string, bool) {
	if p := f.at(address); p != nil {
		return p.name, true
	}
	return "", false
}

// dial reaches a host's endpoint through the connection that there is to it:
// its data address may be out of the launcher's reach.
func (f *fleet) dial(ctx context.Context, address string) (net.Conn, error) {
	p := f.at(address)
	if p == nil { // an actor of somebody who was invited
		var d net.Dialer
		return d.DialContext(ctx, "tcp", address)
	}
	conn, err := p.proc.Dial(ctx)
	if err != nil {
		return nil, err
	}
	return conn, openStream(conn, streamRemote)
}
