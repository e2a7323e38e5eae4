package topology

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
	"unsafe"

	"github.com/tartrl/tlaunch-go/topology/collective"
)

// bareChain is the name of a broadcast without us: each member is a relay that writes to the next, by a plain TCP connection, what it reads from the one before.
const bareChain = "bare-chain"

// relayed is how many bytes a relay reads at most before it writes them.
const relayed = 256 << 10

// A relay is a member of the chain.
type relay struct{ up, down net.Conn } // nil: it is the first, or the last

// openRelay links this member with the one before and the one after it.
func (m *member) openRelay(ctx context.Context) (r *relay, err error) {
	listener, err := net.Listen("tcp", ":0")
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	where, err := addresses(listener)
	if err != nil {
		return nil, err
	}
	n := m.Shape().Len()
	all := make([]byte, n*addressRoom)
	if err := collective.AllGather(ctx, m, where, all); err != nil {
		return nil, err
	}
	r = &relay{}
	if next := m.Rank() + 1; next < n {
		if r.down, err = dial(ctx, all[next*addressRoom:(next+1)*addressRoom]); err != nil {
			return nil, err
		}
	}
	if m.Rank() > 0 {
		if r.up, err = listener.Accept(); err != nil {
			return nil, errors.Join(err, r.close())
		}
	}
	return r, nil
}

// dial connects to the first of a member's addresses that answers.
func dial(ctx context.Context, where []byte) (net.Conn, error) {
	errs := []error{errors.New("the next host has no address that this one reaches")}
	for _, address := range allAddresses(where) {
		dialer := net.Dialer{Timeout: 10 * time.Second}
		conn, err := dialer.DialContext(ctx, "tcp4", address)
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

func (r *relay) close() (err error) {
	for _, conn := range []net.Conn{r.up, r.down} {
		if conn != nil {
			err = errors.Join(err, conn.Close())
		}
	}
	return err
}

// pass brings the first member's numbers to all. It returns when this one has them, and has passed them on.
func (r *relay) pass(ctx context.Context, numbers []float32) error {
	for _, conn := range []net.Conn{r.up, r.down} {
		if conn != nil {
			defer context.AfterFunc(ctx, func() { conn.Close() })()
		}
	}
	data := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(numbers))), 4*len(numbers))
	for len(data) > 0 {
		part := data[:min(relayed, len(data))]
		if r.up != nil {
			n, err := io.ReadAtLeast(r.up, part, 1)
			if err != nil {
				return fmt.Errorf("a bare chain: %w", err)
			}
			part = part[:n]
		}
		if r.down != nil {
			if _, err := r.down.Write(part); err != nil {
				return fmt.Errorf("a bare chain: %w", err)
			}
		}
		data = data[len(part):]
	}
	return nil
}
