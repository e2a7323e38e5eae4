package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	protoactor "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/tartrl/tlaunch-go/actor"
)

// What a message costs on each side of a link, without the link: system calls, and who has to be woken for whom.

const burst = 4096 // messages that are there at once

type counter struct{ n int }

func (c *counter) Put(context.Context, []byte) error { c.n++; return nil }

var _ = actor.Action((*counter).Put)

// benchSystem is one without bounds that anything here would meet.
func benchSystem(b *testing.B, t actor.Transport) (*actor.System, actor.Ref[*counter]) {
	table := actor.NewTable()
	sys := actor.NewSystem(actor.Config{
		Table: table, Window: 1 << 30, WindowBytes: 1 << 30, Transport: t, Locate: func(string) (string, error) { return "there", nil },
	})
	b.Cleanup(func() { require.NoError(b, sys.Close(context.Background())) })
	return sys, actor.NewRef[*counter](table, "c/0")
}

// An openEnd is a transport whose one way ends in an outbox.
type openEnd struct {
	*route
	out *outbox
}

func newOpenEnd() *openEnd {
	o := &openEnd{&route{e: &Endpoint{}, address: "there"}, newOutbox(1<<30, 1<<30, 1<<20)}
	p := &peer{}
	p.ready.Store(&link{out: o.out, parcels: true})
	o.p.Store(p)
	return o
}

func (o *openEnd) Route(string) actor.Route { return o.route }

func (o *openEnd) Send(context.Context, *protoactor.PID, *protoactor.PID, proto.Message) error {
	return io.ErrNoProgress
}
func (o *openEnd) SendNow(*protoactor.PID, *protoactor.PID, proto.Message) error {
	return io.ErrNoProgress
}

// written empties the outbox, and returns what a connection would have got.
func (o *openEnd) written(b *testing.B, to *bytes.Buffer) {
	var w writer
	for messages, _ := o.out.depth(); messages > 0; messages, _ = o.out.depth() {
		require.Equal(b, taken, o.out.take(&w))
		if to != nil {
			_, err := w.writeTo(to)
			require.NoError(b, err)
		}
		o.out.idle = true // so that what is acknowledged is settled
		require.NoError(b, o.out.acknowledged(o.out.sent.seq))
		o.out.idle = false
	}
}

func BenchmarkSend(b *testing.B) {
	for _, size := range []int{16, 1 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			end := newOpenEnd()
			_, ref := benchSystem(b, end)
			ctx, cancel := context.WithCancel(b.Context()) // as most have
			defer cancel()
			body := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for n := 1; b.Loop(); n++ {
				if err := actor.Tell(ctx, ref, (*counter).Put, body); err != nil {
					b.Fatal(err)
				}
				if n%burst == 0 {
					end.written(b, nil)
				}
			}
		})
	}
}

func BenchmarkReceive(b *testing.B) {
	for _, size := range []int{16, 1 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			end := newOpenEnd()
			_, ref := benchSystem(b, end)
			for range burst {
				require.NoError(b, actor.Tell(b.Context(), ref, (*counter).Put, make([]byte, size)))
			}
			var frames bytes.Buffer
			end.written(b, &frames)
			sys, _ := benchSystem(b, nil)
			n, err := sys.Spawn(actor.Spec{Key: "c/0", Value: &counter{}})
			require.NoError(b, err)
			require.NoError(b, n.Start(b.Context()))
			process, _ := sys.Actors().ProcessRegistry.GetLocal(actor.SystemID)
			r := newReader(nil, &inletSink{l: &link{p: &peer{}}, inlet: process.(actor.Recipient).Inlet("there")}, 1<<20)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for done := 0; b.Loop(); done++ {
				if done%burst > 0 {
					continue
				}
				r.resume(bytes.NewReader(frames.Bytes()))
				if err := r.run(); !errors.Is(err, io.EOF) {
					b.Fatal(err)
				}
				require.NoError(b, n.Drain(b.Context()))
			}
		})
	}
}
