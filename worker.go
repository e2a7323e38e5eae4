package tlaunch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/bootstrap"
	"github.com/tartrl/tlaunch-go/cluster"
	"github.com/tartrl/tlaunch-go/remote"
)

// Init takes over in a process that was started as a host of a run, and never
// returns there; everywhere else it returns at once and does nothing. Call it
// first thing in main of a program that embeds tlaunch; [Main] does so itself.
func Init() {
	if guest, ok := bootstrap.Enter(); ok {
		guest.Exit(serveHost(guest))
	}
}

// worker is the process of one host: its nodes, and its ways to the launcher,
// the registry and the other hosts.
type worker struct {
	guest    *bootstrap.Guest
	orders   orders
	logger   *slog.Logger
	graph    *graph
	table    *actor.Table
	sys      *actor.System
	endpoint *remote.Endpoint
	registry cluster.Registry
	crew     *crew
	commands *commandSite
	tracing  tracing
	address  string
	heard    time.Time      // when the launcher's welcome came
	group    sync.WaitGroup // of goroutines that end with the process's streams

	control net.Conn
	decoder *cbor.Decoder
	sendMu  sync.Mutex
	encoder *cbor.Encoder

	ending atomic.Bool

	where *whereabouts

	mu     sync.Mutex
	joins  map[uint64]chan joinAnswer
	lastID uint64
	ended  chan endOrder // the launcher's order to end
}

func serveHost(guest *bootstrap.Guest) int {
	w := &worker{
		guest: guest, joins: map[uint64]chan joinAnswer{}, ended: make(chan endOrder, 1),
	}
	handler := slog.Handler(guest.Handler())
	var conn net.Conn
	err := actor.Decode(guest.Orders(), &w.orders)
	if err == nil {
		conn, err = guest.Dial(guest.Context())
	}
	if err == nil {
		err = openStream(conn, streamControl)
	}
	if err != nil {
		slog.New(handler).Error("cannot take orders", "error", err)
		return StatusLaunch
	}
	w.control, w.encoder, w.decoder = conn, cbor.NewEncoder(conn), controlDecMode.NewDecoder(conn)
	d, err := findProgram(w.orders.Program)
	if err == nil {
		err = w.limit()
	}
	if err == nil {
		err = w.build(d)
	}
	if err == nil {
		st := &stage{stop: func(string) { w.send(report{Stop: true}) }, names: w.graph.names(), commands: w.newCommandSite()}
		w.logger = slog.New(newNodeHandler(handler))
		slog.SetDefault(w.logger) // a host's process is ours: its main never went on
		err = w.open(d, st)
	}
	if err != nil {
		w.refuse(err)
		return StatusLaunch
	}
	return w.serve()
}

// send reports to the launcher. When that fails the launcher is gone, which
// the lease notices.
func (w *worker) send(r report) {
	w.sendMu.Lock()
	defer w.sendMu.Unlock()
	if err := w.encoder.Encode(r); err != nil && w.logger != nil {
		w.logger.Debug("report lost", "error", err)
	}
}

// refuse says why this host cannot take part.
func (w *worker) refuse(err error) {
	var d *DifferenceError
	var unfit *bootstrap.HostError
	switch {
	case errors.As(err, &d):
		w.send(report{Different: d})
	case errors.As(err, &unfit):
		w.send(report{Unfit: &unfitReport{unfit.Op, unfit.Err.Error(), unfit.Remedy}})
	default:
		refused := report{Refused: actor.Flatten("", w.orders.Host, err)}
		var s *stepError
		if errors.As(err, &s) {
			refused.Step = s.step
		}
		w.send(refused)
	}
	// The launcher ends this process when it has read the reason; ending first would look like a crash.
	<-w.guest.Context().Done()
}

func (w *worker) build(d *program) error {
	if w.orders.Version != ordersVersion {
		return fmt.Errorf("the launcher is another version of tlaunch (orders %d, here %d)", w.orders.Version, ordersVersion)
	}
	w.table = actor.NewTable()
	var err error
	if w.graph, err = d.newGraph(w.orders.Config, w.orders.Hosts, w.table); err != nil {
		return err
	}
	w.where = newWhereabouts(w.graph)
	return differs(w.orders.Summary, w.graph.summary, "the launcher", w.orders.Host)
}

// open makes this process reachable and tells everybody.
func (w *worker) open(d *program, st *stage) error {
	var first command
	if err := w.decoder.Decode(&first); err != nil || first.Welcome == nil {
		return fmt.Errorf("no welcome from the launcher: %v", err)
	}
	w.heard = time.Now()
	offset := time.Unix(0, first.Welcome.SentAt).Sub(w.heard) // how far the launcher's clock is ahead, give or take the way here
	l, address, err := listen(first.Welcome.DataAddress, w.orders.Ports, w.orders.Avoid)
	if err != nil {
		return &stepError{stepListen, err}
	}
	w.address = address
	cfg := d.bounds.endpoint(remote.Config{
		Address: address, Logger: slog.New(&hushed{w.logger.Handler(), &w.ending}),
		Now:    func() time.Time { return time.Now().Add(offset) },
		Expect: w.hostAt, Join: w.join,
	})
	identify(&cfg, d, w.orders.OwnTLS, w.orders.Credentials, w.orders.Host, w.orders.Incarnation)
	if w.tracing, err = d.tracing(w.orders.Host); err != nil {
		l.Close()
		return err
	}
	w.sys = actor.NewSystem(d.bounds.system(actor.Config{
		Host: hostOf(w.orders.Host), Table: w.table, Locate: w.where.locate, Fate: w.where.fate, Away: w.where.away,
		Context: withStage(context.Background(), st), Logger: w.logger,
		TracerProvider: w.tracing.provider,
		Alone:          w.tracing.provider == nil, // main has not begun here, and no node: but who knows what a tracer does
	}))
	cfg.System, cfg.Down = w.sys.Actors(), w.sys.PeerDown
	if w.endpoint, err = remote.New(cfg); err != nil {
		l.Close()
		return err
	}
	w.sys.Attach(w.endpoint)
	st.endpoint = w.endpoint
	streams := newConnListener()
	w.group.Go(func() { w.accept(streams) })
	for _, l := range []net.Listener{l, streams} {
		w.group.Go(func() {
			if err := w.endpoint.Serve(l); err != nil {
				w.logger.Error("cannot be reached by other hosts any more", "error", err)
			}
		})
	}
	crew, err := newCrew(w.orders.Host, w.graph.on(w.orders.Host), w.sys, st, func(o outcome) {
		sent := &remoteOutcome{Node: o.node, Phase: o.phase, Err: flatten(o)}
		_ = errors.As(o.err, &sent.Command) // nil where it is no command's
		w.send(report{Outcome: sent})
	})
	if err != nil {
		return err
	}
	crew.logger, crew.done, crew.lost = w.logger, w.orders.Done, w.orders.Lost
	crew.again = func(key string) (any, error) {
		return d.freshValue(w.orders.Config, w.orders.Hosts, w.table, w.graph.summary, key)
	}
	w.crew = crew
	if err := st.commands.prepare(w.guest.Context(), w.host(), w.orders.OneMachine, w.orders.Ports); err != nil {
		return err
	}
	w.commands = st.commands
	return w.register()
}

// limit bounds this process as the launcher says.
func (w *worker) limit() error {
	if err := w.orders.Limits.apply(); err != nil {
		return &bootstrap.HostError{
			Host: w.orders.Host, Op: "set the limits", Err: err, Remedy: "ask for less (-limit), or let the host's administrator permit more (limits.conf)",
		}
	}
	return nil
}

// newCommandSite is where the commands of this host run: below the work folder.
func (w *worker) newCommandSite() *commandSite {
	s := newCommandSite(w.orders.Run, w.graph)
	s.env, s.work = os.Environ(), w.guest.Dir() // the environment has what a host's process is meant to have
	s.files = func(p *commandPlace) string { return filepath.Join(w.guest.Dir(), folderPlace(p.files)) }
	s.output = func(_ context.Context, node string, stream bootstrap.Stream) io.WriteCloser {
		return w.guest.Output(node, stream)
	}
	return s
}

// host is what the inventory says of this one.
func (w *worker) host() Host {
	i := slices.IndexFunc(w.orders.Hosts, func(h Host) bool { return h.Name == hostOf(w.orders.Host) })
	if i < 0 {
		return Host{Name: w.orders.Host}
	}
	host := w.orders.Hosts[i]
	host.Name = w.orders.Host // a node's own process is one by its own name
	return host
}

func flatten(o outcome) *actor.Error {
	if o.err == nil {
		return nil
	}
	return actor.Flatten(o.node, o.host, o.err)
}

// identify gives an endpoint its credentials, or the program's own TLS.
func identify(cfg *remote.Config, d *program, own bool, c remote.Credentials, host string, incarnation uint64) {
	if !own {
		cfg.Credentials = &c
		return
	}
	cfg.Incarnation = incarnation
	cfg.GetTLS = func() (*tls.Config, error) { return ownTLS(d, host) }
}

func ownTLS(d *program, host string) (*tls.Config, error) {
	c, err := d.tls(host)
	if err == nil && c == nil {
		err = errors.New("it returned nil")
	}
	if err != nil {
		return nil, fmt.Errorf("the program's TLS option for %s: %w", host, err)
	}
	return c, nil
}

// accept takes the streams that the launcher opens: connections of its endpoint.
func (w *worker) accept(streams *connListener) {
	for {
		conn, err := w.guest.Accept()
		if err != nil {
			return
		}
		w.group.Go(func() {
			if p, err := purposeOf(conn); err != nil || p != streamRemote {
				conn.Close()
				return
			}
			streams.hand(conn)
		})
	}
}

func (w *worker) register() error {
	ctx, cancel := context.WithTimeout(w.guest.Context(), registerPatience)
	defer cancel()
	if s := w.orders.Consul; s != nil {
		c, err := cluster.NewConsul(cluster.ConsulConfig{Settings: *s, TTL: w.orders.ConsulTTL, Logger: w.logger})
		if err != nil {
			return err
		}
		w.registry = c
	} else {
		conn, err := w.guest.Dial(ctx)
		if err == nil {
			err = openStream(conn, streamRegistry)
		}
		if err != nil {
			return fmt.Errorf("reaching the registry: %w", err)
		}
		w.registry = cluster.NewClient(conn)
	}
	if err := w.registry.Register(ctx, cluster.Member{Run: w.orders.Run, Host: w.orders.Host, Address: w.address, Incarnation: w.orders.Incarnation}); err != nil {
		return err
	}
	w.group.Go(w.follow)
	return nil
}

// registerPatience is how long a host tries to be registered.
const registerPatience = 30 * time.Second

// serve lives until the launcher orders the end, or the agent does.
func (w *worker) serve() int {
	w.send(report{Ready: w.address, Masters: w.commands.held(), Facts: w.facts()})
	w.group.Go(w.obey)
	var order endOrder
	select {
	case order = <-w.ended:
	case <-w.guest.Context().Done():
		w.logger.Warn("ending", "cause", context.Cause(w.guest.Context()))
		order = endOrder{Notice: bootstrap.LeaseNotice}
	}
	w.ending.Store(true)
	ctx, cancel := withNotice(context.Background(), order.Notice)
	defer cancel()
	if order.Drain {
		w.crew.finish()
		half, cancel := halfOf(ctx)
		w.crew.settle(half)
		cancel()
		w.crew.drain(ctx)
	}
	var ended []remoteOutcome
	for _, err := range w.crew.stop(ctx, actor.ErrStopped) {
		o := remoteOutcome{Phase: "stop", Killed: errors.Is(err, ErrKilled), Err: actor.Flatten("", w.orders.Host, err)}
		var n *NodeError
		if errors.As(err, &n) {
			o.Node, o.Err = n.Node, actor.Flatten(n.Node, n.Host, n.Err)
		}
		ended = append(ended, o)
	}
	w.close(ctx)
	w.send(report{Ended: true, Errors: ended})
	return 0
}

// close undoes open, from the nodes down to the registry. What cannot be
// closed in time is ended with the process.
func (w *worker) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	for _, f := range []func(context.Context) error{w.sys.Close, w.endpoint.Close, w.registry.Close} {
		if err := f(ctx); err != nil {
			w.logger.Debug("closing", "error", err)
		}
	}
	w.tracing.close(ctx, w.logger)
}

// obey takes the launcher's commands until the stream ends.
func (w *worker) obey() {
	for {
		var c command
		if err := w.decoder.Decode(&c); err != nil {
			if !errors.Is(err, io.EOF) {
				w.logger.Debug("commands end", "error", err)
			}
			return // the lease decides what follows
		}
		switch {
		case c.Reach != nil:
			w.reach(c.Reach)
		case c.Start:
			w.learn(c.Places)
			w.commands.tell(c.Groups)
			w.crew.start()
		case c.Groups != nil, c.Places != nil:
			w.learn(c.Places)
			if c.Groups != nil {
				w.commands.tell(c.Groups)
			}
		case c.End != nil:
			w.send(report{Told: true}) // before anything that the end brings about
			select {
			case w.ended <- *c.End:
			default: // ending already
			}
		case c.Restart != nil:
			w.crew.restart(c.Restart.Node, c.Restart.Pause)
		case c.GiveUp != nil:
			w.crew.giveUp(c.GiveUp.Node)
		case c.Gone != nil:
			w.gone(*c.Gone)
		case c.Joined != nil:
			w.mu.Lock()
			answer := w.joins[c.Joined.ID]
			delete(w.joins, c.Joined.ID)
			w.mu.Unlock()
			if answer != nil {
				answer <- *c.Joined
			}
		}
	}
}

// hushed keeps warnings of the links back while the run ends: that hosts go
// away is then what was asked for. One host hears of the end before another,
// so warnings are held back for a moment, in which that may turn out.
type hushed struct {
	slog.Handler
	when *atomic.Bool
}

func (h *hushed) Enabled(ctx context.Context, l slog.Level) bool {
	return (l > slog.LevelWarn || !h.when.Load()) && h.Handler.Enabled(ctx, l)
}

// hushFor is longer than the order to end takes from the first host to the last.
const hushFor = time.Second

// Handle passes a record on, a warning when the moment is over. It is lost where
// the process ends before.
func (h *hushed) Handle(ctx context.Context, r slog.Record) error {
	if r.Level != slog.LevelWarn {
		return h.Handler.Handle(ctx, r)
	}
	r = r.Clone()
	time.AfterFunc(hushFor, func() {
		if !h.when.Load() {
			_ = h.Handler.Handle(ctx, r) // nobody is left to be told
		}
	})
	return nil
}

func (h *hushed) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &hushed{h.Handler.WithAttrs(attrs), h.when}
}

func (h *hushed) WithGroup(name string) slog.Handler {
	return &hushed{h.Handler.WithGroup(name), h.when}
}
