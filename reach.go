package tlaunch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/tartrl/tlaunch-go/remote"
)

const (
	// linkPatience is how long a host tries to link with another that answers
	// without completing the handshake, as one does that is busy: a program
	// whose refs go everywhere has all links made at once. What the network
	// says, its silence included, is final and comes within 4 s.
	linkPatience = 30 * time.Second
	// linkTries is after how many such handshakes it is given up.
	linkTries = 5
	// otherWayAfter is when, of two hosts that need each other, the second
	// tries too.
	otherWayAfter = time.Second
	// reachPatience bounds the whole, so that a host that says nothing is
	// named too.
	reachPatience = otherWayAfter + linkPatience + time.Second
)

// reachOrder tells a host to link with another, where its nodes have refs to.
type reachOrder struct{ Host, Address string }

// reachReport says how that went.
type reachReport struct {
	Host     string
	Obstacle obstacle // empty: there is a link
	Cause    string
}

// reach links with the given hosts, all at once, and reports on each.
func (w *worker) reach(orders []reachOrder) {
	for _, o := range orders {
		w.where.joined(o.Host, o.Address, firstIncarnation) // there are no others before the nodes start
	}
	for _, o := range orders {
		w.group.Go(func() {
			ctx, cancel := context.WithTimeout(w.guest.Context(), linkPatience)
			defer cancel()
			r := reachReport{Host: o.Host}
			for range linkTries {
				began := time.Now()
				err := w.endpoint.Connect(ctx, o.Address)
				if r.Obstacle, r.Cause = explainObstacle(err, time.Since(began)); r.Obstacle != obstacleMute || ctx.Err() != nil {
					break
				}
			}
			w.send(report{Reached: &r})
		})
	}
}

// explainObstacle says what kept a host from linking with another, in words
// that do not repeat the address. A nil error is none.
func explainObstacle(err error, took time.Duration) (obstacle, string) {
	var op *net.OpError
	dialling := errors.As(err, &op) && op.Op == "dial"
	switch {
	case err == nil:
		return obstacleNone, ""
	case errors.Is(err, syscall.ECONNREFUSED):
		return obstacleRefused, "connection refused"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return obstacleNoRoute, "no route to host"
	case dialling && op.Timeout():
		return obstacleSilence, fmt.Sprintf("no answer within %v", took.Round(time.Second))
	case errors.Is(err, remote.ErrRefused):
		return obstacleStranger, innermost(err).Error()
	case dialling:
		return obstacleOther, innermost(err).Error()
	}
	return obstacleMute, innermost(err).Error()
}

// innermost is the first cause of an error.
func innermost(err error) error {
	for {
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			if e.Unwrap() == nil {
				return err
			}
			err = e.Unwrap()
		case interface{ Unwrap() []error }:
			all := e.Unwrap()
			if len(all) == 0 {
				return err
			}
			err = all[len(all)-1]
		default:
			return err
		}
	}
}

// reachResult is a report, and whose; or a host that has ended.
type reachResult struct {
	from string
	reachReport
	ended bool
}

// reached takes a host's report. One that nobody asked for is dropped.
func (f *fleet) reached(host string, r reachReport) {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case f.reaches <- reachResult{from: host, reachReport: r}:
	default:
	}
}

// reach has hosts that need each other link with each other, and returns those
// that could not. Pairs of which a host has ended are left out: that is told
// of the host.
func (f *fleet) reach(ctx context.Context, pairs []hostPair) ([]*PairError, error) {
	if len(pairs) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, reachPatience)
	defer cancel()
	results := make(chan reachResult, 4*len(pairs)) // room for whatever is reported, so that no host is held up
	f.mu.Lock()
	f.reaches = results
	f.mu.Unlock()
	r := newReaching(pairs, f.run.graph.needs)
	f.orderLinks(r.first())
	var watchers sync.WaitGroup
	defer watchers.Wait()
	defer cancel()
	for name := range peersOf(pairs) {
		p := f.host(name)
		watchers.Go(func() {
			select {
			case <-p.over:
			case <-ctx.Done():
				return
			}
			select {
			case results <- reachResult{from: name, ended: true}:
			case <-ctx.Done():
			}
		})
	}
	otherWay := time.NewTimer(otherWayAfter)
	defer otherWay.Stop()
	for !r.settled() {
		select {
		case result := <-results:
			f.orderLinks(r.take(result))
		case <-otherWay.C:
			f.orderLinks(r.reverseAll())
		case <-ctx.Done():
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return nil, context.Cause(ctx)
			}
			r.giveUp()
		}
	}
	failed := r.failures()
	for _, e := range failed {
		if p := f.host(e.To); p != nil {
			p.mu.Lock()
			e.Address = p.address
			p.mu.Unlock()
		}
	}
	return failed, nil
}

func (f *fleet) host(name string) *hostProcess {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hosts[name]
}

// orderLinks sends hosts to each other; a host that is stuck holds up no other.
func (f *fleet) orderLinks(pairs []hostPair) {
	orders := map[string][]reachOrder{}
	for _, p := range pairs {
		to := f.host(p.to)
		to.mu.Lock()
		orders[p.from] = append(orders[p.from], reachOrder{p.to, to.address})
		to.mu.Unlock()
	}
	for name, o := range orders {
		p := f.host(name)
		f.group.Go(func() { p.command(command{Reach: o}) })
	}
}
