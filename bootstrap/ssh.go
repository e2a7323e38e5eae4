package bootstrap

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
	"github.com/tartrl/tlaunch-go/bootstrap/inventory"
	"github.com/tartrl/tlaunch-go/bootstrap/sshconn"
)

// sshStarter starts agents over SSH: one connection for each, in which the command's session is the link.
type sshStarter struct {
	cfg    *Config
	dialer *sshconn.Dialer
	cargo  *cargo
}

var _ starter = (*sshStarter)(nil)

func newSSHStarter(cfg *Config) (*sshStarter, error) {
	dialer, err := sshconn.NewDialer(*cfg.SSH)
	if err != nil {
		return nil, err
	}
	return &sshStarter{cfg: cfg, dialer: dialer, cargo: newCargo(cfg)}, nil
}

func (s *sshStarter) close() error { return errors.Join(s.dialer.Close(), s.cargo.close()) }

func (s *sshStarter) start(ctx context.Context, h inventory.Host, p part) (*link, error) {
	s.cfg.Progress(Event{Host: h.Name, Stage: StageConnecting})
	conn, err := s.dialer.Dial(ctx, sshconn.Target{Name: h.Name, User: h.User, Address: h.Address, Port: h.Port})
	if err != nil {
		return nil, hostFailure(ctx, h, "connect", err)
	}
	s.cfg.Progress(Event{Host: h.Name, Stage: StageConnected})
	l, err := s.enter(ctx, h, conn, p)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return l, nil
}

// enter starts the program on a host that was reached, and brings it there first where the host does not have it.
func (s *sshStarter) enter(ctx context.Context, h inventory.Host, conn *sshconn.Conn, p part) (*link, error) {
	files, err := s.cargo.bring(h, conn)
	if err != nil {
		return nil, hostFailure(ctx, h, "ship", err)
	}
	l, err := s.startWarm(ctx, h, conn, p)
	if err != nil {
		return nil, hostFailure(ctx, h, "ship", err)
	}
	if l == nil {
		load, err := s.cargo.deliver(ctx, h, p, conn)
		if err != nil {
			return nil, hostFailure(ctx, h, "ship", err)
		}
		mark := newPidMark()
		c, err := startCommand(ctx, conn, loginCommand(pathScript(p), mark, append([]string{load.path}, s.cfg.Args...)...))
		if err != nil {
			return nil, hostFailure(ctx, h, "start", fmt.Errorf("run %s: %w", load.path, err))
		}
		l = s.link(h, c, mark)
		l.bases, l.address = workBases(load.path), reachedAddress(conn, load.addr)
	}
	l.bring = files
	return l, nil
}

// hostFailure prefers the context's cause, where that is why it failed.
func hostFailure(ctx context.Context, h inventory.Host, op string, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return &HostError{Host: h.Name, Op: op, Err: err}
}

// pathScript becomes the program at $1, as p. Before, under the same process id, it prints a line of $0 and that id.
func pathScript(p part) string {
	return `echo "$0$$"; export ` + strings.Join(p.env(), " ") + `; exec "$@"`
}

// loginCommand is a command that every login shell reads alike, csh and fish included: a script for sh, its $0, and further words.
func loginCommand(script, zeroth string, words ...string) string {
	all := []string{"exec", "sh", "-c", quote(script), quote(zeroth)}
	for _, w := range words {
		all = append(all, quote(w))
	}
	return strings.Join(all, " ")
}

// newPidMark is nothing that start files print by chance.
func newPidMark() string { return "tlaunch-" + rand.Text() + "-" }

// quote makes one word of s. Quotes and backslashes stand outside of the single quotes, because shells differ within.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('\'')
	for _, r := range []byte(s) {
		if r == '\'' || r == '\\' || r == '!' {
			b.WriteString(`'\`)
			b.WriteByte(r)
			b.WriteByte('\'')
			continue
		}
		b.WriteByte(r)
	}
	b.WriteByte('\'')
	return b.String()
}

// reachedAddress is where the host was reached. Behind jump hosts that is the address which the last of them has reached, as the
// host itself tells: a name is resolved over there, and may mean nothing or something else where it is used.
func reachedAddress(conn *sshconn.Conn, told netip.Addr) string {
	if len(conn.Jumps) == 0 {
		if host, _, err := net.SplitHostPort(conn.RemoteAddr().String()); err == nil {
			return host
		}
	}
	if _, err := netip.ParseAddr(conn.HostName); err != nil && told.IsValid() && told.Zone() == "" {
		return told.String()
	}
	return conn.HostName
}

// command is one that runs on a host, in a session of its own.
type command struct {
	conn     *sshconn.Conn
	session  *ssh.Session
	in       io.Writer
	out      io.Reader
	err      *backlog
	ended    chan struct{} // closed when status is known: at the end of the session, of the connection at the latest
	status   error
	attached bool // it brings to an agent that another has started
}

// startCommand starts a command. What its start files print to standard error holds nobody up.
func startCommand(ctx context.Context, conn *sshconn.Conn, text string) (*command, error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // what x/crypto/ssh waits for has no context
	defer stop()
	session, err := conn.NewSession()
	if err != nil {
		return nil, fmt.Errorf("open a session: %w", err)
	}
	c := &command{conn: conn, session: session, ended: make(chan struct{})}
	if c.in, err = session.StdinPipe(); err != nil {
		return nil, err
	}
	if c.out, err = session.StdoutPipe(); err != nil {
		return nil, err
	}
	stderr, err := session.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := session.Start(text); err != nil {
		return nil, fmt.Errorf("start a command: %w", err)
	}
	c.err = newBacklog(sessionReader{stderr, session}, maxNoise)
	go func() {
		c.status = session.Wait()
		close(c.ended)
	}()
	return c, nil
}

// link is c as the link to an agent on h, with all connections that come after it; it owns them from then on. The command prints its
// process id after mark.
func (s *sshStarter) link(h inventory.Host, c *command, mark string) *link {
	w := newWays(c)
	l := &link{
		pidMark: mark,

		in:       sessionWriter{c.in},
		out:      sessionReader{c.out, c.session},
		err:      c.err,
		cut:      w.cut,
		wait:     w.wait,
		release:  w.release,
		abandon:  func(dir string) { removeRemote(w.current().conn, dir) },
		gone:     w.gone,
		again:    func(ctx context.Context, to talk.BridgeReport) (*span, error) { return s.again(ctx, h, w, to) },
		describe: describeSSH,
	}
	var once sync.Once // who comes second waits for the first
	l.kill = func() { once.Do(func() { w.kill(l.pid.Load()) }) }
	return l
}

// killPatience is how long a host may take to kill a command before the connection is closed instead.
const killPatience = 3 * time.Second

// killRemote kills a command by its process group. OpenSSH passes no signals on in the sessions of root, and leaves commands
// that do not read their input alone when the connection ends.
func killRemote(conn *sshconn.Conn, pid int64) {
	if pid <= 1 { // not known
		return
	}
	session, err := farewell(conn)
	if err != nil {
		return // the connection is gone: nobody is left to be asked
	}
	defer session.Close()
	_ = session.Run(fmt.Sprintf("exec sh -c 'kill -9 -%d || kill -9 %d'", pid, pid)) // it may have ended meanwhile
}

// farewell opens a session on a connection that may be ending, or stuck: it is waited for no longer than killPatience.
func farewell(conn *sshconn.Conn) (*ssh.Session, error) {
	type opened struct {
		session *ssh.Session
		err     error
	}
	answer := make(chan opened, 1)
	go func() { // ends with the answer, or with the connection
		session, err := conn.NewSession()
		answer <- opened{session, err}
	}()
	late := time.NewTimer(killPatience)
	defer late.Stop()
	select {
	case o := <-answer:
		return o.session, o.err
	case <-late.C:
		_ = conn.Close() // a session that comes after all is of no use
		return nil, ErrClosed
	}
}

// sessionWriter is the input of a session. Closing it is left to the outputs' Close, which ends the whole session:
// x/crypto/ssh has no lock between an input's Close and a Write that is under way.
type sessionWriter struct{ io.Writer }

func (sessionWriter) Close() error { return nil }

// sessionReader is an output of a session; both end with it.
type sessionReader struct {
	io.Reader
	session *ssh.Session
}

func (r sessionReader) Close() error {
	if err := r.session.Close(); err != nil && !errors.Is(err, io.EOF) { // EOF: the other side has closed it
		return err
	}
	return nil
}

// describeSSH knows the statuses by which shells say that there is nothing to run.
func describeSSH(ended error) error {
	var exited *ssh.ExitError
	var missing *ssh.ExitMissingError
	switch {
	case errors.As(ended, &missing):
		return fmt.Errorf("the connection ended before the program was reached: %w", ended)
	case errors.As(ended, &exited) && exited.ExitStatus() == 126:
		return fmt.Errorf("the host may not run the program: %w", ended)
	case errors.As(ended, &exited) && exited.ExitStatus() == 127:
		return fmt.Errorf("the host cannot find or load the program: %w", ended)
	case errors.As(ended, &exited) && (exited.Signal() != "" || exited.ExitStatus() > 128):
		return fmt.Errorf("the program was ended by a signal before its main was reached: the host has no memory for it, or its copy there is damaged; remove that (~/.cache/tlaunch) and it is sent again: %w", ended)
	}
	return nil
}

// removeRemote removes a work folder whose agent is gone, as far as the host is still there to be asked.
func removeRemote(conn *sshconn.Conn, dir string) {
	stuck := time.AfterFunc(5*time.Second, func() { _ = conn.Close() })
	defer stuck.Stop()
	session, err := farewell(conn)
	if err != nil {
		return
	}
	defer session.Close()
	_ = session.Run("rm -rf -- " + quote(dir) + " " + quote(dir+talk.ClaimSuffix)) // the next run does not depend on it
}
