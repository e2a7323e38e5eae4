package cluster

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strconv"

	"github.com/hashicorp/consul/api"
)

// Meta keys of a service instance. An instance without them is none of ours.
const (
	metaRun         = reservedMeta + "run"
	metaHost        = reservedMeta + "host"
	metaIncarnation = reservedMeta + "incarnation"
)

func serviceName(run string) string { return "tlaunch-" + run }

// instanceID has the incarnation in it, so that an old process can neither
// overwrite the entry of its successor nor keep it healthy. A run's name has
// no colon, which makes the id unambiguous.
func instanceID(m Member) string {
	return fmt.Sprintf("tlaunch-%s:%s:%d", m.Run, m.Host, m.Incarnation)
}

// Register implements [Registry].
func (c *Consul) Register(ctx context.Context, m Member) error {
	if err := m.Validate(); err != nil {
		return err
	}
	m = m.Clone()
	ctx, done, err := c.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	if err := c.place(ctx, m); err != nil {
		return err
	}

	key := entryKey{m.Run, m.Host}
	life, stop := context.WithCancel(c.life)
	k := &keeper{member: m, stop: stop, done: make(chan struct{})}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		stop()
		// Close has gone through the entries already.
		return errors.Join(ErrClosed, c.withdraw(context.WithoutCancel(ctx), m))
	}
	old := c.kept[key]
	c.kept[key] = k
	c.keepers.Go(func() { c.keep(life, k) })
	c.mu.Unlock()
	if old != nil {
		old.stopAndWait()
	}
	return nil
}

// Deregister implements [Registry].
func (c *Consul) Deregister(ctx context.Context, run, host string, incarnation uint64) error {
	if err := errors.Join(validateRun(run), validateHost(host)); err != nil {
		return err
	}
	ctx, done, err := c.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	instances, err := c.instances(ctx, run, host)
	if err != nil {
		return err
	}
	for _, i := range instances {
		if i.Incarnation > incarnation {
			return nil
		}
	}
	// The fence before the removal: a process that is alive after all would
	// otherwise put its entry back in between.
	if err := c.raiseFence(ctx, run, host, above(incarnation)); err != nil {
		return err
	}
	c.forget(run, host, incarnation)
	// Listed again: a registration that passed the fence before it was raised
	// has shown its entry by now, or will see the fence and withdraw.
	if instances, err = c.instances(ctx, run, host); err != nil {
		return err
	}
	var errs []error
	for _, i := range instances {
		if i.Incarnation <= incarnation {
			errs = append(errs, c.remove(ctx, i))
		}
	}
	return errors.Join(errs...)
}

// forget stops keeping the host's entry, and takes it from the list last
// known, up to the incarnation.
func (c *Consul) forget(run, host string, incarnation uint64) {
	gone := func(m Member) bool { return m.Host == host && m.Incarnation <= incarnation }
	c.mu.Lock()
	if known, found := c.known[run]; found {
		c.known[run] = slices.DeleteFunc(known, gone)
	}
	key := entryKey{run, host}
	k := c.kept[key]
	if k == nil || !gone(k.member) {
		c.mu.Unlock()
		return
	}
	delete(c.kept, key)
	c.mu.Unlock()
	k.stopAndWait()
}

// place enters m once, unless it is fenced, and removes what it replaces.
//
// Two processes of one host that do this at once both see the other's entry
// when they look again, and the older withdraws.
func (c *Consul) place(ctx context.Context, m Member) error {
	if _, _, err := c.rivals(ctx, m); err != nil {
		return err
	}
	host, port, _ := net.SplitHostPort(m.Address) // validated
	number, _ := strconv.Atoi(port)
	meta := map[string]string{metaRun: m.Run, metaHost: m.Host, metaIncarnation: strconv.FormatUint(m.Incarnation, 10)}
	for k, v := range m.Meta {
		meta[k] = v
	}
	service := &api.AgentServiceRegistration{
		ID: instanceID(m), Name: serviceName(m.Run), Address: host, Port: number, Meta: meta,
		Check: c.ttlCheck(api.HealthPassing),
	}
	err := c.query(ctx, agentPath, 0, func(ctx context.Context) error {
		opts := api.ServiceRegisterOpts{ReplaceExistingChecks: true}
		return c.api.Agent().ServiceRegisterOpts(service, opts.WithContext(ctx))
	})
	if err != nil {
		return c.permission(err, fmt.Sprintf("service %q write", serviceName(m.Run)))
	}
	older, err := c.awaitShown(ctx, m)
	if errors.Is(err, ErrFenced) {
		return errors.Join(err, c.withdraw(ctx, m))
	}
	if err != nil {
		return err
	}
	var errs []error
	for _, i := range older {
		errs = append(errs, c.remove(ctx, i))
	}
	return errors.Join(errs...)
}

func (c *Consul) ttlCheck(status string) *api.AgentServiceCheck {
	return &api.AgentServiceCheck{
		Name: "the process renews this", TTL: c.ttl.String(), Status: status,
		DeregisterCriticalServiceAfter: reapAfter,
	}
}

// awaitShown waits a moment for the servers to show the entry that the agent
// has just taken, and returns the entries that it replaces.
func (c *Consul) awaitShown(ctx context.Context, m Member) (older []instance, err error) {
	for try := range 6 {
		var there bool
		if older, there, err = c.rivals(ctx, m); err != nil || there {
			return older, err
		}
		if err := pause(ctx, queryPause<<try); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: the agent at %s has taken the entry, but Consul's servers do not show it: is the agent joined to them?",
		ErrRegistryUnreachable, c.settings.Address)
}

// rivals returns the entries that m replaces and whether its own is there, or
// ErrFenced if there is a newer one or a fence.
func (c *Consul) rivals(ctx context.Context, m Member) (older []instance, there bool, err error) {
	floor, _, err := c.fence(ctx, m.Run, m.Host)
	if err != nil {
		return nil, false, err
	}
	if m.Incarnation < floor {
		return nil, false, fencedError(m, floor)
	}
	instances, err := c.instances(ctx, m.Run, m.Host)
	if err != nil {
		return nil, false, err
	}
	for _, i := range instances {
		if i.Incarnation > m.Incarnation {
			return nil, false, fencedError(m, i.Incarnation)
		}
		if i.Incarnation < m.Incarnation {
			older = append(older, i)
		}
	}
	return older, shown(instances, m), nil
}

// withdraw removes our own entry from the agent that we registered it with.
func (c *Consul) withdraw(ctx context.Context, m Member) error {
	return c.remove(ctx, instance{Member: m})
}

// remove removes an entry from the agent that we talk to, or from the catalog
// if the agent has no such entry but the catalog says where it is.
func (c *Consul) remove(ctx context.Context, i instance) error {
	err := c.query(ctx, agentPath, 0, func(ctx context.Context) error {
		return c.api.Agent().ServiceDeregisterOpts(instanceID(i.Member), new(api.QueryOptions).WithContext(ctx))
	})
	if !isUnknown(err) {
		return c.permission(err, fmt.Sprintf("service %q write", serviceName(i.Run)))
	}
	if i.node == "" {
		return nil
	}
	err = c.query(ctx, serverPath, 0, func(ctx context.Context) error {
		_, err := c.api.Catalog().Deregister(&api.CatalogDeregistration{Node: i.node, ServiceID: instanceID(i.Member)},
			new(api.WriteOptions).WithContext(ctx))
		return err
	})
	return c.permission(err, fmt.Sprintf("service %q write", serviceName(i.Run)))
}

// permission adds to a refusal which permission it was about.
func (c *Consul) permission(err error, rule string) error {
	if errors.Is(err, ErrRegistryDenied) {
		return fmt.Errorf("%w (needed: %s)", err, rule)
	}
	return err
}

// keep renews the entry until ctx ends or the entry is fenced off, and enters
// it again if Consul has lost it.
func (c *Consul) keep(ctx context.Context, k *keeper) {
	defer close(k.done)
	failures := 0
	for {
		wait := spread(c.ttl/3, c.rand())
		if failures > 0 {
			wait = min(wait, backoff(failures, c.rand()))
		}
		if pause(ctx, wait) != nil {
			return
		}
		switch err := c.renew(ctx, k.member, failures > 0); {
		case errors.Is(err, ErrFenced):
			c.log.Warn("no longer registered", "run", k.member.Run, "host", k.member.Host, "error", err)
			return
		case err != nil:
			failures = min(failures+1, math.MaxInt16)
		default:
			failures = 0
		}
	}
}

// renew tells the agent that the process lives. After a failure it also looks
// whether the servers know it: an agent that could not tell them tries again
// only after a while, but at once when the entry is registered anew.
func (c *Consul) renew(ctx context.Context, m Member, failedBefore bool) error {
	err := c.query(ctx, agentPath, 0, func(ctx context.Context) error {
		return c.api.Agent().UpdateTTLOpts("service:"+instanceID(m), "", api.HealthPassing, new(api.QueryOptions).WithContext(ctx))
	})
	if isUnknown(err) {
		return c.place(ctx, m)
	}
	if err != nil || !failedBefore {
		return err
	}
	healthy, _, err := c.health(ctx, m.Run, 0, 0, true)
	if err != nil || shown(healthy, m) {
		return err
	}
	return c.place(ctx, m)
}

// shown reports whether the member's entry is among the instances.
func shown(instances []instance, m Member) bool {
	return slices.ContainsFunc(instances, func(i instance) bool { return i.Host == m.Host && i.Incarnation == m.Incarnation })
}
