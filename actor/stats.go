package actor

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"sync/atomic"
	"time"
)

// Stats is a snapshot of what a system has counted since it was made. Its parts are read one after another, each in itself whole.
type Stats struct {
	FailedTells uint64 // Tells and streams whose method failed, and Tells that could not be handled
	DeadLetters uint64 // messages for nodes that this process does not have
	Deadlocks   uint64 // calls ended because they waited for themselves along separate chains
	BadTraces   uint64 // trace contexts from other processes that made no sense; their messages went on without
	Pending     int    // calls to other processes under way

	Nodes []NodeStats // of this process, ordered by key; those that have stopped are in it no more
	Ways  []WayStats  // to nodes of other processes, ordered by node and address
}

// NodeStats counts what a node was sent since it was started; one that is started again begins at zero.
type NodeStats struct {
	Key      string // label/number
	Messages uint64 // that have left its mailbox, calls and tells
	Bytes    uint64 // of their arguments, as [Node.Waiting] counts them

	Queued      int // messages in its mailbox now
	QueuedBytes int // and of their arguments

	Waiting int           // senders of this process that wait for room in its mailbox now
	Waits   uint64        // those that had to, and have waited
	Waited  time.Duration // and for how long, all together

	// Failures are messages, and streams, that ended with an error, by reason: the method's own ("failed", "panic"), or why the method did not run
	// ("stopped", "overloaded", "signatures_differ" and so on). Only reasons that occurred.
	Failures map[string]uint64
}

// WayStats counts what this system has sent to one node of another process: the window of [Config] is per way.
type WayStats struct {
	Node     string // label/number
	Address  string // of its process; a process that is started again has another
	Messages uint64 // calls and tells that were given window
	Bytes    uint64 // of their arguments

	Out      int // messages under way now: calls without an answer, tells whose window has not come back
	OutBytes int

	Waiting int           // messages that wait for window now
	Waits   uint64        // those that had to, and have waited
	Waited  time.Duration // and for how long, all together
}

// Stats returns a snapshot of the counters. It looks at each node and way, so it is not for every message.
func (s *System) Stats() Stats {
	s.mu.Lock()
	out := Stats{
		FailedTells: s.stats.failedTells.Load(), DeadLetters: s.stats.deadLetters.Load(), Deadlocks: s.stats.deadlocks.Load(),
		BadTraces: s.stats.badTraces.Load(),
		Pending:   len(s.pending),
	}
	nodes := slices.Collect(maps.Values(s.nodes))
	ways := maps.Clone(s.windows)
	s.mu.Unlock()
	for _, n := range nodes {
		out.Nodes = append(out.Nodes, n.snapshot())
	}
	for k, w := range ways {
		out.Ways = append(out.Ways, w.snapshot(k))
	}
	slices.SortFunc(out.Nodes, func(a, b NodeStats) int { return cmp.Compare(a.Key, b.Key) })
	slices.SortFunc(out.Ways, func(a, b WayStats) int {
		return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Address, b.Address))
	})
	return out
}

type stats struct{ failedTells, deadLetters, deadlocks, badTraces atomic.Uint64 }

// flow counts messages that pass a bound, and those that had to wait there. It is guarded by the bound's lock.
type flow struct {
	messages, bytes uint64
	waits           uint64
	waited          time.Duration
}

func (f *flow) pass(bytes int) {
	f.messages++
	f.bytes += uint64(bytes)
}

func (f *flow) passAll(all budget) {
	f.messages += uint64(all.messages)
	f.bytes += uint64(all.bytes)
}

// wait counts one that ended with err. Who only looks whether there is room does not wait.
func (f *flow) wait(since time.Time, err error) {
	if errors.Is(err, errNoPatience) {
		return
	}
	f.waits++
	f.waited += time.Since(since)
}

// reasons are the names of codes, for those who count. They are the values of a label: there are no others.
var reasons = [...]string{
	0: "other", CodeFailed: "failed", 2: "no_node", 3: "no_method", 4: "not_method", 5: "signatures_differ", 6: "stopped",
	7: "unreachable", 8: "deadlock", 9: "overloaded", 10: "too_large", 11: "cannot_travel", 12: "panic", 13: "zero_ref",
	14: "deadline_exceeded", 15: "canceled", codeGone: "peer_gone", 17: "no_streams",
}

// failures counts by code. Its zero value is ready.
type failures [len(reasons)]atomic.Uint64

func (f *failures) add(err error) { f[reasonCode(err)].Add(1) }

// reasonCode is the code of err that has a name, 0 for one of a later version.
func reasonCode(err error) Code {
	c := codeOf(err)
	if c < 0 || int(c) >= len(reasons) {
		return 0
	}
	return c
}

// reasonOf is its name.
func reasonOf(err error) string { return reasons[reasonCode(err)] }

func (f *failures) snapshot() map[string]uint64 {
	m := map[string]uint64{}
	for i := range f {
		if n := f[i].Load(); n > 0 {
			m[reasons[i]] = n
		}
	}
	return m
}

func (n *Node) snapshot() NodeStats {
	n.mu.Lock()
	defer n.mu.Unlock()
	local, reserved := n.waitingLocked()
	queued := budget{local.messages + reserved.messages, local.bytes + reserved.bytes}
	return NodeStats{
		Key:    n.key,
		Queued: queued.messages, QueuedBytes: queued.bytes,
		// What has begun may not be off the queue yet.
		Messages: n.flow.messages + uint64(n.held.messages+n.reserved.messages-queued.messages),
		Bytes:    n.flow.bytes + uint64(n.held.bytes+n.reserved.bytes-queued.bytes),
		Waiting:  len(n.senders), Waits: n.flow.waits, Waited: n.flow.waited, Failures: n.failures.snapshot(),
	}
}

func (w *window) snapshot(k windowKey) WayStats {
	w.mu.Lock()
	defer w.mu.Unlock()
	return WayStats{
		Node: k.node, Address: k.address, Messages: w.flow.messages, Bytes: w.flow.bytes, Out: w.out.messages, OutBytes: w.out.bytes,
		Waiting: len(w.waiting), Waits: w.flow.waits, Waited: w.flow.waited,
	}
}
