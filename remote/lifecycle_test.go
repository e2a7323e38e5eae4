package remote

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	protoactor "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// breakable is a way to dial whose connections can be cut or frozen.
type breakable struct {
	inner func(context.Context, string) (net.Conn, error)
	mu    sync.Mutex
	conns []net.Conn
	dials int
}

func (b *breakable) dial(ctx context.Context, address string) (net.Conn, error) {
	c, err := b.inner(ctx, address)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dials++
	if err == nil {
		b.conns = append(b.conns, c)
	}
	return c, err
}

func (b *breakable) cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.conns {
		_ = c.Close()
	}
	b.conns = nil
}

func (b *breakable) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dials
}

func TestDeadPeerComesBack(t *testing.T) {
	n := newNetwork()
	a := start(t, Config{Address: "a:1", InsecurePlaintext: true, Dial: n.dial})
	ctx := within(t, 10*time.Second)
	pid := protoactor.NewPID("b:1", "x")
	require.ErrorIs(t, a.Send(ctx, pid, nil, text("anybody?")), ErrUnreachable)

	b := start(t, Config{Address: "b:1", InsecurePlaintext: true, Dial: n.dial})
	in, _ := newInbox(t, b, "x", 4)
	serve(t, b, n.listen("b:1"))
	require.NoError(t, a.Send(ctx, pid, nil, text("there you are")))
	receive(t, in.user)
}

// Connect makes the link that Send then uses, and says why it cannot.
func TestConnect(t *testing.T) {
	n := newNetwork()
	dials := 0
	a := start(t, Config{Address: "a:1", InsecurePlaintext: true, Dial: func(ctx context.Context, address string) (net.Conn, error) {
		dials++
		return n.dial(ctx, address)
	}})
	ctx := within(t, 10*time.Second)
	require.NoError(t, a.Connect(ctx, "a:1"), "that is ourselves")
	require.ErrorIs(t, a.Connect(ctx, "b:1"), ErrUnreachable)
	b := start(t, Config{Address: "b:1", InsecurePlaintext: true, Dial: n.dial})
	in, pid := newInbox(t, b, "x", 4)
	serve(t, b, n.listen("b:1"))
	require.NoError(t, a.Connect(ctx, "b:1"))
	require.NoError(t, b.Connect(ctx, "a:1"), "there is a link")
	require.NoError(t, a.Send(ctx, pid, nil, text("hello")))
	receive(t, in.user)
	require.Equal(t, 2, dials)
	serve(t, a, n.listen("alias:1"))
	require.NoError(t, a.Connect(ctx, "alias:1"), "ourselves by another name")
	require.NoError(t, a.Close(ctx))
	require.ErrorIs(t, a.Connect(ctx, "b:1"), ErrClosed)
}

func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("refused")
		wire := &breakable{inner: func(context.Context, string) (net.Conn, error) { return nil, refused }}
		e := start(t, Config{Address: "a:1", InsecurePlaintext: true, Dial: wire.dial})
		pid := protoactor.NewPID("b:1", "x")
		begin := time.Now()
		require.ErrorIs(t, e.Send(t.Context(), pid, nil, text("1")), refused)
		require.Zero(t, time.Since(begin), "the first failure is told at once")
		for i := 1; i <= 10; i++ {
			begin = time.Now()
			require.ErrorIs(t, e.Send(t.Context(), pid, nil, text("next")), refused)
			full := min(firstBackoff<<(i-1), lastBackoff)
			require.GreaterOrEqual(t, time.Since(begin), full/2)
			require.LessOrEqual(t, time.Since(begin), full)
		}
		require.Equal(t, 11, wire.count())

		// The wait is the caller's to end.
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		err := e.Send(ctx, pid, nil, text("impatient"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, ErrUnreachable)
	})
}

func TestHandshakeThatNeverEnds(t *testing.T) {
	n := newNetwork()
	silent := n.listen("b:1") // accepts and says nothing
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := silent.Accept()
			if err != nil {
				return
			}
			defer c.Close()
		}
	}()
	defer func() {
		_ = silent.Close()
		<-done
	}()
	e := start(t, Config{Address: "a:1", InsecurePlaintext: true, Dial: n.dial, HandshakeTimeout: 50 * time.Millisecond})
	err := e.Send(within(t, 5*time.Second), protoactor.NewPID("b:1", "x"), nil, text("?"))
	require.ErrorIs(t, err, ErrUnreachable)
	require.ErrorIs(t, err, errHandshake)
}

func TestCallerThatSaysNothing(t *testing.T) {
	p := trustPair(t, issue(t, newAuthority(t, "r"), RoleHost, "a", 1), issue(t, newAuthority(t, "r"), RoleHost, "b", 1),
		func(_, b *Config) { b.HandshakeTimeout = 50 * time.Millisecond })
	c, err := p.b.cfg.Dial(within(t, 5*time.Second), "b:1")
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Read(make([]byte, 1))
	require.Error(t, err, "hung up on")
}

// frozen stops passing bytes on, in both directions, without closing: a cable pulled out.
type frozen struct {
	net.Conn
	gate *gate
}

type gate struct {
	mu   sync.Mutex
	shut bool
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = true
}

func (f frozen) Write(b []byte) (int, error) {
	f.gate.mu.Lock()
	defer f.gate.mu.Unlock()
	if f.gate.shut {
		return len(b), nil // as the kernel's buffer would
	}
	return f.Conn.Write(b)
}

func TestHalfOpenLinkIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		g := &gate{}
		p := &pair{}
		a, b := p.configs("a:1", "b:1")
		a.InsecurePlaintext, b.InsecurePlaintext = true, true
		a.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			c, err := n.dial(ctx, address)
			return frozen{c, g}, err
		}
		p.a, p.b = start(t, a), start(t, b)
		serve(t, p.b, freezing{n.listen("b:1"), g})
		in, pid := newInbox(t, p.b, "x", 4)
		require.NoError(t, p.a.Send(t.Context(), pid, nil, text("hello")))
		<-in.user

		time.Sleep(time.Hour)
		require.Empty(t, p.aDowns, "heartbeats keep an idle link")
		require.Empty(t, p.bDowns)

		g.close()
		time.Sleep(12501 * time.Millisecond)
		synctest.Wait()
		for _, e := range []*Endpoint{p.a, p.b} {
			require.Equal(t, LinkAway, e.Stats().Peers[0].State)
		}
		begin := time.Now()
		require.ErrorIs(t, <-p.aDowns, ErrUnreachable)
		require.ErrorIs(t, <-p.bDowns, ErrUnreachable)
		require.LessOrEqual(t, time.Since(begin), 30*time.Second, "Config.Outage")
	})
}

// slow passes 16 KiB a second, as a narrow path would.
type slow struct{ net.Conn }

func (s slow) Write(b []byte) (int, error) {
	time.Sleep(time.Duration(len(b)) * time.Second / (16 << 10))
	return s.Conn.Write(b)
}

// Section 7 of WIRE.md: a side ends the link that "has received no byte for two heartbeats".
func TestLargeMessageOnASlowPathIsNoSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		p := &pair{}
		a, b := p.configs("a:1", "b:1")
		a.InsecurePlaintext, b.InsecurePlaintext = true, true
		a.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			c, err := n.dial(ctx, address)
			return slow{c}, err
		}
		p.a, p.b = start(t, a), start(t, b)
		serve(t, p.b, n.listen("b:1"))
		in, pid := newInbox(t, p.b, "x", 1)
		begin := time.Now()
		require.NoError(t, p.a.Send(t.Context(), pid, nil, wrapperspb.Bytes(make([]byte, 1<<20))))
		require.Len(t, (<-in.user).Message.(*wrapperspb.BytesValue).Value, 1<<20)
		require.Greater(t, time.Since(begin), time.Minute)
		require.Empty(t, p.aDowns)
		require.Empty(t, p.bDowns)
	})
}

func TestCloseEndsAnAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, Config{Address: "a:1", InsecurePlaintext: true, Dial: func(ctx context.Context, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}})
		sent := make(chan error)
		go func() { sent <- e.Send(t.Context(), protoactor.NewPID("b:1", "x"), nil, text("?")) }()
		synctest.Wait()
		closed := make(chan error)
		go func() { closed <- e.Close(t.Context()) }()
		require.ErrorIs(t, <-sent, ErrClosed)
		require.NoError(t, <-closed)
		require.Empty(t, e.Stats().Refused)
	})
}

type freezing struct {
	net.Listener
	gate *gate
}

func (f freezing) Accept() (net.Conn, error) {
	c, err := f.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return frozen{c, f.gate}, nil
}

func TestBothDialAtOnce(t *testing.T) {
	for range 20 {
		p := memoryPair(t, nil)
		ctx := within(t, 10*time.Second)
		atA, pidA := newInbox(t, p.a, "x", 1000)
		atB, pidB := newInbox(t, p.b, "y", 1000)
		var both sync.WaitGroup
		errs := make(chan error, 2)
		flood := func(e *Endpoint, to *protoactor.PID) {
			for i := range 1000 {
				if err := e.Send(ctx, to, nil, wrapperspb.Int64(int64(i))); err != nil {
					errs <- err
					return
				}
			}
		}
		both.Go(func() { flood(p.a, pidB) })
		both.Go(func() { flood(p.b, pidA) })
		both.Wait()
		require.Empty(t, errs)
		for _, in := range []*inbox{atA, atB} {
			for i := range 1000 {
				require.EqualValues(t, i, receive(t, in.user).Message.(*wrapperspb.Int64Value).Value)
			}
		}
		require.NoError(t, p.a.Close(ctx))
	}
}

func TestAliasLeadsHome(t *testing.T) {
	n := newNetwork()
	e := start(t, Config{Address: "a:1", InsecurePlaintext: true, Dial: n.dial})
	serve(t, e, n.listen("a:1"))
	serve(t, e, n.listen("alias:1"))
	in, pid := newInbox(t, e, "x", 4)
	for _, address := range []string{"a:1", "alias:1", "alias:1"} {
		to := protoactor.NewPID(address, "x")
		require.NoError(t, e.Send(within(t, 5*time.Second), to, pid, text("sent")))
		require.Equal(t, "x", receive(t, in.user).Sender.Id)
		require.NoError(t, e.SendNow(to, nil, text("now")))
		receive(t, in.user)
	}
	require.NoError(t, e.SendNow(protoactor.NewPID("a:1", "eventstream"), nil, text("to all")), "dropped, and counted")
	require.EqualValues(t, 1, e.peer("a:1").stats().Drops[Reserved])
}

func TestWatchAcross(t *testing.T) {
	everywhere(t, func(t *testing.T, p *pair) {
		mortal := p.b.system.Root.Spawn(protoactor.PropsFromFunc(echo))
		watching, ends := watcher(p.a.system, mortal)
		receive(t, watching)
		_, err := p.a.system.Root.RequestFuture(mortal, text("there?"), patience).Result()
		require.NoError(t, err)
		p.b.system.Root.Stop(mortal)
		got := receive(t, ends)
		require.Equal(t, mortal.Id, got.Who.Id)
		require.Equal(t, p.b.cfg.Address, got.Who.Address)
		require.Equal(t, protoactor.TerminatedReason_Stopped, got.Why)

		_, ends = watcher(p.a.system, protoactor.NewPID(p.b.cfg.Address, "nobody"))
		require.Equal(t, protoactor.TerminatedReason_NotFound, receive(t, ends).Why)

		other := p.b.system.Root.Spawn(protoactor.PropsFromFunc(echo))
		watching, ends = watcher(p.a.system, other)
		receive(t, watching)
		_, err = p.a.system.Root.RequestFuture(other, text("there?"), patience).Result()
		require.NoError(t, err)
		require.NoError(t, p.b.Close(within(t, 5*time.Second)))
		require.Equal(t, protoactor.TerminatedReason_AddressTerminated, receive(t, ends).Why)
	})
}

func TestWatchEndsWithAnyLink(t *testing.T) {
	e := start(t, Config{Address: "a:1", InsecurePlaintext: true, Dial: newNetwork().dial})
	in, me := newInbox(t, e, "me", 1)
	p := e.peer("b:1")
	defer p.release()
	bring := func(incarnation uint64) *link {
		l := e.newOwnLink(newSecured(nil), p, hello{incarnation: incarnation, most: 1}, linkHello{})
		l.caller = true
		require.NoError(t, p.up(l))
		return l
	}
	used, other := bring(1), bring(1)
	p.watch(me.Id, "them")
	p.ended(other, nil, 0)
	require.Equal(t, protoactor.TerminatedReason_AddressTerminated, receive(t, in.system).(*protoactor.Terminated).Why)

	p.watch(me.Id, "them")
	heir := bring(2)
	require.Equal(t, "them", receive(t, in.system).(*protoactor.Terminated).Who.Id, "those of the earlier incarnation")
	p.watch(me.Id, "them again")
	p.ended(used, errReplaced, 0)
	require.Empty(t, in.system, "the heir is watched")
	p.ended(heir, nil, 0)
	require.Equal(t, "them again", receive(t, in.system).(*protoactor.Terminated).Who.Id)
}

func TestNobodyThere(t *testing.T) {
	e := start(t, Config{Address: "a:1", InsecurePlaintext: true, Dial: newNetwork().dial})
	gone := protoactor.NewPID("b:1", "x")
	_, ends := watcher(e.system, gone)
	require.Equal(t, protoactor.TerminatedReason_AddressTerminated, receive(t, ends).Why)
	_, err := e.system.Root.RequestFuture(gone, text("?"), patience).Result()
	require.ErrorIs(t, err, protoactor.ErrDeadLetter, "at once, not after the timeout")
	require.NoError(t, e.SendNow(gone, nil, text("lost")), "nobody waits, so nobody is told")
}

func TestTooLarge(t *testing.T) {
	p := memoryPair(t, func(a, _ *Config) { a.MaxMessage = 1000 })
	_, pid := newInbox(t, p.b, "x", 1)
	require.ErrorIs(t, p.a.Send(t.Context(), pid, nil, wrapperspb.Bytes(make([]byte, 1001))), ErrTooLarge)
	require.ErrorIs(t, p.a.SendNow(pid, nil, wrapperspb.Bytes(make([]byte, 1001))), ErrTooLarge)
	_, err := p.a.system.Root.RequestFuture(pid, wrapperspb.Bytes(make([]byte, 1001)), patience).Result()
	require.ErrorIs(t, err, protoactor.ErrDeadLetter)
}

func TestSendWaitsForRoomUnderItsContext(t *testing.T) {
	p := memoryPair(t, func(a, _ *Config) { a.QueueBytes = 1 << 10 })
	in, pid := newInbox(t, p.b, "slow", 0)
	body := wrapperspb.Bytes(make([]byte, 100<<10))
	require.NoError(t, p.a.Connect(within(t, 5*time.Second), pid.Address), "else the link could be what is waited for")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	sent := 0
	for {
		err := p.a.Send(ctx, pid, nil, body)
		if err != nil {
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.NotErrorIs(t, err, ErrUnreachable)
			break
		}
		sent++
	}
	require.Less(t, sent, 100, "10 MB do not fit anywhere")
	for range sent {
		receive(t, in.user)
	}
}

func TestCloseDoesNotWaitForEverForAProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := memoryPair(t, nil)
		in, pid := newInbox(t, p.b, "stuck", 0)
		require.NoError(t, p.a.Send(t.Context(), pid, nil, text("taken by nobody")))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		begin := time.Now()
		require.ErrorIs(t, p.b.Close(ctx), context.DeadlineExceeded)
		require.Equal(t, 3*time.Second+abortGrace, time.Since(begin))
		require.ErrorIs(t, p.b.Send(t.Context(), p.pid("a:1"), nil, text("late")), ErrClosed)
		<-in.user
		require.NoError(t, p.b.Close(t.Context()), "now it ends")
	})
}

func TestConfigIsChecked(t *testing.T) {
	_, err := New(Config{})
	require.Error(t, err)
	for name, change := range map[string]func(*Config){
		"no address":  func(c *Config) { c.Address = "" },
		"space":       func(c *Config) { c.Address = "a b" },
		"no security": func(c *Config) { c.InsecurePlaintext = false },
		"both":        func(c *Config) { c.Credentials = &Credentials{} },
		"TLS for all": func(c *Config) {
			c.InsecurePlaintext, c.TLS = false, &tls.Config{Certificates: make([]tls.Certificate, 1)}
		},
		"negative size":   func(c *Config) { c.MaxMessage = -1 },
		"negative queue":  func(c *Config) { c.QueueBytes = -1 },
		"negative urgent": func(c *Config) { c.UrgentBytes = -1 },
		"negative time":   func(c *Config) { c.HandshakeTimeout = -1 },
		"negative beat":   func(c *Config) { c.Heartbeat = -1 },
	} {
		c := Config{System: newSystem(), Address: "a:1", InsecurePlaintext: true}
		change(&c)
		_, err := New(c)
		require.Error(t, err, name)
	}
}

// A link is there for its first sender before its goroutines are: Close in between lets it drain, as any other.
func TestCloseRightAfterTheFirstSend(t *testing.T) {
	const times = 150
	n := newNetwork()
	p := &pair{}
	_, cfg := p.configs("a:0", "b:1")
	cfg.Dial, cfg.InsecurePlaintext, cfg.Down = n.dial, true, nil
	b := start(t, cfg)
	serve(t, b, n.listen("b:1"))
	in, pid := newInbox(t, b, "y", times)
	for i := range times {
		q := &pair{}
		cfg, _ := q.configs(fmt.Sprintf("a:%d", i+2), "unused:1")
		cfg.Dial, cfg.InsecurePlaintext, cfg.Down = n.dial, true, nil
		a, err := New(cfg)
		require.NoError(t, err)
		require.NoError(t, a.Send(within(t, 30*time.Second), pid, nil, text("hello")))
		require.NoError(t, a.Close(within(t, 30*time.Second)))
		receive(t, in.user)
	}
}
