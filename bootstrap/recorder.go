package bootstrap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"
)

// recorder numbers the records of a process and sends them to the launcher. Writers block while more than maxPending bytes wait,
// which is how a slow launcher slows the worker down rather than losing its output. After cut nothing is kept, so that the
// worker can still stop in peace.
type recorder struct {
	w    io.Writer
	done chan struct{} // closed when send has returned

	mu      sync.Mutex
	changed sync.Cond
	seq     uint64
	pending []byte
	ended   bool
	cut     bool
}

const maxPending = 256 << 10

func newRecorder(w io.Writer) *recorder {
	r := &recorder{w: w, done: make(chan struct{})}
	r.changed.L = &r.mu
	go r.send()
	return r
}

// add queues a piece; the number and, where it has none, the time are given here.
func (r *recorder) add(p piece) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.pending) >= maxPending && !r.cut {
		r.changed.Wait()
	}
	if r.cut {
		return
	}
	if !p.more && !p.drop {
		r.seq++
		p.seq, p.time = r.seq, time.Now().UnixNano()
	}
	r.pending = appendPiece(r.pending, p)
	r.changed.Broadcast()
}

// say records a line of the agent itself.
func (r *recorder) say(level slog.Level, text string) {
	for len(text) > maxPiece {
		r.add(piece{stream: Agent, more: true, data: []byte(text[:maxPiece])})
		text = text[maxPiece:]
	}
	r.add(piece{stream: Agent, level: int8(level), data: []byte(text)})
}

// finish sends what is pending and the last frame, and waits for that.
func (r *recorder) finish(last []byte) {
	r.mu.Lock()
	r.pending = append(r.pending, last...)
	r.ended = true
	r.changed.Broadcast()
	r.mu.Unlock()
	<-r.done
}

// stop gives up: from here on records are dropped.
func (r *recorder) stop() {
	r.mu.Lock()
	r.cut = true
	r.pending = nil
	r.changed.Broadcast()
	r.mu.Unlock()
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
		r.changed.Broadcast()
		r.mu.Unlock()
		if _, err := r.w.Write(batch); err != nil {
			r.stop()
			return
		}
		spare = batch
	}
}

// readLines records r line by line until it ends. A last line without a newline is recorded as it is.
func (r *recorder) readLines(stream Stream, in io.Reader) {
	buf := make([]byte, maxPiece)
	length := 0 // of the line so far, the part that is dropped included
	fill := 0
	emit := func(data []byte, more bool) {
		before := length
		length += len(data)
		if keep := max(MaxLine-before, 0); keep < len(data) {
			data = data[:keep]
		}
		if more {
			if len(data) > 0 {
				r.add(piece{stream: stream, more: true, data: data})
			}
			return
		}
		if cut := length - MaxLine; cut > 0 {
			if len(data) > 0 {
				r.add(piece{stream: stream, more: true, data: data})
			}
			data = []byte(fmt.Sprintf(" [line cut: %d more bytes]", cut))
		}
		r.add(piece{stream: stream, data: data})
		length = 0
	}
	for {
		n, err := in.Read(buf[fill:])
		fill += n
		rest := buf[:fill]
		for {
			end := bytes.IndexByte(rest, '\n')
			if end < 0 {
				break
			}
			emit(rest[:end], false)
			rest = rest[end+1:]
		}
		if len(rest) == len(buf) {
			emit(rest, true)
			rest = nil
		}
		fill = copy(buf, rest)
		if err != nil {
			if fill > 0 || length > 0 {
				emit(buf[:fill], false)
			}
			return
		}
	}
}

// readLogs records the log records of r (length and bytes each) until it ends.
func (r *recorder) readLogs(in io.Reader) {
	buf := make([]byte, maxPiece)
	for {
		var header [4]byte
		if _, err := io.ReadFull(in, header[:]); err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) {
				r.say(slog.LevelWarn, "the last log record was cut short")
			}
			return
		}
		left := int64(binary.BigEndian.Uint32(header[:]))
		if left > MaxLine+(1<<19) {
			r.say(slog.LevelError, "the worker's log pipe carries something else than log records; the rest of it is dropped")
			_, _ = io.Copy(io.Discard, in)
			return
		}
		for {
			chunk := buf[:min(left, maxPiece)]
			n, err := io.ReadFull(in, chunk)
			if err != nil {
				r.add(piece{stream: Log, drop: true})
				r.say(slog.LevelWarn, fmt.Sprintf("the last log record was cut short: %d bytes are missing", left-int64(n)))
				return
			}
			left -= int64(len(chunk))
			r.add(piece{stream: Log, more: left > 0, data: chunk})
			if left == 0 {
				break
			}
		}
	}
}
