package topology

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/tartrl/tlaunch-go/topology/collective"
)

const (
	streamBytes = 64 << 20
	addressRoom = 256
)

// goodput is how many bytes per second a plain TCP stream carries from the first member's host to the second's, as the first finds it; the
// others wait.
func (m *member) goodput(ctx context.Context) (perSecond float64, err error) {
	where := make([]byte, addressRoom)
	var listener net.Listener
	if m.Rank() == 1 {
		if listener, err = net.Listen("tcp", ":0"); err != nil {
			return 0, err
		}
		defer listener.Close()
		defer context.AfterFunc(ctx, func() { listener.Close() })()
		if where, err = addresses(listener); err != nil {
			return 0, err
		}
	}
	if err := collective.Broadcast(ctx, m, 1, where); err != nil {
		return 0, err
	}
	switch m.Rank() {
	case 0:
		perSecond, err = pour(ctx, where)
	case 1:
		err = drain(listener)
	}
	if err != nil {
		return 0, fmt.Errorf("a plain TCP stream: %w", err)
	}
	return perSecond, collective.Barrier(ctx, m)
}

// addresses are a count, the port, and IPv4 addresses of this host: loopback only where there is no other.
func addresses(listener net.Listener) ([]byte, error) {
	found, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	b := make([]byte, 3, addressRoom)
	binary.LittleEndian.PutUint16(b[1:], uint16(listener.Addr().(*net.TCPAddr).Port))
	for _, loopback := range []bool{false, true} {
		for _, a := range found {
			n, ok := a.(*net.IPNet)
			if ok && n.IP.To4() != nil && n.IP.IsLoopback() == loopback && len(b)+4 <= addressRoom && (!loopback || b[0] == 0) {
				b[0]++
				b = append(b, n.IP.To4()...)
			}
		}
	}
	return b[:addressRoom], nil
}

// allAddresses are those that addresses has found, with the port.
func allAddresses(where []byte) (all []string) {
	port := binary.LittleEndian.Uint16(where[1:])
	for i := range int(where[0]) {
		all = append(all, fmt.Sprintf("%v:%d", net.IP(where[3+4*i:7+4*i]), port))
	}
	return all
}

// pour connects, sends, and waits until all has arrived.
func pour(ctx context.Context, where []byte) (float64, error) {
	conn, err := dial(ctx, where)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	buf := make([]byte, 256<<10)
	best := time.Duration(0)
	for range 2 { // the first also finds out how fast it may go
		began := time.Now()
		for sent := 0; sent < streamBytes; sent += len(buf) {
			if _, err := conn.Write(buf); err != nil {
				return 0, err
			}
		}
		if _, err := io.ReadFull(conn, buf[:1]); err != nil {
			return 0, err
		}
		best = time.Since(began)
	}
	return streamBytes / best.Seconds(), nil
}

func drain(listener net.Listener) error {
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	buf := make([]byte, 256<<10)
	for range 2 {
		for left := streamBytes; left > 0; {
			n, err := conn.Read(buf[:min(left, len(buf))])
			if err != nil {
				return err
			}
			left -= n
		}
		if _, err := conn.Write(buf[:1]); err != nil {
			return err
		}
	}
	_, err = conn.Read(buf) // until the other end has seen it
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
