package remote

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"net"
	"slices"
	"sync"
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
)

// receives begins a stream as a stock peer does. Its client is closed with the test.
func (v *victim) receives(t *testing.T, options ...grpc.CallOption) grpc.ClientStream {
	t.Helper()
	cc, err := grpc.NewClient(v.e.cfg.Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = cc.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
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
	bomb := func() [][][]byte { return [][][]byte{slices.Repeat([][]byte{make([]byte, 1<<16)}, 1<<7)} } // 8 MiB, of which 8 KiB are sent
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
