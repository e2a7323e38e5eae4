package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/agent"
	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
	"github.com/tartrl/tlaunch-go/bootstrap/inventory"
	"github.com/tartrl/tlaunch-go/bootstrap/sshconn"
)

// told says whether the host has said how the command ended, rather than nothing any more. It is for commands that have ended.
func (c *command) told() bool {
	var exited *ssh.ExitError
	return c.status == nil || errors.As(c.status, &exited)
}

// close closes the connection and waits for what reads from it.
func (c *command) close() {
	_ = c.conn.Close() // there is nothing to lose on it
	<-c.ended
	if c.attached { // nobody reads what the others print
		_ = c.err.Close()
	}
	c.err.wait()
}

// ways are the connections by which an agent is reached: the first, in which it was started, and then those that bridge what was lost.
type ways struct {
	gone    chan struct{} // closed when the host has said that the agent has ended
	closing sync.WaitGroup

	mu     sync.Mutex
	now    *command
	number uint64 // of the carrier that now is: see resume.Stream; the command that started the agent has none
	shut   bool
}

func newWays(first *command) *ways {
	w := &ways{now: first, gone: make(chan struct{})}
	w.closing.Go(func() {
		<-first.ended // at the latest when it is replaced, or with release
		if first.told() {
			close(w.gone)
		}
	})
	return w
}

func (w *ways) current() *command {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// adopt makes next the command to be used, in place of one with a smaller number.
func (w *ways) adopt(next *command, number uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	old := next
	if !w.shut && number > w.number {
		old, w.now, w.number = w.now, next, number
	}
	w.closing.Go(old.close)
}

// cut closes the connection for good.
func (w *ways) cut() {
	w.mu.Lock()
	w.shut = true
	now := w.now
	w.mu.Unlock()
	_ = now.conn.Close()
}

// wait waits for the end of the command.
func (w *ways) wait() error {
	now := w.current()
	<-now.ended
	return now.status
}

// release closes all connections and waits for that.
func (w *ways) release() {
	w.cut()
	w.current().close()
	w.closing.Wait()
}

// kill ends the command with the process id pid, and closes the connection.
func (w *ways) kill(pid int64) {
	now := w.current()
	stuck := time.AfterFunc(killPatience, func() { _ = now.conn.Close() })
	if !now.attached {
		_ = now.session.Signal(ssh.SIGKILL)
	}
	killRemote(now.conn, pid)
	_ = now.session.Close()
	stuck.Stop()
	w.cut()
}

// again opens a connection to h and starts a command there that brings it to the agent: see attach.
func (s *sshStarter) again(ctx context.Context, h inventory.Host, ways *ways, to talk.BridgeReport) (*span, error) {
	conn, err := s.dialer.Dial(ctx, sshconn.Target{
		Name: h.Name, User: h.User, Address: h.Address, Port: h.Port,
		Since: time.Now().Truncate(jumpLife), // so that hosts which are lost together share a new connection to their jump host
	})
	if err != nil {
		return nil, err
	}
	c, err := startCommand(ctx, conn, attachCommand(to.Program))
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("run %s: %w", to.Program, err)
	}
	c.attached = true
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	reader, err := hello(c.out, func(string) {})
	if err == nil {
		err = talk.WriteMessage(c.in, talk.FrameDoor, talk.DoorReport{Door: to.Door})
	}
	if err != nil {
		c.close()
		return nil, errors.Join(err, c.status)
	}
	return &span{
		Reader: reader, Writer: c.in, Closer: sessionReader{c.out, c.session},
		cut:   c.close,
		adopt: func(number uint64) { ways.adopt(c, number) },
		gone:  c.foundNobody,
	}, nil
}

// jumpLife is how old a connection to a jump host is at most for a host that is reached again through it: it may be what was lost.
const jumpLife = time.Second

// foundNobody says whether a command that was to attach the launcher to an agent has found none. The news may come just behind the end of its output.
func (c *command) foundNobody() bool {
	late := time.NewTimer(time.Second)
	defer late.Stop()
	var exited *ssh.ExitError
	select {
	case <-c.ended:
		return errors.As(c.status, &exited) && exited.ExitStatus() == agent.ExitGone
	case <-late.C:
		return false
	}
}

// attachCommand runs the executable at path for every login shell alike.
func attachCommand(path string) string {
	return loginCommand("export "+talk.Marker+"="+talk.RoleAttach+`; exec "$0"`, path)
}
