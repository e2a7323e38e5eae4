package record

import (
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// Recorder numbers the lines of a process and sends them to the launcher, as far as its ration goes. Writers block while more than
// maxPending bytes wait, but not longer than its patience: then lines are dropped until some have been sent. What is dropped
// is declared where it would have been. After cut nothing is kept, so that the worker can still stop in peace.
type Recorder struct {
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

// New returns a Recorder that lets rate bytes through in a second; zero and less: all. Writers wait for patience.
func New(w io.Writer, rate int64, patience time.Duration) *Recorder {
	r := &Recorder{w: w, patience: patience, done: make(chan struct{}), numbers: map[string]uint64{}, ration: ration{rate: rate}}
	r.changed.L = &r.mu
	go r.send()
	return r
}

// add takes a piece of a line of output or of a log record.
func (r *Recorder) add(p Piece) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := &r.current[p.Stream]
	if p.Drop {
		if c.begun && !c.dropped {
			r.pending = AppendPiece(r.pending, p)
		}
		*c = current{}
		return
	}
	if !c.begun {
		c.begun = true
		c.dropped = r.stalled || !r.ration.fits(time.Now())
	}
	c.bytes += len(p.Data)
	if !c.dropped && !r.awaitRoomLocked() {
		c.dropped = true
		if c.bytes > len(p.Data) {
			r.pending = AppendPiece(r.pending, Piece{Stream: p.Stream, Drop: true})
		}
	}
	switch {
	case r.cut:
	case c.dropped:
		r.dropLocked(c, p)
	default:
		if c.bytes == len(p.Data) || !p.More {
			// Before the line begins, for lines of its stream that were kept must not come between its pieces, as another stream's next line, or the
			// timer, would have it; and before it gets its number, so that numbers stay in order.
			r.declareLocked()
		}
		if !p.More {
			p.NodeSeq = r.numberLocked(&p)
			r.ration.take(time.Now(), recordCost)
		}
		r.ration.take(time.Now(), len(p.Data))
		r.sendLocked(p)
	}
	if !p.More {
		*c = current{}
	}
}

// awaitRoomLocked waits until pieces can be taken, and reports whether they can; when r.cut is set it is of no matter.
func (r *Recorder) awaitRoomLocked() bool {
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
func (r *Recorder) numberLocked(p *Piece) uint64 {
	if _, known := r.numbers[p.Node]; !known && len(r.numbers) >= maxNumbered {
		p.Node = ""
	}
	r.numbers[p.Node]++
	return r.numbers[p.Node]
}

// dropLocked drops a piece, and at its end counts the line.
func (r *Recorder) dropLocked(c *current, p Piece) {
	if len(c.data)+len(p.Data) == c.bytes && c.bytes+recordCost <= maxTail {
		c.data = append(c.data, p.Data...)
	}
	if p.More {
		return
	}
	p.Data, p.Time = c.data, time.Now().UnixNano()
	p.NodeSeq = r.numberLocked(&p)
	r.gaps.add(p, c.bytes, len(c.data) == c.bytes)
	if r.declare == nil {
		r.declare = time.AfterFunc(declareAfter, r.tryDeclare)
	}
}

// tryDeclare declares the gaps once lines fit again.
func (r *Recorder) tryDeclare() {
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
func (r *Recorder) declareLocked() {
	if r.declare == nil {
		return
	}
	r.declare.Stop()
	r.declare = nil
	now := time.Now()
	for _, g := range r.gaps.nodes {
		if g.Lines > 0 {
			data, err := cbor.Marshal(g.Missing)
			if err != nil {
				panic(err) // a text and two numbers
			}
			r.sendLocked(Piece{Stream: Gap, NodeSeq: g.last, Data: data})
		}
		for _, p := range g.tail {
			r.ration.take(now, len(p.Data)+recordCost)
			r.sendLocked(p)
		}
	}
	r.gaps = gaps{}
}

// sendLocked queues a piece; the number and, where it has none, the time are given here.
func (r *Recorder) sendLocked(p Piece) {
	if !p.More {
		r.seq++
		p.Seq = r.seq
		if p.Time == 0 {
			p.Time = time.Now().UnixNano()
		}
	}
	r.pending = AppendPiece(r.pending, p)
	r.changed.Broadcast()
}

// Say records a line of the agent itself, which has no number of a node's and always fits.
func (r *Recorder) Say(level slog.Level, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.awaitRoomLocked(); r.cut {
		return
	}
	for len(text) > MaxPiece {
		r.sendLocked(Piece{Stream: Agent, More: true, Data: []byte(text[:MaxPiece])})
		text = text[MaxPiece:]
	}
	r.sendLocked(Piece{Stream: Agent, Level: int8(level), Data: []byte(text)})
}

// Finish sends what is pending and the last frame, and waits for that.
func (r *Recorder) Finish(last []byte) {
	r.mu.Lock()
	r.declareLocked()
	r.pending = append(r.pending, last...)
	r.ended = true
	r.changed.Broadcast()
	r.mu.Unlock()
	<-r.done
}

// Stop gives up: from here on records are dropped.
func (r *Recorder) Stop() {
	r.mu.Lock()
	r.stopLocked()
	r.mu.Unlock()
}

func (r *Recorder) stopLocked() {
	r.cut = true
	r.pending, r.gaps = nil, gaps{}
	if r.declare != nil {
		r.declare.Stop()
	}
	r.changed.Broadcast()
}

// send owns the writer. It returns when the Recorder is finished or stopped, or when the writer fails.
func (r *Recorder) send() {
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
			r.Stop()
			return
		}
		spare = batch
	}
}
