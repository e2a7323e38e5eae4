package transmit

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/internal/pool"
)

// A Gateway speaks with a node for a program that is no node of the run, or in
// another language: over two streams of bytes, in the messages Ask and Answer
// of transmit.proto. For a command that is a node, give it to tlaunch.Talk:
//
//	tlaunch.AddCommand(p, "learner", tlaunch.Command{Path: "python3", Args: []string{"learner.py"}}, tlaunch.Talk(transmit.Gateway{Node: data}))
//
// Requests are sent again where a link breaks, and done once.
type Gateway struct{ Node Ref }

const (
	mostFrame = 64 << 20
	mostAsked = 64 // asks under way; who asks more waits in writing
)

// Talk answers what comes over conn until that ends, cancels what is under way
// then, and returns nil. Otherwise the error is conn's, ctx's, or wraps
// [ErrType] where what came is no Ask.
func (g Gateway) Talk(ctx context.Context, conn io.ReadWriter) error {
	asking, cancel := context.WithCancelCause(ctx)
	var group sync.WaitGroup
	writers, readers := map[string]bool{}, map[string]bool{}
	defer func() {
		cancel(nil)
		group.Wait()
		g.leave(ctx, writers, readers)
	}()
	var mu sync.Mutex // of one answer at a time
	room := make(chan struct{}, mostAsked)
	in := bufio.NewReader(conn)
	for {
		frame, err := readFrame(in)
		if err == io.EOF {
			return ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("what is asked: %w", err)
		}
		a, err := decodeAsk(frame)
		if err != nil {
			return err
		}
		note(writers, a.write)
		note(readers, a.read)
		select {
		case room <- struct{}{}:
		case <-asking.Done():
			return context.Cause(asking)
		}
		group.Go(func() {
			defer func() { <-room }()
			answer := g.answer(asking, a)
			mu.Lock()
			defer mu.Unlock()
			if asking.Err() != nil { // nobody listens any more
				return
			}
			if _, err := conn.Write(answer); err != nil {
				cancel(fmt.Errorf("an answer: %w", err))
			}
		})
	}
}

// note keeps the session of a request, so that it ends with its program at the latest.
func note(sessions map[string]bool, request []byte) {
	if request == nil || len(sessions) >= mostSessions { // the node knows no more either
		return
	}
	_ = fields(request, func(f field) error { // the node says what is wrong with it
		if f.number == 1 && len(f.bytes) == sessionBytes {
			sessions[string(f.bytes)] = true
		}
		return nil
	})
}

// leave tells the node that writers and samplers are over; it would forget them in time anyway.
func (g Gateway) leave(ctx context.Context, writers, readers map[string]bool) {
	ctx = context.WithoutCancel(ctx)
	for session := range writers {
		actor.Go(ctx, g.Node, (*Node).Write, (&writeRequest{session: session, bye: true}).encode(nil))
	}
	for session := range readers {
		actor.Go(ctx, g.Node, (*Node).Read, (&readRequest{session: session, bye: true}).encode(nil))
	}
}

// readFrame reads what stands after its length. The error is io.EOF at the end.
func readFrame(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n > mostFrame {
		return nil, fmt.Errorf("%w: a message of %d bytes, and the most is %d", ErrType, n, mostFrame)
	}
	b, err := readN(r, int(n))
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return b, err
}

// answer does what was asked, and is the answer with its length.
func (g Gateway) answer(ctx context.Context, a *ask) []byte {
	var out answer
	err := error(nil)
	switch {
	case a.write != nil:
		out.write, err = g.forward(ctx, (*Node).Write, a.write)
	case a.read != nil:
		out.read, err = g.forward(ctx, (*Node).Read, a.read)
	case a.change != nil:
		out.changed, err = change(ctx, g.Node, *a.change)
	case a.value != nil:
		out.value, err = g.value(ctx, a.value)
	default:
		err = fmt.Errorf("%w: an Ask for nothing that is known here", ErrRequest)
	}
	out.id, out.fault = a.id, faultOf(err)
	b := out.encode(make([]byte, 4, 64+len(out.write)+len(out.read)))
	binary.LittleEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

func (g Gateway) forward(ctx context.Context, m method, body []byte) ([]byte, error) {
	q := &sent{body: func() []byte { return append((*pool.Get(len(body)))[:0], body...) }}
	b, err := q.wait(ctx, g.Node, m)
	q.drop()
	if err == nil && b == nil {
		b = []byte{}
	}
	return b, err
}

func (g Gateway) value(ctx context.Context, r *valueRequest) (*valueReply, error) {
	var call func(context.Context) (ValueReply, error)
	switch r.kind {
	case valueSend:
		call = func(ctx context.Context) (ValueReply, error) {
			return actor.Call(ctx, g.Node, (*Node).SetValue, Value{r.name, r.value})
		}
	case valueGet:
		call = func(ctx context.Context) (ValueReply, error) {
			return actor.Call(ctx, g.Node, (*Node).LatestValue, r.name)
		}
	case valuePut:
		call = func(ctx context.Context) (ValueReply, error) {
			return actor.Call(ctx, g.Node, (*Node).PutValue, Value{r.name, r.value})
		}
	case valueTake:
		call = func(ctx context.Context) (ValueReply, error) {
			return actor.Call(ctx, g.Node, (*Node).TakeValue, r.name)
		}
	default:
		return nil, fmt.Errorf("%w: a ValueRequest of kind %d", ErrRequest, r.kind)
	}
	b, version, err := answered(call(ctx))
	if err != nil {
		return nil, err
	}
	return &valueReply{b, version}, nil
}
