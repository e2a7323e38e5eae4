package actor_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	protoactor "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/tartrl/tlaunch-go/actor"
)

// network connects systems in memory: each message is encoded and decoded,
// and handed on by one goroutine per pair of systems, as a link would.
type network struct {
	mu    sync.Mutex
	at    map[string]*actor.System
	lanes map[[2]string]chan parcel
	group sync.WaitGroup
	down  map[[2]string]bool
	jam   chan struct{} // not nil: there is no room for urgent parcels until it is closed
	sent  int           // urgent parcels
}

type parcel struct {
	to, from *protoactor.PID
	m        proto.Message
	p        *actor.Parcel // instead of m
}

func newNetwork(t testing.TB) *network {
	n := &network{at: map[string]*actor.System{}, lanes: map[[2]string]chan parcel{}, down: map[[2]string]bool{}}
	t.Cleanup(func() {
		n.mu.Lock()
		for _, l := range n.lanes {
			close(l)
		}
		n.lanes = nil
		n.mu.Unlock()
		n.group.Wait()
	})
	return n
}

// cut makes sending between two systems fail, or work again.
func (n *network) cut(a, b string, down bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down[[2]string{a, b}], n.down[[2]string{b, a}] = down, down
}

// jams makes links without room for urgent parcels, until the function that it returns is called.
func (n *network) jams() (end func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.jam = make(chan struct{})
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		close(n.jam)
		n.jam = nil
	}
}

// urgent is how many urgent parcels have been sent.
func (n *network) urgent() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.sent
}

type port struct {
	net     *network
	address string
}

func (p port) Send(_ context.Context, to, from *protoactor.PID, m proto.Message) error {
	return p.SendNow(to, from, m)
}

func (p port) SendNow(to, from *protoactor.PID, m proto.Message) error {
	data, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	copied := m.ProtoReflect().New().Interface()
	if err := proto.Unmarshal(data, copied); err != nil {
		return err
	}
	return p.give(to.Address, parcel{proto.Clone(to).(*protoactor.PID), proto.Clone(from).(*protoactor.PID), copied, nil})
}

// courier is a port that carries parcels as well.
type courier struct{ port }

func (c courier) Route(address string) actor.Route { return route{c.port, address} }

type route struct {
	port
	to string
}

func (r route) Post(_ context.Context, p actor.Parcel) error {
	p.Head, p.Body = slices.Clone(p.Head), slices.Clone(p.Body)
	return r.give(r.to, parcel{p: &p})
}

func (r route) Stamp(target, label string) actor.Stamp { return stamp{r, target, label} }

type stamp struct {
	route
	target, label string
}

func (s stamp) Post(ctx context.Context, body []byte) error {
	return s.route.Post(ctx, actor.Parcel{Target: s.target, Label: s.label, Body: body})
}

func (r route) PostUrgent(ctx context.Context, p actor.Parcel) error {
	r.net.mu.Lock()
	jam := r.net.jam
	r.net.mu.Unlock()
	if jam != nil {
		select {
		case <-jam:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return r.PostNow(p)
}

func (r route) PostNow(p actor.Parcel) error {
	r.net.mu.Lock()
	full := r.net.jam != nil
	if !full {
		r.net.sent++
	}
	r.net.mu.Unlock()
	if full {
		return actor.ErrOverloaded
	}
	return r.Post(context.Background(), p)
}

func (p port) give(to string, c parcel) error {
	n := p.net
	n.mu.Lock()
	defer n.mu.Unlock()
	key := [2]string{p.address, to}
	sys := n.at[to]
	if sys == nil || n.down[key] || n.lanes == nil {
		return fmt.Errorf("%w: %s", actor.ErrUnreachable, to)
	}
	lane := n.lanes[key]
	if lane == nil {
		lane = make(chan parcel, 1<<16)
		n.lanes[key] = lane
		n.group.Go(func() {
			box, _ := sys.Actors().ProcessRegistry.GetLocal(actor.SystemID)
			inlet, names := box.(actor.Recipient).Inlet(p.address), map[string]*actor.Name{}
			name := func(text string) *actor.Name {
				if names[text] == nil {
					names[text] = &actor.Name{Text: text}
				}
				return names[text]
			}
			for c := range lane {
				if c.p != nil {
					if err := inlet.Take(name(c.p.Target), name(c.p.Label), c.p.Head[:c.p.Traced], c.p.Head[c.p.Traced:], c.p.Body, nil); err != nil {
						panic(err)
					}
					if len(lane) == 0 {
						inlet.Flush()
					}
					continue
				}
				inlet.Flush()
				proc, _ := sys.Actors().ProcessRegistry.GetLocal(c.to.Id) // or the dead letters
				if sm, ok := c.m.(protoactor.SystemMessage); ok {
					proc.SendSystemMessage(c.to, sm)
					continue
				}
				proc.SendUserMessage(c.to, &protoactor.MessageEnvelope{Message: c.m, Sender: c.from})
			}
		})
	}
	lane <- c
	return nil
}

// testCluster is some systems on one network; node keys say where they live
// by their first letter: "a/0" lives on "a".
type testCluster struct {
	*network
	systems map[string]*actor.System
	tables  map[string]*actor.Table
}

func newCluster(t testing.TB, names ...string) *testCluster {
	return newClusterWith(t, actor.Config{}, names...)
}

func newClusterWith(t testing.TB, cfg actor.Config, names ...string) *testCluster {
	return newClusterOver(t, cfg, parcels, names...)
}

func parcels(p port) actor.Transport  { return courier{p} }
func messages(p port) actor.Transport { return p }

// newClusterOver has the transports that over makes.
func newClusterOver(t testing.TB, cfg actor.Config, over func(port) actor.Transport, names ...string) *testCluster {
	c := &testCluster{network: newNetwork(t), systems: map[string]*actor.System{}, tables: map[string]*actor.Table{}}
	for _, name := range names {
		cfg := cfg
		cfg.Host, cfg.Table, cfg.Transport = name, actor.NewTable(), over(port{c.network, name})
		cfg.Locate = func(key string) (string, error) {
			if slices.Contains(names, key[:1]) {
				return key[:1], nil
			}
			return "", actor.ErrNoNode
		}
		sys := actor.NewSystem(cfg)
		sys.Actors().ProcessRegistry.Address = name
		c.at[name], c.systems[name], c.tables[name] = sys, sys, cfg.Table
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			require.NoError(t, sys.Close(ctx))
			require.Zero(t, sys.Stats().Pending)
		})
	}
	return c
}

func spawn(t testing.TB, sys *actor.System, spec actor.Spec) *actor.Node {
	n, err := sys.Spawn(spec)
	require.NoError(t, err)
	require.NoError(t, n.Start(t.Context()))
	return n
}

type sum struct{ total int }

func (s *sum) Add(_ context.Context, n int) (int, error) { s.total += n; return s.total, nil }
func (s *sum) Total(context.Context) (int, error)        { return s.total, nil }
func (s *sum) Put(_ context.Context, n int) error        { s.total += n; return nil }
func (s *sum) Fail(_ context.Context, text string) error { return errors.New(text) }
func (s *sum) Panic(context.Context) error               { panic("boom") }
func (s *sum) Wait(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

type adder interface {
	Add(context.Context, int) (int, error)
}

// both runs f with a ref to a node in the same process, to one in the same
// process whose messages are encoded, and to one in another.
func both(t *testing.T, spec actor.Spec, f func(t *testing.T, ref actor.Ref[*sum])) {
	anywhere(t, func(t *testing.T, c *testCluster, from string) {
		spec := spec
		spec.Key = "a/0"
		if spec.Value == nil {
			spec.Value = &sum{}
		}
		spawn(t, c.systems["a"], spec)
		f(t, actor.NewRef[*sum](c.tables[from], "a/0"))
	})
}

// anywhere runs f for the four ways from a caller to a node on "a".
func anywhere(t *testing.T, f func(t *testing.T, c *testCluster, from string)) {
	for _, way := range []struct {
		name, from string
		encode     bool
		over       func(port) actor.Transport
	}{
		{"one process", "a", false, parcels}, {"encoded", "a", true, parcels},
		{"two processes", "b", false, parcels}, {"two processes, messages", "b", false, messages},
	} {
		t.Run(way.name, func(t *testing.T) {
			f(t, newClusterOver(t, actor.Config{Encode: way.encode}, way.over, "a", "b"), way.from)
		})
	}
}

// gate is a node whose method holds its turn until it is let go.
type gate struct {
	entered chan struct{} // told that a turn has begun
	open    chan struct{} // lets one turn end
	seen    []int
}

func newGate() *gate { return &gate{make(chan struct{}, 1<<12), make(chan struct{}), nil} }

func (g *gate) Hold(ctx context.Context, n int) error {
	g.entered <- struct{}{}
	select {
	case <-g.open:
	case <-ctx.Done():
		return ctx.Err()
	}
	g.seen = append(g.seen, n)
	return nil
}

func (g *gate) Note(_ context.Context, n int) error { g.seen = append(g.seen, n); return nil }

func (g *gate) Seen(context.Context) ([]int, error) { return g.seen, nil }
