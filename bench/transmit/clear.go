package transmit

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/remote"
	"github.com/tartrl/tlaunch-go/transmit"
)

// clearNode is a data node that is reached without TLS, which a run has no links of: in a system of its own, beside the run's in its process.
type clearNode struct {
	node *actor.Node
	clearSystem
}

// clearSystem has links in plain text.
type clearSystem struct {
	system *actor.System
	end    func(context.Context) error
}

const clearKey = "clear/0"

// openClear makes a system with an endpoint, at which it listens if it is to serve; at is where the data node is.
func openClear(serve bool, table *actor.Table, at string) (s clearSystem, address string, err error) {
	s.system = actor.NewSystem(actor.Config{Table: table, Locate: func(key string) (string, error) {
		if key == clearKey && at != "" {
			return at, nil
		}
		return "", fmt.Errorf("%w: %s", actor.ErrNoNode, key)
	}})
	s.end = s.system.Close
	served := make(chan error, 1)
	var listener net.Listener
	address = "driver"
	if serve {
		if listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return s, "", errors.Join(err, s.end(context.Background()))
		}
		address = listener.Addr().String()
	} else {
		served <- nil
	}
	endpoint, err := remote.New(remote.Config{System: s.system.Actors(), Address: address, InsecurePlaintext: true})
	if err != nil {
		if listener != nil {
			err = errors.Join(err, listener.Close())
		}
		return s, "", errors.Join(err, s.end(context.Background()))
	}
	s.system.Attach(endpoint)
	if serve {
		go func() { served <- endpoint.Serve(listener) }()
	}
	s.end = func(ctx context.Context) error {
		// Both ends close at once: who is later finds links broken before what it said last was acknowledged, and nobody waits for that.
		_, _ = s.system.Close(ctx), endpoint.Close(ctx)
		return <-served
	}
	return s, address, nil
}

// Open starts a data node that is reached in plain text, and returns its address.
func (p *peer) Open(ctx context.Context, sizes []int) (string, error) {
	table := actor.NewTable()
	system, address, err := openClear(true, table, "")
	if err != nil {
		return "", err
	}
	value := transmit.NewNode(transmit.Config{Tables: tablesFor(sizes), Seed: 1})
	p.clear = &clearNode{clearSystem: system}
	p.ends = append(p.ends, func() error {
		ctx := context.WithoutCancel(ctx)
		var err error
		if p.clear.node != nil {
			err = p.clear.node.Stop(ctx)
		}
		return errors.Join(err, p.clear.end(ctx))
	})
	actor.NewRef[*transmit.Node](table, clearKey)
	if p.clear.node, err = system.system.Spawn(actor.Spec{Key: clearKey, Value: value, Concurrent: value.Concurrent()}); err != nil {
		return "", err
	}
	return address, p.clear.node.Start(ctx)
}

// Unseal has the driver use the data node that is reached in plain text from now on.
func (d *driver) Unseal(ctx context.Context, sizes []int) error {
	address, err := actor.Call(ctx, d.peer[0], (*peer).Open, sizes)
	if err != nil {
		return err
	}
	table := actor.NewTable()
	system, _, err := openClear(false, table, address)
	if err != nil {
		return err
	}
	d.end, d.data = system.end, actor.NewRef[*transmit.Node](table, clearKey)
	return nil
}

// Stop lets go of the way without TLS.
func (d *driver) Stop(ctx context.Context) error {
	if d.end == nil {
		return nil
	}
	return d.end(context.WithoutCancel(ctx))
}
