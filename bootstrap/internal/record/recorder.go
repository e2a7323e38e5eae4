package bootstrap

import (
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// recorder numbers the lines of a process and sends them to the launcher, as far as its ration goes. Writers block while more than
// maxPending bytes wait, but not longer than its patience: then lines are dropped until some have been sent. What is dropped
// is declared where it would have been. After cut nothing is kept, so that the worker can still stop in peace.
type recorder struct {
	w        io.Writer
	patience time.Duration // negative: for ever
	done     chan struct{} // closed when send has returned

	mu      sync.Mutex
	changed sync.Cond
	seq     uint64            // of records sent
	numbers map[string]uint64 // of lines written, by node
	current [Log + 1]current
	ration  ration
	stalled bool // a writer's patience ran out, and nothing was sent since
	gaps    gaps
	declare *time.Timer // declares gaps where no further line does; nil while there are none
	pending []byte
	ended   bool
	cut     bool
}

// current is the line that a stream is in the middle of.
type current struct {
	begun   bool
	dropped bool   // it does not fit
	bytes   int    // of it so far
	data    []byte // of it so far, where it is dropped and short
}

const maxPending = 256 << 10

// maxNumbered is how many nodes have numbers of their own. The names of nodes are whatever the worker says.
const maxNumbered = 4096

// declareAfter is how often a gap that no further line has declared is looked at.
const declareAfter = 500 * time.Millisecond

// newRecorder returns a recorder that lets rate bytes through in a second; zero and less: all. Writers wait for patience.
func newRecorder(w io.Writer, rate int64, patience time.Duration) *recorder {
	r := &recorder{w: w, patience: patience, done: make(chan struct{}), numbers: map[string]uint64{}, ration: ration{rate: rate}}
	r.changed.L = &r.mu
	go r.send()
	return r
}

// add takes a piece of a line of output or of a log record.
func (r *recorder) add(p piece) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := &r.current[p.stream]
	if p.drop {
		if c.begun && !c.dropped {
			r.pending = appendPiece(r.pending, p)
		}
		*c = current{}
		return
	}
	if !c.begun {
		c.begun = true
		c.dropped = r.stalled || !r.ration.fits(time.Now())
	}
	c.bytes += len(p.data)
	if !c.dropped && !r.awaitRoomLocked() {
		c.dropped = true
		if c.bytes > len(p.data) {
			r.pending = appendPiece(r.pending, piece{stream: p.stream, drop: true})
		}
	}
	switch {
	case r.cut:
	case c.dropped:
		r.dropLocked(c, p)
	default:
		if !p.more {
			r.declareLocked() // so that numbers stay in order
			p.nodeSeq = r.numberLocked(&p)
			r.ration.take(time.Now(), recordCost)
		}
		r.ration.take(time.Now(), len(p.data))
		r.sendLocked(p)
	}
	if !p.more {
		*c = current{}
	}
}

// awaitRoomLocked waits until pieces can be taken, and reports whether they can; when r.cut is set it is of no matter.
func (r *recorder) awaitRoomLocked() bool {
	if len(r.pending) < maxPending || r.cut {
		return true
	}
	late := false
	if r.patience >= 0 {
		alarm := time.AfterFunc(r.patience, func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			late = true
			r.changed.Broadcast()
		})
		defer alarm.Stop()
	}
	for len(r.pending) >= maxPending && !r.cut && !r.stalled {
		if late {
			r.stalled = true
			break
		}
		r.changed.Wait()
	}
	return !r.stalled
}

// numberLocked gives a line its number.
func (r *recorder) numberLocked(p *piece) uint64 {
	if _, known := r.numbers[p.node]; !known && len(r.numbers) >= maxNumbered {
		p.node = ""
	}
	r.numbers[p.node]++
	return r.numbers[p.node]
}

// dropLocked drops a piece, and at its end counts the line.
func (r *recorder) dropLocked(c *current, p piece) {
	if len(c.data)+len(p.data) == c.bytes && c.bytes+recordCost <= maxTail {
		c.data = append(c.data, p.data...)
	}
	if p.more {
		return
	}
	p.data, p.time = c.data, time.Now().UnixNano()
	p.nodeSeq = r.numberLocked(&p)
	r.gaps.add(p, c.bytes, len(c.data) == c.bytes)
	if r.declare == nil {
		r.declare = time.AfterFunc(declareAfter, r.tryDeclare)
	}
}

// tryDeclare declares the gaps once lines fit again.
func (r *recorder) tryDeclare() {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.declare == nil || r.cut || r.ended:
	case r.stalled || len(r.pending) >= maxPending || !r.ration.fits(time.Now()):
		r.declare.Reset(declareAfter)
	default:
		r.declareLocked()
	}
}

// declareLocked says which lines are missing, and sends those that were kept.
func (r *recorder) declareLocked() {
	if r.declare == nil {
		return
	}
	r.declare.Stop()
	r.declare = nil
	now := time.Now()
	for _, g := range r.gaps.nodes {
		if g.Lines > 0 {
			data, err := cbor.Marshal(g.missing)
			if err != nil {
				panic(err) // a text and two numbers
			}
			r.sendLocked(piece{stream: Gap, nodeSeq: g.last, data: data})
		}
		for _, p := range g.tail {
			r.ration.take(now, len(p.data)+recordCost)
			r.sendLocked(p)
		}
	}
	r.gaps = gaps{}
}

// sendLocked queues a piece; the number and, where it has none, the time are given here.
func (r *recorder) sendLocked(p piece) {
	if !p.more {
		r.seq++
		p.seq = r.seq
		if p.time == 0 {
			p.time = time.Now().UnixNano()
		}
	}
	r.pending = appendPiece(r.pending, p)
	r.changed.Broadcast()
}

// say records a line of the agent itself, which has no number of a node's and always fits.
func (r *recorder) say(level slog.Level, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.awaitRoomLocked(); r.cut {
		return
	}
	for len(text) > maxPiece {
		r.sendLocked(piece{stream: Agent, more: true, data: []byte(text[:maxPiece])})
		text = text[maxPiece:]
	}
	r.sendLocked(piece{stream: Agent, level: int8(level), data: []byte(text)})
}

// finish sends what is pending and the last frame, and waits for that.
func (r *recorder) finish(last []byte) {
	r.mu.Lock()
	r.declareLocked()
	r.pending = append(r.pending, last...)
	r.ended = true
	r.changed.Broadcast()
	r.mu.Unlock()
	<-r.done
}

// stop gives up: from here on records are dropped.
func (r *recorder) stop() {
	r.mu.Lock()
	r.stopLocked()
	r.mu.Unlock()
}

func (r *recorder) stopLocked() {
	r.cut = true
	r.pending, r.gaps = nil, gaps{}
	if r.declare != nil {
		r.declare.Stop()
	}
	r.changed.Broadcast()
}

// send owns the writer. It returns when the recorder is finished or stopped, or when the writer fails.
func (r *recorder) send() {
	defer close(r.done)
	var spare []byte
	for {
		r.mu.Lock()
		for len(r.pending) == 0 && !r.ended && !r.cut {
			r.changed.Wait()
		}
		if r.cut || len(r.pending) == 0 {
			r.mu.Unlock()
			return
		}
		batch := r.pending
		r.pending = spare[:0]
		r.stalled = false
		r.changed.Broadcast()
		r.mu.Unlock()
		if _, err := r.w.Write(batch); err != nil {
			r.stop()
			return
		}
		spare = batch
	}
}
