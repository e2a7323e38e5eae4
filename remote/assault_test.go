package remote

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"runtime/metrics"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	protoactor "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// A victim is an endpoint that a hostile peer sets upon, while honest ones, in both languages, send it numbers.
type victim struct {
	e      *Endpoint
	honest []*flow
}

// A flow is the numbers of one honest peer.
type flow struct {
	name string
	next atomic.Int64 // all before have come, in order
	bad  atomic.Pointer[string]
}

func (f *flow) SendUserMessage(_ *protoactor.PID, m any) {
	got := m.(*protoactor.MessageEnvelope).Message.(*wrapperspb.Int64Value).Value
	if !f.next.CompareAndSwap(got, got+1) {
		why := fmt.Sprintf("%s: %d came instead of %d", f.name, got, f.next.Load())
		f.bad.CompareAndSwap(nil, &why)
	}
}
func (f *flow) SendSystemMessage(*protoactor.PID, any) {}
func (f *flow) Stop(*protoactor.PID)                   {}

// victimConfig has bounds that a test reaches soon.
func victimConfig() Config {
	return Config{
		InsecurePlaintext: true, MaxMessage: 1 << 20, MaxConnections: 64, MaxConnectionsPerAddress: 48, MaxHandshakes: 32, HandshakeTimeout: time.Second,
		MaxStrikes: 1 << 20, // all come from here
	}
}

func newVictim(t *testing.T, cfg Config, peer func(address string, cfg Config) Config) *victim {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	cfg.Address = l.Addr().String()
	v := &victim{e: start(t, cfg)}
	serve(t, v.e, l)
	_, _ = newInbox(t, v.e, "x", 1<<12)
	v.e.system.ProcessRegistry.Add(panicking{}, "panics")
	ctx, cancel := context.WithCancel(context.Background())
	var senders sync.WaitGroup
	t.Cleanup(func() { cancel(); senders.Wait() })
	for _, name := range []string{"own", "stock"} {
		f := &flow{name: name}
		v.honest = append(v.honest, f)
		pid, ok := v.e.system.ProcessRegistry.Add(f, "honest-"+name)
		require.True(t, ok)
		from := start(t, peer("honest."+name, Config{InsecurePlaintext: true, MaxMessage: 1 << 20}))
		if name == "stock" { // it speaks gRPC, as a stock peer does
			p := from.peer(cfg.Address)
			p.stock.Store(true)
			p.release()
		}
		require.Eventually(t, func() bool { return from.Connect(ctx, cfg.Address) == nil }, 60*time.Second, time.Millisecond)
		senders.Go(func() {
			tick := time.NewTicker(time.Millisecond) // they leave the processors to the others; bench measures speed
			defer tick.Stop()
			for i := int64(0); ctx.Err() == nil; i++ {
				<-tick.C
				if err := from.Send(ctx, pid, nil, wrapperspb.Int64(i)); err != nil && ctx.Err() == nil {
					why := name + ": " + err.Error()
					f.bad.CompareAndSwap(nil, &why)
					return
				}
			}
		})
	}
	v.goesOn(t)
	return v
}

// goesOn waits until the honest peers have been heard some more, in order.
func (v *victim) goesOn(t *testing.T) {
	t.Helper()
	for _, f := range v.honest {
		until := f.next.Load() + 10
		require.Eventually(t, func() bool { return f.bad.Load() != nil || f.next.Load() >= until }, 60*time.Second, time.Millisecond, f.name)
		if why := f.bad.Load(); why != nil {
			require.FailNow(t, *why)
		}
	}
}

// counts is all that the victim has counted, by reason.
func (v *victim) counts() map[Reason]uint64 {
	s := v.e.Stats()
	sum := maps.Clone(s.Refused)
	for _, p := range append(s.Peers, s.Forgotten) {
		for reason, n := range p.Drops {
			sum[reason] += n
		}
	}
	return sum
}

// An assault is what a hostile peer does, once, and for how many of which reason it is counted at least.
type assault struct {
	name   string
	reason Reason // "": nothing of it is against the rules
	count  uint64
	do     func(t *testing.T, v *victim)
}

func (v *victim) suffers(t *testing.T, a assault) {
	t.Helper()
	before := v.counts()
	a.do(t, v)
	require.Eventually(t, func() bool {
		return a.reason == "" || v.counts()[a.reason] >= before[a.reason]+max(a.count, 1)
	}, 60*time.Second, time.Millisecond, "%s is counted as %s: %v, then %v", a.name, a.reason, before, v.counts())
	v.goesOn(t)
}

// dial opens a connection to the victim that ends with the test.
func (v *victim) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", v.e.cfg.Address)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// untilHungUp writes and then reads until the victim hangs up.
func untilHungUp(t *testing.T, c net.Conn, b []byte) {
	t.Helper()
	_, _ = c.Write(b) // the victim may have hung up before it is through
	require.NoError(t, c.SetReadDeadline(time.Now().Add(60*time.Second)))
	_, err := io.Copy(io.Discard, c)
	require.NotErrorIs(t, err, context.DeadlineExceeded)
	var late net.Error
	require.False(t, errors.As(err, &late) && late.Timeout(), "it does not hang up")
	_ = c.Close() // under TLS it has still a goodbye to say, to nobody
}

// The hostile peers of issue 4: whatever one does, the process stays up, honest links keep order and go on, memory stays in budget, and each
// case is counted by its reason.
func TestHostilePeers(t *testing.T) {
	v := newVictim(t, victimConfig(), func(address string, cfg Config) Config {
		cfg.Address = address
		return cfg
	})
	peak := watchHeap(t)
	for _, a := range slices.Concat(ownAssaults(), stockAssaults(), crowds()) {
		if !t.Run(a.name, func(t *testing.T) { v.suffers(t, a) }) {
			break
		}
	}
	require.Less(t, peak(), uint64(300<<20), "what was sent and announced would take gigabytes")
}

// watchHeap gives the most that the heap grew since.
func watchHeap(t *testing.T) (peak func() uint64) {
	read := func() uint64 {
		s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(s)
		return s[0].Value.Uint64()
	}
	began := read()
	most := began
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				most = max(most, read())
			case <-stop:
				return
			}
		}
	}()
	end := sync.OnceFunc(func() { close(stop); <-done })
	t.Cleanup(end)
	return func() uint64 { end(); return most - began }
}

// The same port under TLS: who is let in is decided before anything is read.
func TestHostilePeersUnderTLS(t *testing.T) {
	authority := newAuthority(t, "run-1")
	cfg := victimConfig()
	cfg.InsecurePlaintext, cfg.Credentials = false, issue(t, authority, RoleHost, "victim", 1)
	number := 0
	v := newVictim(t, cfg, func(address string, cfg Config) Config {
		number++
		cfg.Address, cfg.InsecurePlaintext, cfg.Credentials = address, false, issue(t, authority, RoleHost, fmt.Sprint("honest", number), 1)
		return cfg
	})
	shakes := func(of *Authority, role Role, name string, change func(c *tls.Config)) func(t *testing.T) (*tls.Conn, error) {
		return func(t *testing.T) (*tls.Conn, error) {
			c, err := issue(t, of, role, name, 7).TLS(nil)
			require.NoError(t, err)
			c.VerifyConnection, c.InsecureSkipVerify, c.NextProtos = nil, true, []string{protoOwn}
			if change != nil {
				change(c)
			}
			conn := tls.Client(v.dial(t), c)
			return conn, conn.HandshakeContext(within(t, 60*time.Second))
		}
	}
	claims := func(dial func(t *testing.T) (*tls.Conn, error), h hello) func(t *testing.T, v *victim) {
		return func(t *testing.T, _ *victim) {
			conn, err := dial(t)
			if err == nil {
				untilHungUp(t, conn, saidHello(h.append(nil)))
			}
		}
	}
	own := helloOf(minVersion, maxVersion, "evil:1", 7, "evil", 1<<20, true)
	earlier, others := own, own
	earlier.incarnation, others.address = 6, "honest.own"
	for _, a := range []assault{
		{"no certificate", RefusedHandshake, 1, claims(shakes(authority, RoleHost, "evil", func(c *tls.Config) { c.Certificates = nil }), own)},
		{"of another run", RefusedIdentity, 1, claims(shakes(newAuthority(t, "run-2"), RoleHost, "evil", func(c *tls.Config) {
			cert := c.Certificates[0]
			c.Certificates, c.GetClientCertificate = nil, func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil } // whoever is asked for
		}), own)},
		{"a wrong incarnation", RefusedIdentity, 1, claims(shakes(authority, RoleHost, "evil", nil), earlier)},
		{"the address of another", RefusedIdentity, 1, claims(shakes(authority, RoleHost, "evil", nil), others)},
		{"a guest at the address of a host", RefusedIdentity, 1, claims(shakes(authority, RoleGuest, "evil", nil), others)},
		{"bytes that are no TLS", RefusedHandshake, 1, func(t *testing.T, v *victim) { untilHungUp(t, v.dial(t), []byte("GET / HTTP/1.1\r\n\r\n")) }},
		{"half a record", RefusedHandshake, 1, func(t *testing.T, v *victim) { _, _ = v.dial(t).Write([]byte{0x16, 3, 1, 0x40, 0}) }},
		{"a join that says too much", RefusedJoin, 1, func(t *testing.T, v *victim) {
			conn, err := shakes(authority, RoleHost, "evil", func(c *tls.Config) { c.NextProtos, c.Certificates = []string{protoJoin}, nil })(t)
			require.NoError(t, err)
			untilHungUp(t, conn, []byte{0xff, 0xff, 0xff, 0xff, 1})
		}},
	} {
		t.Run(a.name, func(t *testing.T) { v.suffers(t, a) })
	}
}
