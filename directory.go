package tlaunch

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/remote"
)

// How guests hear where hosts are that were started again: they ask the
// launcher, by way of any host, as they did when they were let in.

// hostPlace is what the launcher knows of where a host's process is.
type hostPlace struct {
	Host        string
	Address     string `cbor:",omitempty"` // empty: it is not in, or gone
	Incarnation uint64 `cbor:",omitempty"` // of the process at Address
	Gone        uint64 `cbor:",omitempty"` // incarnations up to this one have ended
	Final       bool   `cbor:",omitempty"` // and there will be none any more
}

// places is all that is known, by host.
func (w *whereabouts) places() []hostPlace {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := make([]hostPlace, 0, len(w.hosts))
	for _, name := range slices.Sorted(maps.Keys(w.hosts)) {
		h := w.hosts[name]
		all = append(all, hostPlace{name, h.address, h.incarnation, h.gone, h.final})
	}
	return all
}

// learn takes note of what the launcher knows of a host, and returns the
// addresses that are nobody's any more, with the incarnation that has ended.
func (w *whereabouts) learn(p hostPlace) (ended map[string]uint64) {
	ended = map[string]uint64{}
	if p.Gone > 0 {
		if address := w.left(p.Host, p.Gone, p.Final); address != "" {
			ended[address] = p.Gone
		}
	}
	if p.Address != "" {
		if address := w.joined(p.Host, p.Address, p.Incarnation); address != "" {
			ended[address] = p.Incarnation - 1
		}
	}
	return ended
}

func addressesOf(places []hostPlace) map[string]string {
	m := map[string]string{}
	for _, p := range places {
		if p.Address != "" {
			m[p.Host] = p.Address
		}
	}
	return m
}

// newTicket is for a guest that is let in.
func (d *door) newTicket() (ticket [16]byte) {
	_, _ = rand.Read(ticket[:]) // crypto/rand does not fail
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tickets[sha256.Sum256(ticket[:])] = struct{}{}
	return ticket
}

// direct tells a guest where the hosts are.
func (d *door) direct(ticket []byte) ([]byte, error) {
	d.mu.Lock()
	_, ok := d.tickets[sha256.Sum256(ticket)]
	d.mu.Unlock()
	if !ok {
		return nil, errors.New("it asks where hosts are, and is no guest of this run")
	}
	return actor.Encode(d.fleet.where.places())
}

// whereabouts is what the guest knows to begin with.
func (g *Grant) whereabouts() *whereabouts {
	mortal := map[string]bool{}
	for _, n := range g.nodes {
		mortal[n.Host] = n.Mortal
	}
	w := &whereabouts{
		place: func(key string) (string, bool) {
			n, ok := g.nodes[key]
			return n.Host, ok
		},
		mayLose: func(process string) bool { return mortal[process] }, patience: guestFatePatience,
		hosts: map[string]*whereabout{}, changed: make(chan struct{}),
	}
	for _, p := range g.places {
		w.learn(p) // nothing was known before that could have ended
	}
	return w
}

// guestFatePatience is fatePatience for those who have to ask for the news.
const guestFatePatience = 5 * time.Second

// ask asks the hosts where all are, until one answers.
func (g *Grant) ask(ctx context.Context) ([]hostPlace, error) {
	g.mu.Lock()
	addresses := slices.Collect(maps.Values(g.known))
	g.mu.Unlock()
	places, err := g.askAt(ctx, addresses)
	if err != nil && g.consul != nil && ctx.Err() == nil {
		var found error
		if addresses, found = addressesInConsul(ctx, *g.consul, g.Run); found != nil {
			return nil, errors.Join(err, found)
		}
		places, err = g.askAt(ctx, addresses)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: where the hosts of run %s are: %w", actor.ErrUnreachable, g.Run, err)
	}
	if known := addressesOf(places); len(known) > 0 { // else the ones before are where to ask
		g.mu.Lock()
		g.known = known
		g.mu.Unlock()
	}
	return places, nil
}

// nextAsked is after how long another host is asked beside one that has not answered.
const nextAsked = 300 * time.Millisecond

// askAt asks at one address after the other, and takes the first answer.
func (g *Grant) askAt(ctx context.Context, addresses []string) ([]hostPlace, error) {
	request, err := actor.Encode(redeemRequest{Ticket: g.ticket})
	if err != nil {
		return nil, err
	}
	var group sync.WaitGroup
	defer group.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		places []hostPlace
		err    error
	}
	answers := make(chan answer, len(addresses)) // nobody who is asked waits for us
	err = errors.New("no host of it is known")
	for asked, heard := 0, 0; heard < len(addresses); {
		if asked < len(addresses) {
			address := addresses[asked]
			asked++
			group.Go(func() {
				var a answer
				var b []byte
				if b, a.err = remote.Join(ctx, nil, address, g.pin, request); a.err == nil {
					a.err = actor.Decode(b, &a.places)
				}
				answers <- a
			})
		}
		var late <-chan time.Time
		if asked < len(addresses) {
			late = time.After(nextAsked)
		}
		select {
		case a := <-answers:
			heard++
			if a.err == nil {
				return a.places, nil
			}
			err = a.err
		case <-late:
		}
	}
	return nil, err
}
