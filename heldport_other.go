//go:build !unix

package tlaunch

import "net"

// A heldPort is a port that nobody else gets.
type heldPort struct {
	port int
	l    net.Listener
}

func holdPort(ports portRange) (*heldPort, error) {
	l, err := listenIn("", ports, nil)
	if err != nil {
		return nil, err
	}
	return &heldPort{port: l.Addr().(*net.TCPAddr).Port, l: l}, nil
}

func (h *heldPort) release() { _ = h.l.Close() }
