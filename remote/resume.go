package remote

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"
)

// How a link goes on after its connection was lost: section 8 of WIRE.md. The side that had dialled dials again; the other waits for it.

const (
	// refusedPatience is how long the host of a peer may say that nobody listens at its address before the link is given up: a process that is alive listens.
	refusedPatience = 5 * time.Second
	// lastTry is how long a side that leaves tries to tell the other so.
	lastTry = time.Second
)

var (
	errAway       = errors.New("no connection could be made for as long as Config.Outage")
	errForgotten  = errors.New("the peer has given up the link")
	errStale      = errors.New("the connection is older than another one of the link")
	errTaken      = errors.New("the peer has brought another connection")
	errCrowdedOut = errors.New("too many links wait for their callers to come back")
	errBegunNew   = errors.New("the peer has begun another link in place of this one")
)

// tend sees to the link's connections until it is over.
func (l *link) tend() {
	for {
		var why error
		var since time.Time
		var installs int
		lost := func() bool {
			why, since, installs = l.why, l.since, l.installs
			if l.now == nil && l.of == fruitful {
				l.failures = 0
			}
			return l.now == nil
		}
		if l.when(l.ctx, lost) != nil {
			return
		}
		p := &l.p.traffic
		p.outages.Add(1)
		again, err := l.repair(why, since, installs)
		if !again {
			l.finish(err)
			return
		}
		p.resumed.Add(1)
	}
}

// repair waits for another connection, made by this side or the other, and reports whether there is one. Where there is none, and no error
// either, both sides have all that they wanted.
func (l *link) repair(why error, since time.Time, installs int) (again bool, err error) {
	if l.settled() {
		if !l.caller {
			return false, nil // the caller, should it come, hears that there is no link any more
		}
		// The peer may still wait for the news. It does not matter what comes of this.
		ctx, cancel := context.WithTimeout(l.ctx, lastTry)
		defer cancel()
		return l.redial(ctx) == nil, nil
	}
	patience := l.e.cfg.Outage
	if !l.caller && !l.known.Load() {
		patience = min(patience, l.e.cfg.HandshakeTimeout) // whoever has never said anything may not know that there is a link
	}
	ctx, cancel := context.WithDeadlineCause(l.ctx, since.Add(patience), fmt.Errorf("%w (%v): %w", errAway, patience, why))
	defer cancel()
	if l.caller {
		err = l.redial(ctx)
	} else {
		l.e.adrift(l)
		err = l.when(ctx, func() bool { return l.installs != installs }) // it may be lost again already
		l.e.ashore(l)
	}
	return err == nil, err
}

// adrift notes a link whose caller has to come back. There are at most as many as connections, in all and of those that have come from one
// address: the one of these that waits longest gives way.
func (e *Endpoint) adrift(l *link) {
	l.mu.Lock()
	network := l.network
	l.mu.Unlock()
	e.mu.Lock()
	e.waiting = append(e.waiting, adrift{l, network})
	var out *link
	i := -1
	switch e.adriftFrom[network]++; {
	case e.adriftFrom[network] > e.cfg.MaxConnectionsPerAddress:
		i = slices.IndexFunc(e.waiting, func(a adrift) bool { return a.network == network })
	case len(e.waiting) > e.cfg.MaxConnections:
		i = 0
	}
	if i >= 0 {
		out = e.waiting[i].link
		e.ashoreLocked(i)
	}
	e.mu.Unlock()
	if out != nil {
		out.finish(errCrowdedOut)
	}
}

// ashore undoes adrift.
func (e *Endpoint) ashore(l *link) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if i := slices.IndexFunc(e.waiting, func(a adrift) bool { return a.link == l }); i >= 0 {
		e.ashoreLocked(i)
	}
}

func (e *Endpoint) ashoreLocked(i int) {
	network := e.waiting[i].network
	e.waiting = slices.Delete(e.waiting, i, i+1)
	if e.adriftFrom[network]--; e.adriftFrom[network] == 0 {
		delete(e.adriftFrom, network)
	}
}

// An adrift link waits for its caller, who had come from a network.
type adrift struct {
	link    *link
	network string
}

// redial makes connections until one is taken. It gives up when ctx ends, and when there is nobody any more to take one.
func (l *link) redial(ctx context.Context) error {
	var refused time.Time // since when nobody listens
	for {
		if l.failures > 0 {
			timer := time.NewTimer(backoff(l.failures))
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return context.Cause(ctx)
			}
		}
		l.failures++ // until the next connection has been of use
		err := l.resume(ctx)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, ErrRefused), errors.Is(err, ErrVersion), errors.Is(err, ErrGone), errors.Is(err, errForgotten),
			errors.Is(err, errAlias), errors.Is(err, errFrame), errors.Is(err, errLeft):
			return err
		case !errors.Is(err, syscall.ECONNREFUSED):
			refused = time.Time{}
		case refused.IsZero() && !l.leaving():
			refused = time.Now()
		case l.leaving() || time.Since(refused) >= refusedPatience:
			return err
		}
	}
}

// resume makes one connection and has the link go on over it.
func (l *link) resume(ctx context.Context) error {
	e := l.e
	ctx, cancel := context.WithTimeoutCause(ctx, e.cfg.HandshakeTimeout, errHandshake)
	defer cancel()
	if err := l.standstill(ctx); err != nil {
		return err
	}
	conn, protocol, err := e.dial(ctx, l.p)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	try, _ := l.begin(0)
	if protocol != protoOwn {
		err = errOtherLanguage
	} else {
		err = l.askToGoOn(conn, try)
	}
	if !stop() {
		err = context.Cause(ctx)
	}
	if err == nil && !l.install(conn, try) {
		err = errTaken
	}
	if err != nil {
		conn.Close()
	}
	return err
}

// askToGoOn shakes hands on a new connection of a link.
func (l *link) askToGoOn(conn *secured, try uint64) error {
	mine := l.e.hello()
	received := l.out.received.Load()
	mine.link = linkHello{id: l.id, try: try, begun: true, received: received, called: l.p.address}
	h, err := l.e.greet(conn, mine)
	if err != nil && !errors.Is(err, errForgotten) {
		return err
	}
	if misfit := l.p.fits(conn.info, true, &h.incarnation); misfit != nil {
		return misfit
	}
	if h.system != l.system {
		return fmt.Errorf("%w: another process answers at its address", ErrGone)
	}
	if err != nil {
		return err
	}
	l.out.told.Store(received)
	advanced, err := l.out.resume(h.link.received)
	if advanced {
		l.advance()
		l.failures = 0
	}
	return err
}

// goOn answers the caller of a link who has brought another connection, and takes it. The connection is closed where that fails.
func (l *link) goOn(ctx context.Context, conn *secured, h hello) error {
	try, ok := l.begin(h.link.try)
	if !ok {
		return errStale
	}
	if c := l.current(); c != nil {
		l.lose(c, errTaken)
	}
	advanced, err := l.rewind(ctx, try, h.link.received)
	if errors.Is(err, errFrame) {
		l.finish(err)
	}
	if err != nil {
		return err
	}
	if advanced {
		l.advance()
	}
	mine := l.e.hello()
	received := l.out.received.Load()
	mine.link = linkHello{id: l.id, try: try, begun: true, received: received}
	if err := writeHello(conn, mine.append([]byte{byte(welcomed)})); err != nil {
		return err
	}
	if !l.install(conn, try) {
		return errStale
	}
	l.out.told.Store(received) // not before: what an older connection has said does not count for the one in use
	return nil
}
