//go:build !unix

package tlaunch

import (
	"fmt"
	"net"
)

// A heldPort is a port that nobody else gets.
type heldPort struct {
	port int
	l    net.Listener
}

// holdPort holds a port of a range, or any that is free.
func holdPort(ports portRange) (h *heldPort, err error) {
	for p := ports.First; p <= ports.Last; p++ {
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf(":%d", p)); err == nil {
			return &heldPort{port: l.Addr().(*net.TCPAddr).Port, l: l}, nil
		}
	}
	return nil, err
}

// release lets others have the port.
func (h *heldPort) release() { _ = h.l.Close() }
