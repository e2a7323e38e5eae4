package actor

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// A Batch makes a method of a node take many calls at once. It is made by [Batched].
type Batch struct {
	method *method
	size   int
	wait   time.Duration
}

// DefaultBatchWait is how long a batch waits for its calls when nothing else was said.
const DefaultBatchWait = 200 * time.Millisecond

// Batched lets the calls that [CallBatched] makes of f gather until there are
// size of them, or the first has waited for wait; then f runs once, in the
// node's turn, with all arguments in the order of their arrival, and returns
// as many results in that order. An error of f fails the whole batch.
// A size below 1 is 1; a wait of zero is [DefaultBatchWait], a negative one
// does not wait at all.
func Batched[T, A, R any](f func(T, context.Context, []A) ([]R, error), size int, wait time.Duration) Batch {
	if wait == 0 {
		wait = DefaultBatchWait
	}
	return Batch{batchMethod(f), max(size, 1), max(wait, 0)}
}

// Err says why the method cannot be called in batches, or nil.
func (b Batch) Err() error {
	if b.method == nil {
		return fmt.Errorf("%w: a Batch is made by Batched", ErrNotMethod)
	}
	return b.method.err
}

// String is the method's name with its size and wait.
func (b Batch) String() string {
	if b.method == nil {
		return "(zero batch)"
	}
	return fmt.Sprintf("%s(%d, %v)", b.method.name, b.size, b.wait)
}

// batcher gathers the calls of one batched method.
type batcher struct {
	Batch
	node *Node

	mu      sync.Mutex
	waiting []message
	round   int // grows with every flush, so that a late timer finds its batch gone
	timer   *time.Timer
	closed  bool
}

// add runs in the node's turn, as does the batch that it may complete.
func (b *batcher) add(inv *invocation, m message) {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		b.node.finish(inv, &m, nil, b.node.goneOr(fmt.Errorf("%w: %s has stopped", ErrStopped, b.node.key)))
		return
	}
	b.waiting = append(b.waiting, m)
	if len(b.waiting) >= b.size || b.wait == 0 {
		batch := b.drainLocked() // at once: where methods run beside each other, another call would find its place in what is full
		b.mu.Unlock()
		b.run(inv, batch)
		return
	}
	if round := b.round; len(b.waiting) == 1 {
		b.timer = time.AfterFunc(b.wait, func() { b.expire(round) })
	}
	b.mu.Unlock()
}

// expire asks for a turn in which the batch of that round is flushed. It is
// refused only by a node that has stopped, and then the batch was answered.
func (b *batcher) expire(round int) {
	flush := &method{name: b.method.name, invoke: func(_ any, ctx context.Context, _ any) (any, error) {
		b.run(ctx.(*invocation), b.drain(round))
		return nil, nil
	}}
	_ = b.node.enqueue(b.node.ctx, &message{method: flush, reserved: true})
}

// hurry has the batch that gathers run soon, and reports whether there is one.
func (b *batcher) hurry() bool {
	b.mu.Lock()
	gathering, round := len(b.waiting) > 0, b.round
	b.mu.Unlock()
	if gathering {
		b.expire(round)
	}
	return gathering
}

// drain takes what waits, if the round is still that one.
func (b *batcher) drain(round int) []message {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.round != round {
		return nil
	}
	return b.drainLocked()
}

func (b *batcher) drainLocked() []message {
	batch := b.waiting
	b.waiting = nil
	b.round++
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
	return batch
}

// close takes what waits; nothing will any more.
func (b *batcher) close() []message {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return b.drainLocked()
}

// run runs the method in the turn of inv, for those of a batch who still wait.
func (b *batcher) run(inv *invocation, gathered []message) {
	n := b.node
	own := &invocation{&turn{asker: nobody, node: n, within: inv}, inv.number} // a batch belongs to no single caller
	own.begin()
	var batch []message
	for _, m := range gathered {
		if m.caller != nil && m.caller.Err() != nil {
			n.finish(own, &m, nil, m.caller.Err())
			continue
		}
		batch = append(batch, m)
	}
	if len(batch) == 0 {
		return
	}
	own.asker = n.gathered(b.method, batch)
	args := make([]any, len(batch))
	for i, m := range batch {
		args[i] = m.arg
	}
	var results []any
	err := errGoexit
	defer func() {
		inv.finish() // the turn's method has returned, though its senders are still to be told
		if t := own.trace; t != nil {
			endSpan(t.span, err)
		}
		for i, m := range batch {
			var result any
			if err == nil {
				result = results[i]
			}
			n.tell(&m, result, err)
		}
		for _, m := range batch { // after all: a result may be part of another's argument
			n.giveBack(own, &m)
		}
	}()
	var out any
	out, err = n.invoke(own, func() (any, error) { return b.method.invokeBatch(n.value, own, args) })
	results, _ = out.([]any)
	if err == nil && len(results) != len(batch) {
		err = fmt.Errorf("batched %s returned %d results for %d calls", b.method.name, len(results), len(batch))
	}
}
