package metrics

import (
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/remote"
)

// A Collector gives Prometheus the counters of one process. It may be used from any goroutine.
type Collector struct {
	nodes func() actor.Stats
	links func() remote.Stats

	mu        sync.Mutex
	nodeNames names
	peerNames names
}

var _ prometheus.Collector = (*Collector)(nil)

// A Limit bounds what a collector shows.
type Limit struct {
	// Names is how many nodes, and how many peers, have series of their own. Zero means 100; negative: none.
	Names int
}

// New makes a collector that asks for snapshots with nodes and links; nil stands for none. For a run they are the methods of
// tlaunch.Counters, for an embedder [actor.System.Stats] and [remote.Endpoint.Stats]:
//
//	registry.MustRegister(metrics.New(counters.Nodes, counters.Links))
func New(nodes func() actor.Stats, links func() remote.Stats) *Collector {
	return NewLimited(Limit{}, nodes, links)
}

// NewLimited is [New] with other limits.
func NewLimited(limit Limit, nodes func() actor.Stats, links func() remote.Stats) *Collector {
	if nodes == nil {
		nodes = func() actor.Stats { return actor.Stats{} }
	}
	if links == nil {
		links = func() remote.Stats { return remote.Stats{} }
	}
	if limit.Names == 0 {
		limit.Names = 100
	}
	return &Collector{nodes: nodes, links: links, nodeNames: newNames(limit.Names), peerNames: newNames(limit.Names)}
}

// Describe sends what metrics there are.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range all {
		ch <- m.desc
	}
}

// Collect takes the snapshots and sends them.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	nodes, links := c.nodes(), c.links()
	c.mu.Lock()
	defer c.mu.Unlock()
	collectNodes(ch, nodes, c.nodeNames)
	collectLinks(ch, links, c.peerNames)
}

// other is the name that all share for whom there is no name left.
const other = "other"

// names are those that have series of their own. One that was given stays given: series do not come and go with the company they are in.
type names struct {
	most  int
	given map[string]struct{}
}

func newNames(most int) names { return names{most, map[string]struct{}{}} }

func (n names) of(name string) string {
	name = strings.ToValidUTF8(name, "\uFFFD") // Prometheus takes nothing else
	if _, ok := n.given[name]; ok {
		return name
	}
	if name == "" || len(n.given) >= n.most {
		return other
	}
	n.given[name] = struct{}{}
	return name
}
