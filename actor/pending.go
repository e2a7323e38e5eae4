package actor

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
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
	asker  asker // of its message, where that stays in this process; its trace in any case
	given  bool  // the result's memory goes along; belongs to the goroutine of the method

	mu      sync.Mutex
	settled bool
	after   func() // run when settled
	id      uint64 // nonzero once its system may be asked for it
	address string // of the process that was asked; empty for this one
	release func() // gives back window; set with address

	probing atomic.Bool  // a probe is out that has not come back
	hits    atomic.Int32 // probes that came back

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
// result is copied while the node holds still. m is the node's own method
// where that is not the caller's (see [System.load]).
func (c *call) reply(m *method, result any, err error) {
	switch {
	case err != nil || m.result == nil:
	case c.given && m == c.method && m.result.kind == codecBytes && !c.sys.encode:
		if result.([]byte) == nil { // as it arrives across a link
			result = []byte{}
		}
	case m == c.method:
		result, _, err = m.result.copy(result, c.sys.table, c.sys.encode)
	default:
		var data []byte
		if data, err = m.result.encode(result); err == nil {
			c.settleEncoded(slices.Clone(data), nil)
			return
		}
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
// The window it holds comes back with the answer: until then its message may
// still be in the node's mailbox.
func (c *call) abandon(cause error) {
	// The node was told the deadline: there the method ends for the same reason, rather than cancelled.
	if c.end(func() { c.err = cause }) && c.address != "" && !errors.Is(cause, context.DeadlineExceeded) {
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
	after, known := c.after, c.id != 0 && c.address == ""
	c.mu.Unlock()
	if known {
		c.sys.forgetCall(c)
	}
	c.asker.trace.sent(c.err)
	close(c.done)
	if after != nil {
		after()
	}
	return true
}

// sentTo is the address of the process that was asked, if one was.
func (c *call) sentTo() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.address == "" {
		return "(nowhere)"
	}
	return c.address
}

// over reports whether the call is settled.
func (c *call) over() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
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
	if err := c.await(ctx); err != nil {
		c.abandon(err)
		<-c.done // the result may have come first after all
	}
	return c.outcome()
}

// await waits until the call is settled, or ctx ends, and then returns its error.
func (c *call) await(ctx context.Context) error {
	if c.over() {
		return nil
	}
	return waitFor(ctx, c, c.done)
}

// probeAfter is when a method that waits first asks whether it waits for
// itself; it asks again ever less often.
const probeAfter = 100 * time.Millisecond

// errSettled says that a call was settled while it waited for room.
var errSettled = errors.New("actor: settled while it waited")

// waitFor waits until ready is closed or c is settled, or ctx ends: only then
// it returns an error. A method that waits for c (nil: a tell) sends probes.
func waitFor(ctx context.Context, c *call, ready <-chan struct{}) error {
	var settled <-chan struct{}
	inv := invocationOf(ctx)
	if c != nil {
		settled = c.done
	} else {
		inv = nil
	}
	if inv == nil {
		select {
		case <-ready:
		case <-settled:
		case <-ctx.Done():
			return ended(ctx)
		}
		return nil
	}
	inv.waitFor(c)
	defer inv.waited(c)
	pause := probeAfter
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case <-ready:
			return nil
		case <-settled:
			return nil
		case <-ctx.Done():
			return ended(ctx)
		case <-timer.C:
			c.sys.probe(inv, c)
			pause = min(2*pause, 5*time.Second)
			timer.Reset(pause)
		}
	}
}

// ended is the error of a context that has ended, with its cause.
func ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if cause == nil || errors.Is(cause, err) {
		return err
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// recovered turns a panic of a value's own encoding into an error.
func recovered(err *error, kind error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("%w: %w", kind, newPanicError(v, debug.Stack()))
	}
}
