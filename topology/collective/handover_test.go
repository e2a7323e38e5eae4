package collective_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// pace has each chunk take a member so long, as a link of that rate does.
func (g *team) pace(of func(rank int) time.Duration) {
	for rank, w := range g.workers {
		w.large = of(rank)
	}
}

// spreadMiB broadcasts so many MiB from the first member, and returns how long each took.
func (g *team) spreadMiB(mib int, opts ...collective.Option) []time.Duration {
	took := make([]time.Duration, len(g.workers))
	g.do(func(ctx context.Context, w *worker) error {
		began := time.Now()
		data := make([]int64, mib<<17)
		if w.Rank() == 0 {
			for i := range data {
				data[i] = int64(i)
			}
		}
		err := collective.Broadcast(ctx, w, 0, data, opts...)
		took[w.Rank()] = time.Since(began)
		for i, n := range data {
			if n != int64(i) {
				return fmt.Errorf("place %d has %d: %w", i, n, err)
			}
		}
		return err
	})
	return took
}

// A member that takes ten times as long for a chunk holds up nobody but the root, wherever it is in the tree, although nobody has said that it is slow.
func TestSlowMemberIsServedLast(t *testing.T) {
	const usual, mib = time.Millisecond, 16
	for _, algo := range []collective.Algorithm{collective.Chain, collective.AlongShape} {
		for _, slow := range []int{2, 4} {
			synctest.Test(t, func(t *testing.T) {
				g := newTeam(t, actor.Config{}, topology.Tree(2), 7, 7)
				g.pace(func(int) time.Duration { return usual })
				undisturbed := g.spreadMiB(mib, collective.Using(algo))
				g.pace(func(rank int) time.Duration {
					if rank == slow {
						return 10 * usual
					}
					return usual
				})
				took := g.spreadMiB(mib, collective.Using(algo))
				for rank := range took {
					if rank == slow || rank == 0 {
						continue
					}
					require.Less(t, took[rank].Seconds(), 2*undisturbed[0].Seconds(), "%v, %d is slow: at %d; without it would be ten times", algo, slow, rank)
				}
				require.Less(t, took[0].Seconds(), 15*undisturbed[0].Seconds())
			})
		}
	}
}

// Members that are slow and members that end, in whatever order: all who live have everything, and nobody else is named.
func TestSlowMembersAndDeaths(t *testing.T) {
	seed := rand.Uint64()
	for range 8 {
		seed++
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			members := 4 + r.IntN(5)
			x := newWreck(t, topology.Tree(2), members, seed)
			slow := map[int]bool{1 + r.IntN(members-1): true, 1 + r.IntN(members-1): true}
			x.pace(func(rank int) time.Duration {
				if slow[rank] {
					return 8 * time.Millisecond
				}
				return time.Duration(200+r.IntN(800)) * time.Microsecond
			})
			for range r.IntN(3) {
				x.kill(1+r.IntN(members-1), 1+r.IntN(250))
			}
			algo := []collective.Algorithm{collective.Chain, collective.AlongShape, collective.DoubleTree, collective.Doubling}[r.IntN(4)]
			x.all(func(ctx context.Context, w *worker) error {
				data := make([]int32, 3<<20)
				if w.Rank() == 0 {
					data = ofAll(5, len(data))
				}
				got := outcomeOf(data, collective.Broadcast(ctx, w, 0, data, collective.Using(algo)))
				if x.dead[w.Rank()] {
					return nil
				}
				say := fmt.Sprintf("%v, %d members, slow %v, %v end, seed %d: at %d", algo, members, slow, x.dead, seed, w.Rank())
				require.NoError(t, got.err, say)
				for rank := range members {
					if !x.dead[rank] {
						require.NotContains(t, got.missing, fmt.Sprint("w/", rank), say)
					}
				}
				for i, n := range data {
					if n != of(5, i) {
						require.Equal(t, of(5, i), n, say)
					}
				}
				return nil
			})
			x.dying.Wait()
		})
	}
}

// That chunks come faster from a member of the same host than others get them over links says nothing of these: data crosses to each host once. Hosts have
// two members each, of which one gets its chunks over a link.
func TestLinksAreNoSlowMembers(t *testing.T) {
	const link, mib = time.Millisecond, 16
	for _, algo := range []collective.Algorithm{collective.Chain, collective.Tree} {
		synctest.Test(t, func(t *testing.T) {
			g := newTeam(t, actor.Config{}, topology.Tree(2), 6, 3)
			g.pace(func(rank int) time.Duration {
				if rank == 1 || rank == 2 {
					return link
				}
				return link / 50
			})
			for range 2 { // the second time it is known how fast a member sends
				took := g.spreadMiB(mib, collective.Using(algo))
				require.Less(t, took[0], mib*8*link*5/4, "%v: whoever is passed over takes as long again", algo)
			}
		})
	}
}

// A root whose links have become slower takes those it serves for slow ones at first, not for ever.
func TestSlowedRootForgets(t *testing.T) {
	const usual, slower, mib = 200 * time.Microsecond, 2 * time.Millisecond, 16
	synctest.Test(t, func(t *testing.T) {
		g := newTeam(t, actor.Config{}, topology.Chain(), 5, 5)
		g.pace(func(int) time.Duration { return usual })
		g.spreadMiB(mib)
		g.pace(func(int) time.Duration { return slower })
		for range 4 {
			g.spreadMiB(mib)
		}
		require.Less(t, g.spreadMiB(mib)[0], mib*8*slower*3/2)
	})
}
