package cluster

import (
	"context"
	"errors"
	"iter"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

const (
	// blockingWait is how long Consul may hold a query without a change.
	blockingWait = 30 * time.Second
	// queryPause is the least time between two queries of a watch, whatever
	// Consul answers. Many changes at once make one list.
	queryPause = 50 * time.Millisecond
)

// Members implements [Registry]. While Consul does not answer it gives the
// last list that this value has seen of the run, if there is one.
func (c *Consul) Members(ctx context.Context, run string) ([]Member, error) {
	if err := validateRun(run); err != nil {
		return nil, err
	}
	ctx, done, err := c.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	l, err := c.list(ctx, run, 0, 0)
	if err != nil {
		if known, ok := c.lastKnown(run); ok && ctx.Err() == nil {
			return known, nil
		}
		return nil, err
	}
	return l.members, nil
}

// Watch implements [Registry]. While Consul does not answer it is silent. A
// token that is refused at the first query ends it; later it counts as an
// outage.
func (c *Consul) Watch(ctx context.Context, run string) iter.Seq2[[]Member, error] {
	return func(yield func([]Member, error) bool) {
		if err := validateRun(run); err != nil {
			yield(nil, err)
			return
		}
		ctx, done, err := c.begin(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		defer done()
		var (
			shown    []Member // nil until the first list
			index    uint64
			failures int
			wait     = blockingWait
		)
		for {
			l, err := c.list(ctx, run, index, wait)
			if ctx.Err() != nil || errors.Is(err, ErrRegistryDenied) && shown == nil {
				yield(nil, err)
				return
			}
			delay := queryPause
			if err != nil {
				failures++
				index, delay = 0, backoff(failures, c.rand())
			} else {
				failures = 0
				index, wait = nextIndex(index, l.index), blockingWait
				if l.held > 0 { // look again when those who are held have had their time
					wait = min(wait, l.held)
				}
				if shown == nil || !Diff(shown, l.members).Empty() {
					shown = l.members
					if !yield(cloneMembers(shown), nil) {
						return
					}
				}
			}
			if err := pause(ctx, delay); err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

// nextIndex returns the index to wait on after one that was asked for and the
// one that came back. An index that goes backwards, or is zero, comes from a
// Consul whose state was replaced: begin anew, with a query that does not wait.
func nextIndex(asked, got uint64) uint64 {
	if got < asked {
		return 0
	}
	return got
}

// A listing is the answer to one query.
type listing struct {
	members []Member
	index   uint64
	// held is for how long members are still in the list that Consul does
	// not have, because it may not have them again yet; zero if there are none.
	held time.Duration
}

// list asks for the healthy members, once the index has moved past the one
// given or the time to wait is over, and remembers the list.
func (c *Consul) list(ctx context.Context, run string, index uint64, wait time.Duration) (listing, error) {
	instances, got, err := c.health(ctx, run, index, wait, true)
	if err != nil {
		return listing{}, err
	}
	if got < index {
		c.outage.restarted(time.Now().Add(c.grace()))
	}
	l := listing{members: newest(instances), index: got}
	c.mu.Lock()
	defer c.mu.Unlock()
	if left := c.outage.graceLeft(time.Now()); left > 0 {
		var held bool
		if l.members, held = hold(c.known[run], l.members); held {
			l.held = left
		}
	}
	c.known[run] = cloneMembers(l.members)
	return l, nil
}

func (c *Consul) lastKnown(run string) ([]Member, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known, ok := c.known[run]
	return cloneMembers(known), ok
}

// An instance is a service instance of Consul that is an entry of ours.
type instance struct {
	Member
	node string // Consul's node whose agent it is registered with; empty if not known
}

// instances returns all entries of a host, healthy or not.
func (c *Consul) instances(ctx context.Context, run, host string) ([]instance, error) {
	all, _, err := c.health(ctx, run, 0, 0, false)
	return slices.DeleteFunc(all, func(i instance) bool { return i.Host != host }), err
}

func (c *Consul) health(ctx context.Context, run string, index uint64, wait time.Duration, healthy bool) ([]instance, uint64, error) {
	var entries []*api.ServiceEntry
	var meta *api.QueryMeta
	err := c.query(ctx, serverPath, wait, func(ctx context.Context) (err error) {
		opts := &api.QueryOptions{WaitIndex: index, WaitTime: wait, RequireConsistent: !healthy}
		entries, meta, err = c.api.Health().Service(serviceName(run), "", healthy, opts.WithContext(ctx))
		return err
	})
	if err != nil {
		return nil, 0, c.permission(err, readRules(run))
	}
	if meta.ResultsFilteredByACLs && len(entries) == 0 {
		return nil, 0, c.filteredError(run)
	}
	var out []instance
	for _, e := range entries {
		if i, ok := parseInstance(e); ok && i.Run == run {
			out = append(out, i)
		}
	}
	return out, meta.LastIndex, nil
}

// parseInstance reads an entry. Others may register services under our name:
// what does not read as a valid member is left out.
func parseInstance(e *api.ServiceEntry) (instance, bool) {
	s := e.Service
	if s == nil {
		return instance{}, false
	}
	incarnation, err := strconv.ParseUint(s.Meta[metaIncarnation], 10, 64)
	if err != nil {
		return instance{}, false
	}
	m := Member{
		Run: s.Meta[metaRun], Host: s.Meta[metaHost], Incarnation: incarnation,
		Address: net.JoinHostPort(s.Address, strconv.Itoa(s.Port)),
	}
	for k, v := range maps.All(s.Meta) {
		if strings.HasPrefix(k, reservedMeta) {
			continue
		}
		if m.Meta == nil {
			m.Meta = make(map[string]string)
		}
		m.Meta[k] = v
	}
	if m.Validate() != nil || s.ID != instanceID(m) {
		return instance{}, false
	}
	i := instance{Member: m}
	if e.Node != nil {
		i.node = e.Node.Node
	}
	return i, true
}

// newest returns the highest incarnation of each host, sorted by host.
func newest(instances []instance) []Member {
	byHost := make(map[string]Member, len(instances))
	for _, i := range instances {
		if m, found := byHost[i.Host]; !found || i.Incarnation > m.Incarnation {
			byHost[i.Host] = i.Member
		}
	}
	out := slices.AppendSeq(make([]Member, 0, len(byHost)), maps.Values(byHost))
	sortMembers(out)
	return out
}
