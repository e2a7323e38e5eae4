package bootstrap

import (
	"context"
	"fmt"
	"net"

	"github.com/hashicorp/yamux"
)

// openStream opens a stream under ctx. A stream that comes too late is closed by the goroutine that waits for it, which
// ends with the session at the latest.
func openStream(ctx context.Context, session *yamux.Session) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	type result struct {
		stream *yamux.Stream
		err    error
	}
	opened := make(chan result, 1)
	go func() {
		stream, err := session.OpenStream()
		opened <- result{stream, err}
	}()
	select {
	case r := <-opened:
		if r.err != nil {
			return nil, fmt.Errorf("%w: %w", ErrClosed, r.err)
		}
		return r.stream, nil
	case <-ctx.Done():
		go func() {
			if r := <-opened; r.stream != nil {
				_ = r.stream.Close()
			}
		}()
		return nil, context.Cause(ctx)
	}
}

func acceptStream(session *yamux.Session) (net.Conn, error) {
	stream, err := session.AcceptStream()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrClosed, err)
	}
	return stream, nil
}
