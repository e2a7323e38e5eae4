package mailbox

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
)

// A bare connection: four bytes of length, big endian, and as many bytes. Length zero asks how many have come since it was asked last. In a
// contest of round trips each message comes back.
const header = 4

func openTCP(ctx context.Context, a assignment) (*side, error) {
	var secure *tls.Config
	if a.Credentials != nil {
		var err error
		if secure, err = a.Credentials.TLS(nil); err != nil {
			return nil, err
		}
	}
	if a.Role == receives {
		return listenTCP(a, secure)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", a.Address)
	if err != nil {
		return nil, err
	}
	if secure != nil {
		conn = tls.Client(conn, secure)
	}
	out, answer := make([]byte, header+a.Size), make([]byte, header+a.Size)
	binary.BigEndian.PutUint32(out, uint32(a.Size))
	return &side{
		senders: 1,
		send: func(context.Context, int) error {
			_, err := conn.Write(out)
			return err
		},
		handled: func(context.Context) (int, error) {
			var count [header]byte
			if _, err := conn.Write(count[:]); err != nil {
				return 0, err
			}
			_, err := io.ReadFull(conn, count[:])
			return int(binary.BigEndian.Uint32(count[:])), err
		},
		ask: func(context.Context) error {
			if _, err := conn.Write(out); err != nil {
				return err
			}
			_, err := io.ReadFull(conn, answer)
			return err
		},
		close: func(context.Context) error { return conn.Close() },
	}, nil
}

func listenTCP(a assignment, secure *tls.Config) (*side, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	served := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			err = nil
		}
		if conn != nil {
			if secure != nil {
				conn = tls.Server(conn, secure)
			}
			err = errors.Join(receiveTCP(conn, a.Kind == call), conn.Close())
		}
		served <- err
	}()
	return &side{
		address: l.Addr().String(),
		close:   func(context.Context) error { return errors.Join(l.Close(), <-served) },
	}, nil
}

// receiveTCP reads messages until the connection ends.
func receiveTCP(conn net.Conn, echo bool) error {
	const buffered = 64 << 10
	in := bufio.NewReaderSize(conn, buffered)
	var message []byte
	for count := 0; ; {
		var head [header]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		n := int(binary.BigEndian.Uint32(head[:]))
		if n == 0 {
			binary.BigEndian.PutUint32(head[:], uint32(count))
			if _, err := conn.Write(head[:]); err != nil {
				return err
			}
			count = 0
			continue
		}
		if len(message) < header+n {
			message = make([]byte, header+n)
		}
		if _, err := io.ReadFull(in, message[header:header+n]); err != nil {
			return err
		}
		count++
		if echo {
			copy(message, head[:])
			if _, err := conn.Write(message[:header+n]); err != nil {
				return err
			}
		}
	}
}
