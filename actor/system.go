package actor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	protoactor "github.com/asynkron/protoactor-go/actor"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/proto"

	"github.com/tartrl/tlaunch-go/internal/pool"
)

// A Transport carries messages to other processes of the run. Both functions
// have encoded m when they return.
type Transport interface {
	// Send waits for room on the way to the process of to, under ctx.
	Send(ctx context.Context, to, from *protoactor.PID, m proto.Message) error
	// SendNow is for answers and control: it goes before what Send has
	// queued and never waits.
	SendNow(to, from *protoactor.PID, m proto.Message) error
}

// A Config describes a system. Only Table is required.
type Config struct {
	Host  string // the name of the host, for errors and logs
	Table *Table // of the program's names; a system takes it for itself
	// Context holds values for the contexts of all nodes; nil holds none. Its end ends nothing.
	Context context.Context
	// Locate gives the address of the process that has a node; nil knows none.
	// Its error should wrap ErrNoNode or ErrUnreachable.
	Locate func(key string) (address string, err error)
	// Fate waits until it is known what became of the process at an address
	// to which the link was lost, and returns an error that wraps ErrPeerGone
	// where it is gone, nil where nobody can tell; the calls under way end with
	// that. It is called in a goroutine for which Close waits, and ends with
	// ctx. Nil knows of no fates.
	Fate func(ctx context.Context, address string) error
	// Away is asked about a message that could not be sent: there was no
	// address, or no process at it. It waits under ctx, and returns nil when
	// the node is to be looked for again, and otherwise why the message fails.
	// Nil fails with the error as it is.
	Away func(ctx context.Context, key, address string, why error) error
	// Transport reaches other processes; nil reaches none. See also Attach.
	Transport Transport
	// Encode makes messages inside this process go through their encoding,
	// and spoils bytes that a method did not keep: a program that works so
	// works across links.
	Encode bool
	// Window is how many messages this system may have under way to one node
	// of another process; zero and less: 4096. All systems of a run use the same.
	Window int
	// WindowBytes is the same for the size of their arguments; a message that
	// does not fit goes when less than a quarter of it is under way, whatever its
	// size. Zero and less: 4 MiB.
	WindowBytes int
	// Alone says that no other goroutine of this process makes or uses a Proto.Actor system, or another concurrent map of its kind, while
	// NewSystem runs. Then the system is made in a tenth of the time, and is 3 MB smaller.
	Alone bool
	// TracerProvider gives the tracer for spans of calls, tells and methods. Nil makes no spans: then a message belongs to the trace that its
	// sender's context is in, if any, and so does the context of the method it runs.
	TracerProvider trace.TracerProvider
	Logger         *slog.Logger // nil discards
}

// The defaults fill a fast link for a round trip and the time that a busy node
// takes to come to its mailbox.
const (
	defaultWindow      = 4096
	defaultWindowBytes = 4 << 20
)

// SystemID is the name of a system's own process in Proto.Actor's registry.
const SystemID = "tlaunch"

// A System holds the nodes of one process and knows the way to the others.
// Its functions may be called from any goroutine.
type System struct {
	host   string
	table  *Table
	locate func(string) (string, error)
	fate   func(context.Context, string) error
	away   func(context.Context, string, string, error) error
	encode bool
	window budget
	tracer trace.Tracer // nil: there are no spans
	spans  sync.Map     // spanSort → *spanForm
	logger *slog.Logger

	actors    *protoactor.ActorSystem
	transport atomic.Pointer[Transport]
	ids       atomic.Uint64
	raw       atomic.Int32 // how many props there are
	stats     stats
	ctx       context.Context
	cancel    context.CancelCauseFunc
	group     sync.WaitGroup

	mu       sync.Mutex
	routes   map[string]Route    // by address
	arrears  map[string]*arrears // by address; see owe
	nodes    map[string]*Node
	props    map[string]*propsNode   // raw actors
	pending  map[uint64]*call        // sent over a link and not settled, or probed for
	inbound  map[inboundKey]*inbound // being handled for others
	windows  map[windowKey]*window   // towards nodes of others
	accounts map[windowKey]*account  // of nodes here, for other processes
	after    afterPeer
	closed   bool // background takes no more
	quiet    struct {
		until time.Time
		n     int
	} // log of failed tells
}

// NewSystem starts a system. It has no goroutine of its own.
func NewSystem(cfg Config) *System {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Window <= 0 {
		cfg.Window = defaultWindow
	}
	if cfg.WindowBytes <= 0 {
		cfg.WindowBytes = defaultWindowBytes
	}
	if cfg.Locate == nil {
		cfg.Locate = func(key string) (string, error) { return "", fmt.Errorf("%w: %s", ErrNoNode, key) }
	}
	s := &System{
		host: cfg.Host, table: cfg.Table, locate: cfg.Locate, fate: cfg.Fate, away: cfg.Away, encode: cfg.Encode,
		window: budget{cfg.Window, cfg.WindowBytes}, logger: cfg.Logger,
		nodes: map[string]*Node{}, props: map[string]*propsNode{}, pending: map[uint64]*call{}, inbound: map[inboundKey]*inbound{},
		routes: map[string]Route{}, arrears: map[string]*arrears{}, windows: map[windowKey]*window{}, accounts: map[windowKey]*account{},
		after: afterPeer{},
	}
	if cfg.TracerProvider != nil {
		s.tracer = cfg.TracerProvider.Tracer(tracerName)
	}
	if cfg.Context == nil {
		cfg.Context = context.Background()
	}
	if trace.SpanContextFromContext(cfg.Context).IsValid() {
		cfg.Context = trace.ContextWithSpan(cfg.Context, nil) // nodes are in no trace but that of the message at hand
	}
	s.ctx, s.cancel = context.WithCancelCause(context.WithoutCancel(cfg.Context))
	s.ids.Store(rand.Uint64() >> 1) // a late answer to an earlier process of this address finds nobody
	quiet := slog.New(levelHandler{cfg.Logger.Handler(), slog.LevelWarn})
	s.actors = newActors(cfg.Alone,
		protoactor.WithLoggerFactory(func(*protoactor.ActorSystem) *slog.Logger { return quiet }),
		protoactor.WithDeadLetterThrottleInterval(time.Nanosecond), // its goroutine would outlive the system by that
	)
	s.actors.ProcessRegistry.SequenceID = rand.Uint64() >> 8
	s.actors.ProcessRegistry.Add(&systemProcess{s}, SystemID)
	s.actors.EventStream.Subscribe(s.deadLetter)
	if cfg.Transport != nil {
		s.Attach(cfg.Transport)
	}
	s.table.sys.Store(s)
	return s
}

// Attach gives the system its way to other processes.
func (s *System) Attach(t Transport) { s.transport.Store(&t) }

// Actors is the Proto.Actor system on which this one stands.
func (s *System) Actors() *protoactor.ActorSystem { return s.actors }

// Spawn makes a node of spec. Messages gather from now on; [Node.Start] opens
// it. The error says that the key is taken or what is wrong with spec.
func (s *System) Spawn(spec Spec) (*Node, error) {
	n, err := s.newNode(spec)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return nil, fmt.Errorf("%w: system of %s", ErrStopped, s.host)
	}
	n.process = &nodeProcess{}
	n.process.at.Store(n)
	if _, ok := s.actors.ProcessRegistry.Add(n.process, n.key); !ok {
		return nil, fmt.Errorf("actor: a node or actor named %s is there already", n.key)
	}
	s.nodes[n.key] = n
	NewRef[any](s.table, n.key).target.node.Store(n)
	return n, nil
}

// newNode makes a node that nobody can find yet.
func (s *System) newNode(spec Spec) (*Node, error) {
	if spec.Key == "" || spec.Value == nil {
		return nil, errors.New("actor: a node needs a key and a value")
	}
	n := &Node{
		sys: s, spec: spec, key: spec.Key, host: spec.Host, value: spec.Value, typ: reflect.TypeOf(spec.Value),
		limit: max(spec.Concurrent, 1), capacity: budget{spec.Capacity, spec.Bytes},
		watchers: map[string]*protoactor.PID{}, batches: map[string]*batcher{},
		opened: make(chan struct{}), ended: make(chan struct{}), wake: make(chan struct{}, 1),
		serial: rand.Uint64() >> (markBits + 1), // an earlier node of this name has others
	}
	if n.host == "" {
		n.host = s.host
	}
	if n.capacity.messages <= 0 {
		n.capacity.messages = DefaultCapacity
	}
	if n.capacity.bytes <= 0 {
		n.capacity.bytes = DefaultBytes
	}
	for _, b := range spec.Batches {
		if err := b.Err(); err != nil {
			return nil, err
		}
		if !n.is(b.method.recv) {
			return nil, fmt.Errorf("%w: %s is a %v, and %s is batched for %v", ErrNoMethod, n.key, n.typ, b.method.name, b.method.recv)
		}
		n.batches[b.method.name] = &batcher{Batch: b, node: n}
	}
	n.ctx, n.cancel = context.WithCancelCause(context.WithValue(s.ctx, nodeKey{}, n))
	return n, nil
}

// forget takes a stopped node out of the registry, unless another has its place.
func (s *System) forget(n *Node) {
	s.mu.Lock()
	if s.nodes[n.key] != n {
		s.mu.Unlock()
		return
	}
	delete(s.nodes, n.key)
	s.mu.Unlock()
	n.forgotten.Store(true)
	s.actors.ProcessRegistry.Remove(s.actors.NewLocalPID(n.key))
}

// background runs f in a goroutine for which Close waits, or does nothing
// when Close has done what f is for.
// It reports whether f runs.
func (s *System) background(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.group.Go(f)
	}
	return !s.closed
}

// Close ends the system: nodes and raw actors that still run are stopped
// under ctx, calls under way end with [ErrStopped]. It returns the first
// error of a node. Closing again does nothing.
func (s *System) Close(ctx context.Context) error {
	s.mu.Lock()
	nodes := slices.Collect(maps.Values(s.nodes))
	raw := slices.Collect(maps.Keys(s.props))
	s.mu.Unlock()
	var first error
	note := func(err error) {
		if first == nil {
			first = err
		}
	}
	for _, n := range nodes {
		note(n.Stop(ctx))
	}
	for _, key := range raw {
		note(s.StopProps(ctx, key))
	}
	s.cancel(fmt.Errorf("%w: system of %s", ErrStopped, s.host))
	s.mu.Lock()
	s.closed = true
	calls := slices.Collect(maps.Values(s.pending))
	windows := slices.Collect(maps.Values(s.windows))
	s.mu.Unlock()
	for _, w := range windows {
		w.reset() // whoever waits for one finds the system ended
	}
	for _, c := range calls {
		s.forgetCall(c)
		c.settle(nil, c.failure(fmt.Errorf("%w: the calling system has ended", ErrStopped)))
	}
	s.group.Wait()
	return first
}

// local is the node if it lives in this process.
func (s *System) local(t *target) *Node {
	if n := t.node.Load(); n != nil && n.sys == s {
		return n
	}
	return nil
}

func (s *System) pidOf(t *target) (*protoactor.PID, error) {
	if s.local(t) != nil {
		return s.actors.NewLocalPID(t.key), nil
	}
	address, err := s.addressOf(t)
	if err != nil {
		return nil, err
	}
	return protoactor.NewPID(address, t.key), nil
}

// addressOf is that of the process of what is no node of this one.
func (s *System) addressOf(t *target) (string, error) {
	if s.raw.Load() > 0 {
		s.mu.Lock()
		raw := s.props[t.key]
		s.mu.Unlock()
		if raw != nil {
			return s.actors.Address(), nil
		}
	}
	return s.locate(t.key)
}

func (s *System) self() *protoactor.PID { return s.actors.NewLocalPID(SystemID) }

func (s *System) nextID() uint64 { return s.ids.Add(1) }

// borrow copies b into lent memory.
func borrow(b []byte) *[]byte {
	p := pool.Get(len(b))
	copy(*p, b)
	return p
}

func (s *System) giveBack(p *[]byte) {
	if s.encode {
		poison(*p)
	}
	pool.Put(p)
}

// failed counts what has failed and nobody waits for, a Tell or a stream, and logs at most one a second.
func (s *System) failed(ctx context.Context, n *Node, what, method string, err error) {
	s.stats.failedTells.Add(1)
	s.mu.Lock()
	now := time.Now()
	if now.Before(s.quiet.until) {
		s.quiet.n++
		s.mu.Unlock()
		return
	}
	suppressed := s.quiet.n
	s.quiet.until, s.quiet.n = now.Add(time.Second), 0
	s.mu.Unlock()
	attrs := []any{"method", method, "error", err}
	if suppressed > 0 {
		attrs = append(attrs, "not_logged", suppressed)
	}
	var p *PanicError
	if errors.As(err, &p) {
		attrs = append(attrs, "stack", p.Stack)
	}
	n.logger().ErrorContext(ctx, what, attrs...)
}

// levelHandler lets through what is at least as severe as its level.
type levelHandler struct {
	slog.Handler
	level slog.Level
}

func (h levelHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= h.level && h.Handler.Enabled(ctx, l)
}
