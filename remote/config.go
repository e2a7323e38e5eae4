package remote

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	protoactor "github.com/asynkron/protoactor-go/actor"
)

// Config says how an Endpoint is reached, whom it trusts and what it may use.
type Config struct {
	// System is the actor system whose processes are made reachable. Required. New sets its address, registers an
	// address resolver with it and moves its sequence of ids to a random place, so that a late answer to an earlier
	// process at the same address meets nobody. Nothing may use the system while New runs.
	System *protoactor.ActorSystem

	// Address is where peers dial this process, as host:port. For a process that cannot be dialled it is any name
	// that is unique in the run, such as "launcher.RUN". Required, printable ASCII.
	Address string

	// Incarnation tells this process from earlier ones at the same address. It grows. With Credentials it must be
	// zero: theirs is used.
	Incarnation uint64

	// Exactly one of the following four is set.

	// Credentials make the endpoint a member of a run; only members of that run are spoken to.
	Credentials *Credentials
	// TLS is the user's own configuration, used to dial and to serve. It must hold a certificate and, so that peers
	// are verified, RootCAs and ClientCAs; New insists on verified client certificates.
	TLS *tls.Config
	// GetTLS gives what TLS would be, and is asked by New and at each handshake, on either side: certificates and authorities may
	// rotate, links that are up stay. It is called concurrently, and may read files; handshakes wait for it. Its error, and a
	// configuration that would not do as TLS, refuse that handshake.
	GetTLS func() (*tls.Config, error)
	// InsecurePlaintext lets everybody in and everybody read along.
	InsecurePlaintext bool

	// Now is the clock by which certificates are judged. Nil means time.Now.
	Now func() time.Time

	// Expect gives the name that the certificate of the process at an address must carry, as a launcher or a host: a
	// guest, whose name is whatever it was invited as, is never expected. Nil, or ok false: any member of the run. It is called during handshakes, concurrently, and must not block. It is used only with Credentials.
	Expect func(address string) (name string, ok bool)

	// Dial opens the connection to an address. Nil means TCP with keepalive.
	Dial func(ctx context.Context, address string) (net.Conn, error)

	// Down is told that a link over which this process sends has ended, with nil when either end closed it in order. The loss of
	// a connection is not the end of a link, see Outage. What was queued and not acknowledged may be lost by then, and
	// what came on the link was handed on, unless a process still holds its reader; what comes on the next one waits up to a second for Down to return. It is called once for each link, never concurrently for one address, and must
	// not call Close. Nil means that nobody is told.
	Down func(address string, err error)

	// Join answers callers that have no certificate yet; its bytes go back to them. An error refuses the caller, who
	// is not told why. Nil refuses everybody. Without TLS it is never called.
	Join func(ctx context.Context, request []byte) ([]byte, error)

	// MaxMessage is the largest encoded message in bytes, in both directions. Zero means 64 MiB; negative is an error.
	MaxMessage int

	// QueueBytes bounds what waits in one link's queue for Send, and what of it the peer has not acknowledged. On a path on which a bit takes
	// long there and back, it bounds the speed. Zero means 4 MiB; negative is an error. A message
	// larger than the bound is let in when no other of more than 32 KiB is there; those leave an eighth of the bound to the others, which do not wait behind them.
	QueueBytes int

	// UrgentBytes bounds what waits in one link's queue for SendNow, and what raw Proto.Actor processes, which cannot
	// wait, may have queued. Zero means 64 MiB; negative is an error.
	UrgentBytes int

	// MaxConnections is how many accepted connections may live at once; with more, callers are refused. Zero means 8192, twice the
	// members of the largest run; negative is an error.
	MaxConnections int

	// MaxConnectionsPerAddress is how many of them may come from one address, of IPv6 from one network of 64 bits, so that nobody keeps
	// out all others. Zero means half of MaxConnections, at least one; negative is an error.
	MaxConnectionsPerAddress int

	// MaxHandshakes is how many connections may shake hands at once, half of them from one address; each costs a goroutine and some
	// buffers until it is through or HandshakeTimeout is over. Zero means 512; negative is an error.
	MaxHandshakes int

	// MaxStrikes is how many callers from one address may be turned away, or end their links by what they say, before its connections are hung
	// up on as they come; links that are up go on. Sixteen are forgiven each second. Zero means 64; negative is an error.
	MaxStrikes int

	// HandshakeTimeout bounds everything between the start of a dial and the peer's welcome, and the same time on the
	// accepting side. Zero means 5 s; negative is an error.
	HandshakeTimeout time.Duration

	// Heartbeat is the longest silence on a link: an end that has nothing to say for half of it says so, and one that
	// has heard nothing for twice as long gives the link up, at most half of it later. Zero means 5 s; negative is an error. Stock peers are
	// probed by gRPC and TCP instead.
	Heartbeat time.Duration

	// Outage is how long a link to another endpoint of this package may be without a connection before it ends, and what is under way on it
	// fails with ErrUnreachable. Until then both ends keep what the other has not acknowledged, and go on where they stopped when the end
	// that had dialled has made another connection. Zero means 30 s; negative is an error.
	Outage time.Duration

	// Logger receives what an operator should know. Nil means silence.
	Logger *slog.Logger
}

// validate checks the configuration and returns a copy with its defaults filled in.
func (c Config) validate() (Config, error) {
	var errs []error
	require := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("remote: "+format, args...))
		}
	}
	require(c.System != nil, "Config.System is missing")
	require(printable(c.Address), "Config.Address %q must be printable ASCII, without spaces, and not empty", c.Address)
	security := 0
	for _, set := range []bool{c.Credentials != nil, c.TLS != nil, c.GetTLS != nil, c.InsecurePlaintext} {
		if set {
			security++
		}
	}
	require(security == 1, "exactly one of Credentials, TLS, GetTLS and InsecurePlaintext must be set, not %d of them", security)
	if c.Credentials != nil {
		require(c.Incarnation == 0, "Config.Incarnation comes from the Credentials; leave it zero")
		c.Incarnation = c.Credentials.Incarnation
	}
	if c.TLS != nil {
		errs = append(errs, checkTLS(c.TLS))
	}
	require(c.MaxMessage >= 0, "Config.MaxMessage is negative")
	require(c.QueueBytes >= 0, "Config.QueueBytes is negative")
	require(c.UrgentBytes >= 0, "Config.UrgentBytes is negative")
	require(c.MaxConnections >= 0, "Config.MaxConnections is negative")
	require(c.MaxConnectionsPerAddress >= 0, "Config.MaxConnectionsPerAddress is negative")
	require(c.MaxHandshakes >= 0, "Config.MaxHandshakes is negative")
	require(c.MaxStrikes >= 0, "Config.MaxStrikes is negative")
	require(c.HandshakeTimeout >= 0, "Config.HandshakeTimeout is negative")
	require(c.Heartbeat >= 0, "Config.Heartbeat is negative")
	require(c.Outage >= 0, "Config.Outage is negative")
	setDefault(&c.MaxMessage, 64<<20)
	setDefault(&c.QueueBytes, 4<<20)
	setDefault(&c.UrgentBytes, 64<<20)
	setDefault(&c.MaxConnections, 8192)
	setDefault(&c.MaxConnectionsPerAddress, max(1, c.MaxConnections/2))
	setDefault(&c.MaxHandshakes, 512)
	setDefault(&c.MaxStrikes, 64)
	setDefault(&c.HandshakeTimeout, 5*time.Second)
	setDefault(&c.Heartbeat, 5*time.Second)
	setDefault(&c.Outage, 30*time.Second)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Dial == nil {
		c.Dial = dialTCP
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, errors.Join(errs...)
}

func setDefault[T int | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// printable reports whether s can travel in gRPC metadata.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) <= 1024
}
