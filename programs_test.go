package tlaunch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

// The programs that tests launch, in package-level variables because processes of their own look them up by name.

// patience is how long a test waits for what should come at once, on a machine with other work to do.
const patience = 2 * time.Minute

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// launched starts a run that is ended with the test.
func launched[C any](t *testing.T, d *Definition[C], cfg C, opts ...Option) *Run {
	t.Helper()
	run, err := d.Launch(within(t), cfg, append([]Option{Lease(patience)}, opts...)...) // a process may stand still for seconds on a busy machine
	require.NoError(t, err)
	t.Cleanup(func() {
		run.Kill()
		<-run.Done()
	})
	return run
}

// define is Define for the length of a test.
func define[C any](t *testing.T, name string, build func(p *Program, cfg C) error, opts ...ProgramOption) *Definition[C] {
	t.Helper()
	d := Define(name, build, opts...)
	t.Cleanup(func() {
		definitions.Lock()
		defer definitions.Unlock()
		delete(definitions.byName, name)
	})
	return d
}

// everywhere runs a test in each kind of launch that needs no other machine.
func everywhere(t *testing.T, f func(t *testing.T, kind Option)) {
	t.Helper()
	t.Run("in process", func(t *testing.T) { f(t, InProcess(nil)) })
	t.Run("encoded", func(t *testing.T) { f(t, func(s *settings) { s.encode = true }) })
	t.Run("processes", func(t *testing.T) {
		t.Parallel()
		f(t, procs)
	})
}

// procs launches a process for each host. The race detector's second at the end of each is saved.
func procs(s *settings) {
	Processes(nil)(s)
	Env("GORACE=atexit_sleep_ms=0")(s)
}

type starConfig struct {
	Rounds int
	Key    Secret[string]
}

// hub adds up what spokes send, and says so when it stops.
type hub struct {
	sum, tells int
	seen       map[actor.Ref[*hub]]int
	key        Secret[string]
}

func (h *hub) Add(_ context.Context, n int) (int, error) { h.sum += n; return h.sum, nil }

func (h *hub) Note(_ context.Context, n int) error { h.tells += n; return nil }

type tally struct {
	Sum, Tells int
	Key        string
	Pid, Host  string
}

func (h *hub) Report(ctx context.Context) (tally, error) {
	return tally{h.sum, h.tells, h.key.Reveal(), fmt.Sprint(os.Getpid()), actor.HostOf(ctx)}, nil
}

// Same counts refs, so that equal ones must be equal wherever they were sent from.
func (h *hub) Same(_ context.Context, r actor.Ref[*hub]) (int, error) {
	if h.seen == nil {
		h.seen = map[actor.Ref[*hub]]int{}
	}
	h.seen[r]++
	return len(h.seen), nil
}

func (h *hub) Stop(ctx context.Context) error {
	slog.InfoContext(ctx, "stopped", "sum", h.sum, "tells", h.tells)
	return nil
}

type spoke struct {
	rounds, id int
	hub        actor.Ref[*hub]
}

func (s *spoke) Run(ctx context.Context) error {
	for range s.rounds {
		if _, err := actor.Call(ctx, s.hub, (*hub).Add, s.id); err != nil {
			return err
		}
		if err := actor.Do(ctx, s.hub, (*hub).Note, 1); err != nil {
			return err
		}
	}
	_, err := actor.Call(ctx, s.hub, (*hub).Same, s.hub)
	return err
}

var starProgram = Define("test-star", func(p *Program, cfg starConfig) error {
	hosts := p.Hosts()
	h := Add(p, "hub", &hub{key: cfg.Key}, On(hosts[0]), Named("Nabe"))
	for i, at := range hosts[1:] {
		Add(p, "spoke", &spoke{cfg.Rounds, i + 1, h}, On(at))
	}
	return nil
}, LocalHosts(3))

// idleProgram has no Run: it goes on until it is stopped.
var idleProgram = Define("test-idle", func(p *Program, cfg starConfig) error {
	for _, h := range p.Hosts() {
		Add(p, "hub", &hub{key: cfg.Key}, On(h))
	}
	return nil
}, LocalHosts(2))

// trouble is what a node does wrong.
type trouble struct{ Start, Run, Method, Stop, Bystander string }

var errTrouble = errors.New("no luck")

func do(ctx context.Context, what string) error {
	switch what {
	case "fail":
		return errTrouble
	case "fail for good":
		return fmt.Errorf("looked twice: %w", actor.Final(errTrouble))
	case "panic":
		panic("out of order")
	case "exit":
		os.Exit(7)
	case "stop":
		return Stop(ctx)
	case "wait":
		<-ctx.Done()
	case "cancelled":
		<-ctx.Done()
		return ctx.Err()
	case "late failure":
		<-ctx.Done()
		return errors.New("too late")
	case "late panic":
		<-ctx.Done()
		panic("too late")
	case "ignore":
		<-ignored
	case "chat-fail":
		_ = do(ctx, "chat") // it has no error
		return errTrouble
	case "chat":
		fmt.Println("plain\x1b[2J")
		slog.WarnContext(ctx, "said", "n", 1, slog.Group("g", "k", "v"))
		slog.Default().With("with", 2).WithGroup("deep").DebugContext(ctx, "below", "n", 3)
	}
	return nil
}

// ignored is closed where a test lets the nodes go that ignore their context.
var ignored = make(chan struct{})

type bystander struct {
	what  string
	began chan struct{}
	calls int
}

func (b *bystander) Start(context.Context) error { b.began = make(chan struct{}); return nil }
func (b *bystander) Await(context.Context) error { <-b.began; return nil }

func (b *bystander) Run(ctx context.Context) error {
	close(b.began)
	return do(ctx, b.what)
}

type troublemaker struct {
	what  trouble
	other actor.Ref[*bystander] // whose Run has begun before this one's does anything
}

func (t *troublemaker) Start(ctx context.Context) error { return do(ctx, t.what.Start) }

func (t *troublemaker) Run(ctx context.Context) error {
	if err := actor.Do0(ctx, t.other, (*bystander).Await); err != nil {
		return err
	}
	return do(ctx, t.what.Run)
}

func (t *troublemaker) Stop(ctx context.Context) error { return do(ctx, t.what.Stop) }
func (t *troublemaker) Act(ctx context.Context) error  { return do(ctx, t.what.Method) }

var troubleProgram = Define("test-trouble", func(p *Program, what trouble) error {
	hosts := p.Hosts()
	b := Add(p, "bystander", &bystander{what: what.Bystander}, On(hosts[0]))
	Add(p, "bad", &troublemaker{what: what, other: b}, On(hosts[1]))
	return nil
}, LocalHosts(2))

// orphan calls a node over and over, until that is gone.
type orphan struct{ other actor.Ref[*bystander] }

func (o *orphan) Run(ctx context.Context) error {
	for {
		if err := actor.Do0(ctx, o.other, (*bystander).Leave); err != nil {
			return err
		}
	}
}

// Leave ends the node's process at the third call.
func (b *bystander) Leave(context.Context) error {
	if b.calls++; b.calls == 3 {
		fmt.Println("leaving")
		os.Exit(7)
	}
	return nil
}

var orphanProgram = Define("test-orphan", func(p *Program, _ int) error {
	hosts := p.Hosts()
	b := Add(p, "bystander", &bystander{what: "wait"}, On(hosts[1]))
	Add(p, "orphan", &orphan{b}, On(hosts[0]))
	return nil
}, LocalHosts(2))
