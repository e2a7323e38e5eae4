package actor_test

import (
	"context"
	"errors"
	"fmt"
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
}

type parcel struct {
	to, from *protoactor.PID
	m        proto.Message
}

func newNetwork(t *testing.T) *network {
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

type port struct {
	net     *network
	address string
}

func (p port) Send(_ context.Context, to, from *protoactor.PID, m proto.Message) error {
	return p.SendNow(to, from, m)
}

func (p port) SendNow(to, from *protoactor.PID, m proto.Message) error {
	n := p.net
	n.mu.Lock()
	defer n.mu.Unlock()
	key := [2]string{p.address, to.Address}
	sys := n.at[to.Address]
	if sys == nil || n.down[key] || n.lanes == nil {
		return fmt.Errorf("%w: %s", actor.ErrUnreachable, to.Address)
	}
	lane := n.lanes[key]
	if lane == nil {
		lane = make(chan parcel, 1<<16)
		n.lanes[key] = lane
		n.group.Go(func() {
			for c := range lane {
				reg := sys.Actors().ProcessRegistry
				proc, ok := reg.GetLocal(c.to.Id)
				env := &protoactor.MessageEnvelope{Message: c.m, Sender: c.from}
				if !ok {
					sys.Actors().DeadLetter.SendUserMessage(c.to, env)
					continue
				}
				proc.SendUserMessage(c.to, env)
			}
		})
	}
	lane <- parcel{proto.Clone(to).(*protoactor.PID), proto.Clone(from).(*protoactor.PID), proto.Clone(m)}
	return nil
}

// cluster is some systems on one network; node keys say where they live by
// their label: "a/0" lives on "a".
type testCluster struct {
	*network
	systems map[string]*actor.System
	tables  map[string]*actor.Table
}

func newCluster(t *testing.T, names ...string) *testCluster {
	c := &testCluster{network: newNetwork(t), systems: map[string]*actor.System{}, tables: map[string]*actor.Table{}}
	for _, name := range names {
		table := actor.NewTable()
		sys := actor.NewSystem(actor.Config{
			Host: name, Table: table, Transport: port{c.network, name},
			Locate: func(key string) (string, error) {
				for _, n := range names {
					if key[:1] == n {
						return n, nil
					}
				}
				return "", actor.ErrNoNode
			},
		})
		sys.Actors().ProcessRegistry.Address = name
		c.at[name], c.systems[name], c.tables[name] = sys, sys, table
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			require.NoError(t, sys.Close(ctx))
		})
	}
	return c
}

func spawn(t *testing.T, sys *actor.System, spec actor.Spec) *actor.Node {
	n, err := sys.Spawn(spec)
	require.NoError(t, err)
	require.NoError(t, n.Start(t.Context()))
	return n
}

type sum struct{ total int }

func (s *sum) Add(_ context.Context, n int) (int, error) { s.total += n; return s.total, nil }
func (s *sum) Total(context.Context) (int, error)        { return s.total, nil }
func (s *sum) Fail(_ context.Context, text string) error { return errors.New(text) }
func (s *sum) Panic(context.Context) error               { panic("boom") }
func (s *sum) Wait(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

type adder interface {
	Add(context.Context, int) (int, error)
}

// both runs f with a ref to a node in the same process and to one in another.
func both(t *testing.T, spec actor.Spec, f func(t *testing.T, ref actor.Ref[*sum])) {
	for _, from := range []string{"a", "b"} {
		t.Run("from "+from, func(t *testing.T) {
			c := newCluster(t, "a", "b")
			spec := spec
			spec.Key = "a/0"
			if spec.Value == nil {
				spec.Value = &sum{}
			}
			spawn(t, c.systems["a"], spec)
			f(t, actor.NewRef[*sum](c.tables[from], "a/0"))
		})
	}
}

func TestCallReturnsResult(t *testing.T) {
	both(t, actor.Spec{}, func(t *testing.T, ref actor.Ref[*sum]) {
		for i := 1; i <= 3; i++ {
			got, err := actor.Call(t.Context(), ref, (*sum).Add, i)
			require.NoError(t, err)
			require.Equal(t, i*(i+1)/2, got)
		}
		got, err := actor.Call0(t.Context(), ref, (*sum).Total)
		require.NoError(t, err)
		require.Equal(t, 6, got)
		got, err = actor.Call(t.Context(), actor.As[adder](ref), adder.Add, 4)
		require.NoError(t, err)
		require.Equal(t, 10, got)
	})
}

func TestErrorsCross(t *testing.T) {
	both(t, actor.Spec{}, func(t *testing.T, ref actor.Ref[*sum]) {
		err := actor.Do(t.Context(), ref, (*sum).Fail, "no good")
		var e *actor.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, "a/0 on a: Fail: no good", e.Error())
		require.Equal(t, actor.CodeFailed, e.Code)

		err = actor.Do0(t.Context(), ref, (*sum).Panic)
		require.ErrorIs(t, err, actor.ErrPanic)
		require.ErrorAs(t, err, &e)
		require.Contains(t, e.Stack, "(*sum).Panic")

		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, actor.Do0(ctx, ref, (*sum).Wait), context.DeadlineExceeded)
		_, err = actor.Call0(t.Context(), ref, (*sum).Total) // the method's context ended too
		require.NoError(t, err)
	})
}

func TestGoAndCancel(t *testing.T) {
	both(t, actor.Spec{}, func(t *testing.T, ref actor.Ref[*sum]) {
		var futures []*actor.Future[int]
		for i := range 100 {
			futures = append(futures, actor.Go(t.Context(), ref, (*sum).Add, i))
		}
		for _, f := range futures {
			_, err := f.Wait(t.Context())
			require.NoError(t, err)
		}
		f := actor.Go(t.Context(), ref, (*sum).Add, 1)
		<-f.Done()
		f.Cancel()
		_, err := f.Wait(t.Context())
		require.NoError(t, err)
	})
}

func TestTellKeepsOrder(t *testing.T) {
	for _, from := range []string{"a", "b"} {
		t.Run("from "+from, func(t *testing.T) {
			c := newCluster(t, "a", "b")
			l := &listNode{done: make(chan struct{}), want: 20000}
			spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: l})
			ref := actor.NewRef[*listNode](c.tables[from], "a/0")
			for i := range l.want {
				require.NoError(t, actor.Tell(t.Context(), ref, (*listNode).Put, i))
			}
			<-l.done
			require.True(t, l.ordered)
		})
	}
}

type listNode struct {
	want, next int
	ordered    bool
	done       chan struct{}
}

func (l *listNode) Put(_ context.Context, i int) error {
	if i != l.next {
		close(l.done)
	}
	l.next++
	if l.next == l.want {
		l.ordered = true
		close(l.done)
	}
	return nil
}

type peer struct {
	other   actor.Ref[*peer]
	entered chan<- struct{} // told that a turn has begun
	gate    <-chan struct{} // holds the turn
}

func (p *peer) Ask(ctx context.Context, depth int) error {
	if depth == 0 {
		return nil
	}
	if p.gate != nil {
		p.entered <- struct{}{}
		<-p.gate
	}
	return actor.Do(ctx, p.other, (*peer).Ask, depth-1)
}

func TestDeadlock(t *testing.T) {
	t.Run("itself", func(t *testing.T) {
		c := newCluster(t, "a")
		ref := actor.NewRef[*peer](c.tables["a"], "a/0")
		spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: &peer{other: ref}})
		err := actor.Do(t.Context(), ref, (*peer).Ask, 1)
		require.ErrorIs(t, err, actor.ErrDeadlock)
	})
	for name, homes := range map[string][2]string{"one process": {"a/0", "a/1"}, "two processes": {"a/0", "b/0"}} {
		t.Run("each other, "+name, func(t *testing.T) {
			c := newCluster(t, "a", "b")
			for i, home := range homes {
				other := actor.NewRef[*peer](c.tables[home[:1]], homes[1-i])
				spawn(t, c.systems[home[:1]], actor.Spec{Key: home, Value: &peer{other: other}})
			}
			first := actor.NewRef[*peer](c.tables["a"], homes[0])
			require.NoError(t, actor.Do(t.Context(), first, (*peer).Ask, 1))
			err := actor.Do(t.Context(), first, (*peer).Ask, 2)
			require.ErrorIs(t, err, actor.ErrDeadlock)
			require.NoError(t, actor.Do(t.Context(), first, (*peer).Ask, 1))
		})
		t.Run("crosswise, "+name, func(t *testing.T) {
			c := newCluster(t, "a", "b")
			gate, entered := make(chan struct{}), make(chan struct{}, 2)
			var refs []actor.Ref[*peer]
			for i, home := range homes {
				other := actor.NewRef[*peer](c.tables[home[:1]], homes[1-i])
				spawn(t, c.systems[home[:1]], actor.Spec{Key: home, Value: &peer{other: other, entered: entered, gate: gate}})
				refs = append(refs, actor.NewRef[*peer](c.tables["a"], home))
			}
			f1 := goDo(t, refs[0])
			f2 := goDo(t, refs[1])
			<-entered
			<-entered
			close(gate)
			e1, e2 := <-f1, <-f2
			require.True(t, errors.Is(e1, actor.ErrDeadlock) || errors.Is(e2, actor.ErrDeadlock), "%v, %v", e1, e2)
		})
	}
}

func goDo(t *testing.T, ref actor.Ref[*peer]) <-chan error {
	out := make(chan error, 1)
	go func() { out <- actor.Do(t.Context(), ref, (*peer).Ask, 1) }()
	return out
}

func TestLostLinkEndsCalls(t *testing.T) {
	c := newCluster(t, "a", "b")
	started := make(chan struct{})
	spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: &blocked{started: started}})
	ref := actor.NewRef[*blocked](c.tables["b"], "a/0")
	out := make(chan error, 1)
	go func() { out <- actor.Do0(t.Context(), ref, (*blocked).Wait) }()
	<-started
	c.systems["b"].PeerDown("a", errors.New("cut"))
	require.ErrorIs(t, <-out, actor.ErrUnreachable)
	c.systems["a"].PeerDown("b", errors.New("cut")) // ends the method's context, so that Close returns
}

type blocked struct{ started chan struct{} }

func (b *blocked) Wait(ctx context.Context) error {
	close(b.started)
	<-ctx.Done()
	return ctx.Err()
}

func TestRefused(t *testing.T) {
	both(t, actor.Spec{}, func(t *testing.T, ref actor.Ref[*sum]) {
		_, err := actor.Call(t.Context(), ref, func(*sum, context.Context, int) (int, error) { return 0, nil }, 1)
		require.ErrorIs(t, err, actor.ErrNotMethod)
		_, err = actor.Call0(t.Context(), actor.Ref[*sum]{}, (*sum).Total)
		require.ErrorIs(t, err, actor.ErrZeroRef)
		require.ErrorIs(t, actor.Do(t.Context(), actor.As[runner](ref), runner.Other, 1), actor.ErrNoMethod)
	})
}

type runner interface {
	Other(context.Context, int) error
}

func TestBatched(t *testing.T) {
	for _, from := range []string{"a", "b"} {
		t.Run("from "+from, func(t *testing.T) {
			c := newCluster(t, "a", "b")
			v := &evaluator{}
			spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: v, Batches: []actor.Batch{actor.Batched((*evaluator).Squares, 4, 30*time.Millisecond)}})
			ref := actor.NewRef[*evaluator](c.tables[from], "a/0")
			var g sync.WaitGroup
			for i := range 10 {
				g.Go(func() {
					got, err := actor.CallBatched(t.Context(), ref, (*evaluator).Squares, i)
					require.NoError(t, err)
					require.Equal(t, i*i, got)
				})
			}
			g.Wait()
			require.Len(t, v.sizes, 3)
			require.Equal(t, 4, v.sizes[0])
		})
	}
}

type evaluator struct{ sizes []int }

func (e *evaluator) Squares(_ context.Context, xs []int) ([]int, error) {
	e.sizes = append(e.sizes, len(xs))
	out := make([]int, len(xs))
	for i, x := range xs {
		out[i] = x * x
	}
	return out, nil
}

type carrier struct{ got actor.Ref[*sum] }

type letter struct {
	Name string
	Refs []actor.Ref[*sum]
	ByID map[string]actor.Ref[*sum]
}

func (c *carrier) Take(ctx context.Context, l letter) (int, error) {
	if _, err := actor.Call(ctx, l.Refs[0], (*sum).Add, 2); err != nil {
		return 0, err
	}
	return actor.Call(ctx, l.ByID["x"], (*sum).Add, 3)
}

func TestRefsTravel(t *testing.T) {
	for _, home := range []string{"a/1", "b/0"} {
		c := newCluster(t, "a", "b")
		spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: &sum{}})
		actor.NewRef[*sum](c.tables["b"], "a/0")
		spawn(t, c.systems[home[:1]], actor.Spec{Key: home, Value: &carrier{}})
		s := actor.NewRef[*sum](c.tables["a"], "a/0")
		got, err := actor.Call(t.Context(), actor.NewRef[*carrier](c.tables["a"], home), (*carrier).Take,
			letter{Refs: []actor.Ref[*sum]{s}, ByID: map[string]actor.Ref[*sum]{"x": s}})
		require.NoError(t, err)
		require.Equal(t, 5, got)
	}
}
