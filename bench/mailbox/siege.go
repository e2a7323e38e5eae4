package mailbox

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	protoactor "github.com/asynkron/protoactor-go/actor"
	pb "github.com/asynkron/protoactor-go/remote"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// A siege is a hostile process: it does to the port of a receiver, as fast as it can, what a peer may do that means no good.
// What it says is put together here, byte by byte, as remote/WIRE.md has it: the package itself could not say it.

const (
	besiegers = 14              // two for each kind of blow
	blowBound = 5 * time.Second // of one blow, the receiver's own patience with a handshake
	heldEach  = 4               // handshakes that a besieger leaves open
	crowdSize = 100             // connections made one after the other in a crowd
	batchSize = 32              // messages of a stock batch, of 1 MiB each
	hostileIP = "127.0.0.2"     // another address than the honest sender's: bounds for each address are not shared with it
)

// A besieger is one of the goroutines of a siege.
type besieger struct {
	address string
	rand    *rand.Rand
	held    []net.Conn
}

// blows are what a besieger does, by name. An error says that nobody was there to be hit.
var blows = map[string]func(b *besieger, ctx context.Context) error{
	"connections that end at once": func(b *besieger, ctx context.Context) error {
		for range crowdSize {
			if err := b.say(ctx, nil); err != nil {
				return err
			}
		}
		return nil
	},
	"garbage": func(b *besieger, ctx context.Context) error {
		noise := make([]byte, 1<<10)
		for i := range noise {
			noise[i] = byte(b.rand.Uint32())
		}
		return b.sayAndWait(ctx, noise)
	},
	"handshakes that do not end": func(b *besieger, ctx context.Context) error {
		c, err := b.dial(ctx)
		if err != nil {
			return err
		}
		_, _ = c.Write(b.hello()[:12]) // the receiver may have hung up
		if b.held = append(b.held, c); len(b.held) > heldEach {
			_ = b.held[0].Close()
			b.held = b.held[1:]
		}
		return nil
	},
	"frames that are none": func(b *besieger, ctx context.Context) error {
		return b.sayAndWait(ctx, append(b.hello(), bytes.Repeat([]byte{0xff}, 1<<10)...))
	},
	"frames of kinds that are not known": func(b *besieger, ctx context.Context) error {
		const kind, void = 99, 7
		frames := bytes.Repeat([]byte{3, 0, 0, kind, 1, 2, 3}, 1000)
		return b.sayAndWait(ctx, append(append(b.hello(), frames...), 0, 0, 0, void))
	},
	"a stock batch of types that are not known":    func(b *besieger, ctx context.Context) error { return b.stock(ctx, batchSize) },
	"a stock batch that is larger than any may be": func(b *besieger, ctx context.Context) error { return b.stock(ctx, 100) },
}

// besiege does what an assignment says until its standard input ends, and tells how much it has done.
func besiege(ctx context.Context, a assignment, in *json.Decoder, stdout io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	done := make([]map[string]float64, besiegers)
	var once sync.Once
	begun := make(chan struct{})
	names := slices.Sorted(maps.Keys(blows))
	for i := range besiegers {
		done[i] = map[string]float64{}
		all.Go(func() {
			b := &besieger{address: a.Address, rand: rand.New(rand.NewPCG(1, uint64(i)))}
			name := names[i%len(names)]
			for ctx.Err() == nil {
				if strike(ctx, b, name) == nil {
					done[i][name]++
					once.Do(func() { close(begun) })
				}
			}
			for _, c := range b.held {
				_ = c.Close()
			}
		})
	}
	select {
	case <-begun:
	case <-ctx.Done():
	}
	out := json.NewEncoder(stdout)
	err := out.Encode(outcome{})
	if err == nil {
		var more any
		if err = in.Decode(&more); errors.Is(err, io.EOF) {
			err = nil
		}
	}
	cancel()
	all.Wait()
	sum := map[string]float64{}
	for _, m := range done {
		for name, n := range m {
			sum[name] += n
		}
	}
	return errors.Join(err, out.Encode(outcome{Figures: sum}))
}

func strike(ctx context.Context, b *besieger, name string) error {
	ctx, cancel := context.WithTimeout(ctx, blowBound)
	defer cancel()
	return blows[name](b, ctx)
}

// blowsText says how often each blow fell.
func blowsText(done map[string]float64) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(done)) {
		all = append(all, fmt.Sprintf("%.0f × %s", done[name], name))
	}
	return "beside it " + strings.Join(all, ", ")
}

func (b *besieger) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	if runtime.GOOS == "linux" { // elsewhere loopback has one address, until it is given more
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(hostileIP)}
	}
	return d.DialContext(ctx, "tcp", b.address)
}

// say writes on a connection of its own, and ends it.
func (b *besieger) say(ctx context.Context, words []byte) error {
	c, err := b.dial(ctx)
	if err != nil {
		return err
	}
	_, _ = c.Write(words) // the receiver may have hung up
	return c.Close()
}

// sayAndWait writes on a connection of its own until the receiver hangs up.
func (b *besieger) sayAndWait(ctx context.Context, words []byte) error {
	c, err := b.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	_, _ = c.Write(words)
	_, _ = io.Copy(io.Discard, c) // a reset is an end as well
	return nil
}

// hello is what a link begins with, of a process that nobody knows.
func (b *besieger) hello() []byte {
	const version, most, quota = 2, 1 << 20, 4 << 20
	text := func(block []byte, s string) []byte { return append(binary.AppendUvarint(block, uint64(len(s))), s...) }
	block := text([]byte{version, version}, fmt.Sprintf("hostile:%d", b.rand.IntN(100)))
	block = text(append(block, 1), fmt.Sprint("hostile", b.rand.Uint64()))
	block = append(binary.AppendUvarint(block, most), 1)
	block = binary.AppendUvarint(binary.AppendUvarint(block, quota), b.rand.Uint64())
	block = text(append(block, 1, 0, 0), b.address)
	head := binary.BigEndian.AppendUint16([]byte("tlaunch\n"), uint16(len(block)))
	return append(head, block...)
}

// stock sends one batch of messages of 1 MiB, as a stock peer does.
func (b *besieger) stock(ctx context.Context, messages int) error {
	cc, err := grpc.NewClient("passthrough:///"+b.address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return b.dial(ctx) }))
	if err != nil {
		return err
	}
	defer cc.Close()
	s, err := pb.NewRemotingClient(cc).Receive(ctx, grpc.MaxCallSendMsgSize(math.MaxInt32))
	if err != nil {
		return err
	}
	hello := &pb.ConnectRequest{ConnectionType: &pb.ConnectRequest_ServerConnection{
		ServerConnection: &pb.ServerConnection{SystemId: "hostile", Address: "hostile:0"},
	}}
	if err := s.Send(&pb.RemoteMessage{MessageType: &pb.RemoteMessage_ConnectRequest{ConnectRequest: hello}}); err != nil {
		return err
	}
	if _, err := s.Recv(); err != nil {
		return err
	}
	_ = s.Send(hostileBatch(messages)) // the receiver may have had enough
	_ = s.CloseSend()
	for err == nil {
		_, err = s.Recv()
	}
	return nil
}

// hostileBatch is made once for each size: it is the receiver's time that is to be wasted.
var hostileBatch = func() func(messages int) *pb.RemoteMessage {
	var mu sync.Mutex
	made := map[int]*pb.RemoteMessage{}
	return func(messages int) *pb.RemoteMessage {
		mu.Lock()
		defer mu.Unlock()
		if made[messages] == nil {
			data, _ := proto.Marshal(wrapperspb.Bytes(make([]byte, 1<<20)))
			batch := &pb.MessageBatch{TypeNames: []string{"no.such.Type"}, Targets: []*protoactor.PID{protoactor.NewPID("receiver", "sink/0")}}
			for range messages {
				batch.Envelopes = append(batch.Envelopes, &pb.MessageEnvelope{MessageData: data})
			}
			made[messages] = &pb.RemoteMessage{MessageType: &pb.RemoteMessage_MessageBatch{MessageBatch: batch}}
		}
		return made[messages]
	}
}()
