package transmit

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/internal/cputime"
	"github.com/tartrl/tlaunch-go/remote"
)

// peer is a node in the process of the data node: what it does there beside it.
type peer struct {
	clear *clearNode
	ends  []func() error
}

var (
	_ = actor.Method0((*peer).Used)
	_ = actor.Method((*peer).Listen)
	_ = actor.Method((*peer).Open)
)

// Used is how much processor time its process has used.
func (p *peer) Used(context.Context) (time.Duration, error) { return cputime.Used(), nil }

// Stop ends what was begun.
func (p *peer) Stop(context.Context) error {
	var errs []error
	for _, end := range p.ends {
		errs = append(errs, end())
	}
	return errors.Join(errs...)
}

// Listen takes one connection, reads until its end, and answers with the number of bytes. It returns the address. Without credentials there is no TLS.
func (p *peer) Listen(_ context.Context, c *remote.Credentials) (string, error) {
	secure, err := tlsOf(c)
	if err != nil {
		return "", err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	done := make(chan error, 1)
	go func() { done <- swallow(l, secure) }()
	p.ends = append(p.ends, func() error { return errors.Join(closed(l), <-done) })
	return l.Addr().String(), nil
}

func tlsOf(c *remote.Credentials) (*tls.Config, error) {
	if c == nil {
		return nil, nil
	}
	return c.TLS(nil)
}

// closed closes what may be closed already.
func closed(c io.Closer) error {
	if err := c.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

func swallow(l net.Listener, secure *tls.Config) error {
	conn, err := l.Accept()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	if err := errors.Join(err, l.Close()); err != nil {
		return err
	}
	defer conn.Close()
	if secure != nil {
		conn = tls.Server(conn, secure)
	}
	buffer, n := make([]byte, big), uint64(0)
	for {
		got, err := conn.Read(buffer)
		n += uint64(got)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	_, err = conn.Write(binary.LittleEndian.AppendUint64(nil, n))
	return err
}

// Pour writes to a bare connection for a time, as fast as it can, and returns how many bytes of a payload's size arrived in a second.
func (d *driver) Pour(ctx context.Context, p pour) (found, error) {
	var credentials [2]*remote.Credentials
	if p.Secure {
		authority, err := remote.NewAuthority("bench", nil)
		if err != nil {
			return found{}, err
		}
		for i, name := range []string{"reader", "writer"} {
			c, err := authority.Issue(remote.RoleHost, name, 1)
			if err != nil {
				return found{}, err
			}
			credentials[i] = &c
		}
	}
	address, err := actor.Call(ctx, d.peer[0], (*peer).Listen, credentials[0])
	if err != nil {
		return found{}, err
	}
	secure, err := tlsOf(credentials[1])
	if err != nil {
		return found{}, err
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return found{}, err
	}
	defer conn.Close()
	half := conn.(interface{ CloseWrite() error })
	if secure != nil {
		over := tls.Client(conn, secure)
		if err := over.HandshakeContext(ctx); err != nil {
			return found{}, err
		}
		conn, half = over, over
	}
	return d.metered(ctx, func() (float64, error) {
		b := make([]byte, p.Size)
		for until := time.Now().Add(p.Duration); time.Now().Before(until); {
			if _, err := conn.Write(b); err != nil {
				return 0, err
			}
		}
		if err := half.CloseWrite(); err != nil {
			return 0, err
		}
		var count [8]byte
		_, err := io.ReadFull(conn, count[:])
		return float64(binary.LittleEndian.Uint64(count[:])) / float64(p.Size), err
	})
}

// pour is a measurement of a bare connection.
type pour struct {
	Secure   bool
	Size     int // of a write
	Duration time.Duration
}
