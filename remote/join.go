package remote

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

const (
	joinLimit   = 64 << 10 // bytes of a request or an answer
	joinTimeout = 10 * time.Second
)

// Join asks the endpoint at address for something, before this process has a certificate of the run: usually for one,
// with a request that holds a secret and the result of NewRequest. The connection is encrypted, and the other end is
// the one whose authority has the given pin, or Join fails with ErrRefused. One request of at most 64 KiB is sent, one
// answer comes back, within 10 s. A refusal is ErrJoin. A nil dial means TCP.
func Join(ctx context.Context, dial func(ctx context.Context, address string) (net.Conn, error), address string, pin [32]byte,
	request []byte) ([]byte, error) {
	if len(request) > joinLimit {
		return nil, fmt.Errorf("%w: a request to join of %d bytes, the limit is %d", ErrTooLarge, len(request), joinLimit)
	}
	if dial == nil {
		dial = dialTCP
	}
	ctx, cancel := context.WithTimeoutCause(ctx, joinTimeout, errHandshake)
	defer cancel()
	raw, err := dial(ctx, address)
	if err != nil {
		return nil, unreachable(address, err)
	}
	defer raw.Close()
	// A blocked read or write ends with the context, and only so.
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	defer stop()
	conn := tls.Client(raw, &tls.Config{
		MinVersion: tls.VersionTLS13,
		NextProtos: []string{protoJoin},
		ServerName: memberName,
		// There is no root to verify against yet, only its hash: VerifyConnection checks the chain against that.
		InsecureSkipVerify: true,
		VerifyConnection:   func(s tls.ConnectionState) error { return pinned(s, pin) },
	})
	answer, err := exchange(ctx, conn, request)
	switch {
	case err == nil:
		return answer, nil
	case errors.Is(err, ErrRefused), errors.Is(err, ErrJoin):
		return nil, fmt.Errorf("%w (at %s)", err, address)
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	}
	return nil, unreachable(address, err)
}

func exchange(ctx context.Context, conn *tls.Conn, request []byte) ([]byte, error) {
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	if got := conn.ConnectionState().NegotiatedProtocol; got != protoJoin {
		return nil, fmt.Errorf("%w: the other end does not take requests to join", ErrJoin)
	}
	if err := writeBlob(conn, request); err != nil {
		return nil, err
	}
	answer, err := readBlob(conn)
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: the invitation may have expired or been used", ErrJoin)
	}
	return answer, err
}

// pinned checks that the chain shown ends at the root with this hash, and that its leaf is fit to serve. The clock of a
// joiner is not that of the run, so dates are not judged here: the pin came from the run itself.
func pinned(s tls.ConnectionState, pin [32]byte) error {
	certs := s.PeerCertificates
	if len(certs) < 2 {
		return fmt.Errorf("%w: the other end does not show its authority", ErrRefused)
	}
	root := certs[len(certs)-1]
	if sum := sha256.Sum256(root.Raw); subtle.ConstantTimeCompare(sum[:], pin[:]) != 1 {
		return fmt.Errorf("%w: the other end is of another authority than the invitation", ErrRefused)
	}
	options := x509.VerifyOptions{
		Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, CurrentTime: certs[0].NotBefore,
	}
	options.Roots.AddCert(root)
	for _, c := range certs[1 : len(certs)-1] {
		options.Intermediates.AddCert(c)
	}
	if _, err := certs[0].Verify(options); err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if id, err := certificateIdentity(certs[0]); err == nil && id.Role == RoleGuest {
		return fmt.Errorf("%w: %s is a guest, who cannot let others in", ErrRefused, id)
	}
	return nil
}

// serveJoin answers one caller without certificate.
func (e *Endpoint) serveJoin(conn net.Conn, from string) {
	defer conn.Close()
	ctx, cancel := context.WithTimeoutCause(e.dialing, joinTimeout, errHandshake)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	err := e.answerJoin(ctx, conn)
	if err == nil || e.dialing.Err() != nil {
		return
	}
	e.strikes.add(networkOf(from), weightOf(err))
	e.refusals.add(RefusedJoin, 1)
	if e.sayOnce(from, RefusedJoin) {
		e.log.Warn("request to join refused", "peer", from, "error", err)
	}
}

func (e *Endpoint) answerJoin(ctx context.Context, conn net.Conn) error {
	request, err := readBlob(conn)
	if err != nil {
		return err
	}
	if e.cfg.Join == nil {
		return errors.New("this process takes no requests to join")
	}
	answer, err := e.cfg.Join(ctx, request)
	if err != nil {
		return err
	}
	return writeBlob(conn, answer)
}

func writeBlob(w io.Writer, b []byte) error {
	if len(b) > joinLimit {
		return fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, len(b), joinLimit)
	}
	_, err := w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...))
	return err
}

func readBlob(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > joinLimit {
		return nil, fmt.Errorf("%w: %d bytes announced, the limit is %d", ErrTooLarge, n, joinLimit)
	}
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return b, err
}
