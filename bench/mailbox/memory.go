package mailbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/bench/figures"
	"github.com/tartrl/tlaunch-go/remote"
)

// What receivers hold in memory, beside what was promised.

const (
	idlePeers    = 1000
	idleBudget   = 256 << 10 // for each, in bytes
	producers    = 50
	slowness     = 100 * time.Microsecond // of the consumer for each message; a producer takes about a microsecond
	windowBudget = 4 << 20                // what one process may have under way to a node: actor.Config.WindowBytes by default
)

// memory is what a receiver holds.
type memory = figures.Memory

// held is the figure of a case of memory, and its budget.
func (k contest) held(m memory) (used, allowed float64) {
	if k.kind == idlePeer {
		return (m.Peak - m.Begin) / idlePeers, idleBudget
	}
	return m.Peak, m.Begin + windowBudget
}

// measuresMemory reports whether the figure is what the receiver holds.
func measuresMemory(kind string) bool { return kind == idlePeer || kind == slowConsumer }

// crowd makes idle peers, each an endpoint of its own, and keeps them for a while.
func (s *side) crowd(ctx context.Context, a assignment) (*outcome, error) {
	system := quietSystem()
	var ends []*remote.Endpoint
	var all sync.WaitGroup
	failed := make(chan error, 2*idlePeers) // each may fail twice
	for i := range idlePeers {
		e, err := remote.New(remote.Config{System: system, Address: fmt.Sprintf("peer-%d", i), InsecurePlaintext: true})
		if err != nil {
			failed <- err
			break
		}
		ends = append(ends, e)
		failed <- e.Connect(ctx, a.Address)
	}
	quiet := time.NewTimer(a.Duration)
	defer quiet.Stop()
	select {
	case <-quiet.C:
	case <-ctx.Done():
	}
	for _, e := range ends {
		all.Go(func() { failed <- e.Close(ctx) })
	}
	errs := []error{context.Cause(ctx)}
	go func() { all.Wait(); close(failed) }()
	for err := range failed {
		errs = append(errs, err)
	}
	return &outcome{Messages: 1, Figures: map[string]float64{}}, errors.Join(errs...)
}

// produce has many senders tell one slow node.
func (s *side) produce(sinks []actor.Ref[*sink], data []byte) {
	s.senders = producers
	s.send = func(ctx context.Context, _ int) error { return actor.Tell(ctx, sinks[0], (*sink).PutSlowly, data) }
	s.handled = func(ctx context.Context) (int, error) { return actor.Call0(ctx, sinks[0], (*sink).Count) }
}
