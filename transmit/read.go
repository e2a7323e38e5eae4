package transmit

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/transmit/internal/table"
)

// read is a request for samples that may have to wait.
type read struct {
	items, bytes int
	reply        *reply
}

// The most that one answer has: what is larger than a part of a link's window would hold up others.
const (
	mostItems = 1 << 16
	mostBytes = 16 << 20
)

// fewSamples is for how many there is room from the beginning: for what nearly all ask for.
const fewSamples = 1024

// Read handles a message ReadRequest of transmit.proto. Programs use [Sampler] and [Sample].
func (n *Node) Read(ctx context.Context, b []byte) ([]byte, error) {
	r, err := decodeReadRequest(b)
	if err != nil {
		return (&readReply{fault: faultOf(err)}).encode(), nil
	}
	reply, err := n.state.read(ctx, r)
	if err != nil {
		return nil, err
	}
	actor.GiveResult(ctx)
	return reply.encode(), nil
}

func (s *state) read(ctx context.Context, r *readRequest) (*readReply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.bye {
		s.endSession(r.session)
		return &readReply{}, nil
	}
	if err := ctx.Err(); err != nil { // it was given up, and its session may have ended before it got its turn
		return nil, err
	}
	sh := s.tables[r.table]
	if sh == nil {
		return &readReply{fault: faultOf(fmt.Errorf("%w: %q", ErrNoTable, r.table))}, nil
	}
	ss, err := s.sessionFor(ctx, r.session, r.settled == 0)
	if ctx.Err() != nil && err == ctx.Err() {
		return nil, err
	}
	if err != nil {
		return &readReply{fault: faultOf(err)}, nil
	}
	rep, fresh, err := s.begin(ctx, ss, r.number, r.settled, false)
	if ctx.Err() != nil && err == ctx.Err() {
		return nil, err
	}
	if err != nil {
		return &readReply{fault: faultOf(err)}, nil
	}
	if !fresh {
		return &readReply{samples: rep.samples}, nil
	}
	ss.busy++
	defer func() { ss.busy-- }()
	rd := &read{items: int(min(max(r.items, 1), mostItems)), bytes: int(min(r.bytes, mostBytes)), reply: rep}
	rep.waiting, rep.leave = 1, func() { sh.samplers = without(sh.samplers, rd) }
	sh.samplers = append(sh.samplers, rd)
	s.settle(sh)
	if !closed(rep.done) {
		s.waitFor(ctx, rep.done)
	}
	samples, served := rep.samples, closed(rep.done)
	rep.left()
	if !served {
		return nil, ctx.Err()
	}
	return &readReply{samples: samples}, nil
}

// serve gives samples to those who wait for them, as far as the limiter lets it.
func (s *state) serve(sh *shelf) {
	for len(sh.samplers) > 0 && sh.MaySample() {
		rd := sh.samplers[0]
		size := 0
		few := min(rd.items, sh.Len(), fewSamples)
		rd.reply.samples = make([]table.Sample, 0, few)
		steps := make([][]byte, 0, few)
		for len(rd.reply.samples) < rd.items && sh.MaySample() {
			sample := sh.Sample(&steps)
			if s.watcher != nil {
				s.watcher.sampled(sh, sample)
			}
			rd.reply.samples = append(rd.reply.samples, sample)
			its := 1 + protowire.SizeBytes(sampleSize(&sample))
			if size += its; size+its > rd.bytes {
				break
			}
		}
		sh.samplers = sh.samplers[1:]
		close(rd.reply.done)
	}
}
