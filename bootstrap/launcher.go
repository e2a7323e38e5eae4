package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
	"github.com/tartrl/tlaunch-go/bootstrap/inventory"
)

// Launcher starts processes on hosts and holds their leases. It is safe for concurrent use.
type Launcher struct {
	cfg     Config
	env     []string
	starter starter
	slots   chan struct{}
	open    context.Context // ends with Close, and all starts with it
	shut    context.CancelCauseFunc

	mu       sync.Mutex
	starting sync.WaitGroup
	running  map[*Process]struct{}
	starts   map[string]int // by host
}

// NewLauncher returns a launcher. It reads the SSH configuration, but reaches nobody yet.
func NewLauncher(cfg Config) (*Launcher, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	env, err := resolveEnv(cfg.Env)
	if err != nil {
		return nil, err
	}
	l := &Launcher{cfg: cfg, env: env, slots: make(chan struct{}, cfg.Parallel), running: make(map[*Process]struct{}), starts: make(map[string]int)}
	l.open, l.shut = context.WithCancelCause(context.Background())
	if cfg.SSH == nil {
		l.starter = newLocalStarter(&l.cfg)
		return l, nil
	}
	if l.starter, err = newSSHStarter(&l.cfg); err != nil {
		return nil, err
	}
	return l, nil
}

// Start starts one process on h and gives it orders, at most [MaxOrders] bytes. It returns once the process runs.
// When ctx ends before, the process is ended again. Errors are [*HostError] or the context's cause.
func (l *Launcher) Start(ctx context.Context, h inventory.Host, orders []byte) (*Process, error) {
	if len(orders) > MaxOrders {
		return nil, &HostError{Host: h.Name, Op: "start", Err: fmt.Errorf("orders of %d bytes, at most %d are allowed", len(orders), MaxOrders),
			Remedy: "pass large data by a stream or -ship"}
	}
	ctx, done, err := l.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	l.mu.Lock()
	l.starts[h.Name]++
	mark := NewMark(l.cfg.Run, h.Name, l.starts[h.Name])
	l.mu.Unlock()
	link, err := l.starter.start(ctx, h, part{talk.RoleAgent, mark.String()})
	if err != nil {
		return nil, err
	}
	p, err := newProcess(ctx, &l.cfg, h, link, talk.AgentOrders{
		Run: l.cfg.Run, Host: h.Name, Lease: l.cfg.Lease, Entry: l.cfg.HelloTimeout, LogRate: l.cfg.LogRate, Bases: link.bases, Env: l.env, Files: link.bring != nil, Orders: orders,
	})
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.running[p] = struct{}{}
	l.mu.Unlock()
	context.AfterFunc(p.ended, func() {
		l.mu.Lock()
		delete(l.running, p)
		l.mu.Unlock()
	})
	l.cfg.Logger.DebugContext(ctx, "process started", "host", h.Name, "dir", p.report.Dir, "children", p.report.Held)
	l.cfg.Progress(Event{Host: h.Name, Stage: StageStarted})
	return p, nil
}

// enter waits for a turn to reach a host, which ends with done. The context ends with ctx and with the launcher.
func (l *Launcher) enter(ctx context.Context) (turn context.Context, done func(), err error) {
	l.mu.Lock()
	if l.open.Err() != nil {
		l.mu.Unlock()
		return nil, nil, ErrClosed
	}
	l.starting.Add(1)
	l.mu.Unlock()
	turn, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(l.open, func() { cancel(ErrClosed) })
	done = func() {
		stop()
		cancel(nil)
		l.starting.Done()
	}
	select {
	case l.slots <- struct{}{}:
		leave := done
		return turn, func() { <-l.slots; leave() }, nil
	case <-turn.Done():
		err := context.Cause(turn)
		done()
		return nil, nil, err
	}
}

// Close kills all processes that still run and waits for their end, then gives up what the launcher holds.
// Starts that are under way end with [ErrClosed]. When ctx ends, the links are cut, and the hosts clean up by themselves
// as their leases run out, which Close waits for on this machine. It may be called again.
func (l *Launcher) Close(ctx context.Context) error {
	l.mu.Lock()
	l.shut(ErrClosed)
	l.mu.Unlock()
	l.starting.Wait()

	l.mu.Lock()
	var all []*Process
	for p := range l.running {
		all = append(all, p)
	}
	l.mu.Unlock()
	for _, p := range all {
		p.Terminate(0)
	}
	var err error
	for _, p := range all {
		select {
		case <-p.Done():
			continue
		case <-ctx.Done():
		}
		if err == nil {
			err = context.Cause(ctx)
			for _, other := range all { // all of them now, so that their leases run out at the same time
				other.cut(ErrClosed)
			}
		}
		<-p.Done()
	}
	return errors.Join(err, l.starter.close())
}
