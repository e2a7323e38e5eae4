package programs

import (
	"context"
	"log/slog"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/actor"
)

// RingConfig is for [Ring].
type RingConfig struct {
	Rounds int
	Marker string // what the nodes send each other
}

// Peer passes a text to the next peer.
type Peer struct {
	next     actor.Ref[*Peer]
	rounds   int
	marker   string
	received int
}

var _ = actor.Method((*Peer).Pass)

// Pass takes a text and gives it back.
func (p *Peer) Pass(_ context.Context, text string) (string, error) {
	p.received += len(text)
	return text, nil
}

// Run sends the marker.
func (p *Peer) Run(ctx context.Context) error {
	for range p.rounds {
		if _, err := actor.Call(ctx, p.next, (*Peer).Pass, p.marker); err != nil {
			return err
		}
	}
	return nil
}

// Stop reports how many bytes came.
func (p *Peer) Stop(ctx context.Context) error {
	slog.InfoContext(ctx, "ring", "bytes", p.received)
	return nil
}

// Ring has a node on each host, which sends to the next host's.
var Ring = tlaunch.Define("ring", func(p *tlaunch.Program, cfg RingConfig) error {
	peers := make([]*Peer, len(p.Hosts()))
	refs := make([]actor.Ref[*Peer], len(peers))
	for i, h := range p.Hosts() {
		peers[i] = &Peer{rounds: cfg.Rounds, marker: cfg.Marker}
		refs[i] = tlaunch.Add(p, "peer", peers[i], tlaunch.On(h))
	}
	for i := range peers {
		peers[i].next = refs[(i+1)%len(refs)]
	}
	return nil
})
