package remote

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// Section 1 of WIRE.md: a peer that has begun to answer in our own language is not taken for a stock one, wherever the connection ends.
func TestHelloThatIsCutOff(t *testing.T) {
	for _, at := range []int{1, len(helloMagic), len(helloMagic) + 2, len(helloMagic) + 9} {
		for _, cuts := range []int{1, 2} {
			t.Run(fmt.Sprintf("after %d bytes, %d times", at, cuts), func(t *testing.T) {
				n := newNetwork()
				var dials atomic.Int32
				a := start(t, Config{Address: "a:1", InsecurePlaintext: true, Dial: func(ctx context.Context, address string) (net.Conn, error) {
					c, err := n.dial(ctx, address)
					if int(dials.Add(1)) <= cuts && err == nil {
						c = &frailConn{Conn: c, read: at, written: helloLimit}
					}
					return c, err
				}})
				b := start(t, Config{Address: "b:1", InsecurePlaintext: true, Dial: n.dial})
				serve(t, b, n.listen("b:1"))
				in, pid := newInbox(t, b, "x", 1)

				err := a.Send(within(t, patience), pid, nil, text("hello"))
				if cuts == 2 {
					require.ErrorIs(t, err, ErrUnreachable)
					require.ErrorIs(t, err, errHelloCut)
					require.EqualValues(t, 1, a.Stats().Refused[RefusedHandshake])
					err = a.Send(within(t, patience), pid, nil, text("hello"))
				}
				require.NoError(t, err)
				receive(t, in.user)
				require.EqualValues(t, cuts+1, dials.Load())
				p := a.peer("b:1")
				defer p.release()
				require.False(t, p.stock.Load())
			})
		}
	}
}
