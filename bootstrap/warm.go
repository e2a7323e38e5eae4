package bootstrap

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/tartrl/tlaunch-go/bootstrap/inventory"
	"github.com/tartrl/tlaunch-go/bootstrap/ship"
	"github.com/tartrl/tlaunch-go/bootstrap/sshconn"
)

// maxNoise bounds what a host's start files may print, to either output, before anything of ours does.
const maxNoise = 256 << 10

// startWarm starts the program where the host has it. To look for it and to become it is one session, the only one of a warm start.
// Where the host does not have the program, link and error are nil.
func (s *sshStarter) startWarm(ctx context.Context, h inventory.Host, conn *sshconn.Conn, p part) (*link, error) {
	wanted, err := s.cargo.wanted()
	if err != nil {
		return nil, err
	}
	mark := newPidMark()
	c, err := startCommand(ctx, conn, loginCommand(ship.EnterScript(strings.Join(p.env(), " "), wanted), mark, s.cfg.Args...))
	if err != nil {
		return nil, err
	}
	said, err := c.awaitShell(ctx, mark)
	if err != nil || said == ship.EnterNone {
		_ = c.session.Close() // the connection goes on; what the login shell has left behind may hold the session open, so it is not waited for
		_ = c.err.Close()
		return nil, err
	}
	l := s.link(h, c, mark)
	found, err := ship.ParseEntered(said)
	if err != nil {
		l.kill()
		l.release()
		return nil, err
	}
	l.bases, l.address = workBases(found.Path), reachedAddress(conn, found.Addr)
	return l, nil
}

// shellPatience is how long an account's login shell may take until it does as it is told: a second or two where its start files do a lot.
const shellPatience = time.Minute

var errShell = errors.New("its login shell has not begun within a minute to do as it was told; log in by hand and see what its start files wait for")

// awaitShell is awaitMark, with a bound.
func (c *command) awaitShell(ctx context.Context, mark string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, shellPatience, errShell)
	defer cancel()
	return c.awaitMark(ctx, mark)
}

// awaitMark reads up to the line that the mark is in and returns what follows it. All that was read can be read again.
func (c *command) awaitMark(ctx context.Context, mark string) (string, error) {
	type result struct {
		said string
		err  error
	}
	in := bufio.NewReader(c.out)
	var read bytes.Buffer
	done := make(chan result, 1)
	go func() { // ends with the session at the latest
		said, err := findMark(in, &read, mark)
		done <- result{said, err}
	}()
	select {
	case r := <-done:
		c.out = io.MultiReader(&read, in)
		if r.err != nil {
			r.err = c.explain(ctx, r.err, read.Bytes())
		}
		return r.said, r.err
	case <-c.err.full:
		_ = c.session.Close()
		return "", c.explain(ctx, errNoise, nil)
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// findMark reads up to the end of a line with mark in it, into read, and returns the rest of that line.
func findMark(in *bufio.Reader, read *bytes.Buffer, mark string) (string, error) {
	start := 0 // of the line
	for {
		part, err := in.ReadSlice('\n') // in pieces, for a line may have no end
		read.Write(part)
		switch {
		case err == nil:
			_, said, found := strings.Cut(strings.TrimRight(string(read.Bytes()[start:]), "\r\n"), mark) // a start file may have left its last line without end
			if found {
				return said, nil
			}
			start = read.Len()
		case !errors.Is(err, bufio.ErrBufferFull):
			return "", err
		}
		if read.Len() > maxNoise {
			return "", errNoise
		}
	}
}

var errNoise = errors.New("its start files print without end")

// explain tells why a host did not do as it was told; output is what it printed.
func (c *command) explain(ctx context.Context, err error, output []byte) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	const quoted, patience = 500, time.Second // a shell may close its output and stay
	if !errors.Is(err, errNoise) {
		late := time.NewTimer(patience)
		defer late.Stop()
		select {
		case <-c.ended:
			if c.status != nil {
				err = c.status
			}
		case <-late.C:
		}
	}
	return &ship.ScriptError{Step: "looking for the program", Output: string(output[:min(len(output), quoted)]), Err: err}
}
