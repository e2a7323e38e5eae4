package tlaunch

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/bootstrap"
	"github.com/tartrl/tlaunch-go/bootstrap/inventory"
	"github.com/tartrl/tlaunch-go/cluster"
	"github.com/tartrl/tlaunch-go/remote"
)

// fleet is a run on processes of their own, one for each host and for each node
// that wants its own, as the launcher keeps it. What is said of hosts here is
// meant of processes.
type fleet struct {
	run       *Run
	settings  *settings
	lines     map[string]inventory.Host
	used      []Host           // the processes
	loners    map[string]*node // that have processes of their own, by these
	launcher  *bootstrap.Launcher
	authority *remote.Authority
	registry  cluster.Registry
	embedded  *cluster.Embedded // nil with Consul
	sys       *actor.System
	endpoint  *remote.Endpoint
	door      *door
	tracing   tracing
	where     *whereabouts
	config    []byte
	ctx       context.Context // ends when nothing is left of the run
	cancel    context.CancelFunc
	group     sync.WaitGroup  // of what serves the hosts
	living    context.Context // ends with the run's end: no host is started again after that
	halt      context.CancelFunc
	revivals  sync.WaitGroup // of hosts that are being started again

	mu       sync.Mutex
	hosts    map[string]*hostProcess // the latest of each
	births   map[string]uint64       // the incarnation of the latest
	departed []goneOrder             // processes that have ended while the run goes on
	started  bool
	early    []failure        // of hosts that were ready, before the start
	reaches  chan reachResult // what hosts report of each other; nil: nobody asks
}

// firstIncarnation is that of the launcher, and of each host's first process.
const firstIncarnation = 1

func newFleet(d *program, config []byte, s *settings) (*fleet, error) {
	r, lines, err := planRun(d, config, s)
	if err != nil {
		return nil, err
	}
	f := &fleet{
		run: r, settings: s, lines: lines, config: config, where: newWhereabouts(r.graph),
		hosts: map[string]*hostProcess{}, births: map[string]uint64{},
	}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	f.living, f.halt = context.WithCancel(f.ctx)
	r.engine = f
	f.used, f.loners = r.graph.usedHosts(r.hosts), r.graph.loners()
	r.ledger.addHosts(f.used)
	return f, nil
}

func launchFleet(ctx context.Context, d *program, config []byte, s *settings) (*Run, error) {
	f, err := newFleet(d, config, s)
	if err != nil {
		return nil, err
	}
	r, used := f.run, f.used
	err = f.prepare(ctx, d)
	if err == nil {
		err = f.startHosts(ctx, d, config, used)
	}
	if err == nil {
		err = f.awaitReady(ctx, used)
	}
	if err == nil {
		err = f.survey(ctx, used)
	}
	if err != nil {
		f.close()
		return nil, failedLaunch(d.name, err)
	}
	return r, nil
}

// prepare makes what the hosts will need, and finds out what cannot work,
// before any host is reached.
func (f *fleet) prepare(ctx context.Context, d *program) (err error) {
	s, id := f.settings, f.run.id
	if f.authority, err = remote.NewAuthority(id, nil); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if f.registry, err = f.newRegistry(ctx); err != nil {
		return err
	}
	if f.tracing, err = d.tracing(launcherName); err != nil {
		return err
	}
	f.door = newDoor(f)
	f.sys = actor.NewSystem(d.bounds.system(actor.Config{
		Host: "launcher", Table: f.run.table, Locate: f.where.locate, Fate: f.where.fate, Away: f.where.away, Logger: s.logger,
		TracerProvider: f.tracing.provider,
	}))
	cfg := d.bounds.endpoint(remote.Config{
		System: f.sys.Actors(), Address: launcherAddress(id), Down: f.sys.PeerDown, Dial: f.dial, Expect: f.where.hostAt, Logger: s.logger,
	})
	var own remote.Credentials
	if d.tls == nil {
		if own, err = f.authority.Issue(remote.RoleLauncher, launcherName, firstIncarnation); err != nil {
			return err
		}
	}
	identify(&cfg, d, d.tls != nil, own, launcherName, firstIncarnation)
	if f.endpoint, err = remote.New(cfg); err != nil {
		return err
	}
	f.sys.Attach(f.endpoint)

	boot := s.boot
	boot.Files, boot.Ports = f.run.graph.filesByHost(), bootstrap.Ports(s.ports)
	boot.Run, boot.Log, boot.Progress, boot.Logger = id, f.record, s.progress, s.logger
	if s.kind == overSSH {
		boot.SSH = &s.ssh
	}
	if f.launcher, err = bootstrap.NewLauncher(boot); err != nil {
		return usagef("%v", err)
	}
	return nil
}

func (f *fleet) newRegistry(ctx context.Context) (cluster.Registry, error) {
	s := f.settings
	if s.consul == nil {
		f.embedded = cluster.NewEmbedded()
		f.embedded.Logger = s.logger
		return f.embedded, f.embedded.Describe(ctx, f.run.id, f.description())
	}
	cfg := *s.consul
	if reflect.ValueOf(cfg.Settings).IsZero() {
		var err error
		if cfg.Settings, err = cluster.ConsulSettingsFromEnv(); err != nil {
			return nil, err
		}
	}
	if cfg.Logger == nil {
		cfg.Logger = s.logger
	}
	s.consul = &cfg
	c, err := cluster.NewConsul(cfg)
	if err != nil {
		return nil, err
	}
	if err := c.Check(ctx, f.run.id); err != nil {
		return nil, errors.Join(err, c.Close(ctx))
	}
	return c, c.Describe(ctx, f.run.id, f.description())
}

// startHosts starts a process on each host, all at once, and reports all that fail.
func (f *fleet) startHosts(ctx context.Context, d *program, config []byte, used []Host) error {
	errs := f.startEach(ctx, d, config, used)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return launchError(d.name, len(used), errs)
}

// startEach starts a process on each host, all at once; the errors are in the order of the hosts.
func (f *fleet) startEach(ctx context.Context, d *program, config []byte, used []Host) []error {
	errs := make([]error, len(used))
	var group sync.WaitGroup
	for i, h := range used {
		group.Go(func() { _, errs[i] = f.startHost(ctx, d, config, h) })
	}
	group.Wait()
	return errs
}

func launchError(program string, hosts int, errs []error) error {
	e := &LaunchError{Program: program, Hosts: hosts}
	for _, err := range errs {
		if err != nil {
			e.Errs = append(e.Errs, err)
		}
	}
	if e.Errs == nil {
		return nil
	}
	return e
}

// startHost starts a host's next process.
func (f *fleet) startHost(ctx context.Context, d *program, config []byte, h Host) (*hostProcess, error) {
	f.mu.Lock()
	f.births[h.Name]++
	incarnation := f.births[h.Name]
	f.mu.Unlock()
	done, lost := f.run.standing(h.Name)
	o := orders{
		Version: ordersVersion, Run: f.run.id, Program: d.name, Config: config, Hosts: f.run.hosts, Host: h.Name,
		Incarnation: incarnation, Summary: f.run.graph.summary, Ports: f.settings.ports, Limits: f.limits(h.Name), OneMachine: f.settings.kind != overSSH, OwnTLS: d.tls != nil,
		Done: done, Lost: lost, Avoid: f.where.past(h.Name),
	}
	if f.settings.consul != nil {
		o.Consul, o.ConsulTTL = &f.settings.consul.Settings, f.settings.consul.TTL
	}
	if !o.OwnTLS {
		var err error
		if o.Credentials, err = f.authority.Issue(remote.RoleHost, h.Name, incarnation); err != nil {
			return nil, err
		}
	}
	b, err := actor.Encode(o)
	if err != nil {
		return nil, err
	}
	proc, err := f.launcher.Start(ctx, f.line(h.Name), b)
	if err != nil {
		return nil, err
	}
	p := &hostProcess{name: h.Name, incarnation: incarnation, proc: proc, ready: make(chan error, 1), over: make(chan struct{})}
	f.mu.Lock()
	f.hosts[h.Name] = p
	f.mu.Unlock()
	accepted := make(chan struct{})
	f.group.Go(func() {
		defer close(accepted)
		f.accept(p)
	})
	f.group.Go(func() {
		<-accepted // ends with the process
		p.heard.Wait()
		f.watch(p)
	})
	f.group.Go(func() {
		select {
		case <-proc.Silent():
			f.silent(p)
		case <-proc.Done():
		}
	})
	return p, nil
}

// awaitReady waits until every host is registered.
func (f *fleet) awaitReady(ctx context.Context, used []Host) error {
	errs := f.readyEach(ctx, used)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return launchError(f.run.program.name, len(used), errs)
}

// readyEach waits until every host is registered, or has failed, or ctx ends;
// the errors are in the order of the hosts, which must have been started.
func (f *fleet) readyEach(ctx context.Context, used []Host) []error {
	patience, cancel := context.WithTimeout(ctx, readyPatience)
	defer cancel()
	errs := make([]error, len(used))
	for i, h := range used {
		p := f.hosts[h.Name]
		select {
		case errs[i] = <-p.ready:
		case <-patience.Done():
			if ctx.Err() != nil {
				return errs
			}
			errs[i] = &bootstrap.HostError{
				Host: h.Name, Op: "register", Err: fmt.Errorf("not ready within %v of its start", readyPatience),
				Remedy: "its lines above may say what it waits for",
			}
		}
		if errs[i] == nil {
			f.progress(h.Name, StageRegistered)
		}
	}
	return errs
}

// readyPatience is how long started hosts may take to build the program, open
// their endpoint and register.
const readyPatience = registerPatience + 15*time.Second

func (f *fleet) progress(host string, stage bootstrap.Stage) {
	if f.settings.progress != nil {
		f.settings.progress(bootstrap.Event{Host: host, Stage: stage})
	}
}

// start lets the nodes start, unless a host has failed since it was ready.
func (f *fleet) start() error {
	f.mu.Lock()
	early, hosts := f.early, len(f.hosts)
	f.started = early == nil
	f.mu.Unlock()
	if early != nil {
		f.close()
		errs := make([]error, len(early))
		for i, why := range early {
			errs[i] = why.err
		}
		return launchError(f.run.program.name, hosts, errs)
	}
	begin := command{Start: true, Groups: f.commandGroups(), Places: f.where.places()}
	for _, p := range f.all() {
		f.run.ledger.nodesStarted(p.name)
		p.command(begin)
		f.progress(p.name, StageRunning)
	}
	return nil
}

// commandGroups is what commands are told of each other, once all hosts are in.
func (f *fleet) commandGroups() map[string]commandGroup {
	address := func(host string) string { return f.hosts[host].proc.DataAddress() }
	port := func(host, label string) int {
		p := f.hosts[host]
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.masters[label]
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.run.graph.groupCommands(address, port)
}

func (f *fleet) all() []*hostProcess {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []*hostProcess
	for _, h := range f.used {
		if p := f.hosts[h.Name]; p != nil {
			all = append(all, p)
		}
	}
	return all
}

// end orders every host to end its nodes, kills what has not ended when ctx
// does, and then closes what the launcher holds.
func (f *fleet) end(ctx context.Context, drain bool) []failure {
	notice := time.Duration(-1)
	if deadline, ok := ctx.Deadline(); ok {
		notice = max(0, time.Until(deadline))
	}
	f.mu.Lock()
	f.halt()
	f.mu.Unlock()
	told := map[*hostProcess]bool{}
	tell := func() {
		for _, p := range f.all() {
			switch {
			case told[p]:
			case ctx.Err() != nil: // no notice means just that: its nodes' contexts do not end before
				p.kill()
			default:
				told[p] = true
				f.group.Go(func() { p.command(command{End: &endOrder{Drain: drain, Notice: notice}}) }) // a host that is stuck holds up no other
			}
		}
	}
	tell()
	kill := context.AfterFunc(ctx, func() {
		for _, p := range f.all() {
			p.kill()
		}
	})
	defer kill()
	f.revivals.Wait()
	tell() // one that has just come up
	var failures []failure
	for _, p := range f.all() {
		<-p.over
		failures = append(failures, p.endFailures()...)
	}
	f.close()
	return failures
}

// endFailures are what went wrong in the end of a host whose process is over,
// apart from its end itself.
func (p *hostProcess) endFailures() (failures []failure) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.ended:
		for _, o := range p.errors {
			failures = append(failures, endFailure(newNodeError(o.outcome(p.name))))
		}
	case p.killed && p.told:
		return []failure{{blameOverdue, p.name, "", fmt.Errorf("%w: the process on %s (%v)", ErrKilled, p.name, p.proc.Exit())}}
	case p.killed:
		return []failure{{blameSilent, p.name, "", fmt.Errorf("%w: the process on %s, which had not answered since before the end (%v)", ErrKilled, p.name, p.proc.Exit())}}
	}
	return failures
}

// close gives up what the launcher holds; hosts that are left are killed. They
// go first, and are taken out of the registry while there is one; links and
// nodes' mailboxes have nobody to serve then.
func (f *fleet) close() {
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	log := f.settings.logger
	if f.launcher != nil {
		if err := f.launcher.Close(ctx); err != nil {
			log.Warn("closing connections to hosts", "error", err)
		}
	}
	f.group.Wait() // what serves a host ends with its process
	if f.endpoint != nil {
		if err := f.endpoint.Close(ctx); err != nil {
			log.Debug("closing links", "error", err)
		}
	}
	if f.sys != nil {
		if err := f.sys.Close(ctx); err != nil {
			log.Debug("closing the actor system", "error", err)
		}
	}
	f.tracing.close(ctx, log)
	if f.registry != nil {
		if err := f.registry.Close(ctx); err != nil {
			log.Warn("closing the registry", "error", err)
		}
	}
	f.cancel()
}

// closePatience is longer than a lease and its notice, after which a host that
// cannot be reached any more has cleaned up by itself.
const closePatience = 15 * time.Second
