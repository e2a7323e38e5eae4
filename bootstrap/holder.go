package bootstrap

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tartrl/tlaunch-go/bootstrap/ship"
	"github.com/tartrl/tlaunch-go/bootstrap/sshconn"
)

// holder is a host that has an executable and can pass it on: it runs a giver while others fetch theirs there.
type holder struct {
	conn    *sshconn.Conn
	path    string // of the executable
	address string // by which other hosts reach it
	ports   Ports
	part    part

	spread *spread // set when it is told of the holder
	load   int     // copies under way; guarded by spread.mu

	mu    sync.Mutex
	given *given // nil while no giver runs
}

// given is a giver that runs.
type given struct {
	source  ship.Source
	command *command
	stop    chan struct{}
	beats   sync.WaitGroup
}

// giverPatience is how long a giver may take to listen.
const giverPatience = 5 * time.Second

// start returns where the executable can be fetched, once a giver runs on the host.
func (h *holder) start(ctx context.Context) (ship.Source, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.given != nil {
		return h.given.source, nil
	}
	mark, token := newPidMark(), rand.Text()
	script := "export " + strings.Join(h.part.env(), " ") + `; exec "$1" "$0"`
	// Whoever waits may give up, but must not take the connection with it, on which the host's process depends.
	c, err := startCommand(context.WithoutCancel(ctx), h.conn, loginCommand(script, mark, h.path))
	if err != nil {
		return ship.Source{}, err
	}
	g := &given{command: c, stop: make(chan struct{})}
	if _, err := fmt.Fprintln(c.in, token, h.address, h.ports.First, h.ports.Last); err != nil {
		g.end()
		return ship.Source{}, fmt.Errorf("give orders to what passes the program on: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, giverPatience)
	defer cancel()
	said, err := c.awaitMark(ctx, mark)
	if err == nil {
		_, err = strconv.ParseUint(said, 10, 16)
	}
	if err != nil {
		g.end()
		return ship.Source{}, fmt.Errorf("wait for what passes the program on: %w", err)
	}
	g.source = ship.Source{Host: h.address, Port: said, Token: token}
	g.beats.Go(g.beat)
	h.given = g
	return g.source, nil
}

// rest ends the giver if nobody fetches anything there.
func (h *holder) rest() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.given != nil && !h.spread.busy(h) {
		h.given.end()
		h.given = nil
	}
}

// beat lets the giver know that its launcher is there.
func (g *given) beat() {
	tick := time.NewTicker(giverBeat)
	defer tick.Stop()
	for {
		select {
		case <-g.stop:
			return
		case <-tick.C:
			if _, err := io.WriteString(g.command.in, "."); err != nil {
				return // the connection is gone, and the giver with it
			}
		}
	}
}

// end closes the giver's session, which ends it. The connection goes on.
func (g *given) end() {
	close(g.stop)
	_ = g.command.session.Close()
	_ = g.command.err.Close()
	g.beats.Wait()
}
