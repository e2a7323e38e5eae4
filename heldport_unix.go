//go:build unix

package tlaunch

import (
	"errors"
	"fmt"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A heldPort is a port that nobody else gets: bound on all addresses, and not
// listening, so that whoever dials it too early is refused rather than kept
// waiting by somebody who will not answer.
type heldPort struct {
	port int
	fd   int
	once sync.Once
}

// holdPort holds a port of a range, or any that is free.
func holdPort(ports portRange) (*heldPort, error) {
	fd, bind, err := portSocket()
	if err != nil {
		return nil, err
	}
	for p := ports.First; p <= ports.Last; p++ {
		if err = bind(p); err == nil || !errors.Is(err, unix.EADDRINUSE) {
			break
		}
	}
	if err != nil {
		_ = unix.Close(fd)
		if errors.Is(err, unix.EADDRINUSE) {
			err = fmt.Errorf("every port of %d-%d is in use here; give another range (-ports), or none", ports.First, ports.Last)
		}
		return nil, err
	}
	h := &heldPort{fd: fd}
	addr, err := unix.Getsockname(fd)
	if err != nil {
		h.release()
		return nil, err
	}
	switch a := addr.(type) {
	case *unix.SockaddrInet4:
		h.port = a.Port
	case *unix.SockaddrInet6:
		h.port = a.Port
	}
	return h, nil
}

// portSocket makes a socket and what binds it to a port on all addresses:
// those of both versions, where the machine has both.
func portSocket() (fd int, bind func(port int) error, err error) {
	syscall.ForkLock.RLock() // no child may inherit it
	defer syscall.ForkLock.RUnlock()
	if fd, err = unix.Socket(unix.AF_INET6, unix.SOCK_STREAM, 0); err == nil {
		unix.CloseOnExec(fd)
		if err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0); err == nil {
			return fd, func(port int) error { return unix.Bind(fd, &unix.SockaddrInet6{Port: port}) }, nil
		}
		_ = unix.Close(fd)
	}
	if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0); err != nil {
		return 0, nil, err
	}
	unix.CloseOnExec(fd)
	return fd, func(port int) error { return unix.Bind(fd, &unix.SockaddrInet4{Port: port}) }, nil
}

// release lets others have the port.
func (h *heldPort) release() { h.once.Do(func() { _ = unix.Close(h.fd) }) }
