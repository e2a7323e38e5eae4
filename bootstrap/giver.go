package bootstrap

import (
	"bufio"
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/agent"
)

// A giver is a process beside the agent of a host: it passes the executable that it was started from on to hosts that do not have it yet. They
// have only what a shell has, so it speaks HTTP, and plain TCP: a line with the token is answered with the bytes alone. The token is good for
// nothing but the program, as often as it is asked for while the giver lives; who fetches checks the hash, which was told over SSH.

const (
	giverSilence = 5 * time.Second  // a giver ends when it has not heard from its launcher for so long
	giverBeat    = time.Second      // how often it hears from it
	askPatience  = 10 * time.Second // for the request of who has connected
	givePatience = 5 * time.Minute  // for one copy
	maxRequest   = 256              // bytes of a request's first line
)

// runGiver is the whole life of a giver's process. On standard input come a line with token, address and port range, and then a
// byte every now and then; on standard output goes a line with the mark, the first argument, and the port.
func runGiver() int {
	if err := give(os.Stdin, os.Stdout, os.Args); err != nil {
		fmt.Fprintln(os.Stderr, "bootstrap: giver:", err)
		return agent.ExitBroken
	}
	return 0
}

func give(in io.Reader, out io.Writer, args []string) error {
	if len(args) < 2 {
		return errors.New("no mark was given")
	}
	from := bufio.NewReader(in)
	line, err := from.ReadString('\n')
	if err != nil {
		return fmt.Errorf("read the orders: %w", err)
	}
	var token, address string
	var first, last int
	if _, err := fmt.Sscan(line, &token, &address, &first, &last); err != nil {
		return fmt.Errorf("read the orders: %w", err)
	}
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the own executable: %w", err)
	}
	l, err := listenWithin(address, first, last)
	if err != nil {
		return err
	}
	g := &giver{token: []byte(token), path: exe, listener: l}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var serving sync.WaitGroup
	serving.Go(func() { g.serve(ctx) })
	if _, err := fmt.Fprintf(out, "\n%s%d\n", args[1], l.Addr().(*net.TCPAddr).Port); err == nil {
		heed(from, giverSilence)
	}
	cancel()
	_ = l.Close()
	serving.Wait()
	return nil
}

// heed returns when in has ended or been silent for too long. The goroutine that reads it then ends with the process.
func heed(in io.Reader, silence time.Duration) {
	heard, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		var b [16]byte
		for {
			if _, err := in.Read(b[:]); err != nil {
				return
			}
			select {
			case heard <- struct{}{}:
			default:
			}
		}
	}()
	late := time.NewTimer(silence)
	defer late.Stop()
	for {
		select {
		case <-heard:
			late.Reset(silence)
		case <-ended:
			return
		case <-late.C:
			return
		}
	}
}

// listenWithin listens on a port of a range, any port where first is zero; on all addresses where the given one is not of this machine.
func listenWithin(address string, first, last int) (net.Listener, error) {
	hosts := []string{""}
	if _, err := netip.ParseAddr(address); err == nil {
		hosts = []string{address, ""}
	}
	var errs []error
	for port := first; port <= max(first, last); port++ {
		for _, host := range hosts {
			l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
			if err == nil {
				return l, nil
			}
			errs = append(errs, err)
		}
	}
	return nil, errors.Join(errs...)
}

// giver serves one file to who knows the token.
type giver struct {
	token    []byte
	path     string
	listener net.Listener
}

// serve ends with ctx, with all that it serves, once the listener is closed.
func (g *giver) serve(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	for {
		conn, err := g.listener.Accept()
		if err != nil {
			return
		}
		all.Go(func() {
			defer conn.Close()
			defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
			_ = g.answer(conn) // who has asked sees that it is not whole
		})
	}
}

// answer serves one request.
func (g *giver) answer(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(askPatience)); err != nil {
		return err
	}
	in := bufio.NewReaderSize(conn, maxRequest)
	line, err := in.ReadSlice('\n')
	if err != nil {
		return err
	}
	request, overHTTP := parseRequest(line)
	if subtle.ConstantTimeCompare(request, g.token) != 1 {
		return errors.New("not the token")
	}
	f, err := os.Open(g.path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := conn.SetDeadline(time.Now().Add(givePatience)); err != nil {
		return err
	}
	if overHTTP {
		for { // what else the request says
			line, err := in.ReadSlice('\n')
			if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
				return err
			}
			if err == nil && len(bytes.TrimRight(line, "\r\n")) == 0 {
				break
			}
		}
		if _, err := fmt.Fprintf(conn, "HTTP/1.0 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n", info.Size()); err != nil {
			return err
		}
	}
	_, err = io.Copy(conn, f)
	return err
}

// parseRequest finds the token in a request's first line: the line itself, or the path of a GET.
func parseRequest(line []byte) (token []byte, overHTTP bool) {
	text := strings.TrimRight(string(line), "\r\n")
	if words := strings.Fields(text); len(words) == 3 && words[0] == "GET" && strings.HasPrefix(words[2], "HTTP/1.") {
		return []byte(strings.TrimPrefix(words[1], "/")), true
	}
	return []byte(text), false
}
