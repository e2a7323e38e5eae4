package remote

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	protoactor "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Section 8 of WIRE.md, without a network: connections end behind any byte, acknowledgements come late, and each message comes once.
func TestOutboxAndReaderOverManyConnections(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	o := newOutbox(1<<30, 1<<30, 1<<20)
	var w writer
	var c collected
	in := newReader(nil, &c, 1<<20)
	want := map[string][]string{}
	connections, resent := 0, 0
	const n = 2000
	for i := 0; i < n || !o.left || o.sent.acked < o.sent.seq; {
		var wire bytes.Buffer
		for range 1 + r.IntN(30) {
			for range r.IntN(12) {
				if i == n {
					break
				}
				largest := 300
				switch r.IntN(30) {
				case 0:
					largest = 300 << 10
				case 1:
					largest = inlineBytes - 100
				}
				it := anyItem(r, 3, largest)
				binary.BigEndian.PutUint32(it.data, uint32(i))
				lane := r.IntN(2)
				key := fmt.Sprint(lane, it.to)
				want[key] = append(want[key], expected(&it))
				require.NoError(t, o.putNow(lane, &it))
				if i++; i == n {
					o.drain(ErrClosed)
				}
			}
			o.nudge(1)
			require.Equal(t, taken, o.take(&w))
			resent += w.resent
			_, err := w.writeTo(&wire)
			require.NoError(t, err)
			if r.IntN(3) == 0 && in.count > o.sent.acked {
				require.NoError(t, o.acknowledged(in.count-uint64(r.IntN(int(in.count-o.sent.acked)))))
			}
		}
		wire.Truncate(r.IntN(wire.Len() + 1))
		in.resume(oneByOne{&wire, r})
		require.ErrorIs(t, in.run(), io.EOF)
		_, err := o.resume(in.count)
		require.NoError(t, err)
		connections++
	}
	require.Greater(t, connections, 5)
	require.Positive(t, resent)
	require.Len(t, c.got, n+1)
	got := map[string][]string{}
	for _, line := range c.got[:n] {
		to, _, _ := strings.Cut(strings.Fields(line)[1], "#")
		got[to] = append(got[to], line)
	}
	for key, lines := range want {
		require.Equal(t, lines, among(got[key[1:]], lines))
	}
	messages, size := o.depth()
	require.Zero(t, messages)
	require.Zero(t, size)

	require.True(t, o.delivered())
	it := anyItem(r, 1, 10)
	require.NoError(t, newOutboxWith(t, &it).acknowledged(1))
	require.ErrorIs(t, o.acknowledged(o.sent.seq+1), errFrame, "what was not sent")
	require.ErrorIs(t, o.acknowledged(o.sent.seq-1), errFrame, "less than before")
	_, err := o.resume(o.sent.seq - 1)
	require.ErrorIs(t, err, errFrame)
}

// newOutboxWith has one message, which was taken: the writer is not idle, so an acknowledgement is not settled at once.
func newOutboxWith(t *testing.T, it *item) *outbox {
	o := newOutbox(1<<20, 1<<20, 1<<20)
	require.True(t, o.delivered())
	require.NoError(t, o.putNow(dataLane, it))
	require.False(t, o.delivered())
	var w writer
	require.Equal(t, taken, o.take(&w))
	require.False(t, o.delivered())
	t.Cleanup(func() { require.True(t, o.delivered(), "as the peer says") })
	return o
}

// frail makes connections that end after a number of bytes, in the middle of whatever they carry, or after a time.
type frail struct {
	inner func(context.Context, string) (net.Conn, error)
	every time.Duration // zero: not by time

	mu    sync.Mutex
	rand  *rand.Rand
	most  int // bytes
	left  int // so many connections are frail
	dials int
}

func (f *frail) dial(ctx context.Context, address string) (net.Conn, error) {
	c, err := f.inner(ctx, address)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dials++
	if err != nil || f.left == 0 {
		return c, err
	}
	f.left--
	if f.every > 0 {
		time.AfterFunc(f.every, func() { _ = c.Close() })
		return c, nil
	}
	return &frailConn{Conn: c, read: f.rand.IntN(f.most), written: f.rand.IntN(f.most)}, nil
}

func (f *frail) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dials
}

// frailConn ends after so many bytes; those up to there still pass.
type frailConn struct {
	net.Conn
	read, written int // owned by whoever reads, and whoever writes
}

func (c *frailConn) Read(b []byte) (int, error) {
	if c.read == 0 {
		_ = c.Conn.Close()
		return 0, net.ErrClosed
	}
	n, err := c.Conn.Read(b[:min(len(b), c.read)])
	c.read -= n
	return n, err
}

func (c *frailConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b[:min(len(b), c.written)])
	c.written -= n
	if err == nil && n < len(b) {
		_ = c.Conn.Close()
		err = net.ErrClosed
	}
	return n, err
}

// sendNumbers sends numbered messages of many sizes to a receiver, and check takes them.
func sendNumbers(ctx context.Context, e *Endpoint, to *protoactor.PID, n int, seed uint64) error {
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range n {
		size := 8 + r.IntN(200)
		switch r.IntN(50) {
		case 0:
			size = 200 << 10
		case 1:
			size = 40 << 10
		}
		b := make([]byte, size)
		binary.BigEndian.PutUint64(b, uint64(i))
		for {
			err := e.Send(ctx, to, nil, wrapperspb.Bytes(b))
			if err == nil {
				break
			}
			if e.Stats().Peers[0].Links > 0 || ctx.Err() != nil {
				return err
			} // there was no link yet, and what makes it has failed
		}
	}
	return nil
}

func check(ctx context.Context, in *inbox, n int) error {
	for i := range n {
		select {
		case m := <-in.user:
			if got := binary.BigEndian.Uint64(m.Message.(*wrapperspb.BytesValue).Value); got != uint64(i) {
				return fmt.Errorf("%d came instead of %d", got, i)
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// flood has both ends send to the other, and checks that all of it comes once and in order.
func flood(t *testing.T, p *pair, n int, seed uint64) {
	t.Helper()
	ctx := within(t, 60*time.Second)
	atA, pidA := newInbox(t, p.a, "x", 16)
	atB, pidB := newInbox(t, p.b, "y", 16)
	errs := make([]error, 4)
	var all sync.WaitGroup
	all.Go(func() { errs[0] = sendNumbers(ctx, p.a, pidB, n, seed) })
	all.Go(func() { errs[1] = sendNumbers(ctx, p.b, pidA, n, seed+1) })
	all.Go(func() { errs[2] = check(ctx, atA, n) })
	all.Go(func() { errs[3] = check(ctx, atB, n) })
	all.Wait()
	require.NoError(t, errors.Join(errs...))
	require.Empty(t, p.aDowns)
	require.Empty(t, p.bDowns)
}

// Nothing is lost, doubled or reordered while connections break wherever they may, and Close drains over as many.
func TestNothingIsLostOverFrailConnections(t *testing.T) {
	authority := newAuthority(t, "run-1")
	for name, pairOf := range map[string]func(change func(a, b *Config)) *pair{
		"memory": func(change func(a, b *Config)) *pair { return memoryPair(t, change) },
		"tcp": func(change func(a, b *Config)) *pair {
			return tcpPair(t, func(a, b *Config) {
				a.InsecurePlaintext, b.InsecurePlaintext = true, true
				a.Dial, b.Dial = dialTCP, dialTCP
				change(a, b)
			})
		},
		"tls": func(change func(a, b *Config)) *pair {
			return tcpPair(t, func(a, b *Config) {
				a.Credentials, b.Credentials = issue(t, authority, RoleHost, "alice", 1), issue(t, authority, RoleHost, "bob", 1)
				a.Dial, b.Dial = dialTCP, dialTCP
				change(a, b)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			r := rand.New(rand.NewPCG(seed, 2))
			var wires [2]*frail
			p := pairOf(func(a, b *Config) {
				for i, c := range []*Config{a, b} {
					wires[i] = &frail{inner: c.Dial, rand: rand.New(rand.NewPCG(r.Uint64(), 0)), most: 1 << 20, left: 40}
					c.Dial = wires[i].dial
				}
			})
			flood(t, p, 1000, seed)
			require.Greater(t, wires[0].count()+wires[1].count(), 4)

			_, pidB := newInbox(t, p.b, "last", 2000)
			sent := 0
			for _, w := range wires {
				w.mu.Lock()
				w.left, w.most = 40, 20<<10
				w.mu.Unlock()
			}
			for range 500 {
				require.NoError(t, p.a.Send(t.Context(), pidB, nil, wrapperspb.Bytes(make([]byte, 1000))))
				sent++
			}
			require.NoError(t, p.a.Close(within(t, 30*time.Second)))
			process, _ := p.b.system.ProcessRegistry.GetLocal("last")
			require.Len(t, process.(*inbox).user, sent)
		})
	}
}

// Resets every 50 ms, in the time of a bubble.
func TestNothingIsLostOverResets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := memoryPair(t, func(a, b *Config) {
			for _, c := range []*Config{a, b} {
				c.Dial = (&frail{inner: slowly(c.Dial), every: 50 * time.Millisecond, left: -1}).dial
			}
		})
		flood(t, p, 1500, 7)
		stats := p.a.Stats().Peers[0]
		require.Greater(t, stats.Resumed+p.b.Stats().Peers[0].Resumed, uint64(10))
		require.Positive(t, stats.ResentMessages+p.b.Stats().Peers[0].ResentMessages)
		require.Empty(t, stats.Drops)
	})
}

// slowly has connections take some time for what they carry.
func slowly(dial func(context.Context, string) (net.Conn, error)) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, address string) (net.Conn, error) {
		c, err := dial(ctx, address)
		return slowConn{c}, err
	}
}

type slowConn struct{ net.Conn }

func (s slowConn) Write(b []byte) (int, error) {
	time.Sleep(time.Millisecond + time.Duration(len(b))*time.Second/(32<<20))
	return s.Conn.Write(b)
}

func (s slowConn) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b[:min(len(b), 64<<10)])
	time.Sleep(time.Millisecond)
	return n, err
}

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

// Whoever has given up a link says so to a peer that wants to go on with it.
func TestLinkThatOneSideHasGivenUp(t *testing.T) {
	p := memoryPair(t, nil)
	in, pid := newInbox(t, p.b, "x", 4)
	ctx := within(t, 20*time.Second)
	require.NoError(t, p.a.Send(ctx, pid, nil, text("hello")))
	receive(t, in.user)
	l := onlyLink(p.b, "a:1")
	l.lose(l.current(), errors.New("the test cuts it"))
	l.finish(errors.New("the test gives it up"))
	require.ErrorIs(t, receive(t, p.aDowns), errForgotten)
	require.NoError(t, p.a.Send(ctx, pid, nil, text("on another link")))
	receive(t, in.user)
}

func onlyLink(e *Endpoint, address string) *link {
	p := e.peer(address)
	defer p.release()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.links[0]
}

// Callers that do not come back are no more than connections may be.
func TestLinksThatWaitForTheirCallersAreBounded(t *testing.T) {
	p := memoryPair(t, func(_, b *Config) { b.MaxConnections, b.MaxConnectionsPerAddress = 3, 3 })
	mine := p.a.hello()
	for i := range uint64(5) {
		c, err := p.a.cfg.Dial(within(t, 20*time.Second), "b:1")
		require.NoError(t, err)
		mine.address, mine.system, mine.link = fmt.Sprintf("c:%d", i), fmt.Sprint(i), linkHello{id: i, try: 1}
		require.NoError(t, writeHello(c, mine.append(nil)))
		_, err = readHello(c)
		require.NoError(t, err)
		_, err = c.Write(frameOf(frameBeat)) // it knows of the link
		require.NoError(t, err)
		require.NoError(t, c.Close())
		require.Eventually(t, func() bool {
			p.b.mu.Lock()
			defer p.b.mu.Unlock()
			return len(p.b.waiting) == int(min(i+1, 3)) && p.b.connections.count() == 0
		}, 20*time.Second, time.Millisecond)
	}
	for range 2 {
		require.ErrorIs(t, receive(t, p.bDowns), errCrowdedOut)
	}
	require.Empty(t, p.bDowns)
}

// Another process at the address gets nothing that was meant for the one before it: senders are told at once.
func TestPeerThatWasStartedAgain(t *testing.T) {
	for _, incarnation := range []uint64{0, 1} { // with the same number, and with a later one
		n := newNetwork()
		wire := &breakable{inner: n.dial}
		downs := make(chan error, 4)
		a := start(t, Config{Address: "a:1", InsecurePlaintext: true, Dial: wire.dial, QueueBytes: 1, Down: func(_ string, err error) { downs <- err }})
		old, err := New(Config{System: newSystem(), Address: "b:1", InsecurePlaintext: true, Dial: n.dial})
		require.NoError(t, err)
		l := n.listen("b:1")
		served := make(chan error, 1)
		go func() { served <- old.Serve(l) }()
		in, pid := newInbox(t, old, "x", 4)
		ctx := within(t, 30*time.Second)
		require.NoError(t, a.Send(ctx, pid, nil, text("hello")))
		receive(t, in.user)

		require.NoError(t, l.Close())
		<-served
		again := start(t, Config{Address: "b:1", InsecurePlaintext: true, Dial: n.dial, Incarnation: incarnation})
		heir, _ := newInbox(t, again, "x", 4)
		wire.cut()
		serve(t, again, n.listen("b:1"))
		err = receive(t, downs)
		require.ErrorIs(t, err, ErrGone)
		require.ErrorIs(t, err, ErrUnreachable)
		require.NoError(t, a.Send(ctx, pid, nil, text("for the heir")))
		require.Equal(t, "for the heir", receive(t, heir.user).Message.(*wrapperspb.StringValue).Value)
		over, cancel := context.WithCancel(ctx)
		cancel()
		_ = old.Close(over) // its peer has gone on with another
	}
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

// What a connection says that is to carry a link which there is not, or not any more.
func TestResumeThatMakesNoSense(t *testing.T) {
	p := memoryPair(t, nil)
	in, pid := newInbox(t, p.b, "x", 4)
	require.NoError(t, p.a.Send(within(t, 5*time.Second), pid, nil, text("hello")))
	receive(t, in.user)
	l := onlyLink(p.a, "b:1")
	say := func(h linkHello) verdict {
		mine := p.a.hello()
		mine.link = h
		v, _ := answered(t, p.b, p.a.cfg.Dial, mine.append(nil))
		return v
	}
	require.Equal(t, byUnknown, say(linkHello{id: l.id + 2, try: 9, begun: true}))
	mine := p.a.hello()
	mine.link = linkHello{id: l.id, try: 1, begun: true} // of the connection in use: a replay
	c, err := p.a.cfg.Dial(within(t, 5*time.Second), "b:1")
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, writeHello(c, mine.append(nil)))
	_, err = readHello(c)
	require.Error(t, err, "hung up on")
	require.NoError(t, p.a.Send(within(t, 5*time.Second), pid, nil, text("still there")))
	receive(t, in.user)
	require.Empty(t, p.aDowns)

	mine.link = linkHello{id: l.id, try: 99, begun: true, received: 1 << 60}
	c, err = p.a.cfg.Dial(within(t, 5*time.Second), "b:1")
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, writeHello(c, mine.append(nil)))
	require.ErrorIs(t, receive(t, p.bDowns), errFrame, "it has received what was never sent")
	require.ErrorIs(t, receive(t, p.aDowns), errForgotten)
}

// A caller may bring its second connection while the answer on the first one is being written.
func TestCallerComesAgainBeforeItIsAnswered(t *testing.T) {
	n := newNetwork()
	b := start(t, Config{Address: "b:1", InsecurePlaintext: true, Dial: n.dial})
	l := n.listen("b:1")
	serve(t, b, l)
	come := func(try uint64) net.Conn {
		near, far := net.Pipe() // nothing is written before it is read
		t.Cleanup(func() { near.Close() })
		l.(*pipeListener).conns <- far
		mine := helloOf(minVersion, maxVersion, "c:1", 1, "c", 1<<20, true)
		mine.link = linkHello{id: 7, try: try}
		require.NoError(t, writeHello(near, mine.append(nil)))
		return near
	}
	come(1)
	require.Eventually(t, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.links) == 1
	}, 20*time.Second, time.Millisecond)
	second := come(2)
	require.Eventually(t, func() bool { return b.handshakes.count() == 1 }, 20*time.Second, time.Millisecond, "the first has ended")
	answer, err := readHello(second)
	require.NoError(t, err)
	require.Equal(t, welcomed, verdict(answer[0]))
	go func() { _, _ = io.Copy(io.Discard, second) }() // ends with the connection
	require.Eventually(t, func() bool { return onlyLink(b, "c:1").current() != nil }, 20*time.Second, time.Millisecond)
}

// A link goes on for the process with which it has begun, and for no other that knows its id.
func TestLinkGoesOnForItsMemberOnly(t *testing.T) {
	guest := Identity{Run: "run", Role: RoleGuest, Name: "g", Incarnation: 3}
	h := hello{system: "s", incarnation: 3, link: linkHello{id: 7}}
	l := &link{own: true, id: 7, system: "s", incarnation: 3, member: &guest, ctx: t.Context()}
	p := &peer{links: []*link{l}}
	again := guest
	require.Same(t, l, p.linkOf(h, &again))
	host := Identity{Run: "run", Role: RoleHost, Name: "h", Incarnation: 3} // before which a guest gives way
	require.Nil(t, p.linkOf(h, &host))
	require.Nil(t, p.linkOf(h, nil))
	h.incarnation = 4
	require.Nil(t, p.linkOf(h, &again))
}
