package remote

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

// A shelf is a node that notes what it is told.
type shelf struct {
	got   []int
	sizes int
	slow  chan struct{} // nil: it is not
	back  func(context.Context) error
}

func (s *shelf) Put(_ context.Context, n int) error { s.got = append(s.got, n); return nil }

func (s *shelf) Echo(_ context.Context, b []byte) ([]byte, error) { return b, nil }

func (s *shelf) Size(_ context.Context, b []byte) error {
	for i := range b {
		if b[i] != byte(i) {
			return fmt.Errorf("byte %d is %d", i, b[i])
		}
	}
	s.sizes += len(b)
	return nil
}

func (s *shelf) Got(context.Context) ([]int, error) { return s.got, nil }
func (s *shelf) Sizes(context.Context) (int, error) { return s.sizes, nil }
func (s *shelf) Hold(context.Context, []byte) error { <-s.slow; return nil }
func (s *shelf) Flood(ctx context.Context) error    { return s.back(ctx) }

// A house is a pair of endpoints with an actor system and a node on each: a/0 and b/0.
type house struct {
	*pair
	systems map[string]*actor.System
	nodes   map[string]*actor.Node
	tables  map[string]*actor.Table
	refs    map[string]map[string]actor.Ref[*shelf] // by system and key
}

func newHouse(t testing.TB, a, b *shelf, change func(a, b *Config)) *house {
	t.Helper()
	h := &house{systems: map[string]*actor.System{}, nodes: map[string]*actor.Node{}, tables: map[string]*actor.Table{}, refs: map[string]map[string]actor.Ref[*shelf]{}}
	addresses := map[string]string{}
	values := map[string]*shelf{"a": a, "b": b}
	for name, v := range values {
		table := actor.NewTable()
		sys := actor.NewSystem(actor.Config{Table: table, Locate: func(key string) (string, error) { return addresses[key[:1]], nil }})
		t.Cleanup(func() { require.NoError(t, sys.Close(context.Background())) })
		h.systems[name], h.tables[name] = sys, table
		h.refs[name] = map[string]actor.Ref[*shelf]{
			"a/0": actor.NewRef[*shelf](table, "a/0"), "b/0": actor.NewRef[*shelf](table, "b/0"),
		}
		n, err := sys.Spawn(actor.Spec{Key: name + "/0", Value: v})
		require.NoError(t, err)
		require.NoError(t, n.Start(t.Context()))
		h.nodes[name] = n
	}
	h.pair = tcpPair(t, func(ca, cb *Config) {
		ca.System, cb.System = h.systems["a"].Actors(), h.systems["b"].Actors()
		addresses["a"], addresses["b"] = ca.Address, cb.Address
		ca.InsecurePlaintext, cb.InsecurePlaintext = true, true
		if change != nil {
			change(ca, cb)
		}
	})
	h.systems["a"].Attach(h.a)
	h.systems["b"].Attach(h.b)
	return h
}

func anyHouse(t *testing.T, f func(t *testing.T, h *house, a, b *shelf)) {
	for name, change := range map[string]func(a, b *Config){
		"plaintext": nil,
		"tls": func(a, b *Config) {
			authority := newAuthority(t, "run-1")
			a.InsecurePlaintext, b.InsecurePlaintext = false, false
			a.Credentials, b.Credentials = issue(t, authority, RoleHost, "alice", 1), issue(t, authority, RoleHost, "bob", 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := &shelf{}, &shelf{}
			f(t, newHouse(t, a, b, change), a, b)
		})
	}
}

func TestTellsAndCallsOverALink(t *testing.T) {
	anyHouse(t, func(t *testing.T, h *house, _, _ *shelf) {
		ctx, ref := within(t, 30*time.Second), h.refs["a"]["b/0"]
		const n = 20_000
		var want []int
		for i := range n {
			require.NoError(t, actor.Tell(ctx, ref, (*shelf).Put, i))
			want = append(want, i)
		}
		got, err := actor.Call0(ctx, ref, (*shelf).Got)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Empty(t, h.b.Stats().Peers[0].Drops)
		require.EqualValues(t, 1, h.b.Stats().Peers[0].Links)

		_, err = actor.Call(ctx, h.refs["b"]["a/0"], (*shelf).Echo, []byte("the other way"))
		require.NoError(t, err)
		require.EqualValues(t, 1, h.b.Stats().Peers[0].Links, "on the same link")
	})
}

// Section 5 of WIRE.md, seen from above: sizes around the limits, in both directions, in order.
func TestLargeArgumentsAndResults(t *testing.T) {
	anyHouse(t, func(t *testing.T, h *house, _, _ *shelf) {
		ctx, ref := within(t, 60*time.Second), h.refs["a"]["b/0"]
		sum := 0
		for _, size := range []int{0, 1, 255, 256, 257, wholeBytes, wholeBytes + 1, inlineBytes - 1, inlineBytes, inlineBytes + 1, 3*inlineBytes + 5, 5 << 20, 10} {
			b := make([]byte, size)
			for i := range b {
				b[i] = byte(i)
			}
			require.NoError(t, actor.Tell(ctx, ref, (*shelf).Size, b))
			require.NoError(t, actor.Give(ctx, ref, (*shelf).Size, bytes.Clone(b)))
			echo, err := actor.Call(ctx, ref, (*shelf).Echo, b)
			require.NoError(t, err)
			require.True(t, bytes.Equal(b, echo))
			clear(b) // a copy has been taken
			sum += 2 * size
		}
		got, err := actor.Call0(ctx, ref, (*shelf).Sizes)
		require.NoError(t, err)
		require.Equal(t, sum, got)
		require.Zero(t, h.systems["b"].Stats().FailedTells)

		_, err = actor.Call(ctx, ref, (*shelf).Echo, make([]byte, 64<<20+1))
		require.ErrorIs(t, err, actor.ErrTooLarge)
	})
}

// A node that does not take what it is told holds up those who tell it, and nobody else on the link.
func TestASlowNodeDoesNotHoldUpOthers(t *testing.T) {
	slow := &shelf{slow: make(chan struct{})}
	h := newHouse(t, &shelf{}, slow, nil)
	ctx := within(t, 30*time.Second)
	other, err := h.systems["b"].Spawn(actor.Spec{Key: "b/1", Value: &shelf{}})
	require.NoError(t, err)
	require.NoError(t, other.Start(ctx))
	quick := actor.NewRef[*shelf](h.tables["a"], "b/1")
	_, err = actor.Call(ctx, quick, (*shelf).Echo, nil)
	require.NoError(t, err, "else the link could be what is waited for")

	const window = (4 << 20) / (60 << 10)
	var told int
	for {
		hurry, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		err := actor.Tell(hurry, h.refs["a"]["b/0"], (*shelf).Hold, make([]byte, 60<<10))
		cancel()
		if err != nil {
			require.ErrorIs(t, err, actor.ErrOverloaded)
			require.NoError(t, ctx.Err())
			if told >= window-3 {
				break
			} // else it only was slow
			continue
		}
		told++
	}
	require.InDelta(t, window, told, 3, "the window in bytes")
	for i := range 1000 {
		b, err := actor.Call(ctx, quick, (*shelf).Echo, []byte{byte(i)})
		require.NoError(t, err)
		require.Equal(t, []byte{byte(i)}, b)
	}
	close(slow.slow)
	require.Eventually(t, func() bool {
		return actor.Tell(ctx, h.refs["a"]["b/0"], (*shelf).Hold, nil) == nil && h.nodes["b"].Queued() == 0
	}, 30*time.Second, time.Millisecond)
}

// Two nodes that flood each other from their methods, whose windows and queues are full most of the time, do not lock up: credit and
// answers pass what waits.
func TestFloodingNodesDoNotLockUp(t *testing.T) {
	const n = 5000
	var a, b shelf
	h := newHouse(t, &a, &b, func(ca, cb *Config) { ca.QueueBytes, cb.QueueBytes = 4<<10, 4<<10 })
	ctx := within(t, 60*time.Second)
	flood := func(ref actor.Ref[*shelf]) func(context.Context) error {
		return func(ctx context.Context) error {
			for i := range n {
				if err := actor.Tell(ctx, ref, (*shelf).Put, i); err != nil {
					return err
				}
			}
			return nil
		}
	}
	aside, err := h.systems["a"].Spawn(actor.Spec{Key: "a/1", Value: &shelf{back: flood(h.refs["a"]["b/0"])}})
	require.NoError(t, err)
	beside, err := h.systems["b"].Spawn(actor.Spec{Key: "b/1", Value: &shelf{back: flood(h.refs["b"]["a/0"])}})
	require.NoError(t, err)
	require.NoError(t, aside.Start(ctx))
	require.NoError(t, beside.Start(ctx))
	var both sync.WaitGroup
	errs := make(chan error, 2)
	both.Go(func() { errs <- actor.Do0(ctx, actor.NewRef[*shelf](h.tables["b"], "a/1"), (*shelf).Flood) })
	both.Go(func() { errs <- actor.Do0(ctx, actor.NewRef[*shelf](h.tables["a"], "b/1"), (*shelf).Flood) })
	both.Wait()
	require.NoError(t, <-errs)
	require.NoError(t, <-errs)
	for _, ref := range []actor.Ref[*shelf]{h.refs["b"]["a/0"], h.refs["a"]["b/0"]} {
		got, err := actor.Call0(ctx, ref, (*shelf).Got)
		require.NoError(t, err)
		require.Len(t, got, n)
		for i, v := range got {
			require.Equal(t, i, v)
		}
	}
}

// A route outlives the record of its address.
func TestRoutesFindForgottenPeersAgain(t *testing.T) {
	e := start(t, Config{Address: "a:1", InsecurePlaintext: true, Dial: newNetwork().dial})
	r := e.Route("b:1").(*route)
	first := r.p.Load()
	for i := range 10 * idlePeers {
		e.peer(fmt.Sprintf("c%d:1", i)).release()
	}
	require.True(t, first.gone.Load())
	require.ErrorIs(t, r.Post(t.Context(), actor.Parcel{Target: "x", Label: "t"}), ErrUnreachable)
	require.NotSame(t, first, r.p.Load())
	require.ErrorIs(t, e.Route("a:1").Post(t.Context(), actor.Parcel{}), actor.ErrNoParcels, "ourselves")
	require.ErrorIs(t, e.Route("a:1").PostNow(actor.Parcel{}), actor.ErrNoParcels)
}

// An endpoint without an actor system of ours is told in messages.
func TestParcelsOnlyWhereTheyAreTaken(t *testing.T) {
	p := memoryPair(t, nil)
	ctx := within(t, 5*time.Second)
	require.ErrorIs(t, p.a.Route("b:1").Post(ctx, actor.Parcel{Target: "x", Label: "t"}), actor.ErrNoParcels)
	require.ErrorIs(t, p.a.Route("b:1").PostNow(actor.Parcel{Target: "x", Label: "t"}), actor.ErrNoParcels)
}
