package cluster

import (
	"context"
	"time"

	"github.com/hashicorp/consul/api"
)

// A session of Consul lives for as long as its process renews it. With it the
// keys go that are tied to it: those of a run whose launcher was killed.

// leastSessionTTL is the least that Consul takes, unless it is told otherwise.
const leastSessionTTL = 10 * time.Second

// sessionRule is the permission that sessions need: they belong to a node of
// Consul's, whichever the agent is on.
const sessionRule = `session_prefix "" write`

// session renews the session of a keeper, and makes another where there is none
// or Consul has ended it.
func (c *Consul) session(ctx context.Context, run string, k *keeper) (string, error) {
	if k != nil {
		c.mu.Lock()
		id := k.session
		c.mu.Unlock()
		var entry *api.SessionEntry
		err := c.query(ctx, serverPath, 0, func(ctx context.Context) (err error) {
			entry, _, err = c.api.Session().Renew(id, new(api.WriteOptions).WithContext(ctx))
			return err
		})
		if err != nil {
			return "", c.permission(err, sessionRule)
		}
		if entry != nil {
			return id, nil
		}
	}
	return c.newSession(ctx, serviceName(run))
}

// newSession makes a session that depends on nothing but being renewed: not on
// the health of the agent, which may come and go while the run goes on.
func (c *Consul) newSession(ctx context.Context, name string) (id string, err error) {
	entry := &api.SessionEntry{
		Name: name, TTL: c.sessionTTL.String(), Behavior: api.SessionBehaviorDelete,
		LockDelay: time.Millisecond, // the next session has the keys at once; zero would be 15 s
	}
	err = c.query(ctx, serverPath, 0, func(ctx context.Context) (err error) {
		id, _, err = c.api.Session().CreateNoChecks(entry, new(api.WriteOptions).WithContext(ctx))
		return err
	})
	return id, c.permission(err, sessionRule)
}

func (c *Consul) endSession(ctx context.Context, id string) error {
	err := c.query(ctx, serverPath, 0, func(ctx context.Context) error {
		_, err := c.api.Session().Destroy(id, new(api.WriteOptions).WithContext(ctx))
		return err
	})
	return c.permission(err, sessionRule)
}
