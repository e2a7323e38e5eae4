package transmit

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/transmit/internal/table"
)

// An Item is an item of a table as it was when it was sampled. Its steps share memory with all items of the answer that it came with, up to
// [SamplerConfig].BatchBytes: who keeps a few of many for long keeps their [Item.Clone].
type Item struct {
	Key         uint64 // by which the node knows it, for [UpdatePriorities] and [Delete]
	Priority    float64
	Probability float64 // of its having been chosen among Size items
	Times       int     // how often it has been sampled, this one included
	Size        int     // of the table
	steps       [][]byte
}

// Len is how many steps the item has.
func (i Item) Len() int { return len(i.steps) }

// Step is one of the item's steps, from 0, the earliest. Its tensors share
// memory with the item. The error wraps [ErrType].
func (i Item) Step(n int) (Step, error) { return DecodeStep(i.steps[n]) }

// Tensor is the tensor of a name of one of the item's steps, from 0. For a few of a step's tensors it takes less than [Item.Step]: the others
// are not looked into. The error wraps [ErrType], also where there is none of that name.
func (i Item) Tensor(n int, name string) (Tensor, error) { return tensorOf(i.steps[n], name) }

// Steps are all steps of the item.
func (i Item) Steps() ([]Step, error) {
	steps := make([]Step, len(i.steps))
	for n := range steps {
		var err error
		if steps[n], err = i.Step(n); err != nil {
			return nil, fmt.Errorf("step %d of %d: %w", n, len(steps), err)
		}
	}
	return steps, nil
}

// Clone is the item with memory of its own.
func (i Item) Clone() Item {
	size := 0
	for _, s := range i.steps {
		size += len(s)
	}
	room, steps := make([]byte, 0, size), make([][]byte, len(i.steps))
	for n, s := range i.steps {
		begin := len(room)
		room = append(room, s...)
		steps[n] = room[begin:len(room):len(room)]
	}
	i.steps = steps
	return i
}

func newItem(s table.Sample) Item {
	return Item{uint64(s.Key), s.Priority, s.Probability, int(s.Times), s.Size, s.Steps}
}

// A SamplerConfig describes a sampler. The zero value is one for training; for
// a queue whose items must not be lost with their sampler, set Batch and Ahead to 1.
type SamplerConfig struct {
	// Batch is how many items are asked for at once, at most 65,536; what is there is not kept waiting for more. Zero and less: 64.
	Batch int
	// BatchBytes is how many bytes an answer has, at most 16 MiB: it ends where another item as large as its last would be more, and has one
	// item at least. Zero and less: 1 MiB.
	BatchBytes int
	// Ahead is how many answers are asked for ahead of their use, at most 64. They count as samples. Zero and less: 2.
	Ahead int
}

// A Sampler reads a stream of samples from a table. It is used by one
// goroutine at a time. Close lets it go: what was asked for and not used is lost.
//
// A request whose link breaks is sent again, and gets the same samples: none
// is lost, and none counts twice, as long as the process of the node lives.
type Sampler struct {
	node  Ref
	table string
	cfg   SamplerConfig

	session string
	number  uint64
	settled uint64
	flight  []*sent
	items   []table.Sample // to be given out
	closed  bool
}

// NewSampler returns a sampler of a table. It says nothing to the node yet.
func NewSampler(node Ref, table string, cfg SamplerConfig) *Sampler {
	for _, c := range []struct {
		value       *int
		unset, most int
	}{{&cfg.Batch, 64, mostItems}, {&cfg.BatchBytes, 1 << 20, mostBytes}, {&cfg.Ahead, 2, 64}} {
		if *c.value <= 0 {
			*c.value = c.unset
		}
		*c.value = min(*c.value, c.most)
	}
	return &Sampler{node: node, table: table, cfg: cfg, session: newSession()}
}

// Next waits under ctx for the next sample. After ctx's error it can be called
// again, and nothing is lost. After any other, the samples that were asked for
// may be lost; the next call asks again.
func (s *Sampler) Next(ctx context.Context) (Item, error) {
	if s.closed {
		return Item{}, fmt.Errorf("%w: the sampler", ErrClosed)
	}
	for len(s.items) == 0 {
		if err := s.fetch(ctx); err != nil {
			return Item{}, err
		}
	}
	it := s.items[0]
	s.items = s.items[1:]
	return newItem(it), nil
}

// Take waits under ctx for n samples. With an error come those that there are.
func (s *Sampler) Take(ctx context.Context, n int) ([]Item, error) {
	items := make([]Item, 0, n)
	for len(items) < n {
		it, err := s.Next(ctx)
		if err != nil {
			return items, err
		}
		items = append(items, it)
	}
	return items, nil
}

// All are the samples, until ctx ends or an error is yielded.
func (s *Sampler) All(ctx context.Context) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for {
			it, err := s.Next(ctx)
			if !yield(it, err) || err != nil {
				return
			}
		}
	}
}

// fetch waits for the oldest request.
func (s *Sampler) fetch(ctx context.Context) error {
	for len(s.flight) < s.cfg.Ahead {
		s.number++
		number := s.number
		// If it is sent again, a node that has forgotten the sampler is to see that it is not a new one: it tells what was settled by then.
		q := &sent{number: number, body: func() []byte { return s.request(number) }}
		q.post(ctx, s.node, (*Node).Read)
		s.flight = append(s.flight, q)
	}
	q := s.flight[0]
	b, err := q.wait(ctx, s.node, (*Node).Read)
	if err != nil && ctx.Err() != nil {
		return err
	}
	var r *readReply
	if err == nil {
		if r, err = decodeReadReply(b, s.cfg.Batch); err == nil {
			err = r.fault.errorOf()
		}
	}
	if errors.Is(err, ErrForgotten) && s.sentOnce() { // nothing was begun of what is under way
		s.restart()
		return nil
	}
	if err != nil {
		s.restart()
		return fmt.Errorf("table %q: %w", s.table, err)
	}
	s.flight = s.flight[1:]
	s.settled = q.number
	s.items = r.samples
	return nil
}

// sentOnce tells whether none of the requests under way was sent again.
func (s *Sampler) sentOnce() bool {
	return !slices.ContainsFunc(s.flight, func(q *sent) bool { return q.tries > 1 })
}

// request asks for samples, and tells which answers have come by now.
func (s *Sampler) request(number uint64) []byte {
	r := readRequest{
		session: s.session, number: number, settled: s.settled, table: s.table,
		items: uint64(s.cfg.Batch), bytes: uint64(s.cfg.BatchBytes),
	}
	return r.encode(nil)
}

// restart gives up all requests and begins a session anew.
func (s *Sampler) restart() {
	for _, q := range s.flight {
		q.drop()
	}
	s.flight = nil
	s.session, s.number, s.settled = newSession(), 0, 0
}

// Close lets the sampler go. It does not wait.
func (s *Sampler) Close(ctx context.Context) {
	if s.closed {
		return
	}
	s.closed = true
	said, bye := s.number > 0, readRequest{session: s.session, bye: true}
	s.restart() // first, so that what waits takes no items after the session has ended
	if said {
		actor.Go(context.WithoutCancel(ctx), s.node, (*Node).Read, bye.encode(nil))
	}
}

// Sample waits under ctx for one sample of a table. For many a [Sampler] is faster.
func Sample(ctx context.Context, node Ref, table string) (Item, error) {
	s := NewSampler(node, table, SamplerConfig{Batch: 1, Ahead: 1})
	defer s.Close(ctx)
	return s.Next(ctx)
}
