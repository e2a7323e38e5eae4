package actor

import (
	"slices"
	"sync/atomic"
)

// How a node's workers take messages off its mailbox.

// batchBytes bounds what a worker takes off a mailbox at once, beside blockSize.
const batchBytes = 64 << 10

// A worker is one of at most limit goroutines that handle a node's messages. It
// takes some at a time, for to lock the mailbox for each costs more than a
// small message does. They stay in the queue while it handles them, so that
// those it has not begun can be taken from it; a node of several workers gives
// each but one.
type worker struct {
	node *Node
	slot int   // in the node's list of those at work, guarded by its mu
	grip grip  // on the batch
	turn *turn // for messages that nobody waits for

	// The batch. Set with the node's mu held, before it can be begun.
	messages []message    // in the queue, at its head
	alone    [1]message   // or this one, which is in no queue any more
	pack     *pack        // or what is left of this, which is the queue's head
	begins   int          // the place in the pack of the first
	taken    int          // how many they are
	batch    []invocation // one for each message; set when it begins
	first    uint64       // the number of the first

	// The message at hand.
	next    int // place of the one after it
	blind   int // for so many messages nobody who waits for room will find it
	m       message
	inv     *invocation
	calling bool // its method runs

	owedTo *account // whose tells were begun, of which it has not heard
	owed   budget
}

// A grip tells how many messages a worker has taken, in its low half, and how
// many of these it has begun.
type grip struct{ v atomic.Uint64 }

const gripBegun = 1 << 32

func (g *grip) take(n int) { g.v.Store(uint64(n)) }

// begin begins the next message, and reports whether there was one.
func (g *grip) begin() bool {
	v := g.v.Add(gripBegun)
	return v/gripBegun <= v%gripBegun
}

func (g *grip) begun() int {
	v := g.v.Load()
	return int(min(v/gripBegun, v%gripBegun))
}

// release ends the grip, and returns how many were begun, and how many were not: none of one that was released.
func (g *grip) release() (begun, left int) {
	v := g.v.Swap(0)
	taken := v % gripBegun
	begun = int(min(v/gripBegun, taken))
	return begun, int(taken) - begun
}

// isAlone reports whether what the worker has taken is in no queue any more.
func (w *worker) isAlone() bool {
	return w.pack == nil && (len(w.messages) == 0 || &w.messages[0] == &w.alone[0])
}

// begunInQueue is what the messages take at the head of the queue that have begun: of senders in this process, and of those that needed no room.
func (w *worker) begunInQueue() (local, reserved budget) {
	switch {
	case w.isAlone():
	case w.pack == nil:
		for i := range w.grip.begun() {
			if m := &w.messages[i]; m.reserved {
				reserved.add(m)
			} else {
				local.add(m)
			}
		}
	case w.pack.account == nil:
		local = w.pack.next(w.grip.begun())
	default:
		reserved = w.pack.next(w.grip.begun())
	}
	return local, reserved
}

// isDone reports whether the last method of the batch has returned: the worker is about to take more, even where it is still telling a sender.
func (w *worker) isDone() bool {
	begun := w.grip.begun()
	return begun > 0 && begun >= w.taken && w.batch[begun-1].over()
}

// running is the invocation whose method runs, or nil.
func (w *worker) running() *invocation {
	if begun := w.grip.begun(); begun > 0 {
		if inv := &w.batch[begun-1]; !inv.over() {
			return inv
		}
	}
	return nil
}

// work handles messages until there are none.
func (n *Node) work() {
	w := &worker{node: n, turn: &turn{node: n, asker: nobody}}
	returned := false
	defer func() {
		if !returned { // a method ended the goroutine with runtime.Goexit
			w.pay()
			n.mu.Lock()
			n.retireLocked(w)
			n.group.Go(n.work)
			n.mu.Unlock()
		}
	}()
	for w.take() {
		for !w.run() { // a method has panicked: go on with the next
		}
	}
	returned = true
}

// take gets the worker its next batch. It waits for one, or returns false when
// the goroutine is to end.
func (w *worker) take() bool {
	n := w.node
	w.pay()
	n.mu.Lock()
	if w.taken > 0 {
		n.retireLocked(w)
	}
	n.admitLocked()
	for n.queue.count == 0 || n.phase != open {
		*w = worker{node: n, turn: w.turn} // what it has handled is nobody's any more
		if !n.restLocked() {
			return false
		}
		n.mu.Lock()
	}
	n.giveLocked(w)
	n.mu.Unlock()
	w.batch = make([]invocation, w.taken) // anew: see invocation
	return true
}

// giveLocked gives a worker the oldest messages.
func (n *Node) giveLocked(w *worker) {
	run := n.queue.run()
	w.next, w.messages, w.pack = 0, nil, run[0].pack
	switch {
	case w.pack != nil:
		w.pack.taken = true
		w.begins, w.taken = w.pack.done, w.pack.n-w.pack.done
	case n.limit > 1:
		w.alone[0] = run[0]
		n.countOutLocked(&w.alone[0])
		n.queue.drop(1)
		w.messages, w.taken = w.alone[:], 1
	default:
		w.messages = run[:runLength(run)]
		w.taken = len(w.messages)
	}
	w.first = n.serial
	n.serial += uint64(w.taken)
	w.grip.take(w.taken)
	n.workLocked(w)
}

// runLength is how many messages of a run are taken at once: no pack, which is a batch of its own, and not many that are large.
func runLength(run []message) int {
	for i, bytes := 0, 0; i < len(run); i++ {
		if run[i].pack != nil {
			return i
		}
		if bytes += run[i].size; bytes > batchBytes {
			return i + 1
		}
	}
	return len(run)
}

// workLocked puts a worker on the list of those at work, in whose slots each knows its own.
func (n *Node) workLocked(w *worker) {
	w.slot = len(n.active)
	n.active = append(n.active, w)
}

// retireLocked takes a worker off the list of those at work, and what it has
// begun off the queue.
func (n *Node) retireLocked(w *worker) {
	begun, _ := w.grip.release()
	switch {
	case begun == 0, w.isAlone():
	case w.pack != nil:
		n.packOutLocked(w.pack, begun)
	default:
		for i := range begun {
			n.countOutLocked(&w.messages[i])
		}
		n.queue.drop(begun)
	}
	last := len(n.active) - 1
	n.active[last].slot = w.slot
	n.active[w.slot] = n.active[last]
	n.active[last] = nil
	n.active = n.active[:last]
}

// countOutLocked ends what a message that has begun takes of the mailbox.
func (n *Node) countOutLocked(m *message) {
	n.flow.pass(m.size)
	if m.reserved {
		n.reserved.remove(m)
	} else {
		n.held.remove(m)
	}
}

// packOutLocked takes messages that have begun off a pack at the head of the queue, and the pack with the last.
func (n *Node) packOutLocked(p *pack, begun int) {
	out := p.next(begun)
	n.flow.passAll(out)
	if p.account != nil {
		n.reserved.sub(out)
	} else {
		n.held.sub(out)
	}
	if p.done += begun; p.done == p.n {
		n.queue.drop(1)
		p.end()
	}
}

// emptyLocked takes all messages that have not begun, and the senders that
// wait, for good: nothing is queued any more.
func (n *Node) emptyLocked() (left []message, senders []*sender) {
	inQueue := 0
	for _, w := range n.active {
		begun, waits := w.grip.release()
		switch {
		case begun+waits == 0: // it was emptied before
		case w.isAlone():
			left = append(left, w.messages[:waits]...)
		case w.pack != nil:
			n.flow.passAll(w.pack.next(begun))
			left = w.pack.appendTo(left, w.begins+begun)
			inQueue = 1
		default:
			inQueue = begun
			for i := range begun {
				n.flow.pass(w.messages[i].size)
			}
		}
	}
	for _, m := range n.queue.after(inQueue) {
		if m.pack != nil {
			left = m.pack.appendTo(left, m.pack.done)
			continue
		}
		left = append(left, m)
	}
	n.queue, n.held, n.reserved = queue{}, budget{}, budget{} // its blocks are left to the worker that may read them
	senders, n.senders = n.senders, nil
	n.crowded.Store(false)
	return left, senders
}

// restLocked is called by a worker without work, with mu held, which it gives
// up. One worker of the node is kept; restLocked returns true when it is woken,
// by a message or by Stop, and false when the goroutine is to end.
func (n *Node) restLocked() bool {
	n.workers--
	n.queue.rest()
	n.tellDrainedLocked()
	park := n.phase == open && !n.parked
	n.parked = n.parked || park
	n.mu.Unlock()
	if park {
		<-n.wake
	}
	return park
}

// wakeLocked sends the parked worker to its next message, or home.
func (n *Node) wakeLocked() {
	n.parked = false
	n.workers++
	n.wake <- struct{}{} // has room for the one that was parked
}

// runsLocked reports whether the invocation of that number is running: one whose
// method has returned is still active while its sender is told.
func (n *Node) runsLocked(number uint64) bool {
	return slices.ContainsFunc(n.active, func(w *worker) bool {
		inv := w.running()
		return inv != nil && inv.number == number
	})
}
