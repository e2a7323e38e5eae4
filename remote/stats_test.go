package remote

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Section 7 of WIRE.md: a sign of life is answered, and what lies between is the round trip.
func TestRoundTripIsMeasured(t *testing.T) {
	everywhere(t, func(t *testing.T, p *pair) {
		ctx := within(t, 30*time.Second)
		_, pidB := newInbox(t, p.b, "y", 1)
		require.NoError(t, p.a.Send(ctx, pidB, nil, text("hello")))
		for _, e := range []*Endpoint{p.a, p.b} {
			require.Eventually(t, func() bool {
				peers := e.Stats().Peers
				return len(peers) == 1 && peers[0].RoundTrip > 0
			}, 30*time.Second, time.Millisecond, "by both ends, soon after the link has come up")
			require.Less(t, e.Stats().Peers[0].RoundTrip, 30*time.Second)
		}
	})
}

func TestWhatABeatSays(t *testing.T) {
	e := start(t, Config{Address: "b:1", InsecurePlaintext: true, Dial: newNetwork().dial})
	p := e.peer("a:1")
	l := e.newOwnLink(newSecured(nil), p, hello{most: 1}, linkHello{})
	s := &inletSink{l: l}
	take := func() string {
		var w writer
		require.Equal(t, taken, l.out.take(&w))
		return fmt.Sprintf("%x", w.load)
	}
	l.out.nudge(5)
	require.Equal(t, "[020000000500]", take(), "our mark, no answer")
	s.beat(7, 0)
	s.beat(9, 0)
	l.out.nudge(6)
	require.Equal(t, "[020000000609]", take(), "the last of its marks is answered, and one beat says both")
	s.beat(0, l.mark()+uint64(time.Hour))
	require.Zero(t, p.stats().RoundTrip, "an answer to what was not yet asked")
	s.beat(0, l.mark())
	require.Positive(t, p.stats().RoundTrip)
	l.out.mu.Lock()
	defer l.out.mu.Unlock()
	require.False(t, l.out.beat, "an answer is not answered")
}

// A Send that finds the queue full is counted, with the time that it waited.
func TestWaitsForRoomAreCounted(t *testing.T) {
	for _, stock := range []bool{false, true} {
		p := memoryPair(t, func(a, _ *Config) { a.QueueBytes = 1 })
		p.a.peer("b:1").stock.Store(stock)
		ctx := within(t, 30*time.Second)
		in, pidB := newInbox(t, p.b, "y", 0) // whoever delivers to it holds up the reader
		const n = 40
		done := make(chan error, 1)
		go func() {
			for range n {
				if err := p.a.Send(ctx, pidB, nil, wrapperspb.Bytes(make([]byte, inlineBytes))); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
		require.Eventually(t, func() bool {
			p := p.a.peer("b:1")
			defer p.release()
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.sender == nil {
				return false
			}
			var at *entrance
			if stock {
				at = &p.sender.q.entrance
			} else {
				at = &p.sender.out.entrance
			}
			at.mu.Lock()
			defer at.mu.Unlock()
			return len(at.lines[shortLine])+len(at.lines[longLine]) > 0
		}, 30*time.Second, time.Millisecond)
		for range n {
			receive(t, in.user)
		}
		require.NoError(t, <-done)
		require.Eventually(t, func() bool { return p.a.Stats().Peers[0].SentMessages == n }, 30*time.Second, time.Millisecond, "large ones are counted too")
		require.Positive(t, p.a.Stats().Peers[0].Waits)
		require.Positive(t, p.a.Stats().Peers[0].Waited)
	}
}

// What was counted for peers that are remembered no more is not lost.
func TestForgottenPeersStayInTheSum(t *testing.T) {
	e := start(t, Config{Address: "a:1", InsecurePlaintext: true, Dial: newNetwork().dial})
	const n = 3 * idlePeers
	for i := range n {
		p := e.peer(fmt.Sprintf("c%d:1", i))
		p.sentMessages.Add(1)
		p.stalls.waited(time.Now().Add(-time.Second))
		e.dropped(p, LinkLost, 2)
		p.release()
	}
	s := e.Stats()
	sum := s.Forgotten
	require.Positive(t, sum.SentMessages)
	for _, p := range s.Peers {
		sum.SentMessages += p.SentMessages
		sum.Waits += p.Waits
		sum.Drops[LinkLost] += p.Drops[LinkLost]
	}
	require.EqualValues(t, n, sum.SentMessages)
	require.EqualValues(t, n, sum.Waits)
	require.EqualValues(t, 2*n, sum.Drops[LinkLost])
}

func TestStatsNameMembersAndCountConnections(t *testing.T) {
	p := tlsPair(t)
	_, pidB := newInbox(t, p.b, "y", 1)
	require.NoError(t, p.a.Send(within(t, 30*time.Second), pidB, nil, text("hello")))
	require.Equal(t, "bob", p.a.Stats().Peers[0].Name)
	require.Equal(t, "alice", p.b.Stats().Peers[0].Name)
	require.Equal(t, 1, p.b.Stats().Connections)
	require.Zero(t, p.a.Stats().Connections, "it has dialled")
	require.NoError(t, p.a.Close(within(t, 30*time.Second)))
	require.Eventually(t, func() bool { return p.b.Stats().Connections == 0 && p.b.Stats().Handshakes == 0 }, 30*time.Second, time.Millisecond)
	require.NoError(t, p.b.Close(context.Background()))
}
