package collective_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// crossings counts the bytes of data that members of one host send to those of another.
func (g *team) crossings(hosts int) (in, out []atomic.Int64) {
	in, out = make([]atomic.Int64, hosts), make([]atomic.Int64, hosts)
	for rank, w := range g.workers {
		w.peek = func(message []byte) { // its header is described in header.go
			from := int(binary.LittleEndian.Uint32(message[4:]))
			if size := int64(len(message) - 64); message[0] == 1 && from%hosts != rank%hosts {
				in[rank%hosts].Add(size)
				out[from%hosts].Add(size)
			}
		}
	}
	return in, out
}

// In every shape data crosses the link to each host once, however many members it has: what goes to all, to them; what is put together, from them;
// and what each gets alone once as it is.
func TestOnceToEachHost(t *testing.T) {
	const members, hosts, n, root = 9, 3, 1 << 17, 4
	for _, kind := range shapes {
		g := newTeam(t, actor.Config{}, kind, members, hosts)
		in, out := g.crossings(hosts)
		// How often n bytes went to each host, and from it; a few more may be words about the operation.
		crossed := func(f func(ctx context.Context, w *worker) error) (to, from [hosts]int) {
			g.do(func(ctx context.Context, w *worker) error {
				if err := f(ctx, w); err != nil {
					return err
				}
				return collective.Barrier(ctx, w) // nothing is on its way any more
			})
			for h := range hosts {
				to[h], from[h] = int(in[h].Swap(0))/n, int(out[h].Swap(0))/n
			}
			return to, from
		}
		to, _ := crossed(func(ctx context.Context, w *worker) error { return collective.Broadcast(ctx, w, root, make([]byte, n)) })
		require.Equal(t, [hosts]int{1, 0, 1}, to, "broadcast in a %v", kind)
		to, _ = crossed(func(ctx context.Context, w *worker) error {
			_, err := collective.Stream(ctx, w, root, bytes.NewReader(make([]byte, n)), io.Discard)
			return err
		})
		require.Equal(t, [hosts]int{1, 0, 1}, to, "stream in a %v", kind)
		_, from := crossed(func(ctx context.Context, w *worker) error {
			return collective.Reduce(ctx, w, root, make([]float64, n/8), collective.Sum)
		})
		require.Equal(t, [hosts]int{1, 0, 1}, from, "reduce in a %v", kind)
		to, _ = crossed(func(ctx context.Context, w *worker) error {
			return collective.AllReduce(ctx, w, make([]float64, n/8), collective.Sum)
		})
		require.LessOrEqual(t, to[0]+to[1]+to[2], 2*hosts, "all-reduce in a %v", kind)
		if kind.String() == "chain" || kind.String() == "ring" { // there what is for others passes through
			continue
		}
		to, _ = crossed(func(ctx context.Context, w *worker) error {
			return collective.Scatter(ctx, w, root, make([]byte, members*n), make([]byte, n))
		})
		require.Equal(t, [hosts]int{members / hosts, 0, members / hosts}, to, "scatter in a %v", kind)
	}
}
