package tlaunch

import (
	"encoding/json"
	"time"

	"github.com/tartrl/tlaunch-go/cluster"
)

// description is what the registry says of a run, as JSON for whoever looks:
// which nodes are where, but nothing of the configuration.
type description struct {
	Run         string            `json:"run"`
	Program     string            `json:"program"`
	Started     time.Time         `json:"started"`
	Fingerprint string            `json:"fingerprint"`
	Nodes       []nodeDescription `json:"nodes,omitempty"`
	Omitted     int               `json:"nodes_omitted,omitempty"` // there was no room for the nodes
}

type nodeDescription struct {
	Node string `json:"node"`
	Name string `json:"name,omitempty"`
	Host string `json:"host"`
	Type string `json:"type"`
}

func (f *fleet) description() []byte {
	r := f.run
	d := description{Run: r.id, Program: r.program.name, Started: r.started.UTC(), Fingerprint: r.graph.fingerprint()}
	for _, s := range r.graph.summary {
		n := nodeDescription{Node: s.Key, Host: s.Host, Type: s.Type}
		if s.Name != s.Key {
			n.Name = s.Name
		}
		d.Nodes = append(d.Nodes, n)
	}
	b, err := json.Marshal(d)
	if err == nil && len(b) > cluster.MaxDescription {
		d.Nodes, d.Omitted = nil, len(d.Nodes)
		b, err = json.Marshal(d)
	}
	if err != nil {
		return nil // a description is made of strings and a time: it always encodes
	}
	return b
}
