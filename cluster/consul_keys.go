package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/hashicorp/consul/api"
)

func keyPrefix(run string) string      { return "tlaunch/" + run + "/" }
func descriptionKey(run string) string { return keyPrefix(run) + "description" }
func fenceKey(run, host string) string { return keyPrefix(run) + "fence/" + host }

// Describe implements [Registry]. The description stands under the key
// tlaunch/RUN/description; it is put back if Consul loses it.
func (c *Consul) Describe(ctx context.Context, run string, description []byte) error {
	if err := errors.Join(validateRun(run), validateDescription(description)); err != nil {
		return err
	}
	description = append([]byte{}, description...)
	ctx, done, err := c.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	if err := c.putDescription(ctx, run, description); err != nil {
		return err
	}
	life, stop := context.WithCancel(c.life)
	k := &keeper{stop: stop, done: make(chan struct{})}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		stop()
		return errors.Join(ErrClosed, c.removeKeys(context.WithoutCancel(ctx), run))
	}
	old := c.described[run]
	c.described[run] = k
	c.keepers.Go(func() { c.keepDescription(life, k, run, description) })
	c.mu.Unlock()
	if old != nil {
		old.stopAndWait()
	}
	return nil
}

// Description implements [Registry].
func (c *Consul) Description(ctx context.Context, run string) ([]byte, error) {
	if err := validateRun(run); err != nil {
		return nil, err
	}
	ctx, done, err := c.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	pair, err := c.get(ctx, run, descriptionKey(run))
	if err != nil {
		return nil, err
	}
	if pair == nil {
		return nil, fmt.Errorf("%w: %s", ErrNoDescription, run)
	}
	return append([]byte{}, pair.Value...), nil
}

func (c *Consul) putDescription(ctx context.Context, run string, description []byte) error {
	err := c.query(ctx, serverPath, 0, func(ctx context.Context) error {
		_, err := c.api.KV().Put(&api.KVPair{Key: descriptionKey(run), Value: description}, new(api.WriteOptions).WithContext(ctx))
		return err
	})
	return c.permission(err, keyRule(run))
}

// keepDescription looks from time to time whether the key is there.
func (c *Consul) keepDescription(ctx context.Context, k *keeper, run string, description []byte) {
	defer close(k.done)
	for {
		if pause(ctx, spread(c.ttl/2, c.rand())) != nil {
			return
		}
		pair, err := c.get(ctx, run, descriptionKey(run))
		if err == nil && pair == nil {
			err = c.putDescription(ctx, run, description)
		}
		if ctx.Err() == nil && err != nil {
			c.log.Debug("cannot look after the description", "run", run, "error", err) // the outage itself is logged as one
		}
	}
}

// removeKeys removes all keys of the run.
func (c *Consul) removeKeys(ctx context.Context, run string) error {
	err := c.query(ctx, serverPath, 0, func(ctx context.Context) error {
		_, err := c.api.KV().DeleteTree(keyPrefix(run), new(api.WriteOptions).WithContext(ctx))
		return err
	})
	return c.permission(err, keyRule(run))
}

// fence returns the lowest incarnation that the host may register, and the
// index of the key for a compare-and-set, zero if there is no key.
func (c *Consul) fence(ctx context.Context, run, host string) (floor, index uint64, err error) {
	pair, err := c.get(ctx, run, fenceKey(run, host))
	if err != nil || pair == nil {
		return 0, 0, err
	}
	floor, err = strconv.ParseUint(string(pair.Value), 10, 64)
	if err != nil {
		return 0, 0, fmt.Errorf("cluster: Consul key %s holds %q instead of an incarnation: delete it", pair.Key, pair.Value)
	}
	return floor, pair.ModifyIndex, nil
}

// raiseFence raises the lowest incarnation that the host may register.
func (c *Consul) raiseFence(ctx context.Context, run, host string, to uint64) error {
	for {
		floor, index, err := c.fence(ctx, run, host)
		if err != nil || floor >= to {
			return err
		}
		var set bool
		err = c.query(ctx, serverPath, 0, func(ctx context.Context) (err error) {
			pair := &api.KVPair{Key: fenceKey(run, host), Value: strconv.AppendUint(nil, to, 10), ModifyIndex: index}
			set, _, err = c.api.KV().CAS(pair, new(api.WriteOptions).WithContext(ctx))
			return err
		})
		if err != nil || set {
			return c.permission(err, keyRule(run))
		}
		if err := pause(ctx, queryPause); err != nil { // another one was faster
			return err
		}
	}
}

func (c *Consul) get(ctx context.Context, run, key string) (*api.KVPair, error) {
	var pair *api.KVPair
	err := c.query(ctx, serverPath, 0, func(ctx context.Context) (err error) {
		opts := &api.QueryOptions{RequireConsistent: true}
		pair, _, err = c.api.KV().Get(key, opts.WithContext(ctx))
		return err
	})
	return pair, c.permission(err, keyRule(run))
}
