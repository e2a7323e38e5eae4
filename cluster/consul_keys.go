package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/hashicorp/consul/api"
)

func keyPrefix(run string) string      { return "tlaunch/" + run + "/" }
func descriptionKey(run string) string { return keyPrefix(run) + "description" }
func fenceKey(run, host string) string { return keyPrefix(run) + "fence/" + host }

// Describe implements [Registry]. The description stands under the key
// tlaunch/RUN/description; it is put back if Consul loses it. It and the fences
// that are raised from here are tied to a session, with which Consul removes
// them when this process is gone.
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
	c.mu.Lock()
	old := c.described[run]
	c.mu.Unlock()
	if old != nil {
		old.stopAndWait() // what follows takes its session over
	}
	session, err := c.session(ctx, run, old)
	if err != nil {
		return err
	}
	if err := c.putDescription(ctx, run, description, session); err != nil {
		return err
	}
	life, stop := context.WithCancel(c.life)
	k := &keeper{stop: stop, done: make(chan struct{}), session: session, floors: map[string]uint64{}}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		stop()
		return errors.Join(ErrClosed, c.removeKeys(context.WithoutCancel(ctx), run, session))
	}
	if old != nil {
		maps.Copy(k.floors, old.floors)
		k.raise = old.raise || session != old.session
	}
	c.described[run] = k
	c.keepers.Go(func() { c.keepDescription(life, k, run, description) })
	c.mu.Unlock()
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

// putDescription writes the description, and ties it to the session.
func (c *Consul) putDescription(ctx context.Context, run string, description []byte, session string) error {
	pair := &api.KVPair{Key: descriptionKey(run), Value: description, Session: session}
	err := c.query(ctx, serverPath, 0, func(ctx context.Context) error {
		tied, _, err := c.api.KV().Acquire(pair, new(api.WriteOptions).WithContext(ctx))
		if err == nil && !tied { // another describer's session has it, or did a moment ago
			_, err = c.api.KV().Put(pair, new(api.WriteOptions).WithContext(ctx))
		}
		return err
	})
	return c.permission(err, keyRule(run))
}

// keepDescription keeps the session, and looks from time to time whether the
// keys are there.
func (c *Consul) keepDescription(ctx context.Context, k *keeper, run string, description []byte) {
	defer close(k.done)
	for {
		if pause(ctx, spread(c.ttl/2, c.rand())) != nil {
			return
		}
		if err := c.keepKeys(ctx, k, run, description); ctx.Err() == nil && err != nil {
			c.log.Debug("cannot look after the description", "run", run, "error", err) // the outage itself is logged as one
		}
	}
}

func (c *Consul) keepKeys(ctx context.Context, k *keeper, run string, description []byte) error {
	session, err := c.session(ctx, run, k)
	if err != nil {
		return err
	}
	c.mu.Lock()
	if k.session != session {
		k.session, k.raise = session, true
	}
	raise, floors := k.raise, maps.Clone(k.floors)
	c.mu.Unlock()
	pair, err := c.get(ctx, run, descriptionKey(run))
	if err == nil && (pair == nil || pair.Session == "") {
		err = c.putDescription(ctx, run, description, session)
	}
	if !raise {
		return err
	}
	for host, floor := range floors {
		err = errors.Join(err, c.raiseFence(ctx, run, host, floor))
	}
	if err == nil {
		c.mu.Lock()
		k.raise = false
		c.mu.Unlock()
	}
	return err
}

// removeKeys removes all keys of the run, and the session that those of ours are tied to.
func (c *Consul) removeKeys(ctx context.Context, run, session string) error {
	err := c.query(ctx, serverPath, 0, func(ctx context.Context) error {
		_, err := c.api.KV().DeleteTree(keyPrefix(run), new(api.WriteOptions).WithContext(ctx))
		return err
	})
	return errors.Join(c.permission(err, keyRule(run)), c.endSession(ctx, session))
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

// raiseFence raises the lowest incarnation that the host may register. Who has
// described the run ties the fence to its session.
func (c *Consul) raiseFence(ctx context.Context, run, host string, to uint64) error {
	session := c.tieFence(run, host, to)
	for {
		floor, index, err := c.fence(ctx, run, host)
		if err != nil || floor >= to {
			return err
		}
		set, tied, err := c.setFence(ctx, run, host, to, index, session)
		if err != nil || set {
			return c.permission(err, keyRule(run))
		}
		if !tied {
			session = "" // it has ended, or another one has the key: the fence is what matters
			continue
		}
		if err := pause(ctx, queryPause); err != nil { // another one was faster
			return err
		}
	}
}

// tieFence returns the session of the run's description, or nothing, and notes
// what has to be put back with the next session.
func (c *Consul) tieFence(run, host string, floor uint64) (session string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.described[run]
	if k == nil {
		return ""
	}
	k.floors[host] = max(k.floors[host], floor)
	return k.session
}

// setFence writes the key if it has not changed since the index. It is not tied
// where the session, if there is one, was no good.
func (c *Consul) setFence(ctx context.Context, run, host string, to, index uint64, session string) (set, tied bool, err error) {
	key, value := fenceKey(run, host), strconv.AppendUint(nil, to, 10)
	err = c.query(ctx, serverPath, 0, func(ctx context.Context) (err error) {
		if session == "" {
			tied = true
			set, _, err = c.api.KV().CAS(&api.KVPair{Key: key, Value: value, ModifyIndex: index}, new(api.WriteOptions).WithContext(ctx))
			return err
		}
		var answer *api.KVTxnResponse
		set, answer, _, err = c.api.KV().Txn(api.KVTxnOps{
			{Verb: api.KVCAS, Key: key, Value: value, Index: index},
			{Verb: api.KVLock, Key: key, Value: value, Session: session},
		}, new(api.QueryOptions).WithContext(ctx))
		tied = err != nil || set || slices.ContainsFunc(answer.Errors, func(e *api.TxnError) bool { return e.OpIndex == 0 })
		return err
	})
	return set, tied, err
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
