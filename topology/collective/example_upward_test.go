package collective_test

import (
	"context"
	"fmt"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// Counter has counts climb to the first member, put together on the way.
type Counter struct {
	collective.Member
	count int           // its own and what came from below, and has not gone on
	more  chan struct{} // holds one while there is something new
}

func (c *Counter) Start(context.Context) error { c.more = make(chan struct{}, 1); return nil }

// Add is called by the members below.
func (c *Counter) Add(_ context.Context, n int) error {
	c.count += n
	select {
	case c.more <- struct{}{}:
	default:
	}
	return nil
}

// Run sends on what has come together since it sent last. While it waits for the one above, more comes together: so each link has one message at a
// time, however many are below and however fast they are.
func (c *Counter) Run(ctx context.Context) error {
	above, ok := collective.ParentOf[*Counter](ctx, c)
	for left := 10 * len(c.Shape().Below(c.Rank())); ok && left > 0; { // each has counted 10
		n := 0
		if err := actor.Turn(ctx, func(context.Context) error { n, c.count = c.count, 0; return nil }); err != nil {
			return err
		}
		if n == 0 {
			select {
			case <-c.more:
			case <-ctx.Done():
				return ctx.Err()
			}
			continue
		}
		if err := actor.Do(ctx, above, (*Counter).Add, n); err != nil {
			return err
		}
		left -= n
	}
	return nil
}

func (c *Counter) Stop(context.Context) error {
	if c.Rank() == 0 {
		fmt.Println("counted:", c.count)
	}
	return nil
}

var counters = tlaunch.Define("counters", func(p *tlaunch.Program, _ struct{}) error {
	group := collective.Over(topology.Tree(2))
	for _, h := range p.Hosts() {
		c := &Counter{count: 10}
		collective.Join(group, tlaunch.Add(p, "counter", c, tlaunch.On(h)), c, h.Name)
	}
	return group.Seal()
}, tlaunch.LocalHosts(7))

// A flow upward: what members have to say of themselves, whenever they have it, put together wherever several meet.
func ExampleParentOf() {
	run, err := counters.Launch(context.Background(), struct{}{})
	if err == nil {
		err = run.Wait(context.Background())
	}
	if err != nil {
		fmt.Println(err)
	}
	// Output: counted: 70
}
