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

func (s *sshStarter) start(ctx context.Context, h inventory.Host) (*link, error) {
	s.cfg.Progress(Event{Host: h.Name, Stage: StageConnecting})
	conn, err := s.dialer.Dial(ctx, sshconn.Target{Name: h.Name, User: h.User, Address: h.Address, Port: h.Port})
	if err != nil {
		return nil, hostFailure(ctx, h, "connect", err)
	}
	s.cfg.Progress(Event{Host: h.Name, Stage: StageConnected})
	load, err := s.cargo.deliver(ctx, h, conn.Client)
	if err != nil {
		_ = conn.Close()
		return nil, hostFailure(ctx, h, "ship", err)
	}
	l, err := startSession(ctx, conn, load.path, s.cfg.Args)
	if err != nil {
		_ = conn.Close()
		return nil, hostFailure(ctx, h, "start", err)
	}
	l.bases, l.bring, l.address = load.bases, load.bring, reachedAddress(conn, load.addr)
	return l, nil
}

// hostFailure prefers the context's cause, where that is why it failed.
func hostFailure(ctx context.Context, h inventory.Host, op string, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return &HostError{Host: h.Name, Op: op, Err: err}
}

// command is one that every login shell reads alike: sh, csh and fish included. Before the program begins, under the
// same process id, a line of pidMark and that id is printed.
func command(pidMark, path string, args []string) string {
	script := `echo "` + pidMark + `$$"; exec env ` + marker + "=" + markerAgent + ` "$0" "$@"`
	words := []string{"exec", "sh", "-c", quote(script), quote(path)}
	for _, a := range args {
		words = append(words, quote(a))
	}
	return strings.Join(words, " ")
}

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

// startSession starts the program in a session of conn, which the link owns from then on.
func startSession(ctx context.Context, conn *sshconn.Conn, path string, args []string) (*link, error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // what x/crypto/ssh waits for has no context
	defer stop()
	session, err := conn.NewSession()
	if err != nil {
		return nil, fmt.Errorf("open a session: %w", err)
	}
	in, err := session.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := session.StdoutPipe()
	if err != nil {
		return nil, err
	}
	stderr, err := session.StderrPipe()
	if err != nil {
		return nil, err
	}
	pidMark := "tlaunch-" + rand.Text() + "-" // nothing that start files print by chance
	if err := session.Start(command(pidMark, path, args)); err != nil {
		return nil, fmt.Errorf("run %s: %w", path, err)
	}
	ended := make(chan struct{})
	var status error
	go func() { // ends with the session, which release closes the connection of and waits for
		status = session.Wait()
		close(ended)
	}()
	l := &link{
		pidMark: pidMark,

		in:  sessionWriter{in},
		out: sessionReader{out, session},
		err: sessionReader{stderr, session},
		cut: func() { _ = conn.Close() },
		wait: func() error {
			<-ended
			return status
		},
		release: func() {
			_ = conn.Close()
			<-ended
		},
		abandon:  func(dir string) { removeRemote(conn, dir) },
		describe: describeSSH,
	}
	var once sync.Once // who comes second waits for the first
	l.kill = func() {
		once.Do(func() {
			stuck := time.AfterFunc(killPatience, func() { _ = conn.Close() })
			_ = session.Signal(ssh.SIGKILL)
			killRemote(conn, l.pid.Load())
			_ = session.Close()
			stuck.Stop()
			_ = conn.Close()
		})
	}
	return l, nil
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

// farewell opens a session on a connection that may be ending. x/crypto/ssh waits for ever where that happens between its
// taking leave of all channels and its closing of the connection, so it is not waited for any longer than killPatience.
func farewell(conn *sshconn.Conn) (*ssh.Session, error) {
	type opened struct {
		session *ssh.Session
		err     error
	}
	answer := make(chan opened, 1)
	go func() { // ends with the answer, or in the case above never: nothing can end it
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
	_ = session.Run("rm -rf -- " + quote(dir)) // the next run does not depend on it
}
