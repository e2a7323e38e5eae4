package tlaunch

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/internal/child"
)

// A Talker speaks with a command over its standard input and output. As a part
// of the program it is searched for refs, and is a value that every process
// makes alike; see [Talk].
type Talker interface {
	// Talk reads what the command writes until the end, which comes at the latest when the command has ended, and writes
	// what the command reads; ctx is the node's, and ends 15 s after the command has at the latest. When it returns, the
	// command's standard input is at its end, and what the command still writes is thrown away. An error, or a panic, is
	// the node's failure, also where the command exits with 0.
	Talk(ctx context.Context, conn io.ReadWriter) error
}

// Talk has t speak with a command over its standard input and output, in the
// process of its host. Such a command says what is for people on standard error.
func Talk(t Talker) NodeOption { return func(o *nodeOptions) { o.talker = t } }

// settleTalkers refuses talkers of nodes that are no commands.
func (p *Program) settleTalkers() {
	for _, n := range p.nodes {
		if _, ok := commandOf(n); n.talker != nil && !ok {
			p.fail("node %s is no command: Talk is for those", n.key)
		}
	}
}

// A talk is what is said between a [Talker] and its command. A nil talk is none.
type talk struct {
	talker Talker
	input  *os.File // what the command reads
	own    *os.File // the other end of it
	heard  *io.PipeReader
	said   *io.PipeWriter // what the command writes goes there
	over   chan struct{}  // closed when the talker has returned err
	err    error
	bound  sync.WaitGroup // of the goroutine that ends the talker's context
	cut    bool           // it has done so before the talker returned
}

// talkPatience is how long a talker may take once its command has ended: one that waits for something else then, for
// an answer that never comes, would keep the end of the command from being known.
const talkPatience = 15 * time.Second

// errTalkLasts: a talker went on without its command.
var errTalkLasts = fmt.Errorf("tlaunch: what is said with a command was not over %v after it had ended", talkPatience)

// newTalk makes the streams of a command that has a talker.
func newTalk(t Talker, spec *child.Spec) (*talk, error) {
	if t == nil {
		return nil, nil
	}
	input, own, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	k := &talk{talker: t, input: input, own: own, over: make(chan struct{})}
	k.heard, k.said = io.Pipe()
	spec.Stdin, spec.Stdout = input, k.said
	return k, nil
}

// conn is the talker's end.
type conn struct {
	io.Reader
	io.Writer
}

// begin lets the talker talk, once the command runs; end waits for it. Gone is closed when the command has ended.
func (k *talk) begin(ctx context.Context, gone <-chan struct{}) {
	if k == nil {
		return
	}
	_ = k.input.Close() // the command has its own
	talking, cancel := context.WithCancelCause(ctx)
	k.bound.Go(func() {
		defer cancel(nil)
		select {
		case <-gone:
		case <-k.over:
			return
		}
		patience := time.NewTimer(talkPatience)
		defer patience.Stop()
		select {
		case <-patience.C:
			k.cut = true
			cancel(errTalkLasts)
		case <-k.over:
		}
	})
	go func() {
		defer close(k.over)
		defer func() {
			_ = k.own.Close()   // the talker has heard of what could not be written
			_ = k.heard.Close() // the command's output is read and thrown away from now on
		}()
		k.err = k.safely(talking)
	}()
}

// safely talks; a panic is the node's, not that of its process.
func (k *talk) safely(ctx context.Context) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &actor.PanicError{Value: fmt.Sprint(v), Stack: string(debug.Stack())}
		}
	}()
	return k.talker.Talk(ctx, conn{k.heard, k.own})
}

// end waits for the talker when its command has ended. It says how the talk
// went, and whether that was over before the command was.
func (k *talk) end() (err error, first bool) {
	if k == nil {
		return nil, false
	}
	select {
	case <-k.over:
		first = k.err != nil
	default:
	}
	_ = k.said.Close()
	<-k.over
	k.bound.Wait()
	return k.err, first && !k.cut
}

// abandon closes the streams of a command that was not started.
func (k *talk) abandon() {
	if k == nil {
		return
	}
	_ = k.input.Close()
	_ = k.own.Close()
}
