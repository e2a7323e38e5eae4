package actor

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A call is what its sender waits for. It is settled once: by the node, by
// the loss of the way to it, or by its sender giving up.
type call struct {
	sys    *System
	target *target
	method *method
	done   chan struct{}

	id      uint64 // nonzero while its system knows it; set before it is sent
	address string // of the process that was asked; empty for this one
	release func() // gives back window

	mu      sync.Mutex
	settled bool
	after   func()       // run when settled
	hits    atomic.Int32 // probes of this call that came back

	// Valid after done.
	result  any
	err     error
	encoded []byte // the result as it came over a link, until it is asked for
	decode  sync.Once
}

func newCall(sys *System, t *target, m *method) *call {
	return &call{sys: sys, target: t, method: m, done: make(chan struct{})}
}

// reply settles a call to a node of this process, in the node's turn: the
// result is copied while the node holds still.
func (c *call) reply(m *method, result any, err error) {
	if err == nil && m.result != nil {
		result, err = m.result.copy(result, c.sys.table, c.sys.encode)
	}
	c.settle(result, err)
}

func (c *call) settle(result any, err error) {
	c.end(func() { c.result, c.err = result, err })
}

func (c *call) settleEncoded(result []byte, err error) {
	c.end(func() { c.encoded, c.err = result, err })
}

// abandon settles a call that nobody waits for any more, and tells its node.
func (c *call) abandon(cause error) {
	if c.end(func() { c.err = cause }) && c.address != "" {
		c.sys.sendCancel(c)
	}
}

// end settles the call unless it is settled, and reports whether it did.
func (c *call) end(set func()) bool {
	c.mu.Lock()
	if c.settled {
		c.mu.Unlock()
		return false
	}
	c.settled = true
	set()
	after := c.after
	c.mu.Unlock()
	if c.id != 0 {
		c.sys.forgetCall(c)
	}
	close(c.done)
	if after != nil {
		after()
	}
	return true
}

// onSettled sets what runs when the call is settled; at once if it is.
func (c *call) onSettled(f func()) {
	c.mu.Lock()
	if !c.settled {
		c.after = f
		f = nil
	}
	c.mu.Unlock()
	if f != nil {
		f()
	}
}

// outcome is the settled call's result, decoded by whoever asks first rather
// than by the link's reader.
func (c *call) outcome() (any, error) {
	c.decode.Do(func() {
		if c.err == nil && c.encoded != nil && c.method.result != nil {
			c.result, c.err = c.method.result.decode(c.encoded, c.sys.table)
			c.encoded = nil
		}
	})
	return c.result, c.err
}

// wait waits for the result under ctx and abandons the call when ctx ends.
func (c *call) wait(ctx context.Context) (any, error) {
	if err := c.await(ctx, invocationOf(ctx)); err != nil {
		c.abandon(err)
		<-c.done // the result may have come first after all
	}
	return c.outcome()
}

// probeAfter is when a method that waits first asks whether it waits for
// itself; it asks again ever less often.
const probeAfter = 100 * time.Millisecond

func (c *call) await(ctx context.Context, inv *invocation) error {
	select {
	case <-c.done:
		return nil
	default:
	}
	if inv == nil {
		select {
		case <-c.done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	inv.waitFor(c)
	defer inv.waited(c)
	pause := probeAfter
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case <-c.done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			c.sys.probe(inv, c)
			pause = min(2*pause, 5*time.Second)
			timer.Reset(pause)
		}
	}
}
