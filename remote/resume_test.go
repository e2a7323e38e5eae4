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

// helloFrames is what a link writes for its first message, to b's x.
func helloFrames(t *testing.T) []byte {
	o := newOutbox(1<<20, 1<<20, 1<<20)
	it, err := newItem(protoactor.NewPID("b:1", "x"), nil, nil, text("hello"), 1<<20)
	require.NoError(t, err)
	require.NoError(t, o.putNow(dataLane, &it))
	var w writer
	require.Equal(t, taken, o.take(&w))
	return bytes.Join(w.load, nil)
}

// Several connections of a caller may wait for the reader, which a process holds up. What the older ones say of what they have got is out of
// date when the youngest has been taken.
func TestOfSeveralConnectionsTheYoungestIsTaken(t *testing.T) {
	hello := helloFrames(t)
	for range 20 { // in whatever order they go on
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork()
			b := start(t, Config{Address: "b:1", InsecurePlaintext: true, Dial: n.dial})
			serve(t, b, n.listen("b:1"))
			in, _ := newInbox(t, b, "x", 0)
			come := func(name linkHello) net.Conn {
				c, err := n.dial(t.Context(), "b:1")
				require.NoError(t, err)
				t.Cleanup(func() { c.Close() })
				mine := helloOf(minVersion, maxVersion, "c:1", 1, "c", 1<<20, true)
				mine.link = name
				require.NoError(t, writeHello(c, mine.append(nil)))
				synctest.Wait()
				return c
			}
			first := come(linkHello{id: 7, try: 1})
			require.NoError(t, b.Send(t.Context(), protoactor.NewPID("c:1", "y"), nil, text("hello")))
			_, err := first.Write(hello)
			require.NoError(t, err)
			synctest.Wait()
			require.NoError(t, first.Close())
			var older []net.Conn
			for try := range uint64(8) {
				older = append(older, come(linkHello{id: 7, try: 2 + try, begun: true}))
			}
			youngest := come(linkHello{id: 7, try: 10, begun: true, received: 1})
			require.Equal(t, 9, b.handshakes.count(), "all wait")
			<-in.user
			synctest.Wait()
			require.Equal(t, 1, b.Stats().Peers[0].Links)
			l := onlyLink(b, "c:1")
			require.NotNil(t, l.current())
			require.True(t, l.out.delivered())
			require.EqualValues(t, 1, l.out.received.Load())
			answer, err := readHello(youngest)
			require.NoError(t, err)
			require.Equal(t, welcomed, verdict(answer[0]))
			for _, c := range older {
				_, err := readHello(c)
				require.Error(t, err, "hung up on")
			}
		})
	}
}

// A connection whose answer is still being written when a younger one is taken changes nothing of what the peer was told on that.
func TestAnOlderConnectionIsNoWord(t *testing.T) {
	hello := helloFrames(t)
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		b := start(t, Config{Address: "b:1", InsecurePlaintext: true, Dial: n.dial})
		listener := n.listen("b:1")
		serve(t, b, listener)
		in, _ := newInbox(t, b, "x", 4)
		come := func(name linkHello) net.Conn {
			near, far := net.Pipe() // nothing is written before it is read
			t.Cleanup(func() { near.Close() })
			listener.(*pipeListener).conns <- far
			mine := helloOf(minVersion, maxVersion, "c:1", 1, "c", 1<<20, true)
			mine.link = name
			require.NoError(t, writeHello(near, mine.append(nil)))
			synctest.Wait()
			return near
		}
		hear := func(c net.Conn) {
			answer, err := readHello(c)
			require.NoError(t, err)
			require.Equal(t, welcomed, verdict(answer[0]))
		}
		first := come(linkHello{id: 7, try: 1})
		hear(first)
		synctest.Wait()
		require.NoError(t, first.Close())
		synctest.Wait()
		older := come(linkHello{id: 7, try: 2, begun: true})
		youngest := come(linkHello{id: 7, try: 3, begun: true})
		hear(youngest)
		go func() { _, _ = io.Copy(io.Discard, youngest) }() // ends with the connection
		_, err := youngest.Write(hello)
		require.NoError(t, err)
		<-in.user
		time.Sleep(2 * ackDelay)
		l := onlyLink(b, "c:1")
		require.EqualValues(t, 1, l.out.told.Load())
		hear(older)
		synctest.Wait()
		require.EqualValues(t, 1, l.out.told.Load())
		_, err = readHello(older)
		require.Error(t, err, "hung up on")
	})
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
