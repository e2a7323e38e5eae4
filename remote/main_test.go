package remote

import (
	"context"
	"log/slog"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	protoactor "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tartrl/tlaunch-go/internal/testutil/leak"
)

func TestMain(m *testing.M) {
	if os.Getenv(stockEnv) != "" {
		stockMain(os.Stdin, os.Stdout)
		return
	}
	leak.Main(m)
}

func newSystem() *protoactor.ActorSystem {
	return protoactor.NewActorSystem(
		protoactor.WithLoggerFactory(func(*protoactor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }),
		// The throttle of the dead letter log is a goroutine that sleeps this long and cannot be stopped.
		protoactor.WithDeadLetterThrottleInterval(time.Millisecond),
	)
}

// A network connects endpoints in memory by address.
type network struct {
	mu        sync.Mutex
	listeners map[string]*pipeListener
}

func newNetwork() *network { return &network{listeners: map[string]*pipeListener{}} }

func (n *network) listen(address string) net.Listener {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := &pipeListener{address: address, conns: make(chan net.Conn), done: make(chan struct{})}
	n.listeners[address] = l
	return l
}

func (n *network) dial(ctx context.Context, address string) (net.Conn, error) {
	n.mu.Lock()
	l := n.listeners[address]
	n.mu.Unlock()
	if l == nil {
		return nil, &net.AddrError{Err: "nobody listens", Addr: address}
	}
	a, b := bufferedPipe()
	select {
	case l.conns <- b:
		return a, nil
	case <-l.done:
		return nil, &net.AddrError{Err: "nobody listens any more", Addr: address}
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

type pipeListener struct {
	address string
	conns   chan net.Conn
	done    chan struct{}
	once    sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *pipeListener) Addr() net.Addr { return memAddr(l.address) }

type memAddr string

func (memAddr) Network() string  { return "memory" }
func (a memAddr) String() string { return string(a) }

// start makes an endpoint that is closed with the test.
func start(t testing.TB, cfg Config) *Endpoint {
	t.Helper()
	if cfg.System == nil {
		cfg.System = newSystem()
	}
	e, err := New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = e.Close(ctx)
	})
	return e
}

// serve runs Serve until the test ends.
func serve(t testing.TB, e *Endpoint, l net.Listener) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- e.Serve(l) }()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
}

// inbox is a process that passes on what it gets.
type inbox struct {
	user   chan *protoactor.MessageEnvelope
	system chan any
}

func newInbox(t testing.TB, e *Endpoint, id string, size int) (*inbox, *protoactor.PID) {
	t.Helper()
	in := &inbox{user: make(chan *protoactor.MessageEnvelope, size), system: make(chan any, size)}
	pid, ok := e.system.ProcessRegistry.Add(in, id)
	require.True(t, ok)
	return in, pid
}

func (in *inbox) SendUserMessage(_ *protoactor.PID, m any) {
	in.user <- m.(*protoactor.MessageEnvelope)
}
func (in *inbox) SendSystemMessage(_ *protoactor.PID, m any) {
	in.system <- m
}
func (in *inbox) Stop(*protoactor.PID) {}

func text(s string) proto.Message { return wrapperspb.String(s) }

func receive[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		require.FailNow(t, "nothing arrived")
		panic("unreachable")
	}
}

// patience is how long tests wait at least for what should come at once: the machine may be busy.
const patience = time.Minute

// within is a context for what should take less than d on an idle machine.
func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), max(d, patience))
	t.Cleanup(cancel)
	return ctx
}

func issue(t testing.TB, a *Authority, role Role, name string, incarnation uint64) *Credentials {
	t.Helper()
	c, err := a.Issue(role, name, incarnation)
	require.NoError(t, err)
	return &c
}

func newAuthority(t testing.TB, run string) *Authority {
	t.Helper()
	a, err := NewAuthority(run, nil)
	require.NoError(t, err)
	return a
}
