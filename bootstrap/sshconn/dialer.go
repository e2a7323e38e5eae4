package sshconn

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// Dialer opens connections with one SSH set-up. Its methods may be called by several goroutines at once.
type Dialer struct {
	cfg   Config
	local local
	files [][]block
	keys  keyring

	ctx  context.Context // ends with Close
	stop func()
	jobs sync.WaitGroup // handshakes and shared connections

	mu     sync.Mutex
	closed bool
	known  map[string]*knownHosts // by the list of files
	shared map[string]*jump       // by chain of ids
}

// NewDialer reads the configuration. It opens no connection. The Dialer must be closed.
func NewDialer(cfg Config) (*Dialer, error) {
	cfg, err := cfg.validate()
	if err != nil {
		return nil, err
	}
	l, err := lookupLocal()
	if err != nil {
		return nil, err
	}
	files, err := readConfigs(cfg.ConfigFile, l)
	if err != nil {
		return nil, err
	}
	d := &Dialer{cfg: cfg, local: l, files: files, known: map[string]*knownHosts{}, shared: map[string]*jump{}}
	ctx, stop := context.WithCancelCause(context.Background())
	d.ctx, d.stop = ctx, func() { stop(ErrClosed) }
	return d, nil
}

// Close ends dials under way, closes the shared connections to jump hosts, which ends the connections through them, and waits for both. Connections without a jump host live on. It may be called again.
func (d *Dialer) Close() error {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.stop()
	d.jobs.Wait()
	return nil
}

// begin registers a job that Close waits for.
func (d *Dialer) begin() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return ErrClosed
	}
	d.jobs.Add(1)
	return nil
}

// knownHosts returns the parsed files of a host; each list of files is read once.
func (d *Dialer) knownHosts(s settings) (*knownHosts, error) {
	key := strings.Join(s.knownHosts, "\x00")
	d.mu.Lock()
	defer d.mu.Unlock()
	if k, ok := d.known[key]; ok {
		return k, nil
	}
	k, err := readKnownHosts(s.knownHosts, d.cfg.Logger)
	if err == nil {
		d.known[key] = k
	}
	return k, err
}

// Conn is a connection to a host. Close it, not the client in it, so that a jump host is released.
type Conn struct {
	*ssh.Client

	Name        string // of the host, as in the Target
	HostName    string // name or address that was dialled, after the configuration
	Port        int
	KeyExchange string   // algorithm that was agreed on
	Jumps       []string // names of the jump hosts, nearest to the launcher first; nil when there are none

	raw     net.Conn
	release func() // of the jump connection
	once    sync.Once
	err     error
}

// Close ends the connection and its sessions; the jump connection goes with its last user. It may be called again and returns the first call's error.
func (c *Conn) Close() error {
	c.once.Do(func() {
		stuck := time.AfterFunc(closePatience, c.release) // a jump host that does not answer holds this up until its own connection goes
		defer stuck.Stop()
		c.err = c.Client.Close()
		if errors.Is(c.err, net.ErrClosed) || errors.Is(c.err, io.EOF) {
			c.err = nil // it was lost before
		}
		c.release()
		if c.Jumps == nil {
			_ = c.Client.Wait() // its socket is closed: this takes no time. Through a jump host it could, when that no longer answers
		}
	})
	return c.err
}

// RoundTrip returns the shortest time that an answer has taken on this connection so far. It is not known for a host behind a jump host, nor on other systems than Linux.
func (c *Conn) RoundTrip() (time.Duration, bool) { return roundTrip(c.raw) }

// closePatience is how long a jump host may take to close a connection through it.
const closePatience = time.Second

// Dial connects to a host and logs in. Its errors are *ConfigError, *ReachError, *HostKeyError and *AuthError, [ErrClosed], or the context's, wrapped.
func (d *Dialer) Dial(ctx context.Context, t Target) (*Conn, error) {
	if err := d.begin(); err != nil {
		return nil, err
	}
	defer d.jobs.Done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(d.ctx, func() { cancel(context.Cause(d.ctx)) })()

	hops, err := d.hops(t)
	if err != nil {
		return nil, err
	}
	s := hops[len(hops)-1]
	via, release, err := d.through(ctx, hops[:len(hops)-1], t.Since)
	if err != nil {
		return nil, err
	}
	client, raw, err := d.connect(ctx, s, via)
	if err != nil {
		release()
		return nil, err
	}
	c := &Conn{Client: client, Name: s.name, HostName: s.hostName, Port: s.port, KeyExchange: keyExchange(client), raw: raw, release: sync.OnceFunc(release)}
	for _, h := range hops[:len(hops)-1] {
		c.Jumps = append(c.Jumps, h.name)
	}
	return c, nil
}

// hops resolves t and the jump hosts before it. The first jump host may have jump hosts of its own; the others are reached through the one before.
func (d *Dialer) hops(t Target) ([]settings, error) {
	s, err := d.resolve(t, false)
	if err != nil {
		return nil, err
	}
	hops := []settings{s}
	for jumps := s.jumps; len(jumps) > 0; {
		if len(hops)+len(jumps) > maxJumps+1 {
			return nil, &ConfigError{File: d.cfg.ConfigFile, Text: "ProxyJump", Reason: "the jump hosts of " + s.name + " lead through each other without end, or there are more than 8"}
		}
		front := make([]settings, len(jumps))
		for i, j := range jumps {
			if front[i], err = d.resolve(j, i > 0); err != nil {
				return nil, err
			}
		}
		hops = slices.Concat(front, hops)
		jumps = front[0].jumps
	}
	return hops, nil
}

func keyExchange(c *ssh.Client) string {
	if m, ok := c.Conn.(ssh.AlgorithmsConnMetadata); ok {
		return m.Algorithms().KeyExchange
	}
	return ""
}
