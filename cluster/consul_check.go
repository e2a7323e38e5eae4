package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/hashicorp/consul/api"
)

// Check finds out, before anything is started, whether the run can be
// registered: whether Consul answers and has a leader, and whether the token
// may write the run's keys, a session and the service and read them back. It
// tries each and removes what it wrote. The error wraps [ErrRegistryUnreachable] or
// [ErrRegistryDenied] and says what to do.
func (c *Consul) Check(ctx context.Context, run string) error {
	if err := validateRun(run); err != nil {
		return err
	}
	ctx, done, err := c.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	if err := c.checkLeader(ctx); err != nil {
		return err
	}
	if err := c.checkKeys(ctx, run); err != nil {
		return err
	}
	session, err := c.newSession(ctx, serviceName(run))
	if err == nil {
		err = c.endSession(ctx, session)
	}
	if err != nil {
		return err
	}
	return c.checkService(ctx, run)
}

func (c *Consul) checkLeader(ctx context.Context) error {
	return c.query(ctx, serverPath, 0, func(ctx context.Context) error {
		leader, err := c.api.Status().LeaderWithQueryOptions(new(api.QueryOptions).WithContext(ctx))
		if err == nil && leader == "" {
			err = errors.New("it has no leader")
		}
		return err
	})
}

// probeKey is written and removed by checks only.
func probeKey(run string, probe string) string { return keyPrefix(run) + "check/" + probe }

func (c *Consul) checkKeys(ctx context.Context, run string) error {
	key := probeKey(run, c.probeName())
	err := c.query(ctx, serverPath, 0, func(ctx context.Context) error {
		_, err := c.api.KV().Put(&api.KVPair{Key: key}, new(api.WriteOptions).WithContext(ctx))
		return err
	})
	if err != nil {
		return c.permission(err, keyRule(run))
	}
	_, readErr := c.get(ctx, run, key)
	err = c.query(ctx, serverPath, 0, func(ctx context.Context) error {
		_, err := c.api.KV().Delete(key, new(api.WriteOptions).WithContext(ctx))
		return err
	})
	return errors.Join(readErr, c.permission(err, keyRule(run)))
}

// checkService registers an instance that is no member, and waits until it
// can be read.
func (c *Consul) checkService(ctx context.Context, run string) (err error) {
	id := "tlaunch-" + run + ":check:" + c.probeName()
	service := &api.AgentServiceRegistration{ID: id, Name: serviceName(run), Check: c.ttlCheck(api.HealthCritical)}
	err = c.query(ctx, agentPath, 0, func(ctx context.Context) error {
		return c.api.Agent().ServiceRegisterOpts(service, api.ServiceRegisterOpts{}.WithContext(ctx))
	})
	rule := fmt.Sprintf("service %q write", serviceName(run))
	if err != nil {
		return c.permission(err, rule)
	}
	defer func() {
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
		defer cancel()
		err = errors.Join(err, c.permission(c.query(undo, agentPath, 0, func(ctx context.Context) error {
			return c.api.Agent().ServiceDeregisterOpts(id, new(api.QueryOptions).WithContext(ctx))
		}), rule))
	}()
	return c.awaitProbe(ctx, run, id)
}

// awaitProbe waits until the servers show the instance. The agent tells them
// at once; a short wait covers slow ones.
func (c *Consul) awaitProbe(ctx context.Context, run, id string) error {
	deadline := time.Now().Add(requestTimeout)
	var index uint64
	for time.Now().Before(deadline) {
		var entries []*api.ServiceEntry
		var meta *api.QueryMeta
		err := c.query(ctx, serverPath, time.Second, func(ctx context.Context) (err error) {
			opts := &api.QueryOptions{WaitIndex: index, WaitTime: time.Second}
			entries, meta, err = c.api.Health().Service(serviceName(run), "", false, opts.WithContext(ctx))
			return err
		})
		if err != nil {
			return c.permission(err, readRules(run))
		}
		for _, e := range entries {
			if e.Service.ID == id {
				return nil
			}
		}
		if meta.ResultsFilteredByACLs {
			return c.filteredError(run)
		}
		index = nextIndex(index, meta.LastIndex)
		if err := pause(ctx, queryPause); err != nil {
			return err
		}
	}
	return c.filteredError(run)
}

func (c *Consul) probeName() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strconv.FormatUint(c.random.Uint64(), 36)
}
