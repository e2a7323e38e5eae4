package remote

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	pb "github.com/asynkron/protoactor-go/remote"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func TestStrikesAreForgiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStrikes(3)
		for range 3 {
			require.False(t, s.out("a"))
			s.add("a", offence)
		}
		require.True(t, s.out("a"))
		require.False(t, s.out("b"), "each address for itself")
		for range 1000 {
			s.add("a", offence)
		}
		time.Sleep(time.Second/forgiven - 1)
		require.True(t, s.out("a"), "one more than is allowed is remembered")
		time.Sleep(2 * time.Nanosecond)
		require.False(t, s.out("a"))
		for i := range maxStrikes + 10 {
			s.add(fmt.Sprint(i), offence)
		}
		require.Len(t, s.from, maxStrikes)
		time.Sleep(time.Second)
		s.add("new", offence)
		require.Len(t, s.from, 1)
	})
}

// What a peer sends that means nothing takes its time, by its size.
func TestRubbishIsReadSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, Config{Address: "b:1", InsecurePlaintext: true, Dial: newNetwork().dial})
		_, _ = newInbox(t, e, "x", 4)
		l := e.newLink(nil)
		l.p, l.network = e.peer("a:1"), "hostile"
		unknown := stringBatch()
		unknown.TypeNames[0] = "no.such.Type"
		unknown.Envelopes[0].MessageData = make([]byte, 4<<20-envelopeCost)
		began := time.Now()
		l.handle(raw(&pb.RemoteMessage{MessageType: &pb.RemoteMessage_MessageBatch{MessageBatch: stringBatch()}}))
		require.Zero(t, time.Since(began))
		l.handle(raw(&pb.RemoteMessage{MessageType: &pb.RemoteMessage_MessageBatch{MessageBatch: unknown}}))
		require.Equal(t, time.Second/2, time.Since(began))
		require.EqualValues(t, 4, e.strikes.from["hostile"].count)
		began = began.Add(time.Second / 2)
		empty := stringBatch()
		empty.Envelopes = slices.Repeat([]*pb.MessageEnvelope{{TypeId: -1}}, 4<<20/envelopeCost)
		l.handle(raw(&pb.RemoteMessage{MessageType: &pb.RemoteMessage_MessageBatch{MessageBatch: empty}}))
		require.Equal(t, time.Second/2, time.Since(began), "however little it says")
		l.finish(errLeft)
		l.wasted("hostile", 1<<30)
		require.Equal(t, time.Second/2, time.Since(began), "nothing holds up the end of a link")
	})
}

// All connections from one address together are read from as slowly as one.
func TestRubbishFromOneAddressTakesTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStrikes(3)
		require.Equal(t, time.Second, s.rest("a", time.Second))
		require.Equal(t, 2*time.Second, s.rest("a", time.Second))
		require.Equal(t, time.Second, s.rest("b", time.Second), "another is another")
		require.Equal(t, time.Second, s.rest("", time.Second))
		require.Equal(t, rubbishPause, s.rest("", time.Hour))
		require.Equal(t, rubbishPause, s.rest("a", time.Hour))
		time.Sleep(rubbishPause)
		require.Equal(t, time.Second, s.rest("a", time.Second), "what is over is over")
	})
}

// Frames that mean nothing cost their sender time, on our own wire too.
func TestFramesForNothingAreReadSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := memoryPair(t, nil)
		in, pid := newInbox(t, p.b, "x", 4)
		require.NoError(t, p.a.Send(t.Context(), pid, nil, text("sound")))
		<-in.user
		s := &inletSink{l: onlyLink(p.b, "a:1")}
		began := time.Now()
		for range rubbishDue/frameCost - 1 {
			s.bad(BadFrame, 0)
			s.bad(NoProcess, 1<<20) // which says nothing of its sender
		}
		require.Zero(t, time.Since(began))
		s.bad(BadFrame, 0)
		require.Equal(t, rubbishTime(rubbishDue), time.Since(began))
	})
}

// What is large and means nothing takes as long as much that is small.
func TestLargeFramesForNothingAreReadSlowly(t *testing.T) {
	o := newOutbox(1<<30, 1<<30, 4<<20)
	require.NoError(t, o.put(t.Context(), sizedParcel("x", 3<<20))) // the endpoint takes no parcels
	var chunks bytes.Buffer
	for o.drain(errLeft); !o.left; {
		var w writer
		require.Equal(t, taken, o.take(&w))
		_, err := w.writeTo(&chunks)
		require.NoError(t, err)
	}
	for name, c := range map[string]struct {
		frames []byte
		size   int // with what each is reckoned for beside its bytes
	}{
		"kinds of the future": {bytes.Repeat(frameOf(99, make([]byte, 90<<10)...), 10), 10 * (90<<10 + frameCost)},
		"parcels":             {chunks.Bytes(), 3<<20 + frameCost},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := memoryPair(t, nil)
				in, pid := newInbox(t, p.b, "x", 4)
				require.NoError(t, p.a.Send(t.Context(), pid, nil, text("sound")))
				<-in.user
				r := newReader(bytes.NewReader(c.frames), &inletSink{l: onlyLink(p.b, "a:1")}, 4<<20)
				began := time.Now()
				require.ErrorIs(t, r.run(), io.EOF)
				require.InDelta(t, rubbishTime(c.size).Seconds(), time.Since(began).Seconds(), 1e-6)
			})
		})
	}
}

// Honest callers give up too: that is not held against those who are at the same address, or hardly.
func TestHangingUpIsNoOffence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := memoryPair(t, func(_, b *Config) { b.MaxStrikes = 5 })
		var hello bytes.Buffer
		require.NoError(t, writeHello(&hello, p.a.hello().append(nil)))
		greeting := hello.Bytes()
		for _, said := range [][]byte{nil, []byte(helloMagic[:3]), greeting[:len(greeting)-1], []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")} {
			for range 9 {
				c, err := p.a.cfg.Dial(t.Context(), "b:1")
				require.NoError(t, err)
				_, _ = c.Write(said)
				require.NoError(t, c.Close())
				synctest.Wait()
			}
		}
		require.Zero(t, p.b.Stats().Refused[RefusedAddressLimit])
		in, pid := newInbox(t, p.b, "x", 4)
		require.NoError(t, p.a.Send(t.Context(), pid, nil, text("sound")))
		<-in.user
	})
}

// Whoever says nothing but nonsense is soon not listened to; links that are up go on, and after a while all is forgiven.
func TestCallersWithTooManyStrikesAreHungUpOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := memoryPair(t, func(_, b *Config) { b.MaxStrikes = 5 })
		in, pid := newInbox(t, p.b, "x", 100)
		send := func(i int64) {
			require.NoError(t, p.a.Send(t.Context(), pid, nil, wrapperspb.Int64(i)))
			require.Equal(t, i, (<-in.user).Message.(*wrapperspb.Int64Value).Value)
		}
		send(1)
		for range 20 {
			c, err := p.a.cfg.Dial(t.Context(), "b:1")
			require.NoError(t, err)
			_, _ = c.Write([]byte("no language"))
			require.NoError(t, c.Close())
			synctest.Wait()
		}
		counts := p.b.Stats().Refused
		require.EqualValues(t, 5, counts[RefusedHandshake])
		require.EqualValues(t, 15, counts[RefusedAddressLimit])
		send(2)
		time.Sleep(time.Second)
		onlyLink(p.a, "b:1").lose(onlyLink(p.a, "b:1").current(), errSilent)
		send(3)
	})
}
