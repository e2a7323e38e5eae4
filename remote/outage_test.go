package remote

import (
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	protoactor "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// stalling is a network in which nothing passes for a while, in either direction, and nobody is told.
type stalling struct {
	mu     sync.Mutex
	change sync.Cond
	shut   bool
}

func newStalling() *stalling {
	s := &stalling{}
	s.change.L = &s.mu
	return s
}

func (s *stalling) set(shut bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shut = shut
	s.change.Broadcast()
}

func (s *stalling) pass() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.shut {
		s.change.Wait()
	}
}

type stallingConn struct {
	net.Conn
	s *stalling
}

func (c stallingConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.s.pass()
	return n, err
}

func (c stallingConn) Write(b []byte) (int, error) {
	c.s.pass()
	return c.Conn.Write(b)
}

// A cut of 20 s, and a peer that stands still for 8 s: nobody is told, and all comes.
func TestOutageShorterThanConfigured(t *testing.T) {
	for _, length := range []time.Duration{8 * time.Second, 20 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			s := newStalling()
			p := memoryPair(t, func(a, b *Config) {
				for _, c := range []*Config{a, b} {
					dial := c.Dial
					c.Dial = func(ctx context.Context, address string) (net.Conn, error) {
						s.mu.Lock()
						shut := s.shut
						s.mu.Unlock()
						if shut {
							<-ctx.Done()
							return nil, context.Cause(ctx)
						}
						conn, err := dial(ctx, address)
						return stallingConn{conn, s}, err
					}
				}
			})
			in, pid := newInbox(t, p.b, "y", 1000)
			number := 0
			send := func() {
				require.NoError(t, p.a.SendNow(pid, nil, wrapperspb.Int64(int64(number))))
				number++
			}
			for range 10 {
				send()
			}
			synctest.Wait()
			s.set(true)
			for range 100 {
				send()
				time.Sleep(length / 100)
			}
			s.set(false)
			for i := range number {
				require.EqualValues(t, i, (<-in.user).Message.(*wrapperspb.Int64Value).Value)
			}
			time.Sleep(time.Minute)
			require.Empty(t, in.user)
			require.Empty(t, p.aDowns)
			require.Empty(t, p.bDowns)
			require.Empty(t, p.b.Stats().Peers[0].Drops)
		})
	}
}

// A link without a connection for longer than Config.Outage ends, with everything that waits on it.
func TestOutageLongerThanConfigured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		wire := &breakable{inner: n.dial}
		p := &pair{}
		a, b := p.configs("a:1", "b:1")
		a.InsecurePlaintext, b.InsecurePlaintext = true, true
		a.Dial, b.Dial = wire.dial, wire.dial
		a.Outage, b.Outage = 10*time.Second, 15*time.Second
		a.QueueBytes = 1
		p.a, p.b = start(t, a), start(t, b)
		l := n.listen("b:1")
		serve(t, p.b, l)
		in, pid := newInbox(t, p.b, "x", 4)
		require.NoError(t, p.a.Send(t.Context(), pid, nil, text("hello")))
		<-in.user
		synctest.Wait()

		n.mu.Lock()
		delete(n.listeners, "b:1")
		n.mu.Unlock()
		wire.cut()
		begin := time.Now()
		require.NoError(t, p.a.Send(t.Context(), pid, nil, text("queued")))
		waiting := make(chan error)
		go func() { waiting <- p.a.Send(t.Context(), pid, nil, text("waits for room")) }()
		err := <-p.aDowns
		require.ErrorIs(t, err, ErrUnreachable)
		require.ErrorIs(t, err, errAway)
		require.Equal(t, 10*time.Second, time.Since(begin))
		require.ErrorIs(t, <-waiting, ErrUnreachable)
		require.EqualValues(t, 1, p.a.Stats().Peers[0].Drops[LinkLost])
		require.ErrorIs(t, <-p.bDowns, errAway)
		require.Equal(t, 15*time.Second, time.Since(begin))
	})
}

// The end of an actor is told over the connection after the one over which it is watched, and only that.
func TestWatchOutlivesConnections(t *testing.T) {
	n := newNetwork()
	wire := &breakable{inner: n.dial}
	p := memoryPair(t, func(a, b *Config) {
		wire.inner = a.Dial
		a.Dial = wire.dial
	})
	mortal := p.b.system.Root.Spawn(protoactor.PropsFromFunc(echo))
	watching, ends := watcher(p.a.system, mortal)
	receive(t, watching)
	for range 3 {
		_, err := p.a.system.Root.RequestFuture(mortal, text("there?"), 20*time.Second).Result()
		require.NoError(t, err)
		wire.cut()
	}
	p.b.system.Root.Stop(mortal)
	require.Equal(t, protoactor.TerminatedReason_Stopped, receive(t, ends).Why)
	require.Empty(t, p.aDowns)
}

// Close says how much did not arrive.
func TestCloseCountsWhatIsNotAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := memoryPair(t, nil)
		_, pid := newInbox(t, p.b, "stuck", 0)
		for range 5 {
			require.NoError(t, p.a.Send(t.Context(), pid, nil, text("taken by nobody")))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := p.a.Close(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "5 messages")
		process, _ := p.b.system.ProcessRegistry.GetLocal("stuck")
		go func() {
			for range process.(*inbox).user {
			}
		}()
		t.Cleanup(func() { close(process.(*inbox).user) })
		synctest.Wait()
	})
}
