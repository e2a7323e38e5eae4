package remote

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	protoactor "github.com/asynkron/protoactor-go/actor"
	pb "github.com/asynkron/protoactor-go/remote"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/protobuf/proto"
)

const (
	windowBytes   = 1 << 20  // gRPC's flow control, per stream and connection
	frameOverhead = 1 << 20  // what a batch may take beside its largest message
	headerBytes   = 16 << 10 // of a stream's metadata: a hello, and what gRPC adds; gRPC itself would take 16 MiB
	abortGrace    = time.Second
)

// An Endpoint is one process's end of all its links. It is safe for concurrent use.
type Endpoint struct {
	cfg      Config
	system   *protoactor.ActorSystem
	log      *slog.Logger
	security *security
	server   *grpc.Server
	incoming *handover // connections that passed the handshake, for server

	ctx     context.Context // ends when links are to be broken
	abort   context.CancelFunc
	dialing context.Context // ends when no new links are wanted
	halt    context.CancelFunc

	handshakes  *places // of those under way that others have begun
	connections *places // of those that were accepted
	streams     *places // of those of them that are streams: the rest is for links
	strikes     *strikes
	refusals    tally
	forgotten   traffic // of peers whose records are gone
	said        notices

	mu         sync.Mutex
	closed     bool
	torn       bool           // nothing is left that links could need
	unsaid     atomic.Int64   // messages lost since closed
	running    sync.WaitGroup // every goroutine; added to only under mu while not closed, or for links that drain while not torn
	listeners  map[net.Listener]struct{}
	peers      map[string]*peer
	crowd      int // with as many peers, idle ones are forgotten
	links      map[*link]struct{}
	waiting    []adrift       // for their callers to bring another connection, longest first
	adriftFrom map[string]int // how many of them, by where their callers had come from
	fenced     fences
	idle       chan struct{} // closed once closed is set and links is empty
	finished   chan struct{} // closed when Close has nothing left to wait for
}

// New makes an endpoint and starts it. It listens to nothing until Serve is called, but can send.
func New(cfg Config) (*Endpoint, error) {
	cfg, err := cfg.validate()
	if err != nil {
		return nil, err
	}
	sec, err := newSecurity(cfg)
	if err != nil {
		return nil, err
	}
	e := &Endpoint{
		cfg: cfg, system: cfg.System, log: cfg.Logger, security: sec,
		incoming:    newHandover(),
		handshakes:  newPlaces(cfg.MaxHandshakes, max(1, cfg.MaxHandshakes/2)),
		connections: newPlaces(cfg.MaxConnections, cfg.MaxConnectionsPerAddress),
		streams:     newPlaces(cfg.MaxConnections/2, cfg.MaxConnectionsPerAddress/2),
		strikes:     newStrikes(cfg.MaxStrikes),
		adriftFrom:  map[string]int{},
		listeners:   map[net.Listener]struct{}{},
		peers:       map[string]*peer{}, crowd: idlePeers,
		links:    map[*link]struct{}{},
		idle:     make(chan struct{}),
		finished: make(chan struct{}),
	}
	e.ctx, e.abort = context.WithCancel(context.Background())
	e.dialing, e.halt = context.WithCancel(e.ctx)
	registry := cfg.System.ProcessRegistry
	registry.Address = cfg.Address
	atomic.AddUint64(&registry.SequenceID, randomStart())
	registry.RegisterAddressResolver(func(pid *protoactor.PID) (protoactor.Process, bool) { return away{e}, true })

	e.server = grpc.NewServer(
		grpc.Creds(handedOver{}),
		grpc.ForceServerCodecV2(wireCodec{}),
		grpc.MaxRecvMsgSize(cfg.MaxMessage+frameOverhead),
		grpc.MaxSendMsgSize(cfg.MaxMessage+frameOverhead),
		grpc.InitialWindowSize(windowBytes), grpc.InitialConnWindowSize(windowBytes),
		grpc.MaxConcurrentStreams(8), grpc.MaxHeaderListSize(headerBytes),
		grpc.ConnectionTimeout(cfg.HandshakeTimeout),
		grpc.WaitForHandlers(true),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionIdle: 2 * cfg.HandshakeTimeout, // a connection without a stream has no purpose here
			Time:              cfg.Heartbeat, Timeout: cfg.Heartbeat,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Second, PermitWithoutStream: true}),
	)
	pb.RegisterRemotingServer(e.server, service{e: e})
	e.spawn(func() { _ = e.server.Serve(e.incoming) }) // returns only because Close stops it
	return e, nil
}

// randomStart is where ids of processes start: far from those that an earlier process here has given out.
func randomStart() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.NativeEndian.Uint64(b[:]) >> 16
}

// Send queues m for the process to, in the order of its calls. It dials when there is no link, waits for room in the
// link's queue, and returns when the message is queued or cannot be: ErrTooLarge, ErrUnreachable, ErrClosed, or the
// end of ctx. After a failed dial the error goes to everybody who waited for it; the next Send waits 50 ms to 2 s,
// growing with each failure, before it dials again. Where an identity or a version was refused, Sends fail at once for
// 2 s, without another try. m is encoded before Send returns. A nil from means that there is nobody to answer.
func (e *Endpoint) Send(ctx context.Context, to, from *protoactor.PID, m proto.Message) error {
	it, err := newItem(to, e.ours(from), nil, m, e.cfg.MaxMessage)
	if err != nil {
		return err
	}
	if to.Address == e.cfg.Address {
		return e.deliverItem(it)
	}
	p := e.peer(to.Address)
	defer p.release()
	l, err := p.acquire(ctx)
	if errors.Is(err, errAlias) {
		return e.deliverItem(it)
	}
	if err != nil {
		return err
	}
	return e.queued(ctx, to.Address, l.put(ctx, &it))
}

// Connect waits until there is a link to address, dialling if need be: the link that Send would use, so that what comes
// later finds it. Its errors are those of Send. One that ErrUnreachable wraps says how far the attempt came.
func (e *Endpoint) Connect(ctx context.Context, address string) error {
	if address == e.cfg.Address {
		return nil
	}
	p := e.peer(address)
	defer p.release()
	if _, err := p.acquire(ctx); err != nil && !errors.Is(err, errAlias) {
		return err
	}
	return nil
}

// SendNow queues m ahead of everything that Send has queued and never waits: answers and control messages use it. While
// there is no link it starts one and keeps the message for it; if that fails the message is lost and counted. Its own
// bound is Config.UrgentBytes; beyond it the error is ErrFull.
func (e *Endpoint) SendNow(to, from *protoactor.PID, m proto.Message) error {
	it, err := newItem(to, e.ours(from), nil, m, e.cfg.MaxMessage)
	if err != nil {
		return err
	}
	if err = e.postNow(urgentLane, to.Address, it); errors.Is(err, ErrFull) {
		p := e.peer(to.Address)
		defer p.release()
		e.dropped(p, QueueFull, 1)
	}
	return err
}

func (e *Endpoint) postNow(lane int, address string, it item) error {
	if address == e.cfg.Address {
		return e.deliverItem(it)
	}
	p := e.peer(address)
	defer p.release()
	err := p.postNow(lane, it)
	switch {
	case errors.Is(err, errAlias):
		return e.deliverItem(it)
	case err == nil, errors.Is(err, ErrClosed), errors.Is(err, ErrFull), errors.Is(err, ErrTooLarge), errors.Is(err, ErrUnreachable):
		return err
	}
	return unreachable(address, err)
}

// Close refuses new messages, sends what is queued, says goodbye to every peer, and waits until all have hung up and
// all goroutines have ended. When ctx ends first it breaks the links and returns the cause. Calling it again waits for
// the first call.
func (e *Endpoint) Close(ctx context.Context) error {
	e.mu.Lock()
	first := !e.closed
	e.closed = true
	if first && len(e.links) == 0 {
		close(e.idle)
	}
	links := slices.Collect(maps.Keys(e.links))
	e.mu.Unlock()
	if first {
		for _, l := range links {
			l.drain()
		}
	}

	// Attempts first: none of their links could be used. Then the links drain; until they have, listeners stay open, for peers
	// whose links lose their connections now. Only when they are gone does the server stop, because stopping it breaks what is left.
	e.halt()
	var err error
	select {
	case <-e.idle:
	case <-ctx.Done():
		err = context.Cause(ctx)
		e.breakLinks()
	}
	if n := e.unsaid.Load(); n > 0 || err != nil {
		err = fmt.Errorf("remote: close: links were broken before they had drained: %d messages were not acknowledged: %w", n, cmp.Or(err, ErrUnreachable))
	}
	e.abort()
	if first {
		go e.tearDown()
	}
	select {
	case <-e.finished:
		return err
	case <-ctx.Done():
	}
	grace := time.NewTimer(abortGrace)
	defer grace.Stop()
	select {
	case <-e.finished:
		return err
	case <-grace.C:
		return fmt.Errorf("remote: close: a process still holds the reader of a link, or Config.Down has not returned: %w",
			context.Cause(ctx))
	}
}

// breakLinks ends all links, whatever their readers and writers wait for, and waits until it is known what was lost.
func (e *Endpoint) breakLinks() {
	e.mu.Lock()
	links := slices.Collect(maps.Keys(e.links))
	e.mu.Unlock()
	for _, l := range links {
		l.finish(ErrClosed)
	}
	grace := time.NewTimer(abortGrace)
	defer grace.Stop()
	select {
	case <-e.idle:
	case <-grace.C:
	}
}

// tearDown ends what does not end by itself, and waits for everything.
func (e *Endpoint) tearDown() {
	defer close(e.finished)
	e.mu.Lock()
	e.torn = true
	listeners := slices.Collect(maps.Keys(e.listeners))
	e.mu.Unlock()
	for _, l := range listeners {
		_ = l.Close() // the reason to close it is that nobody wants it any more
	}
	_ = e.incoming.Close()
	e.server.Stop()
	e.running.Wait()
}

// Stats returns a snapshot of what went to and came from each peer so far.
func (e *Endpoint) Stats() Stats {
	e.mu.Lock()
	peers := make([]*peer, 0, len(e.peers))
	for _, p := range e.peers {
		peers = append(peers, p)
	}
	e.mu.Unlock()
	slices.SortFunc(peers, func(a, b *peer) int { return cmp.Compare(a.address, b.address) })
	s := Stats{
		Refused: e.refusals.snapshot(), Forgotten: e.forgotten.snapshot(),
		Connections: e.connections.count(), Handshakes: e.handshakes.count(),
	}
	for _, p := range peers {
		s.Peers = append(s.Peers, p.stats())
	}
	return s
}

// spawn runs f in a goroutine that Close waits for. It reports false, without running f, once Close was called.
func (e *Endpoint) spawn(f func()) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	e.running.Go(f)
	return true
}

// spawnUntilTorn is spawn for what links that drain may need.
func (e *Endpoint) spawnUntilTorn(f func()) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.torn {
		return false
	}
	e.running.Go(f)
	return true
}

// keep counts a link in, unless the endpoint is closing or the peer was declared gone.
func (e *Endpoint) keep(l *link) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	if err := e.admitsLocked(l.p.address, l.member); err != nil {
		return err
	}
	e.links[l] = struct{}{}
	return nil
}

// forget counts a link out, and what was lost with it.
func (e *Endpoint) forget(l *link, lost int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.links, l)
	if e.closed {
		e.unsaid.Add(int64(lost))
	}
	if e.closed && len(e.links) == 0 {
		select {
		case <-e.idle:
		default:
			close(e.idle)
		}
	}
}

func (e *Endpoint) hello() hello {
	return hello{
		minVersion: minVersion, maxVersion: maxVersion, address: e.cfg.Address, incarnation: e.cfg.Incarnation, system: e.system.ID,
		most: e.cfg.MaxMessage, parcels: e.recipient() != nil, quota: e.cfg.QueueBytes,
	}
}

// deliverItem gives a message to a process of our own, after the same checks and copies as one from afar.
func (e *Endpoint) deliverItem(it item) error {
	p := e.peer(e.cfg.Address)
	defer p.release()
	m, reason := decode(serializerProto, it.typeName, it.data)
	if reserved(it.target.Id) {
		reason = Reserved
	}
	if reason == "" {
		target := &protoactor.PID{Address: e.cfg.Address, Id: it.target.Id, RequestId: it.target.RequestId}
		reason = e.deliver(p, delivery{target: target, sender: it.sender, header: it.header, message: m})
	}
	if reason != "" {
		e.dropped(p, reason, 1)
	}
	return nil
}

// strand gives up a message for which no link could be made, and tells a local sender.
func (e *Endpoint) strand(p *peer, it item) {
	e.dropped(p, LinkLost, 1)
	if it.sender == nil || it.sender.Address != e.cfg.Address {
		return
	}
	if process, ok := e.system.ProcessRegistry.GetLocal(it.sender.Id); ok {
		process.SendUserMessage(it.sender, &protoactor.MessageEnvelope{
			Message: &protoactor.DeadLetterResponse{Target: it.target},
		})
	}
}
