package collective_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/remote"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// farTeam is a team whose members have a system and an endpoint each, as if each were in a process of its own.
type farTeam struct {
	*team
	endpoints []*remote.Endpoint
	tables    []*actor.Table
}

// newFarTeam links the members by connections that dial makes.
func newFarTeam(t testing.TB, kind topology.Kind, n int, dial func(ctx context.Context, address string) (net.Conn, error)) *farTeam {
	return newFarTeamOf(t, kind, n, func(i int, cfg *remote.Config) { cfg.Dial, cfg.InsecurePlaintext = dial, true })
}

// newFarTeamOf is newFarTeam with endpoints as configure has each.
func newFarTeamOf(t testing.TB, kind topology.Kind, n int, configure func(i int, cfg *remote.Config)) *farTeam {
	g := &farTeam{team: &team{t: t}}
	at := map[string]string{}
	var listeners []net.Listener
	for i := range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		listeners = append(listeners, l)
		at[fmt.Sprint("w/", i)] = l.Addr().String()
	}
	for i := range n {
		own := fmt.Sprint("w/", i)
		table, group := actor.NewTable(), collective.Over(kind)
		for k := range n {
			w := &worker{}
			if k == i {
				w.tasks = make(chan task)
				g.workers = append(g.workers, w)
			}
			key := fmt.Sprint("w/", k)
			collective.Join(group, actor.NewRef[*worker](table, key), w, fmt.Sprint("host", k))
		}
		require.NoError(t, group.Seal())
		system := actor.NewSystem(actor.Config{Table: table, Locate: func(key string) (string, error) { return at[key], nil }})
		cfg := remote.Config{System: system.Actors(), Address: at[own]}
		configure(i, &cfg)
		endpoint, err := remote.New(cfg)
		require.NoError(t, err)
		system.Attach(endpoint)
		served := make(chan error, 1)
		go func() { served <- endpoint.Serve(listeners[i]) }()
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			require.NoError(t, system.Close(ctx))
			_ = endpoint.Close(ctx) // whoever closes later finds links broken
			require.NoError(t, <-served)
		})
		node, err := system.Spawn(actor.Spec{Key: own, Value: g.workers[i]})
		require.NoError(t, err)
		require.NoError(t, node.Start(t.Context()))
		ended := make(chan struct{})
		go func() { // ends with the node
			defer close(ended)
			_ = node.Run(t.Context())
		}()
		g.tables = append(g.tables, table)
		g.nodes, g.ended, g.endpoints = append(g.nodes, node), append(g.ended, ended), append(g.endpoints, endpoint)
	}
	return g
}

func dialPlainly(ctx context.Context, address string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", address)
}

// lanes is how many streams were opened so far.
func (g *farTeam) lanes() (n int) {
	for _, e := range g.endpoints {
		for _, p := range e.Stats().Peers {
			n += int(p.OpenedStreams)
		}
	}
	return n
}

// work does what goes on lanes, of n numbers, by an algorithm.
func (g *farTeam) work(seed uint64, n int, algo collective.Algorithm) {
	g.t.Helper()
	members := len(g.workers)
	root := int(seed % uint64(members))
	sent, sum := values[float32](seed, root, n), put(seed, members, n, func(a, b float32) float32 { return a + b })
	opts := []collective.Option{collective.Using(algo)}
	g.do(func(ctx context.Context, w *worker) error {
		data := make([]float32, n)
		if w.Rank() == root {
			copy(data, sent)
		}
		if err := collective.Broadcast(ctx, w, root, data, opts...); err != nil {
			return err
		}
		if !equal(data, sent) {
			return fmt.Errorf("a broadcast of seed %d by %v brought something else to member %d", seed, algo, w.Rank())
		}
		copy(data, values[float32](seed, w.Rank(), n))
		if err := collective.AllReduce(ctx, w, data, collective.Sum, opts...); err != nil {
			return err
		}
		if !equal(data, sum) {
			return fmt.Errorf("the sum of seed %d by %v is another one at member %d", seed, algo, w.Rank())
		}
		if algo == collective.Doubling {
			return nil
		}
		var from io.Reader
		var to bytes.Buffer
		text := bytes.Repeat([]byte{byte(seed), 1, 2, 3, 4}, n/5)
		if w.Rank() == root {
			from = bytes.NewReader(text)
		}
		if _, err := collective.Stream(ctx, w, root, from, &to, opts...); err != nil {
			return err
		}
		if w.Rank() != root && !bytes.Equal(to.Bytes(), text) {
			return fmt.Errorf("a stream of seed %d by %v brought something else to member %d", seed, algo, w.Rank())
		}
		return nil
	})
}

// broadcast brings what the first member sends into data, and checks that.
func broadcast(ctx context.Context, w *worker, data, sent []float32, opts ...collective.Option) error {
	if w.Rank() == 0 {
		copy(data, sent)
	}
	err := collective.Broadcast(ctx, w, 0, data, opts...)
	if err == nil && !equal(data, sent) {
		err = errors.New("it has brought something else")
	}
	return err
}

func equal[E comparable](a, b []E) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return len(a) == len(b)
}

var lanesSeed = flag.Uint64("lanes-seed", 0, "seed of TestLanesThatBreak; 0 takes a new one, and says which")

var large = []collective.Algorithm{collective.Chain, collective.Ring, collective.Tree, collective.DoubleTree, collective.Doubling}

// Large data goes on lanes, which are opened once; small data does not.
func TestLanes(t *testing.T) {
	g := newFarTeam(t, topology.Net(), 4, dialPlainly)
	g.work(1, 1000, collective.Chain)
	require.Zero(t, g.lanes())
	for i, algo := range large {
		g.work(uint64(i), 270_000, algo)
	}
	opened := g.lanes()
	require.NotZero(t, opened)
	g.work(9, 270_000, collective.Ring)
	require.Equal(t, opened, g.lanes())
}

// A frail connection ends after so many bytes, in the middle of a write.
type frail struct {
	net.Conn
	left atomic.Int64
}

func (c *frail) Write(b []byte) (int, error) {
	left := c.left.Add(-int64(len(b)))
	if left >= 0 {
		return c.Conn.Write(b)
	}
	n, err := 0, error(nil)
	if fits := left + int64(len(b)); fits > 0 {
		n, err = c.Conn.Write(b[:fits])
	}
	c.Conn.Close()
	if err == nil {
		err = net.ErrClosed
	}
	return n, err
}

// Connections that end at any place lose nothing, and repeat nothing, whatever went on them.
func TestLanesThatBreak(t *testing.T) {
	seed := *lanesSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("the same again: -lanes-seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	var connections atomic.Uint64
	g := newFarTeam(t, topology.Net(), 4, func(ctx context.Context, address string) (net.Conn, error) {
		conn, err := dialPlainly(ctx, address)
		if err != nil {
			return nil, err
		}
		c := &frail{Conn: conn}
		c.left.Store(100_000 + rand.New(rand.NewPCG(seed, connections.Add(1))).Int64N(4_000_000))
		return c, nil
	})
	for _, algo := range large {
		g.work(r.Uint64(), 270_000, algo)
	}
	require.Greater(t, g.lanes(), 12)
}

// A silent connection takes what is written, and after so many bytes delivers nothing more.
type silent struct {
	net.Conn
	left atomic.Int64
}

func (c *silent) Write(b []byte) (int, error) {
	if c.left.Add(-int64(len(b))) < 0 {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

// What is lost on a lane that looks alive goes again over the link, which is.
func TestLanesThatFallSilent(t *testing.T) {
	var linked atomic.Bool
	g := newFarTeam(t, topology.Chain(), 2, func(ctx context.Context, address string) (net.Conn, error) {
		conn, err := dialPlainly(ctx, address)
		if err != nil || !linked.Load() {
			return conn, err
		}
		c := &silent{Conn: conn}
		c.left.Store(1_000_000)
		return c, nil
	})
	g.work(1, 1000, collective.Chain)
	linked.Store(true)
	sent := values[float32](2, 0, 500_000)
	g.do(func(ctx context.Context, w *worker) error { return broadcast(ctx, w, make([]float32, len(sent)), sent) })
	require.Equal(t, 2, g.lanes(), "one, counted at both ends")
}

// What makes no sense on a lane ends it, and nothing else.
func TestLiesOnLanes(t *testing.T) {
	g := newFarTeam(t, topology.Chain(), 3, dialPlainly)
	g.work(1, 270_000, collective.Chain)
	r := rand.New(rand.NewPCG(7, 7))
	for i := range 40 {
		b := make([]byte, r.IntN(400))
		for k := range b {
			b[k] = byte(r.Uint64() >> r.IntN(64))
		}
		if i%2 == 0 && len(b) > 24 { // of a member that there is
			clear(b[:8])
			b[24] = 1 // a message with data
		}
		require.NoError(t, g.runAs(1, func(ctx context.Context) error {
			conn, err := actor.Open(ctx, actor.RefIn[collective.Port](ctx, "w/2"), collective.Port.CollectiveLane)
			if err != nil {
				return err
			}
			if _, err := conn.Write(b); err != nil {
				return err
			}
			return conn.Close()
		}))
	}
	g.work(2, 270_000, collective.Chain)
}

// What members say to each other often goes on lanes too, and none of it is lost or repeated where they break.
func TestSmallMessagesOnLanes(t *testing.T) {
	var connections atomic.Uint64
	g := newFarTeam(t, topology.Net(), 4, func(ctx context.Context, address string) (net.Conn, error) {
		conn, err := dialPlainly(ctx, address)
		if err != nil {
			return nil, err
		}
		c := &frail{Conn: conn}
		c.left.Store(3_000 + rand.New(rand.NewPCG(connections.Add(1), 3)).Int64N(60_000))
		return c, nil
	})
	const rounds = 300
	g.do(func(ctx context.Context, w *worker) error {
		for i := range rounds {
			sum := []int32{int32(i * w.Rank())}
			if err := collective.AllReduce(ctx, w, sum, collective.Sum, collective.Using(collective.Direct)); err != nil {
				return err
			}
			if sum[0] != int32(i*6) {
				return fmt.Errorf("in round %d the sum is %d", i, sum[0])
			}
			if err := collective.Barrier(ctx, w); err != nil {
				return err
			}
		}
		return nil
	})
	require.NotZero(t, g.lanes())
}

// Much comes on lanes that were opened for little, as members have said much to each other before.
func TestMuchOnLanesForLittle(t *testing.T) {
	g := newFarTeam(t, topology.Star(), 3, dialPlainly)
	const n = 3<<20 + 5
	g.do(func(ctx context.Context, w *worker) error {
		for range 100 {
			if err := collective.Barrier(ctx, w); err != nil {
				return err
			}
		}
		if err := moveParts(ctx, w, 1, 0, []int{1, n, n}); err != nil {
			return err
		}
		all := make([]byte, 3*n)
		if err := collective.Gather(ctx, w, 0, partOf(2, w.Rank(), n), all); err != nil {
			return err
		}
		mine := make([]byte, n)
		if err := collective.Scatter(ctx, w, 0, all, mine); err != nil {
			return err
		}
		if err := collective.Broadcast(ctx, w, 0, all, collective.Chunk(8<<10)); err != nil {
			return err
		}
		if !bytes.Equal(partOf(2, w.Rank(), n), mine) || !bytes.Equal(partOf(2, 2, n), all[2*n:]) {
			return fmt.Errorf("something else came to member %d", w.Rank())
		}
		return nil
	})
	require.NotZero(t, g.lanes())
}

// Where no lane can be opened everything goes over links.
func TestNoLanes(t *testing.T) {
	var linked atomic.Bool
	g := newFarTeam(t, topology.Net(), 3, func(ctx context.Context, address string) (net.Conn, error) {
		if linked.Load() {
			return nil, errors.New("in this direction no connection can be made any more")
		}
		return dialPlainly(ctx, address)
	})
	g.do(func(ctx context.Context, w *worker) error {
		return collective.AllGather(ctx, w, []byte{1}, make([]byte, 3), collective.Using(collective.Direct))
	})
	linked.Store(true)
	for i, algo := range large {
		g.work(uint64(i), 270_000, algo)
	}
	require.Zero(t, g.lanes())
}

// A member that dies while it has lanes is left out, and the others' results are whole.
func TestDeathOnALane(t *testing.T) {
	g := newFarTeam(t, topology.Net(), 4, dialPlainly)
	g.work(1, 270_000, collective.Chain)
	const n = 16 << 20
	errs := g.all(func(ctx context.Context, w *worker) error {
		data := make([]float32, n)
		if w.Rank() == 0 {
			data[0], data[n-1] = 1, 2
		}
		if w.Rank() == 2 {
			time.AfterFunc(20*time.Millisecond, func() { _ = g.nodes[2].Stop(context.Background()) })
		}
		err := collective.Broadcast(ctx, w, 0, data, collective.Using(collective.Chain))
		if w.Rank() != 2 && (data[0] != 1 || data[n-1] != 2) {
			return fmt.Errorf("member %d does not have all: %w", w.Rank(), err)
		}
		return nil
	})
	for rank, err := range errs {
		if rank != 2 {
			require.NoError(t, err)
		}
	}
}
