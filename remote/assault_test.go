package remote

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"net"
	"runtime/metrics"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	protoactor "github.com/asynkron/protoactor-go/actor"
	pb "github.com/asynkron/protoactor-go/remote"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// A victim is an endpoint that a hostile peer sets upon, while honest ones, in both languages, send it numbers.
type victim struct {
	e      *Endpoint
	honest []*flow
}

// A flow is the numbers of one honest peer.
type flow struct {
	name string
	next atomic.Int64 // all before have come, in order
	bad  atomic.Pointer[string]
}

func (f *flow) SendUserMessage(_ *protoactor.PID, m any) {
	got := m.(*protoactor.MessageEnvelope).Message.(*wrapperspb.Int64Value).Value
	if !f.next.CompareAndSwap(got, got+1) {
		why := fmt.Sprintf("%s: %d came instead of %d", f.name, got, f.next.Load())
		f.bad.CompareAndSwap(nil, &why)
	}
}
func (f *flow) SendSystemMessage(*protoactor.PID, any) {}
func (f *flow) Stop(*protoactor.PID)                   {}

// victimConfig has bounds that a test reaches soon.
func victimConfig() Config {
	return Config{
		InsecurePlaintext: true, MaxMessage: 1 << 20, MaxConnections: 64, MaxConnectionsPerAddress: 48, MaxHandshakes: 32, HandshakeTimeout: time.Second,
		MaxStrikes: 1 << 20, // all come from here
	}
}

func newVictim(t *testing.T, cfg Config, peer func(address string, cfg Config) Config) *victim {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	cfg.Address = l.Addr().String()
	v := &victim{e: start(t, cfg)}
	serve(t, v.e, l)
	_, _ = newInbox(t, v.e, "x", 1<<12)
	v.e.system.ProcessRegistry.Add(panicking{}, "panics")
	ctx, cancel := context.WithCancel(context.Background())
	var senders sync.WaitGroup
	t.Cleanup(func() { cancel(); senders.Wait() })
	for _, name := range []string{"own", "stock"} {
		f := &flow{name: name}
		v.honest = append(v.honest, f)
		pid, ok := v.e.system.ProcessRegistry.Add(f, "honest-"+name)
		require.True(t, ok)
		from := start(t, peer("honest."+name, Config{InsecurePlaintext: true, MaxMessage: 1 << 20}))
		if name == "stock" { // it speaks gRPC, as a stock peer does
			p := from.peer(cfg.Address)
			p.stock.Store(true)
			p.release()
		}
		require.Eventually(t, func() bool { return from.Connect(ctx, cfg.Address) == nil }, 60*time.Second, time.Millisecond)
		senders.Go(func() {
			tick := time.NewTicker(time.Millisecond) // they leave the processors to the others; bench measures speed
			defer tick.Stop()
			for i := int64(0); ctx.Err() == nil; i++ {
				<-tick.C
				if err := from.Send(ctx, pid, nil, wrapperspb.Int64(i)); err != nil && ctx.Err() == nil {
					why := name + ": " + err.Error()
					f.bad.CompareAndSwap(nil, &why)
					return
				}
			}
		})
	}
	v.goesOn(t)
	return v
}

// goesOn waits until the honest peers have been heard some more, in order.
func (v *victim) goesOn(t *testing.T) {
	t.Helper()
	for _, f := range v.honest {
		until := f.next.Load() + 10
		require.Eventually(t, func() bool { return f.bad.Load() != nil || f.next.Load() >= until }, 60*time.Second, time.Millisecond, f.name)
		if why := f.bad.Load(); why != nil {
			require.FailNow(t, *why)
		}
	}
}

// counts is all that the victim has counted, by reason.
func (v *victim) counts() map[Reason]uint64 {
	s := v.e.Stats()
	sum := maps.Clone(s.Refused)
	for _, p := range append(s.Peers, s.Forgotten) {
		for reason, n := range p.Drops {
			sum[reason] += n
		}
	}
	return sum
}

// An assault is what a hostile peer does, once, and for how many of which reason it is counted at least.
type assault struct {
	name   string
	reason Reason // "": nothing of it is against the rules
	count  uint64
	do     func(t *testing.T, v *victim)
}

func (v *victim) suffers(t *testing.T, a assault) {
	t.Helper()
	before := v.counts()
	a.do(t, v)
	require.Eventually(t, func() bool {
		return a.reason == "" || v.counts()[a.reason] >= before[a.reason]+max(a.count, 1)
	}, 60*time.Second, time.Millisecond, "%s is counted as %s: %v, then %v", a.name, a.reason, before, v.counts())
	v.goesOn(t)
}

// dial opens a connection to the victim that ends with the test.
func (v *victim) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", v.e.cfg.Address)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// untilHungUp writes and then reads until the victim hangs up.
func untilHungUp(t *testing.T, c net.Conn, b []byte) {
	t.Helper()
	_, _ = c.Write(b) // the victim may have hung up before it is through
	require.NoError(t, c.SetReadDeadline(time.Now().Add(60*time.Second)))
	_, err := io.Copy(io.Discard, c)
	require.NotErrorIs(t, err, context.DeadlineExceeded)
	var late net.Error
	require.False(t, errors.As(err, &late) && late.Timeout(), "it does not hang up")
	_ = c.Close() // under TLS it has still a goodbye to say, to nobody
}

// evil is the hello of a peer that means no good.
var evil = helloOf(minVersion, maxVersion, "evil:1", 1, "evil", 1<<20, true)

// linked is a connection that has been welcomed.
func (v *victim) linked(t *testing.T) net.Conn {
	t.Helper()
	c := v.dial(t)
	h := evil
	h.link.id = rand.Uint64() // of those before, some wait for their connection
	require.NoError(t, writeHello(c, h.append(nil)))
	answer, err := readHello(c)
	require.NoError(t, err)
	require.Equal(t, welcomed, verdict(answer[0]), "%q", answer)
	return c
}

// hellos are first words that are refused.
func hellos(reason Reason, blocks map[string][]byte) (all []assault) {
	for _, name := range slices.Sorted(maps.Keys(blocks)) {
		all = append(all, assault{"hello: " + name, reason, 1, func(t *testing.T, v *victim) {
			untilHungUp(t, v.dial(t), blocks[name])
		}})
	}
	return all
}

func saidHello(block []byte) []byte {
	var b bytes.Buffer
	_ = writeHello(&b, block)
	return b.Bytes()
}

func with(change func(h *hello)) []byte {
	h := evil
	change(&h)
	return saidHello(h.append(nil))
}

// frames are written on a link that is up.
func frames(name string, reason Reason, b []byte) assault {
	return assault{"frames: " + name, reason, 1, func(t *testing.T, v *victim) { untilHungUp(t, v.linked(t), b) }}
}

// items are well-formed frames that mean nothing, or what is not allowed.
func items(name string, reason Reason, count int, all ...item) assault {
	return assault{"messages: " + name, reason, uint64(count), func(t *testing.T, v *victim) {
		o := newOutbox(1<<30, 1<<30, 1<<20)
		for i := range all {
			require.NoError(t, o.putNow(dataLane, &all[i]))
		}
		o.drain(ErrClosed)
		c := v.linked(t)
		var w writer
		for !o.left {
			require.Equal(t, taken, o.take(&w))
			_, err := w.writeTo(c)
			require.NoError(t, err)
		}
		untilHungUp(t, c, voidFrame)
	}}
}

func message(to, from string, m proto.Message) item {
	data, _ := proto.Marshal(m)
	it := item{to: to, target: &protoactor.PID{Id: to}, typeName: string(proto.MessageName(m)), data: data, owned: true, size: 100 + len(data)}
	if from != "" {
		it.sender = &protoactor.PID{Address: "evil:1", Id: from}
	}
	return it
}

// huge opens large messages in all places, and sends nothing of them.
func huge(size uint64) (b []byte) {
	for _, lane := range []frameKind{0, frameUrgent} {
		for slot := range byte(maxSlots) {
			open := append([]byte{slot, byte(frameParcel)}, binary.AppendUvarint(nil, size)...)
			b = append(b, frameOf(frameOpen|lane, append(open, nameOnce, 1, 'x', nameOnce, 1, 't', 0)...)...)
		}
	}
	return b
}

func ownAssaults() []assault {
	all := hellos(RefusedHandshake, map[string][]byte{
		"too long":          append([]byte(helloMagic), 0xff, 0xff),
		"nobody":            with(func(h *hello) { h.most = 0 }),
		"only versions":     saidHello([]byte{minVersion, maxVersion}),
		"length beyond it":  saidHello([]byte{minVersion, maxVersion, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}),
		"of something else": []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc"),
	})
	all = append(all, hellos(RefusedVersion, map[string][]byte{
		"of the future":     with(func(h *hello) { h.minVersion, h.maxVersion = 98, 99 }),
		"no range":          with(func(h *hello) { h.minVersion, h.maxVersion = 2, 1 }),
		"a garbled version": saidHello(nil),
	})...)
	all = append(all, hellos(RefusedIdentity, map[string][]byte{
		"an unprintable address": with(func(h *hello) { h.address = "evil\n\x00" }),
		"no address":             with(func(h *hello) { h.address = "" }),
		"an endless address":     with(func(h *hello) { h.address = string(bytes.Repeat([]byte("x"), 2000)) }),
	})...)
	all = append(all, assault{"hello: the victim's own address", RefusedIdentity, 1, func(t *testing.T, v *victim) {
		untilHungUp(t, v.dial(t), with(func(h *hello) { h.address = v.e.cfg.Address }))
	}})
	for name, change := range map[string]func(h *linkHello){
		"a connection that was there before": func(h *linkHello) {},
		"it has got what was never sent":     func(h *linkHello) { h.try, h.received = 9, 1<<40 },
	} {
		all = append(all, assault{"hello: " + name, RefusedHandshake, 1, func(t *testing.T, v *victim) {
			h := evil
			h.link = linkHello{id: rand.Uint64(), try: 5}
			c := v.dial(t)
			require.NoError(t, writeHello(c, h.append(nil)))
			_, err := readHello(c)
			require.NoError(t, err)
			h.link.begun = true
			change(&h.link)
			untilHungUp(t, v.dial(t), saidHello(h.append(nil)))
		}})
	}
	for _, name := range slices.Sorted(maps.Keys(spoiltFrames)) {
		all = append(all, frames(name, BadFrame, spoiltFrames[name]))
	}
	sound := wrapperspb.String("sound")
	unknown := message("x", "", sound)
	unknown.typeName = "no.such.Type"
	cut := message("x", "", sound)
	cut.data = []byte{0x0a, 0xff}
	return append(all,
		frames("a large message beyond all bounds", TooLarge, huge(1<<62)),
		frames("an acknowledgement of what was not sent", BadFrame, frameOf(frameAck, 100)),
		frames("one beyond the limit", TooLarge, huge(1<<20+1)),
		frames("several that are too much together", TooLarge, huge(1<<19+1)),
		assault{"frames: large messages announced, and nothing sent", "", 0, func(t *testing.T, v *victim) {
			c := v.linked(t)
			_, err := c.Write(huge(1 << 17))
			require.NoError(t, err)
			v.goesOn(t)
			require.NoError(t, c.Close())
		}},
		assault{"frames: cut off in the middle", "", 0, func(t *testing.T, v *victim) {
			c := v.linked(t)
			_, err := c.Write([]byte{0xff, 0xff, 0, byte(frameMessage), 1, 2, 3})
			require.NoError(t, err)
			require.NoError(t, c.Close())
		}},
		assault{"frames: kinds of the future", BadFrame, 1000, func(t *testing.T, v *victim) {
			untilHungUp(t, v.linked(t), append(bytes.Repeat(frameOf(99, 1, 2, 3), 1000), voidFrame...))
		}},
		assault{"frames: marks without end", "", 0, func(t *testing.T, v *victim) {
			untilHungUp(t, v.linked(t), append(bytes.Repeat(frameOf(frameBeat, 1, 1), 100_000), voidFrame...))
		}},
		assault{"frames: names without end", NoProcess, 20_000, func(t *testing.T, v *victim) {
			var s said
			var b []byte
			for i := range 20_000 {
				it := message(fmt.Sprintf("%0*d", 500, i), "", sound)
				at := len(b)
				b = append(s.addMeta(addHead(b), &it), it.data...)
				setHead(b, at, frameMessage, 0)
			}
			untilHungUp(t, v.linked(t), append(b, voidFrame...))
		}},
		items("unknown types", UnknownType, 3, unknown, unknown, unknown),
		items("data that is cut off", BadPayload, 1, cut),
		items("to nobody", NoProcess, 1, message("nobody", "", sound)),
		items("without a target", BadEnvelope, 1, message("", "", sound)),
		items("to a process that panics", Panicked, 1, message("panics", "", sound)),
		items("to parts of the system", Reserved, 3, message("guardian$1", "", &protoactor.Stop{}), message("eventstream", "", sound), message("deadletter", "", sound)),
		items("from a part of the system", Reserved, 1, message("x", "guardian$1", sound)),
		items("watches for others", BadSystem, 3, message("x", "", &protoactor.Watch{}), message("x", "", &protoactor.Unwatch{}),
			message("x", "", &protoactor.Watch{Watcher: protoactor.NewPID("honest.own", "z")})),
		items("ends of what nobody watches", Unwatched, 1, message("x", "", &protoactor.Terminated{Who: protoactor.NewPID("evil:1", "z")})),
		items("an end without who", BadSystem, 1, message("x", "", &protoactor.Terminated{})),
		items("stops of futures", BadSystem, 2, message("future$1", "", &protoactor.Stop{}), message("future$2", "", &protoactor.Stop{})),
		items("parcels without meaning", BadEnvelope, 2, item{parcel: true, to: "x", typeName: "t", size: 100}, item{parcel: true, to: "tlaunch", typeName: "r", size: 100}),
	)
}

// receives begins a stream as a stock peer does. Its client is closed with the test.
func (v *victim) receives(t *testing.T, options ...grpc.CallOption) grpc.ClientStream {
	t.Helper()
	cc, err := grpc.NewClient(v.e.cfg.Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = cc.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	options = append(options, grpc.ForceCodecV2(rawCodec{}), grpc.MaxCallSendMsgSize(math.MaxInt32))
	s, err := cc.NewStream(ctx, &pb.Remoting_ServiceDesc.Streams[0], receiveMethod, options...)
	require.NoError(t, err)
	return s
}

// rawCodec sends pieces as they are, and forgets what it is sent.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }
func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	var s mem.BufferSlice
	for _, b := range v.([][]byte) {
		s = append(s, mem.SliceBuffer(b))
	}
	return s, nil
}
func (rawCodec) Unmarshal(mem.BufferSlice, any) error { return nil }

func raw(m proto.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

// says begins a stream, says hello and whatever else, and waits for the end of the stream.
func says(name string, reason Reason, count int, greet bool, words func() [][][]byte, options ...grpc.CallOption) assault {
	return assault{"gRPC: " + name, reason, uint64(count), func(t *testing.T, v *victim) {
		s := v.receives(t, options...)
		if greet {
			require.NoError(t, s.SendMsg([][]byte{raw(connectRequest("evil", "evil:1"))}))
			require.NoError(t, s.RecvMsg(nil))
		}
		for _, w := range words() {
			if s.SendMsg(w) != nil {
				break // the victim has ended it
			}
		}
		_ = s.CloseSend()
		for s.RecvMsg(nil) == nil {
		}
	}}
}

// thousand is one batch of a thousand messages of 1 MiB each, as stock protoactor-go makes of what waits.
func thousand() [][]byte {
	const n = 1000
	data := make([]byte, 1<<20)
	envelope := &pb.MessageEnvelope{MessageData: data}
	body := raw(&pb.MessageBatch{Envelopes: []*pb.MessageEnvelope{envelope}})
	tables := raw(&pb.MessageBatch{TypeNames: []string{"google.protobuf.BytesValue"}, Targets: []*protoactor.PID{protoactor.NewPID("b:1", "x")}})
	empty := raw(&pb.RemoteMessage{MessageType: &pb.RemoteMessage_MessageBatch{MessageBatch: &pb.MessageBatch{}}})
	head := binary.AppendUvarint(empty[:1:1], uint64(len(tables)+n*len(body))) // the field's key and its length
	pieces := [][]byte{head, tables}
	for range n {
		pieces = append(pieces, body)
	}
	return pieces
}

func stockAssaults() []assault {
	bomb := func() [][][]byte { return [][][]byte{slices.Repeat([][]byte{make([]byte, 1<<16)}, 1<<9)} } // 32 MiB, of which 32 KiB are sent
	one := func(b ...[]byte) func() [][][]byte { return func() [][][]byte { return [][][]byte{b} } }
	all := []assault{
		{"gRPC: frames of HTTP/2 that are none", RefusedHandshake, 1, func(t *testing.T, v *victim) {
			untilHungUp(t, v.dial(t), append([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), bytes.Repeat([]byte{0xff}, 1<<16)...))
		}},
		says("no hello first", RefusedHandshake, 1, false, one(raw(&pb.RemoteMessage{}))),
		says("first bytes that are no message", RefusedHandshake, 1, false, one([]byte{0xff})),
		says("the victim's own address", RefusedIdentity, 1, false, one(raw(connectRequest("evil", "\n")))),
		says("bytes that are no message", BadFrame, 2, true, func() [][][]byte { return [][][]byte{{{0xff}}, {{0x0a, 0xff, 0xff}}} }),
		says("a thousand messages of 1 MiB in one batch", TooLarge, 1, true, func() [][][]byte { return [][][]byte{thousand()} }),
		says("a compression bomb", TooLarge, 1, true, bomb, grpc.UseCompressor(gzip.Name)),
		says("a compression bomb for a hello", RefusedHandshake, 1, false, bomb, grpc.UseCompressor(gzip.Name)),
	}
	for _, c := range hostileCases {
		if c.reason != "" && c.name != "deep JSON" && c.name != "nil envelope" && c.name != "nil target" && c.name != "nil sender" { // these cannot be written
			all = append(all, says("a batch: "+c.name, c.reason, 1, true, func() [][][]byte {
				return [][][]byte{{raw(&pb.RemoteMessage{MessageType: &pb.RemoteMessage_MessageBatch{MessageBatch: c.batch()}})}}
			}))
		}
	}
	return all
}

// crowds are many at once.
func crowds() []assault {
	return []assault{
		{"ten thousand connections", RefusedAddressLimit, 1000, func(t *testing.T, v *victim) {
			var callers sync.WaitGroup
			for range 16 {
				callers.Go(func() {
					var held []net.Conn
					for range 10_000 / 16 {
						c, err := net.Dial("tcp", v.e.cfg.Address)
						if err != nil {
							continue // the victim's queue is full for a moment
						}
						if held = append(held, c); len(held) > 200 {
							held[0].Close()
							held = held[1:]
						}
					}
					for _, c := range held {
						c.Close()
					}
				})
			}
			callers.Wait()
		}},
		{"more links than one address may have", RefusedAddressLimit, 10, func(t *testing.T, v *victim) {
			var held []net.Conn
			for i := range 60 {
				c := v.dial(t)
				held = append(held, c)
				_ = writeHello(c, helloOf(minVersion, maxVersion, fmt.Sprintf("evil:%d", i), 1, "evil", 1<<20, true).append(nil))
				_, _ = readHello(c)
			}
			v.goesOn(t)
			for _, c := range held {
				require.NoError(t, c.Close())
			}
		}},
		{"handshakes that never end", RefusedHandshake, 8, func(t *testing.T, v *victim) {
			require.Eventually(t, func() bool { return v.e.Stats().Handshakes == 0 }, 60*time.Second, time.Millisecond)
			hello := saidHello(evil.append(nil))
			for _, words := range []string{"", "t", helloMagic, helloMagic + "\x00", string(hello[:14]), string(hello[:len(hello)-1]), prefaceBegins + "TP/2.0\r\n\r\nSM\r\n\r\n"} {
				_, err := v.dial(t).Write([]byte(words))
				require.NoError(t, err)
			}
			v.receives(t) // a stream on which nothing is said
		}},
	}
}

// The hostile peers of issue 4: whatever one does, the process stays up, honest links keep order and go on, memory stays in budget, and each
// case is counted by its reason.
func TestHostilePeers(t *testing.T) {
	v := newVictim(t, victimConfig(), func(address string, cfg Config) Config {
		cfg.Address = address
		return cfg
	})
	peak := watchHeap(t)
	for _, a := range slices.Concat(ownAssaults(), stockAssaults(), crowds()) {
		if !t.Run(a.name, func(t *testing.T) { v.suffers(t, a) }) {
			break
		}
	}
	require.Less(t, peak(), uint64(300<<20), "what was sent and announced would take gigabytes")
}

// watchHeap gives the most that the heap grew since.
func watchHeap(t *testing.T) (peak func() uint64) {
	read := func() uint64 {
		s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(s)
		return s[0].Value.Uint64()
	}
	began := read()
	most := began
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				most = max(most, read())
			case <-stop:
				return
			}
		}
	}()
	end := sync.OnceFunc(func() { close(stop); <-done })
	t.Cleanup(end)
	return func() uint64 { end(); return most - began }
}

// The same port under TLS: who is let in is decided before anything is read.
func TestHostilePeersUnderTLS(t *testing.T) {
	authority := newAuthority(t, "run-1")
	cfg := victimConfig()
	cfg.InsecurePlaintext, cfg.Credentials = false, issue(t, authority, RoleHost, "victim", 1)
	number := 0
	v := newVictim(t, cfg, func(address string, cfg Config) Config {
		number++
		cfg.Address, cfg.InsecurePlaintext, cfg.Credentials = address, false, issue(t, authority, RoleHost, fmt.Sprint("honest", number), 1)
		return cfg
	})
	shakes := func(of *Authority, role Role, name string, change func(c *tls.Config)) func(t *testing.T) (*tls.Conn, error) {
		return func(t *testing.T) (*tls.Conn, error) {
			c, err := issue(t, of, role, name, 7).TLS(nil)
			require.NoError(t, err)
			c.VerifyConnection, c.InsecureSkipVerify, c.NextProtos = nil, true, []string{protoOwn}
			if change != nil {
				change(c)
			}
			conn := tls.Client(v.dial(t), c)
			return conn, conn.HandshakeContext(within(t, 60*time.Second))
		}
	}
	claims := func(dial func(t *testing.T) (*tls.Conn, error), h hello) func(t *testing.T, v *victim) {
		return func(t *testing.T, _ *victim) {
			conn, err := dial(t)
			if err == nil {
				untilHungUp(t, conn, saidHello(h.append(nil)))
			}
		}
	}
	own := helloOf(minVersion, maxVersion, "evil:1", 7, "evil", 1<<20, true)
	earlier, others := own, own
	earlier.incarnation, others.address = 6, "honest.own"
	for _, a := range []assault{
		{"no certificate", RefusedHandshake, 1, claims(shakes(authority, RoleHost, "evil", func(c *tls.Config) { c.Certificates = nil }), own)},
		{"of another run", RefusedIdentity, 1, claims(shakes(newAuthority(t, "run-2"), RoleHost, "evil", func(c *tls.Config) {
			cert := c.Certificates[0]
			c.Certificates, c.GetClientCertificate = nil, func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil } // whoever is asked for
		}), own)},
		{"a wrong incarnation", RefusedIdentity, 1, claims(shakes(authority, RoleHost, "evil", nil), earlier)},
		{"the address of another", RefusedIdentity, 1, claims(shakes(authority, RoleHost, "evil", nil), others)},
		{"a guest at the address of a host", RefusedIdentity, 1, claims(shakes(authority, RoleGuest, "evil", nil), others)},
		{"bytes that are no TLS", RefusedHandshake, 1, func(t *testing.T, v *victim) { untilHungUp(t, v.dial(t), []byte("GET / HTTP/1.1\r\n\r\n")) }},
		{"half a record", RefusedHandshake, 1, func(t *testing.T, v *victim) { _, _ = v.dial(t).Write([]byte{0x16, 3, 1, 0x40, 0}) }},
		{"a join that says too much", RefusedJoin, 1, func(t *testing.T, v *victim) {
			conn, err := shakes(authority, RoleHost, "evil", func(c *tls.Config) { c.NextProtos, c.Certificates = []string{protoJoin}, nil })(t)
			require.NoError(t, err)
			untilHungUp(t, conn, []byte{0xff, 0xff, 0xff, 0xff, 1})
		}},
	} {
		t.Run(a.name, func(t *testing.T) { v.suffers(t, a) })
	}
}
