// Package child runs an executable as the head of a family of processes, and ends the whole family with it.
//
// The head leads a process group of its own. Descendants that have left the group are known by variables of their
// environment, which every child inherits; on systems without /proc only the group is found. A descendant that has left
// the group and cleared its environment too is out of reach here.
//
// On Linux the head is killed when this process dies, however it does.
//
// The package knows nothing of nodes and runs.
package child

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"
)

// A Spec says what to run.
type Spec struct {
	Path   string    // of the executable; a relative one counts from Dir
	Args   []string  // without the name of the program
	Env    []string  // NAME=VALUE: all there is
	Marks  []string  // entries of Env that no process outside of the family has; none: only the group is ended
	Dir    string    // the working directory; empty: this process's
	Stdout io.Writer // takes what is printed, in pieces of any size, from one goroutine; required
	Stderr io.Writer // the same
	Stdin  *os.File  // what it reads, which stays the caller's; nil: standard input is at its end from the start
}

// A Status is how the head of a family ended.
type Status struct {
	Code   int    // its exit status; 128 + n where signal n ended it
	Signal string // the signal's name, as in "SIGKILL"; empty: it exited
	MaxRSS int64  // the largest resident memory of the head in bytes; 0: not known
}

// A Child is a family that runs. Its methods are safe for concurrent use.
type Child struct {
	cmd     *exec.Cmd
	marks   []string
	readers sync.WaitGroup
	pipes   []*os.File
	gone    chan struct{} // closed when nobody is left to write
	done    chan struct{} // closed when status is there

	mu     sync.Mutex
	over   bool // the head has ended: its number may be another's soon
	status Status
}

// outputPatience is how long a read may take once the family is gone: what it has written is there by then, and
// whoever holds the pipes still is nobody that was found.
const outputPatience = time.Second

// Start starts the head of a family. The error is the system's.
func Start(s Spec) (*Child, error) {
	c := &Child{marks: s.Marks, gone: make(chan struct{}), done: make(chan struct{})}
	c.cmd = &exec.Cmd{Path: s.Path, Args: append([]string{s.Path}, s.Args...), Env: s.Env, Dir: s.Dir, SysProcAttr: headAttr()}
	if c.cmd.Env == nil {
		c.cmd.Env = []string{} // nil would be all of ours
	}
	var far [2]*os.File
	defer func() {
		for _, f := range far {
			if f != nil {
				_ = f.Close() // the child has its own
			}
		}
	}()
	for i := range far {
		near, w, err := os.Pipe()
		if err != nil {
			c.closePipes()
			return nil, fmt.Errorf("child: %w", err)
		}
		c.pipes, far[i] = append(c.pipes, near), w
	}
	c.cmd.Stdout, c.cmd.Stderr = far[0], far[1]
	if s.Stdin != nil { // a nil *os.File would not be nil there
		c.cmd.Stdin = s.Stdin
	}
	started := make(chan error)
	go c.live(started, []io.Writer{s.Stdout, s.Stderr}) // ends with the family; Wait waits for it
	if err := <-started; err != nil {
		c.closePipes()
		return nil, err
	}
	return c, nil
}

// drain reads to the end, whatever becomes of the writer: a family must not stand still because nobody listens. Once the
// family is gone each read has a bound of its own, so that what a slow writer leaves in the pipe is not lost.
func (c *Child) drain(to io.Writer, from *os.File) {
	buf := make([]byte, 32<<10)
	for {
		select {
		case <-c.gone:
			boundRead(from)
		default:
		}
		n, err := from.Read(buf)
		if n > 0 && to != nil {
			if _, err := to.Write(buf[:n]); err != nil {
				to = nil
			}
		}
		if err != nil {
			return
		}
	}
}

func boundRead(f *os.File) { _ = f.SetReadDeadline(time.Now().Add(outputPatience)) } // a pipe can have one

func (c *Child) closePipes() {
	for _, p := range c.pipes {
		_ = p.Close() // only read from
	}
}

// live starts the head, waits for its end, ends what it left, and tells.
func (c *Child) live(started chan<- error, outputs []io.Writer) {
	runtime.LockOSThread() // the parent-death signal follows the thread that has started the child
	defer runtime.UnlockOSThread()
	err := c.cmd.Start()
	if err == nil {
		for i, to := range outputs {
			c.readers.Go(func() { c.drain(to, c.pipes[i]) })
		}
	}
	started <- err
	if err != nil {
		return
	}
	awaitEnd(c.cmd)
	c.mu.Lock()
	c.over = true
	c.mu.Unlock()
	endFamily(c.cmd.Process.Pid, c.marks)
	_ = c.cmd.Wait() // the state says how it ended
	close(c.gone)
	for _, p := range c.pipes {
		boundRead(p)
	}
	c.readers.Wait()
	c.closePipes()
	c.mu.Lock()
	c.status = statusOf(c.cmd.ProcessState)
	c.mu.Unlock()
	close(c.done)
}

// Done is closed when the family has ended and all its output has been written.
func (c *Child) Done() <-chan struct{} { return c.done }

// Gone is closed when the family has ended. What it has printed may yet be to be written.
func (c *Child) Gone() <-chan struct{} { return c.gone }

// Wait waits for [Child.Done] and says how the head ended.
func (c *Child) Wait() Status {
	<-c.done
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// Terminate asks the group of the head to end (SIGTERM). It does not wait.
func (c *Child) Terminate() { c.signal(terminate) }

// Kill kills the group of the head at once; the rest of the family goes with the head. It does not wait.
func (c *Child) Kill() { c.signal(kill) }

func (c *Child) signal(send func(*os.Process)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over {
		send(c.cmd.Process)
	}
}
