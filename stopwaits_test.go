package tlaunch

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

// shop has a method that waits for what nobody brings.
type shop struct{ entered chan struct{} }

func (s *shop) Start(context.Context) error {
	s.entered = make(chan struct{})
	return nil
}

// Wait ends with its caller.
func (s *shop) Wait(ctx context.Context) error {
	close(s.entered)
	<-ctx.Done()
	return ctx.Err()
}

// customer waits in the shop.
type customer struct{ shop actor.Ref[*shop] }

func (c *customer) Run(ctx context.Context) error { return actor.Do0(ctx, c.shop, (*shop).Wait) }

// guard ends the run once there is somebody in the shop.
type guard struct{ shop actor.Ref[*shop] }

func (g *guard) Run(ctx context.Context) error {
	if err := actor.Do0(ctx, g.shop, (*shop).Look); err != nil {
		return err
	}
	return Stop(ctx)
}

// Look returns when there is somebody.
func (s *shop) Look(ctx context.Context) error {
	select {
	case <-s.entered:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

var shopProgram = Define("test-shop", func(p *Program, _ struct{}) error {
	hosts := p.Hosts()
	at := Add(p, "shop", &shop{}, On(hosts[0]), Concurrent(2))
	Add(p, "customer", &customer{at}, On(hosts[1]))
	Add(p, "guard", &guard{at}, On(hosts[2]))
	return nil
}, LocalHosts(3))

// Who waits in a method of another node does not hold up the end that a third one asks for.
func TestStopEndsThoseWhoWait(t *testing.T) {
	everywhere(t, func(t *testing.T, kind Option) {
		run := launched(t, shopProgram, struct{}{}, kind, Notice(-1))
		require.NoError(t, run.Wait(within(t)))
	})
}

// latecomer cannot start for as long as the run goes on.
type latecomer struct{}

func (latecomer) Start(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (latecomer) Run(context.Context) error { return nil }

// ender ends the run.
type ender struct{}

func (ender) Run(ctx context.Context) error { return Stop(ctx) }

var lateProgram = Define("test-late", func(p *Program, _ struct{}) error {
	Add(p, "latecomer", &latecomer{})
	Add(p, "ender", &ender{})
	return nil
})

// Nor does who is still starting hold it up: that is ended with the nodes, however long the notice.
func TestStopEndsThoseWhoStart(t *testing.T) {
	everywhere(t, func(t *testing.T, kind Option) {
		run := launched(t, lateProgram, struct{}{}, kind, Notice(-1))
		require.NoError(t, run.Wait(within(t)))
	})
}
