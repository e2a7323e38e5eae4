package bootstrap

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/record"
	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
	"github.com/tartrl/tlaunch-go/bootstrap/inventory"
)

// link is the started command of an agent: all that a launcher has of a host's process.
type link struct {
	in       io.WriteCloser
	out      io.ReadCloser
	err      io.ReadCloser
	bases    []string          // where the work folder may be made
	address  string            // by which the host was reached
	cut      func()            // breaks the link: in and out fail from then on
	kill     func()            // breaks the link and, where it can be reached, ends the command
	wait     func() error      // waits for the command's end and says how it ended; after a cut, no longer than the agent's lease takes
	release  func()            // frees what the link holds, after wait
	abandon  func(dir string)  // removes the work folder, where the agent could not
	gone     <-chan struct{}   // closed when the agent is known to have ended; nil: that is seen by the end of out
	again    again             // opens another connection to the agent; nil: there are none
	bring    bring             // fills the work folder; nil: nothing to bring
	describe func(error) error // explains a command that ended before the preamble; nil: nothing to say

	pidMark string       // begins the line with the command's process id, printed before the preamble; empty: there is none
	pid     atomic.Int64 // 0: not known yet
}

// heed passes a line that came before the preamble to noise, but for the command's process id.
func (l *link) heed(line string, noise func(string)) {
	before, id, found := line, "", false
	if l.pidMark != "" {
		before, id, found = strings.Cut(line, l.pidMark) // a start file may have left its last line without end
		id, _, _ = strings.Cut(id, ";")
	}
	if pid, err := strconv.ParseInt(id, 10, 32); found && err == nil {
		l.pid.Store(pid)
		if before == "" {
			return
		}
		line = before
	}
	noise(line)
}

// bring makes the folders of [Config].Ship appear in the work folder dir.
type bring func(ctx context.Context, dir string) error

// again opens another connection to an agent.
type again func(ctx context.Context, to talk.BridgeReport) (*span, error)

// starter starts the program on hosts.
type starter interface {
	start(ctx context.Context, h inventory.Host, p part) (*link, error)
	close() error
}

// hello reads up to the preamble and returns what follows it. What comes before goes to noise, line by line.
func hello(out io.Reader, noise func(line string)) (*bufio.Reader, error) {
	r := bufio.NewReaderSize(out, 64<<10)
	var line []byte
	matched := 0
	flush := func() {
		if len(line) > 0 {
			noise(string(line))
		}
		line = line[:0]
	}
	keep := func(b byte) {
		switch {
		case b == '\n':
			noise(string(line))
			line = line[:0]
		default:
			line = append(line, b)
			if len(line) >= record.MaxPiece {
				flush()
			}
		}
	}
	for matched < len(talk.Preamble) {
		b, err := r.ReadByte()
		if err != nil {
			for i := range matched {
				keep(talk.Preamble[i])
			}
			flush()
			return nil, err
		}
		if b == talk.Preamble[matched] {
			matched++
			continue
		}
		for i := range matched {
			keep(talk.Preamble[i])
		}
		if matched = 0; b == talk.Preamble[0] {
			matched = 1
			continue
		}
		keep(b)
	}
	flush()
	return r, nil
}

// greet waits for the agent's preamble, at most timeout. After an error the command has been ended.
func (l *link) greet(ctx context.Context, timeout time.Duration, noise func(string)) (*bufio.Reader, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errHelloTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, l.kill)
	r, err := hello(l.out, func(line string) { l.heed(line, noise) })
	if err == nil && stop() {
		return r, nil
	}
	ended := l.wait() // a command that has closed its output may live on, but not longer than ctx
	stop()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, errHelloTimeout) {
		return nil, cause
	} else if cause != nil {
		return nil, fmt.Errorf("%w: it still ran after %v", ErrNoInit, timeout)
	}
	l.pid.Store(0) // its number may be another's from now on
	if l.describe != nil {
		if known := l.describe(ended); known != nil {
			return nil, known
		}
	}
	if ended != nil {
		return nil, fmt.Errorf("%w: it ended before that: %w", ErrNoInit, ended)
	}
	return nil, fmt.Errorf("%w: it ended before that, with status 0", ErrNoInit)
}

var errHelloTimeout = errors.New("bootstrap: no preamble in time")

// linkConn is the link as the connection below the session.
type linkConn struct {
	io.Reader
	link *link
}

func (c linkConn) Write(b []byte) (int, error) { return c.link.in.Write(b) }

func (c linkConn) Close() error { return errors.Join(c.link.in.Close(), c.link.out.Close()) }
