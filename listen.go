package tlaunch

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
)

// listen opens the port at which other hosts reach this one, and returns the
// address to tell them. Where the data address is no address of this machine
// (it is behind a translation, or is a name) it listens on all. It has none of
// the addresses to avoid, at which earlier processes of the host were: what was
// meant for one of these must not come here.
func listen(data string, ports portRange, avoid []string) (net.Listener, string, error) {
	bind := ""
	if _, err := netip.ParseAddr(data); err == nil {
		bind = data
	}
	taken := map[int]bool{}
	for _, address := range avoid {
		if _, port, err := net.SplitHostPort(address); err == nil {
			number, _ := strconv.Atoi(port)
			taken[number] = true
		}
	}
	l, err := listenIn(bind, ports, taken)
	if bind != "" && errors.Is(err, syscall.EADDRNOTAVAIL) {
		l, err = listenIn("", ports, taken)
	}
	if err != nil {
		return nil, "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		l.Close()
		return nil, "", err
	}
	return l, net.JoinHostPort(data, port), nil
}

func listenIn(bind string, ports portRange, taken map[int]bool) (net.Listener, error) {
	if ports == (portRange{}) {
		return listenAnywhere(bind, taken)
	}
	earlier := 0
	for p := ports.First; p <= ports.Last; p++ {
		if taken[p] {
			earlier++
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort(bind, fmt.Sprint(p)))
		if err == nil || !errors.Is(err, syscall.EADDRINUSE) {
			return l, err
		}
	}
	if earlier > 0 {
		return nil, fmt.Errorf("every port of %d-%d is in use here, or was that of an earlier process of this host (%d); give a wider range (-ports), or none", ports.First, ports.Last, earlier)
	}
	return nil, fmt.Errorf("every port of %d-%d is in use here; give another range (-ports), or none", ports.First, ports.Last)
}

// listenAnywhere takes a free port that is not taken.
func listenAnywhere(bind string, taken map[int]bool) (net.Listener, error) {
	for {
		l, err := net.Listen("tcp", net.JoinHostPort(bind, "0"))
		if err != nil {
			return nil, err
		}
		if at, ok := l.Addr().(*net.TCPAddr); !ok || !taken[at.Port] {
			return l, nil
		}
		if err := l.Close(); err != nil {
			return nil, err
		}
	}
}

// connListener is a listener that is handed its connections.
type connListener struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newConnListener() *connListener {
	return &connListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *connListener) hand(c net.Conn) {
	select {
	case l.conns <- c:
	case <-l.done:
		c.Close()
	}
}

func (l *connListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *connListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

type streamAddr struct{}

func (streamAddr) Network() string { return "stream" }
func (streamAddr) String() string  { return "launcher" }

// Addr has no meaning for peers: nobody dials it.
func (l *connListener) Addr() net.Addr { return streamAddr{} }
