package sshconn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

// connect opens a connection to one host, through a jump host's connection if there is one, and logs in. It tries again while the server hangs up before it has shown its key.
func (d *Dialer) connect(ctx context.Context, s settings, via *jump) (*ssh.Client, net.Conn, error) {
	outer := ctx
	if s.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.timeout)
		defer cancel()
	}
	for attempt := 1; ; attempt++ {
		client, raw, err := d.attempt(ctx, s, via)
		if err == nil {
			return client, raw, nil
		}
		if outer.Err() != nil {
			return nil, nil, canceled(outer, s.name)
		}
		var reach *ReachError
		if !errors.As(err, &reach) {
			return nil, nil, err
		}
		reach.Attempts = attempt
		if ctx.Err() != nil && reach.Kind != ReachSilent {
			reach.Kind = ReachTimeout
		}
		if reach.Kind != ReachClosed || attempt > d.cfg.Retries {
			return nil, nil, err
		}
		pause := backoff(attempt, d.cfg.Rand())
		d.cfg.Logger.DebugContext(ctx, "connection closed before the login; trying again", "host", s.name, "attempt", attempt, "pause", pause)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			if outer.Err() != nil {
				return nil, nil, canceled(outer, s.name)
			}
			return nil, nil, err
		}
	}
}

// backoff is the pause after the n-th failure, from 1: it doubles from 50 ms to 1 s, times 0.5 to 1.5 as r goes from 0 to 1.
func backoff(n int, r float64) time.Duration {
	const first, most = 50 * time.Millisecond, time.Second
	pause := most
	if n < 6 {
		pause = min(first<<(n-1), most)
	}
	return time.Duration(float64(pause) * (0.5 + r))
}

// canceled is the error for a context that ended from outside.
func canceled(ctx context.Context, host string) error {
	return fmt.Errorf("sshconn: %s: %w", host, context.Cause(ctx))
}

// attempt makes one connection.
func (d *Dialer) attempt(ctx context.Context, s settings, via *jump) (*ssh.Client, net.Conn, error) {
	h := &handshake{s: s, via: via}
	config, err := d.clientConfig(ctx, h)
	if err != nil {
		return nil, nil, err
	}
	if h.agent != nil {
		defer h.agent.Close()
		defer context.AfterFunc(ctx, func() { h.agent.Close() })() // an agent that asks its user must not outlast the context
	}
	raw, err := dialRaw(ctx, s, via)
	if err != nil {
		return nil, nil, h.reach(err)
	}
	conn := &overheard{Conn: raw}
	type result struct {
		client *ssh.Client
		err    error
	}
	done := make(chan result, 1)
	// The handshake has no context. It ends when its connection is closed; through a jump host, only when that is closed or answers. So it is a job of its own, which Close waits for.
	// Close cannot have passed its wait: the caller is a job.
	d.jobs.Go(func() {
		c, chans, reqs, err := ssh.NewClientConn(conn, s.addr(), config)
		if err != nil {
			conn.Close()
			done <- result{err: err}
			return
		}
		done <- result{client: newClient(c, chans, reqs)}
	})
	select {
	case r := <-done:
		if r.err != nil {
			return nil, nil, h.explain(r.err, conn)
		}
		if ctx.Err() != nil {
			r.client.Close()
			return nil, nil, h.reach(ctx.Err())
		}
		return r.client, raw, nil
	case <-ctx.Done():
		conn.Close()
		d.jobs.Go(func() {
			if r := <-done; r.client != nil { // it was ready at the same moment
				r.client.Close()
			}
		})
		if conn.silent() {
			return nil, nil, h.reachAs(ReachSilent, ctx.Err())
		}
		return nil, nil, h.reach(ctx.Err())
	}
}

// dialRaw opens the stream that SSH is spoken over.
func dialRaw(ctx context.Context, s settings, via *jump) (net.Conn, error) {
	if via != nil {
		return via.client.DialContext(ctx, "tcp", s.addr())
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, s.network, s.addr())
	if err != nil {
		return nil, err
	}
	return quickened(conn), nil
}

// overheard keeps the beginning of what the peer says.
type overheard struct {
	net.Conn

	mu    sync.Mutex
	first []byte // at most maxOverheard
}

const maxOverheard = 80

func (c *overheard) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.first = append(c.first, p[:min(n, maxOverheard-len(c.first))]...)
	return n, err
}

func (c *overheard) silent() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.first) == 0
}

// alien is what the peer has said where that is not how SSH begins.
func (c *overheard) alien() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if bytes.HasPrefix(c.first, []byte("SSH-")) {
		return ""
	}
	return string(bytes.TrimRight(c.first, "\r\n"))
}

// handshake is how far one connection has come.
type handshake struct {
	s       settings
	via     *jump
	agent   net.Conn // nil without an agent
	offer   *offer
	keyed   atomic.Bool // the host has shown a good key
	inLogin atomic.Bool // the host asks for a login
}

// clientConfig prepares a handshake: the host's known keys, and the keys to log in with.
func (d *Dialer) clientConfig(ctx context.Context, h *handshake) (*ssh.ClientConfig, error) {
	s := h.s
	config := &ssh.ClientConfig{User: s.user}
	config.KeyExchanges = keyExchanges()
	if d.cfg.InsecureIgnoreHostKey {
		config.HostKeyCallback = func(string, net.Addr, ssh.PublicKey) error { h.keyed.Store(true); return nil }
	} else {
		known, err := d.knownHosts(s)
		if err != nil {
			return nil, err
		}
		config.HostKeyAlgorithms = known.algorithms(s)
		config.HostKeyCallback = func(_ string, _ net.Addr, key ssh.PublicKey) error {
			if err := known.verify(s, key); err != nil {
				return err
			}
			h.keyed.Store(true)
			return nil
		}
	}
	agentConn, signers, err := openAgent(ctx, s.agent)
	h.agent = agentConn
	h.offer = d.collect(s, signers)
	if err != nil {
		h.offer.notes = append(h.offer.notes, agentNote(s.agent, err))
	}
	config.Auth = []ssh.AuthMethod{ssh.PublicKeys(h.offer.signers...)}
	config.AuthCallback = func(*ssh.ClientAuthContext) (ssh.AuthMethod, error) {
		h.inLogin.Store(true)
		return nil, nil
	}
	return config, nil
}

// keyExchanges prefers those that cost servers little. A launch waits for one exchange on each host, and the first choice of OpenSSH takes ten times as long as these; of
// two of the same strength, sshd computes P-256 with OpenSSL in a fraction of the 5 ms that its own code takes for curve25519.
func keyExchanges() []string {
	all := ssh.SupportedAlgorithms().KeyExchanges
	fast := []string{ssh.KeyExchangeECDHP256, ssh.KeyExchangeCurve25519, "curve25519-sha256@libssh.org"}
	out := slices.Clone(fast)
	for _, a := range all {
		if !slices.Contains(fast, a) {
			out = append(out, a)
		}
	}
	return out
}

// explain makes a failed handshake one of this package's errors.
func (h *handshake) explain(err error, conn *overheard) error {
	var (
		key  *HostKeyError
		algo *ssh.AlgorithmNegotiationError
		s    = h.s
	)
	switch {
	case errors.As(err, &key):
		return key
	case h.inLogin.Load():
		return &AuthError{Host: s.name, Addr: s.addr(), User: s.user, Offered: h.offer.names, Notes: h.offer.notes, Err: err}
	case errors.As(err, &algo):
		return h.reachAs(ReachProtocol, err)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		e := h.reachAs(ReachClosed, err)
		e.Said = conn.alien()
		return e
	case conn.silent() || h.keyed.Load():
		return h.reach(err)
	}
	e := h.reachAs(ReachProtocol, err)
	e.Said = conn.alien()
	return e
}

// reach finds out from the error how a host was not reached.
func (h *handshake) reach(err error) error {
	var (
		dns     *net.DNSError
		open    *ssh.OpenChannelError
		timeout interface{ Timeout() bool }
		kind    = ReachOther
	)
	switch {
	case errors.As(err, &dns):
		kind = ReachDNS
	case errors.Is(err, syscall.ECONNREFUSED):
		kind = ReachRefused
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL):
		kind = ReachNoRoute
	case errors.As(err, &open) && open.Reason == ssh.ResourceShortage:
		kind = ReachClosed // the jump host may have room later
	case errors.As(err, &open):
		kind = ReachJump
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		kind = ReachTimeout
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF):
		kind = ReachClosed
	}
	return h.reachAs(kind, err)
}

func (h *handshake) reachAs(kind ReachKind, err error) *ReachError {
	e := &ReachError{Host: h.s.name, Addr: h.s.addr(), Kind: kind, Attempts: 1, Err: err}
	if h.via != nil {
		e.Via = h.via.name
	}
	return e
}
