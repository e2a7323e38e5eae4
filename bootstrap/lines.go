package bootstrap

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/record"
)

// maxNodeLine leaves room in a record of MaxLine bytes for the node's name, and for saying what was cut.
const maxNodeLine = MaxLine - 4<<10

// lines cuts what is written into lines.
type lines struct {
	emit func(line string)

	mu   sync.Mutex
	part []byte // of a line that has not ended, at most maxNodeLine
	over int    // bytes of that line that were dropped
}

// NewLines returns a writer that calls emit with each line, without its newline, before Write returns: alone and in order. Close emits
// what follows the last newline, if anything does. What is longer than [MaxLine] is cut, and says so.
func NewLines(emit func(line string)) io.WriteCloser { return &lines{emit: emit} }

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	size := len(b)
	for {
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			l.keepLocked(b)
			return size, nil
		}
		if len(l.part) == 0 && end <= maxNodeLine {
			l.emit(string(b[:end]))
		} else {
			l.keepLocked(b[:end])
			l.endLocked()
		}
		b = b[end+1:]
	}
}

func (l *lines) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.part) > 0 {
		l.endLocked()
	}
	return nil
}

func (l *lines) keepLocked(b []byte) {
	keep := min(len(b), maxNodeLine-len(l.part))
	l.over += len(b) - keep
	l.part = append(l.part, b[:keep]...)
}

func (l *lines) endLocked() {
	text := string(l.part)
	if l.over > 0 {
		text += fmt.Sprintf(" [line cut: %d more bytes]", l.over)
	}
	l.over = 0
	l.part = l.part[:0]
	if cap(l.part) > record.MaxPiece {
		l.part = nil // one long line is no reason to keep that much
	}
	l.emit(text)
}

// Output returns a writer whose lines become records of a node: on stream, [Stdout] or [Stderr], in the order in which they are
// written. See [NewLines]. A line has left the process when Write returns. A slow launcher slows writers down.
func (g *Guest) Output(node string, stream Stream) io.WriteCloser {
	return NewLines(func(line string) {
		_ = g.logs.Record(record.LogPayload{Time: time.Now().UnixNano(), Node: node, Stream: stream, Text: line}) // an agent that is gone ends the process
	})
}
