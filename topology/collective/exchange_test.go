package collective_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// Who comes late holds up what it sends and gets itself: the others have exchanged everything among them by then, though each has more for it
// than it may send before it is there.
func TestExchangePassesOverTheLate(t *testing.T) {
	const members, late, chunks = 3, 1, 12 // of which a window takes 8
	part := chunks * collective.DefaultChunk
	synctest.Test(t, func(t *testing.T) {
		for name, exchange := range map[string]func(ctx context.Context, w *worker, out, in []byte) error{
			"all-to-all": func(ctx context.Context, w *worker, out, in []byte) error {
				return collective.AllToAll(ctx, w, out, in)
			},
			"all-gather": func(ctx context.Context, w *worker, out, in []byte) error {
				return collective.AllGather(ctx, w, out[:part], in, collective.Using(collective.Direct))
			},
		} {
			g := newTeam(t, actor.Config{}, topology.Net(), members, members)
			var heard [members]atomic.Int32
			for rank, w := range g.workers {
				w.heard = func() { heard[rank].Add(1) }
			}
			g.do(func(ctx context.Context, w *worker) error {
				out, in := make([]byte, members*part), make([]byte, members*part)
				for i := range out {
					out[i] = byte(w.Rank())
				}
				if w.Rank() == late {
					synctest.Wait() // nobody has anything to do any more but with this one
					for rank := range members {
						if n := heard[rank].Load(); rank != late && n < chunks {
							return fmt.Errorf("%s: member %d has heard %d messages", name, rank, n)
						}
					}
				}
				if err := exchange(ctx, w, out, in); err != nil {
					return err
				}
				var want []byte
				for rank := range members {
					want = append(want, slices.Repeat([]byte{byte(rank)}, part)...)
				}
				if !slices.Equal(in, want) {
					return fmt.Errorf("%s: member %d has what was not sent to it", name, w.Rank())
				}
				return nil
			})
		}
	})
}
