package ship

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// login is the only command that a login shell sees: bash, dash, zsh, fish and csh all read it alike. The script comes as the first line on standard input, for sh would read ahead and
// take data that follows; read does not.
const login = `exec sh -c 'IFS= read -r s; eval "$s"'`

// Between begin and end stand the lines that count; before and after, start files may print what they like.
const (
	begin = "==tlaunch=="
	end   = "==end=="
)

// maxOutput bounds what is kept of a host's output.
const maxOutput = 256 << 10

// maxQuoted bounds what an error quotes of it.
const maxQuoted = 500

// script makes one line of a shell script of several: each must end where a blank may follow.
func script(lines string) string {
	return strings.Join(strings.Fields(lines), " ")
}

// quote makes s one word for sh.
func quote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// remote is one script under way.
type remote struct {
	step    string
	session *ssh.Session
	stdin   io.WriteCloser
	lines   *bufio.Reader
	mu      sync.Mutex
	output  bytes.Buffer // of both streams, for errors; guarded by mu
	kept    bool         // begin was seen
}

func (r *remote) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	room := maxOutput - r.output.Len()
	r.output.Write(p[:min(len(p), room)])
	if len(p) >= room {
		_ = r.session.Close() // whoever floods one stream need not say anything on the other
	}
	return len(p), nil
}

// run executes a script and has talk read its lines. talk ends when it has what it needs; what it returns wins over how the script ended. When ctx ends first talk may go on for a while: it shares nothing with
// the caller but what it returns.
func run[T any](ctx context.Context, c *ssh.Client, step, text string, talk func(*remote) (T, error)) (T, error) {
	type outcome struct {
		said T
		err  error
	}
	done := make(chan outcome, 1)
	go func() { // ended by closing its session, at the latest with the connection
		said, err := runSession(ctx, c, step, text, talk)
		done <- outcome{said, err}
	}()
	var none T
	select {
	case o := <-done:
		if ctx.Err() == nil {
			return o.said, o.err
		}
	case <-ctx.Done():
	}
	return none, fmt.Errorf("ship: %s: %w", step, context.Cause(ctx))
}

func runSession[T any](ctx context.Context, c *ssh.Client, step, text string, talk func(*remote) (T, error)) (said T, err error) {
	session, err := c.NewSession()
	if err != nil {
		return said, fmt.Errorf("ship: %s: %w", step, err)
	}
	defer context.AfterFunc(ctx, func() { session.Close() })()
	defer session.Close()
	r := &remote{step: step, session: session}
	if r.stdin, err = session.StdinPipe(); err != nil {
		return said, fmt.Errorf("ship: %s: %w", step, err)
	}
	stdout, err := session.StdoutPipe()
	if err != nil {
		return said, fmt.Errorf("ship: %s: %w", step, err)
	}
	session.Stderr = r
	r.lines = bufio.NewReader(io.TeeReader(stdout, r))
	if err := session.Start(login); err != nil {
		return said, &ScriptError{Step: step, Err: err}
	}
	if _, err := io.WriteString(r.stdin, text+"\n"); err != nil {
		return said, r.fail(err)
	}
	// The lines say how it went. Neither the end of the output nor a status is waited for: what start files have put into the background may hold the output open for ever.
	return talk(r)
}

// line returns the next line that counts; at the end of them ok is false. A host that prints too much, or ends without an end line, is a *ScriptError.
func (r *remote) line() (s string, ok bool, err error) {
	for {
		text, err := r.readLine()
		if err != nil {
			return "", false, err
		}
		switch {
		case !r.kept:
			r.kept = text == begin
		case text == end:
			return "", false, nil
		default:
			return text, true, nil
		}
	}
}

func (r *remote) readLine() (string, error) {
	var text []byte
	for {
		part, err := r.lines.ReadSlice('\n') // in pieces, for a line may have no end
		text = append(text, part...)
		r.mu.Lock()
		full := r.output.Len() >= maxOutput
		r.mu.Unlock()
		switch {
		case full:
			return "", r.fail(errors.New("its start files print without end"))
		case err == nil:
			return strings.TrimRight(string(text), "\r\n"), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return "", r.fail(r.ended(err))
		}
	}
}

// ended says how a script ended whose output did, where that is known soon; a shell may close its output and stay.
func (r *remote) ended(err error) error {
	stay := time.AfterFunc(time.Second, func() { r.session.Close() })
	defer stay.Stop()
	if status := r.session.Wait(); status != nil {
		return status
	}
	return err
}

func (r *remote) fail(err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.output.Bytes()
	return &ScriptError{Step: r.step, Output: string(out[:min(len(out), maxQuoted)]), Err: err}
}
