package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"
)

// ConsulConfig says which Consul to use and how.
type ConsulConfig struct {
	// Settings says where Consul is and what it is to be shown. The zero
	// value takes [ConsulSettingsFromEnv]. Consul's own client library looks
	// at the CONSUL_* variables of this process for a token, namespace or
	// partition that is empty here.
	Settings ConsulSettings

	// TTL is how long an entry stays healthy without being renewed; it is
	// renewed three times as often. Zero means 10 s. Less than 1 s is an
	// error, negative too. All processes of a run should use the same.
	TTL time.Duration

	// Logger receives a warning when Consul stops answering and a line when
	// it is back. Nil discards.
	Logger *slog.Logger

	// Seed makes the random part of pauses repeatable. Zero takes a random one.
	Seed uint64
}

const (
	defaultTTL = 10 * time.Second
	// requestTimeout bounds each request beyond the time that it asks Consul
	// to wait for a change.
	requestTimeout = 10 * time.Second
	leastGrace     = 5 * time.Second
	// reapAfter is after how long in critical state Consul removes an entry
	// by itself. A minute is the least that Consul takes.
	reapAfter = "1m"
)

func (c ConsulConfig) validate() error {
	if c.TTL != 0 && c.TTL < time.Second {
		return fmt.Errorf("%w TTL %v: give at least 1s, or zero for %v", ErrInvalid, c.TTL, defaultTTL)
	}
	return nil
}

// Consul is a registry in a Consul server: a service "tlaunch-RUN" per run
// with an instance per host and incarnation, whose meta carries what
// [Member] has, and the keys "tlaunch/RUN/…" for the run's description and
// for incarnations that may not come back, which end with a session of their
// writer's. Create it with [NewConsul].
type Consul struct {
	settings   ConsulSettings
	ttl        time.Duration
	sessionTTL time.Duration
	log        *slog.Logger
	api        *api.Client
	transport  *http.Transport

	life    context.Context // ends with Close
	end     context.CancelFunc
	keepers sync.WaitGroup
	outage  outage

	mu        sync.Mutex // guards what follows
	closed    bool
	random    *rand.Rand
	kept      map[entryKey]*keeper
	described map[string]*keeper  // by run
	known     map[string][]Member // by run, the last list that Consul gave
}

type entryKey struct{ run, host string }

// A keeper is a goroutine that keeps one thing in Consul.
type keeper struct {
	member Member // of a kept entry
	stop   context.CancelFunc
	done   chan struct{}

	// Of a description; guarded by the registry's lock.
	session string            // that its run's keys are tied to
	floors  map[string]uint64 // the fences among these, by host
	raise   bool              // they went with the session before, and have to be raised again
}

func (k *keeper) stopAndWait() {
	k.stop()
	<-k.done
}

// NewConsul returns the registry. It sends nothing yet; see [Consul.Check].
func NewConsul(cfg ConsulConfig) (*Consul, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if cfg.Settings.isZero() {
		s, err := ConsulSettingsFromEnv()
		if err != nil {
			return nil, err
		}
		cfg.Settings = s
	}
	if cfg.TTL == 0 {
		cfg.TTL = defaultTTL
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	client, transport, err := cfg.Settings.client()
	if err != nil {
		return nil, err
	}
	c := &Consul{
		settings: cfg.Settings, ttl: cfg.TTL, sessionTTL: max(cfg.TTL, leastSessionTTL), log: cfg.Logger, api: client, transport: transport,
		random: newRandom(cfg.Seed),
		kept:   make(map[entryKey]*keeper), described: make(map[string]*keeper), known: make(map[string][]Member),
	}
	c.outage.log = cfg.Logger.With("consul", cfg.Settings.Address)
	c.life, c.end = context.WithCancel(context.Background())
	return c, nil
}

// Close implements [Registry]. Members need not wait for the describer, nor
// it for them.
func (c *Consul) Close(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true
	kept, described := c.kept, c.described
	c.kept, c.described = nil, nil
	c.mu.Unlock()

	// Keepers first, or they would put back what is removed next.
	c.end()
	c.keepers.Wait()
	var errs []error
	for _, k := range kept {
		errs = append(errs, c.withdraw(ctx, k.member))
	}
	for run, k := range described {
		errs = append(errs, c.removeKeys(ctx, run, k.session))
	}
	c.transport.CloseIdleConnections()
	return errors.Join(errs...)
}

// grace is for how long after an outage members may be on their way back:
// long enough to renew three times, and for servers to get to work.
func (c *Consul) grace() time.Duration { return max(c.ttl, leastGrace) }

// begin makes ctx end with the registry too. The caller calls done. After
// Close it returns ErrClosed.
func (c *Consul) begin(ctx context.Context) (_ context.Context, done func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if c.life.Err() != nil {
		return nil, nil, ErrClosed
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(c.life, func() { cancel(ErrClosed) })
	return ctx, func() { stop(); cancel(nil) }, nil
}

// query runs one request with its time limit, notes whether Consul answered,
// and words the error. A limit of wait is what the request asks Consul to wait.
func (c *Consul) query(ctx context.Context, path requestPath, wait time.Duration, do func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, wait+wait/16+requestTimeout) // Consul itself adds a sixteenth
	defer cancel()
	err := do(limited)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	err = c.explain(err)
	if errors.Is(err, ErrRegistryUnreachable) || errors.Is(err, ErrRegistryDenied) {
		c.outage.began(path, err)
	} else {
		c.outage.ended(path, time.Now().Add(c.grace()))
	}
	return err
}

// explain gives Consul's error one of this package's meanings. A status that
// it does not know stays what it is.
func (c *Consul) explain(err error) error {
	var status api.StatusError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &status) && (status.Code == http.StatusForbidden || status.Code == http.StatusUnauthorized):
		return fmt.Errorf("%w: Consul at %s: %s: set CONSUL_HTTP_TOKEN to a token with the policy that cluster.ConsulPolicy gives",
			ErrRegistryDenied, c.settings.Address, status.Body)
	case errors.As(err, &status) && status.Code < http.StatusInternalServerError:
		return fmt.Errorf("cluster: Consul at %s: %w", c.settings.Address, err)
	default:
		return fmt.Errorf("%w: Consul at %s: %w: is it running, and does CONSUL_HTTP_ADDR name it?",
			ErrRegistryUnreachable, c.settings.Address, err)
	}
}

// isUnknown reports whether Consul's answer was that it knows no such thing.
func isUnknown(err error) bool {
	var status api.StatusError
	return errors.As(err, &status) && status.Code == http.StatusNotFound
}

// pause waits until d has passed or ctx ends, and reports the latter.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (c *Consul) rand() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.random.Float64()
}
