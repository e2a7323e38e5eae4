package tlaunch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/remote"
)

// A Connection is a process's membership of a run that another launched: it
// finds nodes and calls them.
//
// Nodes of a host that is started again are found where they are then: calls
// that were under way end with [actor.ErrPeerGone], later ones wait for the
// host's next process, under their context and for 30 s at most. The connection
// asks for the way when a link breaks or a host cannot be reached, not before:
// some host that it knows of must then be there, or Consul, see [FindInConsul].
type Connection struct {
	grant    *Grant
	logger   *slog.Logger
	table    *actor.Table
	sys      *actor.System
	endpoint *remote.Endpoint
	where    *whereabouts

	mu     sync.Mutex
	lost   int                // how many wait for news of hosts
	rest   context.CancelFunc // ends the asking; nil: nobody has ever asked
	closed bool
	asking sync.WaitGroup
}

// Connect joins a run with an invitation. It works once. Close the connection
// when it is not needed any more.
func Connect(ctx context.Context, i Invitation, opts ...ConnectOption) (*Connection, error) {
	g, err := Redeem(ctx, i, opts...)
	if err != nil {
		return nil, err
	}
	s := &connectSettings{logger: slog.New(slog.DiscardHandler)}
	for _, o := range opts {
		o(s)
	}
	c := &Connection{grant: g, logger: s.logger, table: actor.NewTable(), where: g.whereabouts()}
	c.sys = actor.NewSystem(g.bounds.system(actor.Config{
		Host: g.Credentials.Name, Table: c.table, Locate: c.where.locate, Fate: c.fate, Away: c.away, Logger: s.logger, TracerProvider: s.tracer,
	}))
	c.endpoint, err = remote.New(g.bounds.endpoint(remote.Config{
		System: c.sys.Actors(), Credentials: &g.Credentials, Down: c.sys.PeerDown, Logger: s.logger,
		Address: fmt.Sprintf("%s.%d.%s", g.Credentials.Name, g.Credentials.Incarnation, g.Run), // nobody dials it
		Expect: func(address string) (string, bool) {
			if address == launcherAddress(g.Run) {
				return launcherName, true
			}
			return c.where.hostAt(address)
		},
	}))
	if err != nil {
		return nil, errors.Join(err, c.sys.Close(ctx))
	}
	c.sys.Attach(c.endpoint)
	return c, nil
}

// Run is the id of the run.
func (c *Connection) Run() string { return c.grant.Run }

// Close leaves the run: calls under way end.
func (c *Connection) Close(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true
	if c.rest != nil {
		c.rest()
	}
	c.mu.Unlock()
	c.asking.Wait()
	return errors.Join(c.sys.Close(ctx), c.endpoint.Close(ctx))
}

// fate is whereabouts.fate while the connection asks for news.
func (c *Connection) fate(ctx context.Context, address string) error {
	defer c.follow()()
	return c.where.fate(ctx, address)
}

// away is whereabouts.away while the connection asks for news.
func (c *Connection) away(ctx context.Context, key, address string, why error) error {
	defer c.follow()()
	return c.where.away(ctx, key, address, why)
}

// follow lets the connection ask where the hosts are until it is told to stop,
// however many need to know.
func (c *Connection) follow() (stop func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost++
	if c.lost == 1 && !c.closed {
		ctx, cancel := context.WithCancel(context.Background())
		c.rest = cancel
		c.asking.Go(func() { c.ask(ctx) })
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.lost--
		if c.lost == 0 && !c.closed {
			c.rest()
		}
	}
}

// askPause is between two questions where the hosts are.
const askPause = 200 * time.Millisecond

// ask asks where the hosts are, again and again, and takes note of it.
func (c *Connection) ask(ctx context.Context) {
	tick := time.NewTicker(askPause)
	defer tick.Stop()
	for {
		places, err := c.grant.ask(ctx)
		if err != nil && ctx.Err() == nil {
			c.logger.Debug("nobody says where the hosts of the run are", "run", c.grant.Run, "error", err)
		}
		for _, p := range places {
			c.learn(p)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// learn takes note of where a host is, and ends what this process has with an earlier one.
func (c *Connection) learn(p hostPlace) {
	for address, incarnation := range c.where.learn(p) {
		c.endpoint.Fence(p.Host, address, incarnation)
		c.sys.PeerDown(address, fmt.Errorf("%w: the process on %s has ended", actor.ErrPeerGone, p.Host))
	}
}

func (c *Connection) names() *actor.Table { return c.table }

func (c *Connection) kindOf(key string) (kind, error) {
	n, ok := c.grant.nodes[key]
	if !ok {
		return kind{}, fmt.Errorf("%w: program %s has no node %s", actor.ErrNoNode, c.grant.Program, key)
	}
	return kind{name: n.Type}, nil
}

var (
	_ Source = (*Run)(nil)
	_ Source = (*Connection)(nil)
)
