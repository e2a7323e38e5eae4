package bootstrap

import (
	"context"
	"errors"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
	"github.com/tartrl/tlaunch-go/bootstrap/inventory"
	"github.com/tartrl/tlaunch-go/bootstrap/ship"
	"github.com/tartrl/tlaunch-go/bootstrap/sshconn"
)

// consignment is an executable that a host is to have.
type consignment struct {
	host     inventory.Host
	part     part // of the run that the host will be
	conn     *sshconn.Conn
	platform ship.Platform
	binary   *ship.Binary
}

// send brings an executable to a host, from here or from a host that has it already, and returns its path there.
func (c *cargo) send(ctx context.Context, what consignment) (path string, err error) {
	put := func() (string, error) {
		return ship.Put(ctx, what.conn.Client, what.platform, what.binary, c.progress(what.host))
	}
	if _, there := what.platform.Cached(what.binary.SHA256); c.cfg.Direct || there {
		return put()
	}
	s := c.spread(what.binary)
	from, err := s.next(ctx)
	if err != nil {
		return "", err
	}
	how := outcomeGot
	if from != nil {
		if path, how, err = fetch(ctx, what, from); err != nil && ctx.Err() == nil {
			c.cfg.Logger.DebugContext(ctx, "the executable was not passed on; it is sent from here", "host", what.host.Name, "error", err)
			s.instead()
			path, err = put()
		}
	} else {
		path, err = put()
	}
	var now *holder
	if err == nil {
		now = what.holder(c.cfg, path)
	}
	s.done(from, how, now)
	return path, err
}

// fetch lets a host fetch the executable from one that has it.
func fetch(ctx context.Context, what consignment, from *holder) (string, outcome, error) {
	source, err := from.start(ctx)
	if err != nil {
		return "", outcomeBroken, err
	}
	path, err := ship.Fetch(ctx, what.conn.Client, what.platform, what.binary, source)
	switch {
	case errors.Is(err, ship.ErrNoMeans):
		return "", outcomeUnable, err
	case errors.Is(err, ship.ErrNotFetched):
		return "", outcomeBroken, err
	}
	return path, outcomeGot, err
}

// holder is the host as one that passes the executable at path on.
func (what consignment) holder(cfg *Config, path string) *holder {
	address := what.host.Data
	if address == "" {
		address = reachedAddress(what.conn, what.platform.Addr)
	}
	return &holder{conn: what.conn, path: path, address: address, ports: cfg.Ports, part: part{talk.RoleGiver, what.part.mark}}
}

// spread returns what decides where hosts get a binary from.
func (c *cargo) spread(b *ship.Binary) *spread {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.spreads[b.SHA256]
	if s == nil {
		s = newSpread()
		c.spreads[b.SHA256] = s
	}
	return s
}
