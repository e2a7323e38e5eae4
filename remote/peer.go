package remote

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A peer is everything known about one address: its links, the attempt to make one, and who watches whom there.
type peer struct {
	e       *Endpoint
	address string
	traffic

	users atomic.Int32 // who got it from Endpoint.peer and has not released it
	stock atomic.Bool  // it was found to speak gRPC only, without TLS
	gone  atomic.Bool  // it was forgotten: another record may have its place

	ready atomic.Pointer[link] // sender, for those who only want it where it is

	mu           sync.Mutex
	links        []*link // living, in the order in which they came up
	sender       *link   // the one written to, or nil
	attempt      *attempt
	failures     int
	notBefore    time.Time // no attempt starts earlier
	refusal      error     // of the last attempt, over identity or version
	alias        bool      // dialling it led back to ourselves
	draft        linkHello // of the link that the next attempt is to begin
	ending       []*link   // out of use, and Config.Down was not told yet
	member       *Identity // who was here last
	pending      []waiting // what cannot wait itself, while an attempt is under way
	pendingBytes int
	watches      map[watchKey]struct{}
	ties         map[*tie]struct{}
	accepted     int           // of the ties
	arrival      chan struct{} // closed when the next link is up; nil: nobody waits

	down sync.Mutex // held while Config.Down runs
}

type waiting struct {
	lane int
	it   item
}

// An attempt is one try to make a link. err is set before done is closed.
type attempt struct {
	done chan struct{}
	err  error
}

const (
	firstBackoff = 50 * time.Millisecond
	lastBackoff  = 2 * time.Second
)

var errAlias = errors.New("remote: the address is our own")

// backoff is how long to wait after so many failures in a row: half fixed, half at random.
func backoff(failures int) time.Duration {
	d := firstBackoff << min(failures-1, 10)
	d = min(d, lastBackoff)
	return d/2 + rand.N(d/2)
}

// acquire returns the link to write to, making one if need be. It waits for the outcome of one attempt at a time; an
// attempt waits for the backoff of the last one first. The failure of an attempt goes to all who wait for it.
func (p *peer) acquire(ctx context.Context) (*link, error) {
	for {
		p.mu.Lock()
		l, a, err := p.senderLocked()
		p.mu.Unlock()
		if l != nil || err != nil {
			return l, err
		}
		select {
		case <-a.done:
			if a.err != nil {
				return nil, a.err
			}
		case <-ctx.Done():
			return nil, unreachable(p.address, context.Cause(ctx))
		}
	}
}

// senderLocked returns the link to write to, or the attempt to wait for.
func (p *peer) senderLocked() (*link, *attempt, error) {
	switch {
	case p.alias:
		return nil, nil, errAlias
	case p.sender != nil:
		return p.sender, nil, nil
	case p.attempt != nil:
		return nil, p.attempt, nil
	case p.e.isGone(p.address, nil):
		return nil, nil, unreachable(p.address, ErrGone)
	case p.refusal != nil && time.Now().Before(p.notBefore):
		return nil, nil, p.refusal
	}
	a := &attempt{done: make(chan struct{})}
	if !p.e.spawn(func() { p.try(a) }) {
		return nil, nil, ErrClosed
	}
	p.attempt = a
	return nil, a, nil
}

// try makes one attempt.
func (p *peer) try(a *attempt) {
	p.mu.Lock()
	wait := time.Until(p.notBefore)
	p.mu.Unlock()
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-a.done: // the peer has come to us
			return
		case <-p.e.dialing.Done():
		}
	}
	err := p.e.connect(p)

	p.mu.Lock()
	if p.attempt != a { // meanwhile the peer has come to us, or connect has made the link
		p.mu.Unlock()
		return
	}
	p.attempt = nil
	var stranded []waiting
	var watches map[watchKey]struct{}
	switch {
	case errors.Is(err, errAlias):
		p.alias = true
		err = nil
	case p.e.dialing.Err() != nil:
		err = ErrClosed
		watches, p.watches = p.watches, nil
	default:
		p.failures++
		p.notBefore = time.Now().Add(backoff(p.failures))
		p.refusal = nil
		if errors.Is(err, ErrRefused) || errors.Is(err, ErrVersion) {
			p.notBefore = time.Now().Add(lastBackoff)
			p.refusal = err
		}
		watches, p.watches = p.watches, nil
	}
	stranded, p.pending, p.pendingBytes = p.pending, nil, 0
	alias := p.alias
	a.err = err
	close(a.done)
	p.mu.Unlock()

	for _, w := range stranded {
		if alias {
			p.e.deliverItem(w.it)
			continue
		}
		p.e.strand(p, w.it)
	}
	p.endWatches(watches)
}

// postNow queues without waiting, on the link or, while there is none, for the one that is being made.
func (p *peer) postNow(lane int, it item) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	l, _, err := p.senderLocked()
	if err != nil {
		return err
	}
	if l != nil {
		return l.putNow(lane, &it)
	}
	if p.pendingBytes > 0 && p.pendingBytes+it.size > p.e.cfg.UrgentBytes {
		return ErrFull
	}
	p.pending = append(p.pending, waiting{lane, it.kept()})
	p.pendingBytes += it.size
	return nil
}

// up takes a link into use. It fails with ErrClosed when the endpoint is closing, and with ErrRefused when another
// member has come up at this address since bind.
func (p *peer) up(l *link) error {
	p.mu.Lock()
	var err error
	if l.member != nil {
		err = p.admitsLocked(*l.member)
	}
	if err == nil {
		err = p.e.keep(l)
	}
	if err != nil {
		p.mu.Unlock()
		return err
	}
	if l.member != nil {
		p.member = l.member
	}
	var replaced []*link
	why := map[*link]error{}
	p.links = slices.DeleteFunc(p.links, func(o *link) bool {
		err := l.replaces(o)
		if err != nil {
			replaced = append(replaced, o)
			why[o] = err
		}
		return err != nil
	})
	p.ending = append(p.ending, replaced...)
	p.links = append(p.links, l)
	l.countStalls(&p.stalls)
	p.arrivedLocked()
	orphans := p.orphansLocked()
	var watches map[watchKey]struct{}
	if len(replaced) > 0 {
		watches, p.watches = p.watches, nil
	}
	if slices.Contains(replaced, p.sender) {
		p.writeToLocked(nil)
	}
	if l.sends && p.sender == nil {
		p.sendOnLocked(l)
	}
	p.mu.Unlock()
	for _, o := range replaced {
		o.finish(why[o])
	}
	p.cut(orphans, errReplaced)
	p.endWatches(watches)
	return nil
}

// writeToLocked says which link is written to, if any.
func (p *peer) writeToLocked(l *link) {
	p.sender = l
	p.ready.Store(l)
}

// replaces says why another link with the same address is of no use any more now that this one is up, if it is not.
func (l *link) replaces(o *link) error {
	both := o.own && l.own
	switch {
	case both && (o.incarnation < l.incarnation || o.incarnation == l.incarnation && o.system != l.system),
		o.member != nil && l.member != nil && yields(o.member, l.member):
		return errReplaced // nobody is there any more, whatever TCP believes
	case both && !o.caller && !l.caller && o.system == l.system && o.called == l.called:
		return errBegunNew // nobody dials where there is a link
	}
	return nil
}

// leaves takes a link on which the peer says goodbye out of use for what is sent from now on.
func (p *peer) leaves(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sender == l {
		p.electLocked()
	}
}

// electLocked chooses the link to write to, if there is one.
func (p *peer) electLocked() {
	p.writeToLocked(nil)
	if i := slices.IndexFunc(p.links, func(o *link) bool { return o.sends && !o.peerLeft.Load() }); i >= 0 {
		p.writeToLocked(p.links[i])
	}
}

// sendOnLocked makes l the link to write to, beginning with what could not wait for it: before anybody finds it in ready, and puts something behind that.
func (p *peer) sendOnLocked(l *link) {
	p.failures, p.refusal, p.notBefore = 0, nil, time.Time{}
	for _, w := range p.pending {
		if l.putNow(w.lane, &w.it) != nil {
			p.e.dropped(p, LinkLost, 1)
		}
	}
	p.pending, p.pendingBytes = nil, 0
	p.writeToLocked(l)
	if a := p.attempt; a != nil {
		p.attempt = nil
		close(a.done)
	}
}

// ended takes a link out of use, tells watchers and Config.Down.
func (p *peer) ended(l *link, err error, lost int) {
	p.users.Add(1) // what is said of one address goes through one record; so far the link has held it
	defer p.release()
	p.mu.Lock()
	var watches map[watchKey]struct{}
	if i := slices.Index(p.links, l); i >= 0 { // a later incarnation may have taken its place, and be watched already
		p.links = slices.Delete(p.links, i, i+1)
		p.ending = append(p.ending, l)
		// Where there are two links, the news of an end may have been lost with the one that we do not write to.
		watches, p.watches = p.watches, nil
	}
	if p.sender == l {
		p.electLocked()
	}
	orphans := p.orphansLocked()
	p.mu.Unlock()
	p.cut(orphans, err)
	p.e.forget(l, lost)
	p.e.dropped(p, LinkLost, lost)
	p.endWatches(watches)
	l.awaitReader()
	if l.sends && p.e.cfg.Down != nil {
		if err != nil {
			err = unreachable(p.address, err)
		}
		p.down.Lock()
		p.e.cfg.Down(p.address, err)
		p.down.Unlock()
	}
	p.mu.Lock()
	p.ending = slices.DeleteFunc(p.ending, func(o *link) bool { return o == l })
	p.mu.Unlock()
	close(l.told)
}

func (p *peer) stats() PeerStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.traffic.snapshot()
	s.Address, s.State, s.Links, s.Streams = p.address, LinkDown, len(p.links), len(p.ties)
	s.QueuedMessages, s.QueuedBytes = len(p.pending), p.pendingBytes
	if p.member != nil {
		s.Name = p.member.Name
	}
	if p.attempt != nil {
		s.State = LinkDialing
	}
	if p.sender != nil {
		s.State = LinkUp
		if p.sender.own && p.sender.current() == nil {
			s.State = LinkAway
		}
	}
	for _, l := range p.links {
		messages, bytes := l.depth()
		s.QueuedMessages += messages
		s.QueuedBytes += bytes
	}
	return s
}
