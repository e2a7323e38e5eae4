package tlaunch

import (
	"context"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/remote"
)

// Counters reads what one process of a run counts: its nodes, and its links
// with other processes. The zero value has counted nothing. Package metrics
// makes a Prometheus collector of it:
//
//	registry.MustRegister(metrics.New(c.Nodes, c.Links))
//
// It may be read from any goroutine, and after the end of the run.
type Counters struct {
	sys      *actor.System
	endpoint *remote.Endpoint
}

// Nodes is a snapshot of the nodes that live in the process, and of what they have under way to others.
func (c Counters) Nodes() actor.Stats {
	if c.sys == nil {
		return actor.Stats{}
	}
	return c.sys.Stats()
}

// Links is a snapshot of the links with other processes. A run in one process has none.
func (c Counters) Links() remote.Stats {
	if c.endpoint == nil {
		return remote.Stats{}
	}
	return c.endpoint.Stats()
}

// CountersOf reads the counters of the process in which the node of ctx lives; where ctx is not a node's they are zero.
// A node that takes them in its Start sees all nodes of its host's process.
func CountersOf(ctx context.Context) Counters {
	c := Counters{sys: actor.SystemOf(ctx)}
	if s := stageOf(ctx); s != nil {
		c.endpoint = s.endpoint
	}
	return c
}

// Counters reads those of the process that launched: its links with the hosts'
// processes, or, in a run in one process, all nodes. What the nodes of other
// processes are sent is counted there, see [CountersOf].
func (r *Run) Counters() Counters { return r.engine.counters() }

// Counters reads those of this process's membership of the run.
func (c *Connection) Counters() Counters { return Counters{c.sys, c.endpoint} }
