package topology

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/remote"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// bare has members of another group do everything, beside the run's own in the same processes: on links without TLS, which a run has none of.
func (m *member) bare(ctx context.Context) (err error) {
	listener, err := net.Listen("tcp", ":0")
	if err != nil {
		return err
	}
	where, err := addresses(listener)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	n := m.Shape().Len()
	all := make([]byte, n*addressRoom)
	if err := collective.AllGather(ctx, m, where, all); err != nil {
		return errors.Join(err, listener.Close())
	}
	at := map[string]string{} // by key
	group, table, inner := collective.Over(topology.Net()), actor.NewTable(), &member{}
	for rank := range n {
		key := fmt.Sprintf("bare/%d", rank)
		at[key] = allAddresses(all[rank*addressRoom:])[0]
		one := &member{cfg: m.cfg}
		one.cfg.Bare, one.cfg.Profiles = false, ""
		if rank == m.Rank() {
			inner = one
		}
		collective.Join(group, actor.NewRef[*member](table, key), one, m.Shape().Member(rank).Host)
	}
	if err := group.Seal(); err != nil {
		return errors.Join(err, listener.Close())
	}
	own := fmt.Sprintf("bare/%d", m.Rank())
	system := actor.NewSystem(actor.Config{Table: table, Locate: func(key string) (string, error) {
		if address, ok := at[key]; ok {
			return address, nil
		}
		return "", fmt.Errorf("%w: %s", actor.ErrNoNode, key)
	}})
	endpoint, err := remote.New(remote.Config{System: system.Actors(), Address: at[own], InsecurePlaintext: true})
	if err != nil {
		return errors.Join(err, listener.Close(), system.Close(context.WithoutCancel(ctx)))
	}
	system.Attach(endpoint)
	served := make(chan error, 1)
	go func() { served <- endpoint.Serve(listener) }()
	defer func() {
		ctx := context.WithoutCancel(ctx)
		// All members close at once: who is later finds links broken before what it said last was acknowledged, and nobody waits for that.
		_, _ = system.Close(ctx), endpoint.Close(ctx)
		err = errors.Join(err, <-served)
	}()
	node, err := system.Spawn(actor.Spec{Key: own, Value: inner})
	if err != nil {
		return err
	}
	if err := node.Start(ctx); err != nil {
		return err
	}
	if err := collective.Barrier(ctx, m); err != nil { // all are there
		return err
	}
	if err := node.Run(ctx); err != nil {
		return err
	}
	return collective.Barrier(ctx, m) // and nobody has more to say
}
