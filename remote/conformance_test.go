package remote

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	protoactor "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// A pair is two endpoints that can reach each other in some way.
type pair struct {
	a, b   *Endpoint
	aDowns chan error
	bDowns chan error
}

func (p *pair) configs(aAddress, bAddress string) (Config, Config) {
	p.aDowns, p.bDowns = make(chan error, 16), make(chan error, 16)
	a := Config{System: newSystem(), Address: aAddress, Down: func(_ string, err error) { p.aDowns <- err }}
	b := Config{System: newSystem(), Address: bAddress, Down: func(_ string, err error) { p.bDowns <- err }}
	return a, b
}

// pid is some process at an address.
func (p *pair) pid(address string) *protoactor.PID { return protoactor.NewPID(address, "target") }

func memoryPair(t testing.TB, change func(a, b *Config)) *pair {
	n := newNetwork()
	p := &pair{}
	a, b := p.configs("a:1", "b:1")
	a.InsecurePlaintext, b.InsecurePlaintext = true, true
	a.Dial, b.Dial = n.dial, n.dial
	if change != nil {
		change(&a, &b)
	}
	p.a, p.b = start(t, a), start(t, b)
	serve(t, p.a, n.listen("a:1"))
	serve(t, p.b, n.listen("b:1"))
	return p
}

func tcpPair(t testing.TB, change func(a, b *Config)) *pair {
	la, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	lb, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &pair{}
	a, b := p.configs(la.Addr().String(), lb.Addr().String())
	if change != nil {
		change(&a, &b)
	} else {
		a.InsecurePlaintext, b.InsecurePlaintext = true, true
	}
	p.a, p.b = start(t, a), start(t, b)
	serve(t, p.a, la)
	serve(t, p.b, lb)
	return p
}

func tlsPair(t testing.TB) *pair {
	authority := newAuthority(t, "run-1")
	return tcpPair(t, func(a, b *Config) {
		a.Credentials = issue(t, authority, RoleHost, "alice", 1)
		b.Credentials = issue(t, authority, RoleHost, "bob", 1)
		names := map[string]string{a.Address: "alice", b.Address: "bob"}
		expect := func(address string) (string, bool) { name, ok := names[address]; return name, ok }
		a.Expect, b.Expect = expect, expect
	})
}

// reversedPair is one in which nobody can dial a: it has to open the link itself.
func reversedPair(t testing.TB) *pair {
	n := newNetwork()
	authority := newAuthority(t, "run-1")
	p := &pair{}
	a, b := p.configs("launcher.run-1", "b:1")
	a.Credentials = issue(t, authority, RoleLauncher, "launcher", 1)
	b.Credentials = issue(t, authority, RoleHost, "bob", 1)
	a.Dial, b.Dial = n.dial, n.dial
	p.a, p.b = start(t, a), start(t, b)
	serve(t, p.b, n.listen("b:1"))
	_, pid := newInbox(t, p.b, "doorbell", 1)
	require.NoError(t, p.a.Send(within(t, 5*time.Second), pid, nil, text("open")))
	return p
}

func everywhere(t *testing.T, f func(t *testing.T, p *pair)) {
	t.Run("memory", func(t *testing.T) { f(t, memoryPair(t, nil)) })
	t.Run("tcp", func(t *testing.T) { f(t, tcpPair(t, nil)) })
	t.Run("tls", func(t *testing.T) { f(t, tlsPair(t)) })
	t.Run("reversed", func(t *testing.T) { f(t, reversedPair(t)) })
}

func TestMessagesBothWays(t *testing.T) {
	everywhere(t, func(t *testing.T, p *pair) {
		ctx := within(t, 10*time.Second)
		atA, pidA := newInbox(t, p.a, "x", 1)
		atB, pidB := newInbox(t, p.b, "y", 1)
		require.NoError(t, p.a.Send(ctx, pidB, pidA, text("question")))
		got := receive(t, atB.user)
		require.Equal(t, "question", got.Message.(*wrapperspb.StringValue).Value)
		require.Equal(t, pidA.Address, got.Sender.Address)
		require.Equal(t, "x", got.Sender.Id)
		require.NoError(t, p.b.SendNow(got.Sender, pidB, text("answer")))
		require.Equal(t, "answer", receive(t, atA.user).Message.(*wrapperspb.StringValue).Value)

		// One stream carries both directions.
		stats := p.b.Stats()
		require.Len(t, stats.Peers, 1)
		require.Equal(t, 1, stats.Peers[0].Links)
		require.Equal(t, LinkUp, stats.Peers[0].State)
		require.Empty(t, stats.Peers[0].Drops)
		require.Empty(t, stats.Refused)
	})
}

func TestOrderWhileBothFlood(t *testing.T) {
	const n = 20_000
	everywhere(t, func(t *testing.T, p *pair) {
		ctx := within(t, 5*time.Minute) // it takes the processor for a second
		atA, pidA := newInbox(t, p.a, "x", 64)
		atB, pidB := newInbox(t, p.b, "y", 64)
		var all sync.WaitGroup
		failures := make(chan error, 4)
		all.Go(func() {
			for i := range n {
				if err := p.a.Send(ctx, pidB, pidA, wrapperspb.Int64(int64(i))); err != nil {
					failures <- err
					return
				}
			}
		})
		all.Go(func() {
			for i := range n {
				if err := p.b.Send(ctx, pidA, pidB, wrapperspb.Int64(int64(i))); err != nil {
					failures <- err
					return
				}
			}
		})
		check := func(in *inbox) {
			for i := range n {
				select {
				case m := <-in.user:
					if got := m.Message.(*wrapperspb.Int64Value).Value; got != int64(i) {
						failures <- fmt.Errorf("%d came instead of %d", got, i)
						return
					}
				case <-ctx.Done():
					failures <- context.Cause(ctx)
					return
				}
			}
		}
		all.Go(func() { check(atA) })
		all.Go(func() { check(atB) })
		all.Wait()
		close(failures)
		for err := range failures {
			require.NoError(t, err)
		}
	})
}

func TestCloseDrains(t *testing.T) {
	const n = 2000
	everywhere(t, func(t *testing.T, p *pair) {
		ctx := within(t, 10*time.Second)
		atB, pidB := newInbox(t, p.b, "y", n)
		for i := range n {
			require.NoError(t, p.a.Send(ctx, pidB, nil, wrapperspb.Int64(int64(i))))
		}
		require.NoError(t, p.a.Close(ctx))
		require.Len(t, atB.user, n)
		require.NoError(t, receive(t, p.aDowns))
		require.NoError(t, receive(t, p.bDowns))
		require.ErrorIs(t, p.a.Send(ctx, pidB, nil, text("late")), ErrClosed)
		require.ErrorIs(t, p.a.SendNow(pidB, nil, text("late")), ErrClosed)
		require.NoError(t, p.a.Close(ctx), "again")
	})
}

func TestCloseByTheAcceptingSideDrains(t *testing.T) {
	const n = 2000
	everywhere(t, func(t *testing.T, p *pair) {
		ctx := within(t, 10*time.Second)
		atA, pidA := newInbox(t, p.a, "x", n)
		atB, pidB := newInbox(t, p.b, "y", n)
		require.NoError(t, p.a.Send(ctx, pidB, pidA, text("hello")))
		receive(t, atB.user)
		for i := range n {
			require.NoError(t, p.b.Send(ctx, pidA, nil, wrapperspb.Int64(int64(i))))
		}
		require.NoError(t, p.b.Close(ctx))
		require.Len(t, atA.user, n)
		require.NoError(t, receive(t, p.aDowns))
	})
}
